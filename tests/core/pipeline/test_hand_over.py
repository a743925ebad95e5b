"""What is decided and may leave at once is sent by whoever decided it; what may not waits until it is claimed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from tests.conftest import Driver, body


def test_a_decided_message_leaves_without_being_claimed(play: Callable[..., Any]) -> None:
    """The decision writes the message under its own lease, and hands it to the sender: it is sent with no look at what is due."""

    async def story(app: Driver) -> None:
        await app.post(body("record_create_discount50"))
        worker = app.vestnik.worker
        await worker.decider.step()
        await worker.sender.finish()
        (row,) = await app.messages()
        assert (row["status"], row["attempts"], row["lease_owner"]) == ("sent", 1, None)

    play(story)


def test_with_a_free_slot_it_is_written_as_being_sent(play: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The decision that tells it is the last thing written before its request: nothing is marked once more, and its text is there for whoever
    finds it after a crash."""

    async def story(app: Driver) -> None:
        run, before = app.vestnik.run, []
        send = app.vestnik.worker.sender.transports.ask

        async def seen(leaving: Any) -> Any:
            before.extend(await app.messages())
            return await send(leaving)

        async def never(*_: object) -> list[bool]:
            raise AssertionError("it is marked already")

        monkeypatch.setattr(app.vestnik.worker.sender.transports, "ask", seen)
        monkeypatch.setattr(run.store.deliveries, "mark_sending", never)
        await app.tell(body("record_create_discount50"))
        (open_,) = before
        assert (open_["status"], open_["attempts"], open_["lease_owner"]) == ("sending", 1, run.owner)
        assert open_["message"].startswith("✅")
        assert open_["sent_at"] == open_["created_at"]
        assert open_["finished_at"] is None
        (row,) = await app.messages()
        assert (row["status"], row["attempts"]) == ("sent", 1)

    play(story)


def test_what_is_answered_and_not_written_keeps_its_place(play: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The console has one slot. While the end of one message is being written no other is written as being sent: a crash would leave two unclear."""

    async def story(app: Driver) -> None:
        worker, deliveries = app.vestnik.worker, app.vestnik.run.store.deliveries
        whole, wait, answered, may_end = deliveries.finish, worker.sender.slots.take, asyncio.Event(), asyncio.Event()

        async def finish(ends: Sequence[Any]) -> list[bool]:
            answered.set()
            await may_end.wait()
            return await whole(ends)

        async def take(*of: Any) -> None:  # who waits for a slot is marked behind what is being written
            await may_end.wait()
            await wait(*of)

        monkeypatch.setattr(deliveries, "finish", finish)
        monkeypatch.setattr(worker.sender.slots, "take", take)
        for number in (1, 2):
            await app.post(body("record_create_discount50", id=number, resource_id=number))
            await worker.decider.step()
            await asyncio.wait_for(answered.wait(), 10)
        assert [row["status"] for row in await app.messages()] == ["sending", "pending"]
        may_end.set()
        await app.settle()
        assert [row["status"] for row in await app.messages()] == ["sent", "sent"]

    play(story)


def test_an_offer_that_is_not_written_gives_its_slot_back(play: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is away when decisions are written: the one slot that the console has is free again afterwards."""

    async def away(*_: object) -> None:
        raise ConnectionError("the database is away")

    async def story(app: Driver) -> None:
        worker = app.vestnik.worker
        await app.post(body("record_create_discount50"))
        with monkeypatch.context() as patch:
            patch.setattr(app.vestnik.run.store.decisions, "save", away)
            with pytest.raises(ConnectionError):
                await worker.decider.step()
        assert await app.messages() == []
        app.clock.now += timedelta(seconds=21)
        await app.settle()
        assert [row["status"] for row in await app.messages()] == ["sent"]

    play(story)


def test_what_finds_no_slot_waits_for_its_turn(play: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many bookings decided together, only twice as many as may be sent at once are handed over; the rest is claimed, and all arrive once."""

    async def story(app: Driver) -> None:
        for number in range(40):
            await app.post(body("record_create_discount50", id=5_000 + number, resource_id=5_000 + number))
        worker, handed = app.vestnik.worker, []
        take = worker.sender.hand_over.take

        def counted(given: Sequence[Any]) -> None:
            handed.extend(given)
            take(given)

        monkeypatch.setattr(worker.sender.hand_over, "take", counted)
        await worker.decider.step()
        assert (len(await app.messages()), len(handed)) == (40, 2)  # the console takes one at once, and one may stand behind it
        await app.settle()
        assert [row["status"] for row in await app.messages()] == ["sent"] * 40

    play(story)


def test_who_stops_takes_nothing_over(play: Callable[..., Any]) -> None:
    """While we stop, nothing is handed over: the message is written without a lease, and whoever runs next sends it."""

    async def story(app: Driver) -> None:
        app.vestnik.worker.sender.slots.closed = True
        await app.post(body("record_create_discount50"))
        await app.vestnik.worker.decider.step()
        (row,) = await app.messages()
        assert (row["status"], row["lease_owner"]) == ("pending", None)
        app.vestnik.worker.sender.slots.closed = False
        app.clock.now += timedelta(seconds=1)
        await app.settle()
        assert [row["status"] for row in await app.messages()] == ["sent"]

    play(story)
