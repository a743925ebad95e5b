"""The fine print, each line learned once: over HTTP, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core import Retry, Unclear
from tests.conftest import Clock, Driver
from tests.telling import CANCELLED, CREATED, RECORD, UPDATED, gateway, said, service, staff, states, types, verdict, with_gateway

Play = Callable[..., Any]
QUIET = {"quiet_hours": {"from": "22:00", "to": "09:00"}}
EVENING = datetime(2025, 8, 20, 20, 0, tzinfo=UTC)  # 23:00 in Moscow
TOMORROW = {"date": "2025-08-22 14:30:00", "datetime": "2025-08-22T14:30:00+03:00"}
OPERATOR = {"headers": {"Authorization": "Bearer operators-token"}}


def test_a_night_is_one_message(play: Play) -> None:
    """Booked and moved at night: in the morning one message with the last state."""

    async def story(app: Driver) -> None:
        first = await app.tell(said(at="23:00"))
        assert (first["status"], first["rule"]) == ("deferred", "quiet_hours")
        second = await app.tell(said("update", at="23:10", hour="16:00"))
        assert await app.messages() == []
        await app.settle(10 * 3600)
        assert await types(app) == [CREATED]
        assert "📅 21 августа в 16:00" in (await app.texts())[0].splitlines()
        folded = f"folded into event {second['event_id']}, which decided"
        assert verdict(await app.story(first["event_id"])) == ("suppressed", "settle", folded)

    play(story, filter=QUIET, clock=Clock(EVENING))


def test_a_night_that_comes_to_nothing(play: Play) -> None:
    """Booked and deleted at night: nothing in the morning."""

    async def story(app: Driver) -> None:
        await app.tell(said(at="23:00"))
        await app.tell(said("delete", at="23:10", deleted=True))
        await app.settle(10 * 3600)
        assert await app.messages() == []

    play(story, filter=QUIET, clock=Clock(EVENING))


def test_an_unclear_message_that_failed(play: Play, tmp_path: Path) -> None:
    """Unclear, then failed after all: announced moves back, and the next change is a new booking."""

    async def story(app: Driver) -> None:
        gateway().ANSWERS.append(Unclear("no answer"))
        await app.tell(said())
        reference = (await app.messages())[0]["reference"]
        await app.post(f"{reference} failed".encode(), "/callback/scripted")
        await app.settle()
        assert await states(app) == [(CREATED, "failed")]
        await app.tell(said("update", at="11:10", hour="16:00"))
        assert await states(app) == [(CREATED, "failed"), (CREATED, "sent")]

    play(story, **with_gateway(tmp_path))


def test_an_unclear_message_that_arrived(play: Play, tmp_path: Path) -> None:
    """Unclear, then delivered: it is told, once."""

    async def story(app: Driver) -> None:
        gateway().ANSWERS.append(Unclear("no answer"))
        await app.tell(said())
        reference = (await app.messages())[0]["reference"]
        await app.post(f"{reference} delivered".encode(), "/callback/scripted")
        await app.settle()
        assert await states(app) == [(CREATED, "delivered")]
        assert len(gateway().PHONES) == 1

    play(story, **with_gateway(tmp_path))


def test_expired_and_touched(play: Play, tmp_path: Path) -> None:
    """After a day of a busy gateway the message expires; a comment does not revive it, a new hour does."""

    async def story(app: Driver) -> None:
        gateway().ANSWERS.extend([Retry("busy", after=timedelta(hours=9))] * 3)
        await app.tell(said(**TOMORROW))
        for _ in range(3):
            await app.settle(10 * 3600)
        assert [(row["status"], row["error"]) for row in await app.messages()] == [("expired", "busy")]
        touched = await app.tell(said("update", at="12:00", comment="кофе", **TOMORROW))
        why = "the last message did not get through, and nothing the client could see differs since"
        assert verdict(touched) == ("suppressed", "unchanged", why)
        moved = {"date": "2025-08-22 16:00:00", "datetime": "2025-08-22T16:00:00+03:00"}
        await app.tell(said("update", at="12:10", **moved))
        assert await states(app) == [(CREATED, "expired"), (CREATED, "sent")]

    play(story, **with_gateway(tmp_path))


def test_the_other_bot_was_faster(play: Play, tmp_path: Path) -> None:
    """Another bot tells the client while our message waits: ours is withdrawn, and the next change is told as one."""

    async def story(app: Driver) -> None:
        gateway().ANSWERS.append(Retry("busy"))
        await app.tell(said())
        await app.post({"record_id": RECORD, "told": True}, "/activity", **OPERATOR)
        await app.settle(60)
        assert await states(app) == [(CREATED, "superseded")]
        await app.tell(said("update", at="11:10", hour="16:00"))
        assert await states(app) == [(CREATED, "superseded"), (UPDATED, "sent")]

    play(story, **with_gateway(tmp_path))


def test_to_the_waiting_list_and_away(play: Play) -> None:
    """An announced booking moved to the waiting list is silent; deleted there, the client hears of the visit they knew."""

    async def story(app: Driver) -> None:
        await app.tell(said())
        silent = await app.tell(said("update", at="11:05", hour="20:00", staff=staff("Очередь", 1)))
        assert verdict(silent) == ("suppressed", "skip_staff", '"Очередь" is no real staff')
        await app.tell(said("delete", at="11:10", hour="20:00", staff=staff("Очередь", 1), deleted=True))
        assert await types(app) == [CREATED, CANCELLED]
        assert "Была на: 21 августа в 14:30" in (await app.texts())[1].splitlines()

    play(story)


def test_to_the_waiting_list_and_back(play: Play) -> None:
    """Moved to the waiting list and back to where it was: the client knows all of it already."""

    async def story(app: Driver) -> None:
        await app.tell(said())
        await app.tell(said("update", at="11:05", staff=staff("Очередь", 1)))
        back = await app.tell(said("update", at="11:10"))
        assert verdict(back) == ("suppressed", "unchanged", "nothing that the client could see differs")
        assert await types(app) == [CREATED]

    play(story)


def test_a_price_may_be_worth_a_message(play: Play) -> None:
    """With "price" in `tell` a new price alone is a change."""

    async def story(app: Driver) -> None:
        await app.tell(said())
        await app.tell(said("update", at="11:05", services=[service("МУЖСКАЯ СТРИЖКА", 18356041, 2500)]))
        assert await types(app) == [CREATED, UPDATED]

    play(story, filter={"unchanged": {"tell": ["time", "price"]}})


def test_a_past_visit_is_cancelled_silently(play: Play) -> None:
    """A cancellation is judged by the hour the client knows: once that has passed, a deletion tells nothing."""

    async def story(app: Driver) -> None:
        soon = {"date": "2025-08-20 13:00:00", "datetime": "2025-08-20T13:00:00+03:00"}
        await app.tell(said(**soon))
        await app.settle(2 * 3600)
        silent = await app.tell(said("delete", at="13:59", hour="18:00", deleted=True))
        assert verdict(silent) == ("suppressed", "past_visit", "the visit began on 20.08.2025 at 13:00")
        assert await types(app) == [CREATED]

    play(story)


@pytest.mark.parametrize(
    ("zone", "offset", "ahead"),
    [("Asia/Vladivostok", "+03:00", False), (None, "+10:00", False), (None, "+03:00", True), (None, None, True)],
)
def test_whose_clock(play: Play, zone: str | None, offset: str | None, ahead: bool) -> None:
    """The visit's hour is the salon's wall clock: by its time zone, else the offset of `datetime`, else Moscow's."""
    stamp = f"2025-08-20T17:00:00{offset}" if offset else None

    async def story(app: Driver) -> None:
        told = await app.tell(said(date="2025-08-20 17:00:00", datetime=stamp, company_id=7))
        assert (told["status"], told["rule"]) == (("processed", None) if ahead else ("suppressed", "past_visit"))

    play(story, salon={"7": {"timezone": zone} if zone else {}})


def test_restored_while_the_cancellation_waits(play: Play, tmp_path: Path) -> None:
    """Deleted and restored before the cancellation left: the client knows the booking, so nothing is told."""

    async def story(app: Driver) -> None:
        await app.tell(said())
        gateway().ANSWERS.append(Retry("busy"))
        await app.tell(said("delete", at="11:05", deleted=True))
        back = await app.tell(said("update", at="11:10"))
        assert verdict(back) == ("suppressed", "unchanged", "nothing that the client could see differs")
        await app.settle(60)
        assert await states(app) == [(CREATED, "sent"), (CANCELLED, "superseded")]

    play(story, **with_gateway(tmp_path))


def test_attended_while_the_message_waits(play: Play, tmp_path: Path) -> None:
    """The client comes while a message about the visit still waits: it is withdrawn."""

    async def story(app: Driver) -> None:
        gateway().ANSWERS.append(Retry("busy"))
        await app.tell(said())
        await app.tell(said("update", at="11:10", attendance=1))
        await app.settle(60)
        assert await states(app) == [(CREATED, "superseded")]

    play(story, **with_gateway(tmp_path))


def test_hindered_and_opened(play: Play) -> None:
    """A phone that cannot be one is a hindrance with its reason, and the deletion that follows tells nobody."""

    async def story(app: Driver) -> None:
        silent = await app.tell(said(client={"name": "Арсен", "phone": "12"}))
        assert (silent["status"], silent["rule"]) == ("suppressed", None)
        assert "phone" in silent["reason"]
        await app.tell(said("delete", at="11:05", deleted=True))
        assert await app.messages() == []

    play(story)
