"""Bursts, repeats and webhooks out of order end in the same messages: over HTTP, on both databases."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Driver, body
from tests.telling import CANCELLED, CREATED, RECORD, UPDATED, client, said, service, staff, states, types, verdict

Play = Callable[..., Any]
SETTLE = {"settle": {"wait": "20s"}}
BARE_DELETE = body("record_delete_data_empty")
KNOWN = "a change of 11:10:00 is already known"


async def ids(app: Driver, *payloads: Any) -> list[str]:
    """Post webhooks that arrive together; their event ids."""
    answers = [await app.post(payload) for payload in payloads]
    return [answered.json()["eventId"] for answered in answers]


async def verdicts(app: Driver, numbers: list[str]) -> list[tuple[str, str | None, str | None]]:
    return [verdict(await app.story(number)) for number in numbers]


def test_a_burst_is_one_message(play: Play) -> None:
    """Edits within the settle window become one message that tells the last state; the folded ones name the event that decided."""

    async def story(app: Driver) -> None:
        first = await app.tell(said(at="11:00"))
        assert verdict(first) == ("deferred", "settle", "waits 20 s for further edits")
        await app.settle(10)
        second = await app.tell(said("update", at="11:01", hour="15:00"))
        third = await app.tell(said("update", at="11:02", hour="16:00"))
        assert await app.messages() == []
        await app.settle(10)
        assert await types(app) == [CREATED]
        assert "📅 21 августа в 16:00" in (await app.texts())[0].splitlines()
        folded = ("suppressed", "settle", f"folded into event {third['event_id']}, which decided")
        numbers = [first["event_id"], second["event_id"], third["event_id"]]
        assert await verdicts(app, numbers) == [folded, folded, ("processed", None, None)]

    play(story, filter=SETTLE)


def test_what_arrives_together_is_folded_too(play: Play) -> None:
    """Without a wait, events that are decided in one batch are folded by the same name."""

    async def story(app: Driver) -> None:
        numbers = await ids(
            app, said("update", at="11:02", hour="16:00"), said(at="11:00"), said("update", at="11:01", hour="15:00")
        )
        await app.settle()
        folded = ("suppressed", "settle", f"folded into event {numbers[0]}, which decided")
        assert await verdicts(app, numbers) == [("processed", None, None), folded, folded]
        assert await types(app) == [CREATED]
        assert "📅 21 августа в 16:00" in (await app.texts())[0].splitlines()

    play(story)


def test_a_burst_that_ends_where_it_began(play: Play) -> None:
    """14:30 → 16:00 → 14:30 within the window tells nothing."""

    async def story(app: Driver) -> None:
        await app.tell(said())
        await app.settle(20)
        numbers = await ids(app, said("update", at="11:01", hour="16:00"), said("update", at="11:02"))
        await app.settle()
        await app.settle(20)
        assert (await verdicts(app, numbers))[1] == ("suppressed", "unchanged", "nothing that the client could see differs")
        assert await types(app) == [CREATED]

    play(story, filter=SETTLE)


def test_created_and_deleted_within_the_window(play: Play) -> None:
    """Created and deleted before it was decided: seen and not announced, so nothing is told."""

    async def story(app: Driver) -> None:
        numbers = await ids(app, said(at="11:00"), said("delete", at="11:01", deleted=True))
        await app.settle(20)
        assert await verdicts(app, numbers) == [
            ("suppressed", "settle", f"folded into event {numbers[1]}, which decided"),
            ("suppressed", "unchanged", "created and cancelled before the client was told"),
        ]
        assert await app.messages() == []
        late = await app.tell(said("update", at="11:00", comment="late"))
        assert late["rule"] == "stale"

    play(story, filter=SETTLE)


def test_the_window_counts_from_the_first(play: Play) -> None:
    """A long burst ends too: the wait is not prolonged by every edit."""

    async def story(app: Driver) -> None:
        await app.tell(said(at="11:00"))
        for n in (1, 2, 3):
            await app.settle(6)
            await app.tell(said("update", at=f"11:0{n}", comment=str(n)))
        await app.settle(2)
        assert await types(app) == [CREATED]

    play(story, filter=SETTLE)


def test_a_soon_cancellation_does_not_wait(play: Play) -> None:
    """A cancellation of a visit within three hours is told at once."""

    async def story(app: Driver) -> None:
        soon = {"date": "2025-08-20 14:30:00", "datetime": "2025-08-20T14:30:00+03:00"}
        await app.tell(said(**soon))
        await app.settle(20)
        await app.tell(said("delete", at="11:05", deleted=True, **soon))
        assert await types(app) == [CREATED, CANCELLED]

    play(story, filter=SETTLE)


def test_a_change_overtakes_its_creation(play: Play) -> None:
    """The creation arrives before the message leaves: the client is told of a booking, with the newest state."""

    async def story(app: Driver) -> None:
        await app.tell(said("update", at="11:05", hour="16:00"))
        await app.settle(5)
        await app.tell(said(at="11:00"))
        await app.settle(15)
        assert await types(app) == [CREATED]
        assert "📅 21 августа в 16:00" in (await app.texts())[0].splitlines()

    play(story, filter=SETTLE)


def test_the_creation_comes_too_late(play: Play) -> None:
    """The creation arrives after its change was told: silent, and stale by name."""

    async def story(app: Driver) -> None:
        await app.tell(said("update", at="11:10", hour="16:00"))
        late = await app.tell(said(at="11:00"))
        assert verdict(late) == ("suppressed", "stale", KNOWN)
        assert await types(app) == [UPDATED]

    play(story)


def test_an_older_change_never_overwrites(play: Play) -> None:
    """An older change that arrives late tells nothing, and what is known stays."""

    async def story(app: Driver) -> None:
        await app.tell(said(at="11:00"))
        await app.tell(said("update", at="11:10", hour="16:00"))
        late = await app.tell(said("update", at="11:05", hour="15:00"))
        assert verdict(late) == ("suppressed", "stale", KNOWN)
        assert await types(app) == [CREATED, UPDATED]
        row = (await app.rows("SELECT visit_at, services, is_cancelled FROM appointments_cache"))[0]
        assert str(row["visit_at"])[:16].replace("T", " ") == "2025-08-21 13:00"
        again = await app.tell(said("update", at="11:11", hour="16:00"))
        assert verdict(again) == ("suppressed", "unchanged", "nothing that the client could see differs")

    play(story)


def test_a_stale_change_in_a_batch(play: Play) -> None:
    """Older than what is known, and decided together with a newer one: suppressed as stale, not as folded."""

    async def story(app: Driver) -> None:
        await app.tell(said(at="11:10"))
        numbers = await ids(app, said("update", at="11:05", hour="15:00"), said("update", at="11:15", hour="16:00"))
        await app.settle()
        assert await verdicts(app, numbers) == [
            ("suppressed", "stale", "a newer change of the booking is already known"),
            ("processed", None, None),
        ]

    play(story)


def test_an_older_deletion_counts(play: Play) -> None:
    """A deletion is final: one that bears an older date than a change still cancels."""

    async def story(app: Driver) -> None:
        await app.tell(said(at="11:00"))
        await app.tell(said("update", at="11:10", hour="16:00"))
        told = await app.tell(said("delete", at="11:05", deleted=True))
        assert verdict(told) == ("processed", None, None)
        assert await types(app) == [CREATED, UPDATED, CANCELLED]
        assert "Была на: 21 августа в 16:00" in (await app.texts())[2].splitlines()

    play(story)


def test_at_equal_dates_a_deletion_wins(play: Play) -> None:
    """Of two changes of the same second the later arrival counts; but a deletion wins, in whichever order."""

    async def story(app: Driver) -> None:
        await app.tell(said(at="11:00"))
        await app.tell(said("update", at="11:10", hour="15:00"))
        await app.tell(said("update", at="11:10", hour="16:00"))
        await app.tell(said("delete", at="11:20", deleted=True))
        late = await app.tell(said("update", at="11:20", hour="16:00"))
        assert verdict(late) == ("suppressed", "stale", "a change of 11:20:00 is already known")
        assert await types(app) == [CREATED, UPDATED, UPDATED, CANCELLED]
        assert "📅 21 августа в 16:00" in (await app.texts())[2].splitlines()

    play(story)


def test_a_bare_deletion_is_told_from_our_snapshot(play: Play) -> None:
    """`data: []` says only the id: the cancellation is told from what we know."""

    async def story(app: Driver) -> None:
        await app.tell(said())
        told = await app.tell(BARE_DELETE)
        assert verdict(told) == ("processed", None, None)
        assert (await app.texts())[1] == (
            "❌ *Ваша запись отменена*\n\nБыла на: 21 августа в 14:30\nУслуга: МУЖСКАЯ СТРИЖКА\n\n"
            "Хотите записаться на другое время? Напишите мне!"
        )
        again = await app.tell(BARE_DELETE)
        assert again["event_id"] != told["event_id"]
        assert verdict(again) == ("suppressed", "unchanged", "the cancellation has been told already")

    play(story)


def test_a_bare_deletion_and_a_fast_clock(play: Play) -> None:
    """A creation dated ahead of our clock, and its bare deletion, which bears no date, in one window: nothing is told."""

    async def story(app: Driver) -> None:
        first = await app.tell(said(at="12:01"))
        await app.settle(5)
        gone = await app.tell(BARE_DELETE)
        await app.settle(15)
        assert await verdicts(app, [first["event_id"], gone["event_id"]]) == [
            ("suppressed", "settle", f"folded into event {gone['event_id']}, which decided"),
            ("suppressed", "unchanged", "created and cancelled before the client was told"),
        ]
        assert await app.messages() == []

    play(story, filter=SETTLE)


def test_a_tombstone(play: Play) -> None:
    """A bare deletion of an unknown booking leaves a mark: an older creation after it is stale, a newer change is a booking."""

    async def story(app: Driver) -> None:
        gone = await app.tell(BARE_DELETE)
        assert verdict(gone) == ("suppressed", None, "deleted, and nothing is known of the booking")
        late = await app.tell(said(at="11:00"))
        assert verdict(late) == ("suppressed", "stale", "a change of 12:00:00 is already known")
        assert await app.messages() == []
        await app.settle(600)
        await app.tell(said("update", at="12:05"))
        assert await types(app) == [CREATED]

    play(story)


def test_a_repeat_is_counted(play: Play) -> None:
    """The same body again: the same event id, one message, counted on its row, and the story says so."""

    async def story(app: Driver) -> None:
        first = await app.tell(said())
        again = await app.tell(said())
        assert again["event_id"] == first["event_id"]
        assert (await app.rows("SELECT repeats FROM webhook_events"))[0]["repeats"] == 1
        lines = [(line["stage"], line["verdict"], line["plugin"], line["reason"]) for line in again["journal"]]
        assert ("receive", "repeat", "same_event", f"event {first['event_id']} was already taken in") in lines
        assert verdict(again) == ("processed", None, None)
        assert await types(app) == [CREATED]

    play(story)


def test_without_a_date_every_event_is_fresh(play: Play) -> None:
    """A body that names no `last_change_date` is an event of its own each time; state makes the second harmless."""
    undated = said()
    del undated["data"]["last_change_date"]

    async def story(app: Driver) -> None:
        first = await app.tell(undated)
        again = await app.tell(undated)
        assert first["event_id"] != again["event_id"]
        assert verdict(again) == ("suppressed", "unchanged", "nothing that the client could see differs")
        assert await types(app) == [CREATED]

    play(story)


def test_an_array_answers_its_first(play: Play) -> None:
    """An array of events is answered with the event id of its first entry, and every entry is an event."""

    async def story(app: Driver) -> None:
        answered = await app.post([said(at="11:00"), said("update", at="11:01", hour="16:00")])
        rows = await app.rows("SELECT event_id, event_type FROM webhook_events ORDER BY id")
        assert [row["event_type"] for row in rows] == ["record.created", "record.updated"]
        assert answered.json() == {"success": True, "eventId": rows[0]["event_id"]}
        await app.settle()
        assert await types(app) == [CREATED]

    play(story)


def test_a_form_is_read(play: Play) -> None:
    """JSON in a form's field is read, and a NUL or half an emoji in a name costs nothing."""
    text = json.dumps(said(comment="кофе \ud83d и \x00"))

    async def story(app: Driver) -> None:
        answered = await app.post(f"payload={text}".encode(), headers={"Content-Type": "application/x-www-form-urlencoded"})
        await app.settle()
        assert verdict(await app.story(answered.json()["eventId"])) == ("processed", None, None)
        assert await types(app) == [CREATED]

    play(story)


def test_two_bookings_do_not_fold(play: Play) -> None:
    """Two bookings of one client are two messages, whatever arrives together."""
    other = said(hour="18:00", id=RECORD + 1, resource_id=RECORD + 1)

    async def story(app: Driver) -> None:
        await ids(app, said(), other)
        await app.settle()
        assert await states(app) == [(CREATED, "sent"), (CREATED, "sent")]

    play(story)


@pytest.mark.parametrize("changes", [{"hour": "16:00"}, {"staff": staff("Рамзан", 5)}, {"services": [service("БОРОДА", 3)]}])
def test_a_replay_tells_nothing_twice(play: Play, changes: dict[str, Any]) -> None:
    """Old events made undecided again end in the same messages: state, not edges."""

    async def story(app: Driver) -> None:
        await app.tell(said(at="11:00"))
        await app.tell(said("update", at="11:10", **changes))
        before = await states(app)
        await app.vestnik.run.store.inbox.replay("", RECORD, app.clock())
        await app.settle()
        assert before == await states(app) == [(CREATED, "sent"), (UPDATED, "sent")]

    play(story)


def test_there_and_back_between_two_phones(play: Play) -> None:
    """Phone A, phone B, phone A: each is told of the booking when it becomes theirs."""

    async def story(app: Driver) -> None:
        for n, phone in enumerate(("+79000000088", "+79000000099", "+79000000088")):
            await app.tell(said("update" if n else "create", at=f"11:0{n}", client=client(phone)))
        assert [(row["notification_type"], row["phone"][-2:]) for row in await app.messages()] == [
            (CREATED, "88"),
            (CREATED, "99"),
            (CREATED, "88"),
        ]

    play(story)
