"""A foreign CRM, described in config.toml alone: its bodies in, the exact texts out, on both databases."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from tests.conftest import Driver, drive, settings
from tests.crm import MAPPING, WHSEC, crm, signed
from tests.telling import verdict
from tests.test_stories import CANCELLED, CREATED, UPDATED

Play = Callable[..., Any]
AT = "/webhook/json"


def through(play: Play, story: Callable[[Driver], Any], **keys: Any) -> None:
    play(story, source={"yclients": None, "json": {**MAPPING, **keys}})


def test_the_life_of_a_booking(play: Play) -> None:
    """Booked, moved, cancelled: three webhooks, the three texts, to the byte; and its story is found by the CRM's own id."""

    async def story(app: Driver) -> None:
        for name in ("booking_new", "booking_moved", "booking_cancelled"):
            assert verdict(await app.tell(crm(name), path=AT)) == ("processed", None, None)
        assert await app.texts() == [CREATED, UPDATED, CANCELLED]
        rows = await app.messages()
        assert [row["notification_type"] for row in rows] == ["booking_created", "booking_updated", "booking_cancelled"]
        assert {(row["source"], row["phone"]) for row in rows} == {("json", "+79000000088")}
        found = await app.vestnik.run.store.look.story("b7f1c2d0-17")
        assert [event["event_type"] for event in found] == ["booking.deleted", "booking.updated", "booking.created"]

    through(play, story)


def test_duplicates(play: Play) -> None:
    """The same again is the same event; the same state in another body is nothing to tell."""

    async def story(app: Driver) -> None:
        first, again = [(await app.post(crm(), path=AT)).json()["eventId"] for _ in range(2)]
        assert first == again
        await app.settle()
        same = await app.tell(crm(event="booking.edited", updated_at="2025-08-20T08:05:00Z"), path=AT)
        assert verdict(same) == ("suppressed", "unchanged", "nothing that the client could see differs")
        late = await app.tell(crm(event="booking.edited", updated_at="2025-08-20T07:00:00Z", start="2025-08-21T10:00:00"), path=AT)
        assert (late["status"], late["rule"]) == ("suppressed", "stale")
        assert await app.texts() == [CREATED]
        (known,) = await app.rows("SELECT repeats FROM webhook_events WHERE event_type = 'booking.created'")
        assert known["repeats"] == 1

    through(play, story)


def test_without_the_time_of_changes_arrival_is_the_order(play: Play) -> None:
    """There, back, and there again are told; the same twice is told once."""

    async def story(app: Driver) -> None:
        for hour in ("14:30", "14:30", "16:00", "14:30", "16:00"):
            word = "booking.new" if hour == "14:30" and not await app.texts() else "booking.edited"
            await app.tell(crm(event=word, start=f"2025-08-21T{hour}:00"), path=AT)
            app.clock.now += timedelta(seconds=60)
        assert [text.splitlines()[2] for text in await app.texts()] == [
            f"📅 21 августа в {hour}" for hour in ("14:30", "16:00", "14:30", "16:00")
        ]

    through(play, story, changed="")


def test_a_list_in_one_body(play: Play) -> None:
    """Two bookings and something else in one body: two messages, and the rest is kept with its reason."""

    async def story(app: Driver) -> None:
        other = crm(id="b7f1c2d0-18", client={"phone": "+79000000077"})
        assert (await app.post([crm(), other, "?"], path=AT)).status_code == 200
        await app.settle()
        assert await app.texts() == [CREATED, CREATED]
        assert {row["phone"] for row in await app.messages()} == {"+79000000088", "+79000000077"}
        (kept,) = await app.rows("SELECT status, reason FROM webhook_events WHERE event_type = 'unreadable'")
        assert (kept["status"], kept["reason"]) == ("unreadable", "an event is an object, there is text")

    through(play, story)


def test_the_signature_on_the_wire(play: Play) -> None:
    """Unsigned, foreign and old requests are a 401 and leave nothing but a count; a repeated delivery is one event."""

    async def story(app: Driver) -> None:
        raw, now = json.dumps(crm()).encode(), app.clock()
        old = signed(raw, now - timedelta(minutes=6))
        for headers in ({}, {**signed(raw, now), "webhook-id": "msg_9"}, old):
            assert (await app.post(raw, path=AT, headers=headers)).status_code == 401
        assert (await app.post(raw, path=f"{AT}?secret={WHSEC}")).status_code == 401
        assert await app.rows("SELECT * FROM webhook_events") == []
        first = await app.post(raw, path=AT, headers=signed(raw, now, before="v1,bm9uZQ=="))
        again = await app.post(raw, path=AT, headers=signed(raw, now + timedelta(seconds=30)))
        assert (first.status_code, again.status_code) == (200, 200)
        assert first.json() == again.json()
        await app.settle()
        assert await app.texts() == [CREATED]
        (refused,) = await app.rows("SELECT source, count FROM refusals")
        assert (refused["source"], refused["count"]) == ("json", 4)

    through(play, story, secret=WHSEC, changed="")


def test_a_plain_secret_on_the_wire(play: Play) -> None:
    """Where the sender signs nothing, the secret travels in the address."""

    async def story(app: Driver) -> None:
        assert (await app.post(crm(), path=AT)).status_code == 401
        assert (await app.post(crm(), path=f"{AT}?secret=wrong")).status_code == 401
        await app.tell(crm(), path=f"{AT}?secret=right")
        assert await app.texts() == [CREATED]

    through(play, story, secret="right")


def test_a_mended_table_takes_up_what_was_unreadable(database_url: str, tmp_path: Any) -> None:
    """A body that does not fit the table is answered 200 and kept; once the path is right, a replay tells the client."""
    wrong = settings(database_url, source={"yclients": None, "json": {**MAPPING, "phone": "booking.client"}})
    right = settings(database_url, source={"yclients": None, "json": MAPPING})

    async def before(app: Driver) -> None:
        told = await app.tell(crm(), path=AT)
        reason = "phone `booking.client`: text or a number is expected, there is an object"
        assert verdict(told) == ("unreadable", None, reason)
        assert await app.messages() == []

    async def after(app: Driver) -> None:
        (event,) = await app.vestnik.run.store.look.story("b7f1c2d0-17")
        await app.vestnik.run.store.inbox.replay(event["event_id"], None, app.clock())
        await app.settle()
        assert await app.texts() == [CREATED]

    drive(wrong, tmp_path, before)
    drive(right, tmp_path, after)


def test_two_crms_by_two_tables(play: Play) -> None:
    """One module behind two tables: two addresses, two mappings, two secrets, and the same id at both is two bookings."""
    flat = {"salon": 962302, "id": "id", "status": "state", "created": ["new"], "deleted": ["gone"], "start": "at", "phone": "tel"}
    tables = {
        "yclients": None,
        "north": {**MAPPING, "module": "plugins.source.json", "secret": "n"},
        "south": {**flat, "module": "plugins.source.json", "secret": "s"},
    }

    async def story(app: Driver) -> None:
        body = {"id": "b7f1c2d0-17", "state": "new", "at": "2025-08-21T19:00:00+03:00", "tel": 79000000077}
        assert (await app.post(body, path="/webhook/south?secret=n")).status_code == 401
        await app.tell(body, path="/webhook/south?secret=s")
        await app.tell(crm(), path="/webhook/north?secret=n")
        assert [(row["source"], row["phone"]) for row in await app.messages()] == [
            ("south", "+79000000077"),
            ("north", "+79000000088"),
        ]
        assert len(await app.rows("SELECT * FROM appointments_cache")) == 2

    play(story, source=tables)


def test_a_branch_that_is_not_listed(play: Play) -> None:
    """A branch that is no salon of the file is kept and ignored with that reason, as with any source."""

    async def story(app: Driver) -> None:
        told = await app.tell(crm(branch={"id": 7}), path=AT)
        assert verdict(told) == ("ignored", None, "salon 7 is not listed in config.toml")
        told = await app.tell(crm(branch={"id": "south"}, id="b-3"), path=AT)
        assert told["reason"].endswith(
            " is not listed in config.toml; its sender names it by a text: give that a number in the source's table"
        )
        known = await app.tell(crm(branch={"id": "north"}, id="b-2"), path=AT)
        assert known["status"] == "processed"

    through(play, story, salons={"north": 962302})
