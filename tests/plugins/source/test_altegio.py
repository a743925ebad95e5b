"""`source.altegio`: the wire of YCLIENTS, its own API, and a clock that trusts no offset."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from core import Event, Received, Refused, Request, Salon
from core.contract import check_module
from core.testing import SALON
from plugins.source import altegio, yclients

BODY = (Path(__file__).parents[2] / "payloads" / "yclients" / "record_create_admin.json").read_bytes()
SESAME = "x"
BELGRADE = Salon(id=962302, timezone="Europe/Belgrade", region="RS")


def taken(body: bytes = BODY) -> Received:
    (item,) = altegio.receive(Request("POST", "/webhook/altegio", {}, {}, body), altegio.Config())
    return item


def understood(body: bytes, salon: Salon, http: httpx.AsyncClient | None = None) -> Event:
    found = asyncio.run(altegio.normalize(taken(body), salon, http or httpx.AsyncClient(), altegio.Config()))
    assert isinstance(found, Event)
    return found


@pytest.mark.parametrize(
    ("salon", "offset", "expected"),
    [
        (BELGRADE, "+01:00", "2025-08-21T14:30:00+02:00"),
        (BELGRADE, "+02:00", "2025-08-21T14:30:00+02:00"),
        (Salon(id=962302), "+01:00", "2025-08-21T14:30:00+03:00"),
    ],
)
def test_the_offset_is_never_trusted(salon: Salon, offset: str, expected: str) -> None:
    """The digits of `date` on the configured clock, whatever `datetime` claims; without a zone not the wrong offset either."""
    body = BODY.replace(b"14:30:00+03:00", f"14:30:00{offset}".encode())
    booking = understood(body, salon).booking
    assert booking is not None
    assert booking.visit_at is not None
    assert booking.visit_at.isoformat() == expected


def test_the_digits_of_datetime_stand_in_where_date_is_missing() -> None:
    """Only the offset is wrong, not the digits."""
    event = json.loads(BODY)
    del event["data"]["date"]
    booking = understood(json.dumps(event).encode(), BELGRADE).booking
    assert booking is not None
    assert booking.visit_at is not None
    assert booking.visit_at.isoformat() == "2025-08-21T14:30:00+02:00"


def test_the_wire_is_that_of_yclients() -> None:
    """The same body means the same where the zone is configured."""
    item = taken()
    other = asyncio.run(yclients.normalize(item, SALON, httpx.AsyncClient(), yclients.Config()))
    assert understood(BODY, SALON) == other
    assert (item.event_type, item.subject_id, item.payload) == ("record.created", 1213336367, BODY.decode())


def test_the_secret_holds_here_too() -> None:
    """Once set it is mandatory."""
    with pytest.raises(Refused):
        altegio.receive(Request("POST", "/webhook/altegio", {}, {"secret": "y"}, BODY), altegio.Config(secret=SESAME))


def test_it_asks_its_own_api() -> None:
    """What changed is asked at alteg.io; the ids carry this source's name."""
    asked: list[str] = []

    def answers(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.url.host}{request.url.path}")
        return httpx.Response(200, json={"success": True, "data": [json.loads(BODY)["data"]], "meta": []})

    http = httpx.AsyncClient(transport=httpx.MockTransport(answers))
    point = datetime(2025, 8, 18, tzinfo=UTC)
    found = asyncio.run(altegio.poll(point, BELGRADE, http, altegio.Config(partner_token=SESAME, user_token=SESAME), point))
    assert found is not None
    (item,) = found
    assert asked == ["api.alteg.io/api/v1/records/962302"]
    assert item.event_id == taken().event_id


def test_the_module_is_a_source() -> None:
    """It passes the loader's check, and differs from yclients in the address alone."""
    assert set(check_module("source", "altegio", altegio)) >= {"receive", "poll", "normalize"}
    assert altegio.Config.__struct_fields__ == yclients.Config.__struct_fields__
