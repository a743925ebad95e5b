"""The source tables: a recorded body in, the exact value and text out, and the suite that every source passes."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path

import httpx

from core import Booking, Event, Ignored, Service
from core.testing import NOON, PHONE, SALON, a_gateway, a_received, a_request, an_app, contracts, load

PRIVATE = Path(__file__).parents[1]
BODIES = Path(__file__).parent / "bodies" / "source_tables"
plugin = load(PRIVATE / "source" / "tables.py")


def body(name: str) -> bytes:
    return (BODIES / f"{name}.json").read_bytes()


def test_a_body_becomes_a_booking() -> None:
    """Each field, exactly; what is no news for a guest is ignored, with the reason."""
    told = asyncio.run(plugin.normalize(a_received(body("booked")), SALON))
    at = datetime.fromisoformat("2026-08-21T19:00:00+03:00")
    booking = Booking(at, (Service("Столик, гостей: 2"),), branch="962302", phone=PHONE)
    assert told == Event("created", booking, changed_at=datetime.fromisoformat("2026-08-20T10:00:00+03:00"))
    seated = asyncio.run(plugin.normalize(a_received(body("seated")), SALON))
    assert seated == Ignored("a reservation that is seated is nothing to tell")


def test_what_the_guest_gets() -> None:
    """Booked, moved and cancelled at the source's own address, with its secret."""
    with an_app(path=PRIVATE, source={"tables": {"secret": "s"}}) as app:
        told = [app.webhook("tables", body(name), query={"secret": "s"}) for name in ("booked", "changed", "cancelled")]
        assert [one.messages[0].type for one in told] == ["booking_created", "booking_updated", "booking_cancelled"]
        assert "📅 21 августа в 20:00" in told[1].texts[0]
        assert app.post("/webhook/tables", body("booked")).status_code == 401


def test_an_older_change_that_comes_later_is_not_told() -> None:
    """The book's own clock orders its changes, not the order in which they arrive."""
    with an_app(path=PRIVATE, source={"tables": {"secret": "none"}}, filter={"stale": {}}) as app:
        moved, booked = (app.webhook("tables", body(name)) for name in ("changed", "booked"))
        assert (moved.status, booked.status, booked.texts) == ("processed", "suppressed", [])


def test_what_is_wrong_further_down_is_parked_under_its_booking() -> None:
    """`receive` reads no more than whose it is; `normalize` stumbles, and a person sees where."""
    with an_app(path=PRIVATE, source={"tables": {"secret": "none"}}) as app:
        told = app.webhook("tables", body("booked").replace(b'"guests": 2', b'"guests": "two"'))
        assert (told.status, told.texts) == ("parked", [])
        assert "Expected `int`, got `str` - at `$.guests`" in (told.reason or "")


def test_it_asks_for_what_was_missed() -> None:
    """The book is asked what changed since a moment, and answers as it posts: the same event has the same key."""

    async def poll(url: str) -> list[object]:
        async with httpx.AsyncClient() as http:
            return list(await plugin.poll(NOON, SALON, http, plugin.Config(api_url=url, api_key="k"), NOON))

    with a_gateway(b"[%s]" % body("booked")) as gateway:
        (item,) = asyncio.run(poll(gateway.url))
    asked = gateway.asked[0]
    assert (asked.path, asked.query) == ("/reservations", {"place": "962302", "changed_after": "2026-08-20T09:00:00+00:00"})
    assert asked.headers["x-key"] == "k"
    assert item.event_id == plugin.receive(a_request(body("booked")), plugin.Config())[0].event_id


TestContract = contracts.source(plugin, bodies=BODIES)
