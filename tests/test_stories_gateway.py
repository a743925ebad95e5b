"""What a gateway answers, and what the client is told after it: over HTTP, on both databases, with a scripted transport."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core import Rejected, Retry, SendResult, Unclear
from tests.conftest import Driver
from tests.telling import CANCELLED, CREATED, RECORD, UPDATED, client, gateway, said, service, states, types, verdict, with_gateway

Play = Callable[..., Any]
TRIED = "the last message did not get through, and nothing the client could see differs since"
BUSY = Retry("busy")


@pytest.fixture
def answers(play: Play, tmp_path: Path) -> Callable[..., Any]:
    """`answers(story, …)`: play a story against the scripted gateway."""

    def run(story: Callable[[Driver], Any], **tables: Any) -> Any:
        return play(story, **{**with_gateway(tmp_path), **tables})

    return run


@pytest.mark.parametrize("answer", [Rejected("no WhatsApp here"), Rejected("a bad text", scope="content")])
def test_a_failed_message(answers: Play, answer: SendResult) -> None:
    """What did not get through is not tried again for a comment; something visible makes it a new booking."""

    async def story(app: Driver) -> None:
        gateway().ANSWERS.append(answer)
        await app.tell(said())
        touched = await app.tell(said("update", at="11:05", comment="кофе"))
        assert verdict(touched) == ("suppressed", "unchanged", TRIED)
        await app.tell(said("update", at="11:10", hour="16:00"))
        assert await states(app) == [(CREATED, "failed"), (CREATED, "sent")]
        assert "📅 21 августа в 16:00" in (await app.texts())[0].splitlines()

    answers(story)


def test_a_failed_change(answers: Play) -> None:
    """A change that did not get through leaves announced where it was: the next one is a change against it."""

    async def story(app: Driver) -> None:
        await app.tell(said())
        gateway().ANSWERS.append(Rejected("no WhatsApp here"))
        await app.tell(said("update", at="11:05", hour="16:00"))
        touched = await app.tell(said("update", at="11:06", hour="16:00", comment="кофе"))
        assert verdict(touched) == ("suppressed", "unchanged", TRIED)
        back = await app.tell(said("update", at="11:10"))
        assert verdict(back) == ("suppressed", "unchanged", "nothing that the client could see differs")
        await app.tell(said("update", at="11:15", hour="17:00"))
        assert await states(app) == [(CREATED, "sent"), (UPDATED, "failed"), (UPDATED, "sent")]

    answers(story)


def test_a_failed_message_after_a_silent_price(answers: Play) -> None:
    """A rule's earlier silence is no licence to try a failed message again."""

    async def story(app: Driver) -> None:
        dear = [service("МУЖСКАЯ СТРИЖКА", 18356041, 2500)]
        await app.tell(said())
        await app.tell(said("update", at="11:05", services=dear))
        gateway().ANSWERS.append(Rejected("no WhatsApp here"))
        await app.tell(said("update", at="11:10", hour="16:00", services=dear))
        touched = await app.tell(said("update", at="11:15", hour="16:00", services=dear, comment="кофе"))
        assert verdict(touched) == ("suppressed", "unchanged", TRIED)
        assert await states(app) == [(CREATED, "sent"), (UPDATED, "failed")]

    answers(story)


def test_a_failed_message_to_another_phone(answers: Play) -> None:
    """A message that failed at a new phone is not tried again for a comment either."""

    async def story(app: Driver) -> None:
        await app.tell(said())
        gateway().ANSWERS.append(Rejected("no WhatsApp here"))
        await app.tell(said("update", at="11:05", client=client("+79000000099")))
        touched = await app.tell(said("update", at="11:10", client=client("+79000000099"), comment="кофе"))
        assert verdict(touched) == ("suppressed", "unchanged", TRIED)
        assert await states(app) == [(CREATED, "sent"), (CREATED, "failed")]

    answers(story)


def test_failed_and_away_and_again(answers: Play) -> None:
    """What failed, was taken back and is done again is a new change, and is tried again."""

    async def story(app: Driver) -> None:
        await app.tell(said())
        gateway().ANSWERS.append(Rejected("no WhatsApp here"))
        await app.tell(said("update", at="11:05", hour="16:00"))
        await app.tell(said("update", at="11:06"))
        await app.tell(said("update", at="11:07", hour="16:00"))
        assert await states(app) == [(CREATED, "sent"), (UPDATED, "failed"), (UPDATED, "sent")]

    answers(story)


def test_a_cancellation_that_failed(answers: Play) -> None:
    """A failed cancellation is not tried again by its second webhook; restored and deleted anew, it is."""

    async def story(app: Driver) -> None:
        await app.tell(said())
        gateway().ANSWERS.append(Rejected("no WhatsApp here"))
        await app.tell(said("delete", at="11:05", deleted=True))
        second = await app.tell(said("update", at="11:06", deleted=True))
        assert verdict(second) == ("suppressed", "unchanged", TRIED)
        back = await app.tell(said("update", at="11:07"))
        assert verdict(back) == ("suppressed", "unchanged", "nothing that the client could see differs")
        await app.tell(said("delete", at="11:08", deleted=True))
        assert await states(app) == [(CREATED, "sent"), (CANCELLED, "failed"), (CANCELLED, "sent")]

    answers(story)


def test_failed_and_deleted(answers: Play) -> None:
    """A booking whose message failed, and which is deleted: the client never heard of it."""

    async def story(app: Driver) -> None:
        gateway().ANSWERS.append(Rejected("no WhatsApp here"))
        await app.tell(said())
        gone = await app.tell(said("delete", at="11:05", deleted=True))
        assert verdict(gone) == ("suppressed", "unchanged", "created and cancelled before the client was told")
        assert await states(app) == [(CREATED, "failed")]

    answers(story)


def test_an_unclear_message_counts_as_told(answers: Play) -> None:
    """The client may know: it is not repeated, and the next change is one against it."""

    async def story(app: Driver) -> None:
        gateway().ANSWERS.append(Unclear("no answer"))
        await app.tell(said())
        touched = await app.tell(said("update", at="11:05", comment="кофе"))
        assert verdict(touched) == ("suppressed", "unchanged", "only the comment differs")
        await app.tell(said("update", at="11:10", hour="16:00"))
        assert await states(app) == [(CREATED, "unclear"), (UPDATED, "sent")]

    answers(story)


def test_a_message_given_up_later(answers: Play) -> None:
    """Accepted, and failed by the gateway after all: announced moves back, so the next change is a new booking."""

    async def story(app: Driver) -> None:
        await app.tell(said())
        await app.post(b"g1 failed", "/callback/scripted")
        await app.settle()
        assert await states(app) == [(CREATED, "failed")]
        touched = await app.tell(said("update", at="11:05", comment="кофе"))
        assert verdict(touched) == ("suppressed", "unchanged", TRIED)
        await app.tell(said("update", at="11:10", hour="16:00"))
        assert await states(app) == [(CREATED, "failed"), (CREATED, "sent")]

    answers(story)


def test_given_up_after_newer_news(answers: Play) -> None:
    """An old message fails after a newer one was sent: what is announced stays with the newer one."""

    async def story(app: Driver) -> None:
        await app.tell(said())
        await app.tell(said("update", at="11:05", hour="16:00"))
        await app.post(b"g1 failed", "/callback/scripted")
        await app.settle()
        touched = await app.tell(said("update", at="11:10", hour="16:00", comment="кофе"))
        assert verdict(touched) == ("suppressed", "unchanged", "only the comment differs")

    answers(story)


def test_a_retry_tells_the_newest_state(answers: Play) -> None:
    """A newer state supersedes what waits, inherits its attempts and its next attempt, and is one message."""

    async def story(app: Driver) -> None:
        gateway().ANSWERS.append(BUSY)
        first = await app.tell(said())
        waits = (await app.messages())[0]
        assert (waits["status"], waits["attempts"], waits["error"]) == ("pending", 1, "busy")
        newer = await app.tell(said("update", at="11:05", hour="16:00"))
        old, new = await app.messages()
        assert (old["status"], old["error"]) == ("superseded", f"replaced by event {newer['event_id']}")
        assert (new["status"], new["notification_type"], new["attempts"]) == ("pending", CREATED, 1)
        assert new["due_at"] == old["due_at"] == waits["due_at"]
        await app.settle(10)
        assert await states(app) == [(CREATED, "superseded"), (CREATED, "sent")]
        assert (await app.messages())[1]["attempts"] == 2
        assert "📅 21 августа в 16:00" in (await app.texts())[0].splitlines()
        assert verdict(await app.story(first["event_id"])) == ("processed", None, None)

    answers(story)


def test_a_comment_does_not_disturb_what_waits(answers: Play) -> None:
    """A message that waits for its next attempt goes on waiting when nothing visible changes."""

    async def story(app: Driver) -> None:
        gateway().ANSWERS.append(BUSY)
        await app.tell(said())
        touched = await app.tell(said("update", at="11:05", comment="кофе"))
        assert verdict(touched) == ("suppressed", "unchanged", "the message that waits tells the same")
        await app.settle(10)
        assert await states(app) == [(CREATED, "sent")]

    answers(story)


def test_back_while_it_waits(answers: Play) -> None:
    """A change that is taken back while its message waits is told nobody."""

    async def story(app: Driver) -> None:
        await app.tell(said())
        gateway().ANSWERS.append(BUSY)
        await app.tell(said("update", at="11:05", hour="16:00"))
        await app.tell(said("update", at="11:06"))
        await app.settle(60)
        assert await states(app) == [(CREATED, "sent"), (UPDATED, "superseded")]

    answers(story)


def test_cancelled_while_the_creation_waits(answers: Play) -> None:
    """Deleted before the client heard of it: the creation is withdrawn, and no cancellation is told."""

    async def story(app: Driver) -> None:
        gateway().ANSWERS.append(BUSY)
        await app.tell(said())
        gone = await app.tell(said("delete", at="11:05", deleted=True))
        assert verdict(gone) == ("suppressed", "unchanged", "created and cancelled before the client was told")
        await app.settle(60)
        assert await states(app) == [(CREATED, "superseded")]

    answers(story)


def test_cancelled_while_the_change_waits(answers: Play) -> None:
    """A change that waits is replaced by the cancellation, which tells the hour the client knows."""

    async def story(app: Driver) -> None:
        await app.tell(said())
        gateway().ANSWERS.append(BUSY)
        await app.tell(said("update", at="11:05", hour="16:00"))
        await app.tell(said("delete", at="11:10", hour="16:00", deleted=True))
        await app.settle(60)
        assert await states(app) == [(CREATED, "sent"), (UPDATED, "superseded"), (CANCELLED, "sent")]
        assert "Была на: 21 августа в 14:30" in (await app.texts())[1].splitlines()

    answers(story)


def test_a_creation_overtaken_while_the_change_waits(answers: Play) -> None:
    """The older creation comes while the change still waits: the unsent change becomes a new booking."""

    async def story(app: Driver) -> None:
        gateway().ANSWERS.append(BUSY)
        await app.tell(said("update", at="11:05", hour="16:00"))
        assert await states(app) == [(UPDATED, "pending")]
        late = await app.tell(said(at="11:00"))
        assert verdict(late) == ("processed", None, None)
        await app.settle(60)
        assert await states(app) == [(UPDATED, "superseded"), (CREATED, "sent")]
        assert "📅 21 августа в 16:00" in (await app.texts())[0].splitlines()

    answers(story)


def test_a_stale_change_leaves_what_waits(answers: Play) -> None:
    """An older change that arrives late does not withdraw the newer message that waits."""

    async def story(app: Driver) -> None:
        await app.tell(said())
        gateway().ANSWERS.append(BUSY)
        await app.tell(said("update", at="11:10", hour="16:00"))
        late = await app.tell(said("update", at="11:05", hour="15:00"))
        assert verdict(late) == ("suppressed", "stale", "a change of 11:10:00 is already known")
        await app.settle(60)
        assert await states(app) == [(CREATED, "sent"), (UPDATED, "sent")]

    answers(story)


def test_expired_at_the_visit(answers: Play) -> None:
    """A gateway that is busy until the visit: the message expires, and a comment does not revive it."""

    async def story(app: Driver) -> None:
        gateway().ANSWERS.extend([BUSY] * 200)
        soon = {"date": "2025-08-20 12:30:00", "datetime": "2025-08-20T12:30:00+03:00"}
        await app.tell(said(**soon))
        for _ in range(30):
            await app.settle(60)
        assert [(row["status"], row["error"]) for row in await app.messages()] == [("expired", "busy")]
        touched = await app.tell(said("update", at="12:31", comment="кофе", **soon))
        assert touched["status"] == "suppressed"
        assert len(await app.messages()) == 1

    answers(story)


def test_an_opt_out_between_two_attempts(answers: Play) -> None:
    """The rules are asked again before every attempt: СТОП between a failure and its retry is respected."""

    async def story(app: Driver) -> None:
        await app.tell(said())
        gateway().ANSWERS.append(BUSY)
        moved = await app.tell(said("update", at="11:05", hour="16:00"))
        await app.post("+79000000088 СТОП".encode(), "/callback/scripted")
        await app.settle(60)
        assert await states(app) == [(CREATED, "sent"), (UPDATED, "failed"), ("opted_out", "sent")]
        kept = await app.story(moved["event_id"])
        assert verdict(kept) == ("suppressed", "opt_out", "the client said СТОП on 20.08.2025 at 09:00 UTC")
        assert len(gateway().PHONES) == 3  # the booking, the attempt that failed, the answer

    answers(story)


def test_a_request_that_is_open(answers: Play) -> None:
    """A booking with a request open at a gateway is decided when the fate of that request is known."""

    async def story(app: Driver) -> None:
        entered, leave = asyncio.Event(), asyncio.Event()
        gateway().WAIT.append((entered, leave))
        await app.post(said())
        sending = asyncio.create_task(app.settle())
        await entered.wait()
        gateway().WAIT.clear()
        number = (await app.post(said("update", at="11:05", hour="16:00"))).json()["eventId"]
        assert await app.vestnik.worker.decider.step() == 0
        assert (await app.story(number))["status"] == "received"
        leave.set()
        await sending
        await app.settle()
        assert await states(app) == [(CREATED, "sent"), (UPDATED, "sent")]

    answers(story)


def test_a_transport_out_of_order(answers: Play) -> None:
    """An account that is out of order is paused: the message waits, is told once, and no attempt is wasted meanwhile."""

    async def story(app: Driver) -> None:
        gateway().ANSWERS.append(Retry("logged out", after=timedelta(minutes=5), scope="transport", alert=True))
        await app.tell(said())
        await app.tell(said(id=RECORD + 1, resource_id=RECORD + 1))
        assert len(gateway().PHONES) == 1
        assert [status for _, status in await states(app)] == ["pending", "pending"]
        await app.settle(600)
        assert await types(app) == [CREATED, CREATED]
        assert len(gateway().PHONES) == 3

    answers(story)


def test_no_transport_at_all(play: Play) -> None:
    """With no transport switched on the message fails with the reason, and something visible tells it later."""

    async def story(app: Driver) -> None:
        told = await app.tell(said())
        assert told["reason"] == "no transport carries a channel of [route]; switch one on"
        touched = await app.tell(said("update", at="11:05", comment="кофе"))
        assert verdict(touched) == ("suppressed", "unchanged", TRIED)
        assert await states(app) == [(CREATED, "failed")]

    play(story, send={"console": None})


def test_the_phone_returns_after_a_failure(answers: Play) -> None:
    """A booking hindered by a missing phone, then failed, is told again only for something visible."""

    async def story(app: Driver) -> None:
        await app.tell(said(client=client("")))
        gateway().ANSWERS.append(Rejected("no WhatsApp here"))
        await app.tell(said("update", at="11:05"))
        touched = await app.tell(said("update", at="11:10", comment="кофе"))
        assert verdict(touched) == ("suppressed", "unchanged", TRIED)
        await app.tell(said("update", at="11:15", hour="16:00"))
        assert await states(app) == [(CREATED, "failed"), (CREATED, "sent")]

    answers(story)
