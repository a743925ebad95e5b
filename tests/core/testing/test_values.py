"""The values of the kit: a plain booking, with what a test names instead."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal

from core import Booking, Event, Service, Staff
from core.testing import MOSCOW, NOON, PHONE, a_booking, a_received, a_request, an_address, an_attempt, an_outcome


def test_the_plain_booking_is_the_readmes() -> None:
    """What plugin tests stand on is what the README shows."""
    (service,) = a_booking().services or ()
    assert service == Service("МУЖСКАЯ СТРИЖКА", "18356041", Decimal(2000), Decimal(2000), Decimal(2000))
    assert (a_booking().staff, a_booking().phone) == (Staff("Бари", "2895125"), "+79000000088")


def test_a_time_a_service_and_the_staff_may_be_text() -> None:
    """Text is the salon's clock, a title with the usual price, and a name; an offset in the text is kept."""
    found = a_booking("2026-08-21 16:00", ["Бритьё", Service("Мытьё")], "Лев", comment="с собакой")
    assert found.visit_at == datetime(2026, 8, 21, 16, tzinfo=MOSCOW)
    assert [(service.title, service.cost) for service in found.services or ()] == [("Бритьё", 2000), ("Мытьё", None)]
    assert (found.staff, found.comment) == (Staff("Лев"), "с собакой")
    assert a_booking("2026-08-21T16:00+05:00").visit_at == datetime.fromisoformat("2026-08-21T16:00+05:00")
    assert (a_booking(None, None, None).visit_at, a_booking(None, None, None).services) == (None, None)


def test_a_body_travels_as_json_unless_it_is_bytes() -> None:
    """Dicts and our own values become JSON, bytes and text stay as they are, and names of headers are lower-case."""
    request = a_request({"id": 7}, query={"secret": "s"}, headers={"X-Token": "w"})
    assert (request.body, request.query, request.headers["x-token"]) == (b'{"id": 7}', {"secret": "s"}, "w")
    assert request.headers["content-type"] == "application/json"
    assert [a_request(body).body for body in (b"\xff", "да")] == [b"\xff", "да".encode()]
    told = Event("created", Booking(NOON))
    assert json.loads(a_request(told).body)["booking"]["visit_at"] == "2026-08-20T09:00:00Z"
    assert a_received({"id": 7}, subject_id="A-7").payload == '{"id": 7}'


def test_what_is_sent_and_noted_is_about_the_plain_booking() -> None:
    """An address, an attempt and an outcome, each with what is named instead."""
    assert (an_address().phone, an_address(binding="5").binding) == (PHONE, "5")
    assert (an_attempt().id, an_attempt(None).reference) == ("m1", an_address().reference)
    assert (an_outcome().status, an_outcome("failed", reason="x").reason) == ("sent", "x")
