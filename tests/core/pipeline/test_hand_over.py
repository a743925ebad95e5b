"""What is decided and may leave at once is sent by whoever decided it; what may not waits until it is claimed."""

from __future__ import annotations

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


def test_what_finds_no_slot_waits_for_its_turn(play: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many bookings decided together, only twice as many as may be sent at once are handed over; the rest is claimed, and all arrive once."""

    async def story(app: Driver) -> None:
        for number in range(40):
            await app.post(body("record_create_discount50", id=5_000 + number, resource_id=5_000 + number))
        worker, handed = app.vestnik.worker, []
        take = worker.sender.take

        async def counted(given: Sequence[Any]) -> None:
            handed.extend(given)
            await take(given)

        monkeypatch.setattr(worker.sender, "take", counted)
        await worker.decider.step()
        assert (len(await app.messages()), len(handed)) == (40, 2)  # the console takes one at once, and one may stand behind it
        await app.settle()
        assert [row["status"] for row in await app.messages()] == ["sent"] * 40

    play(story)


def test_who_stops_takes_nothing_over(play: Callable[..., Any]) -> None:
    """While we stop, nothing is handed over: the message is written without a lease, and whoever runs next sends it."""

    async def story(app: Driver) -> None:
        app.vestnik.worker.sender.stopping = True
        await app.post(body("record_create_discount50"))
        await app.vestnik.worker.decider.step()
        (row,) = await app.messages()
        assert (row["status"], row["lease_owner"]) == ("pending", None)
        app.vestnik.worker.sender.stopping = False
        app.clock.now += timedelta(seconds=1)
        await app.settle()
        assert [row["status"] for row in await app.messages()] == ["sent"]

    play(story)
