"""Values by keyword, with defaults that make a plain booking.

The plain booking is the one of the README: tomorrow 14:30 in Moscow, МУЖСКАЯ СТРИЖКА with Бари, 2000 roubles, +79000000088.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import msgspec

from core.model import (
    Address,
    Attempt,
    Booking,
    Case,
    Channel,
    Contact,
    EventFacts,
    Message,
    Notice,
    Outcome,
    Received,
    Request,
    Salon,
    Service,
    Staff,
)

MOSCOW = timezone(timedelta(hours=3))
NOON = datetime(2026, 8, 20, 9, 0, tzinfo=UTC)  # 12:00 in Moscow, the day before the plain booking
VISIT = datetime(2026, 8, 21, 14, 30, tzinfo=MOSCOW)
PHONE = "+79000000088"
REFERENCE = "3eb0a1b2c3d4e5f60718"
SALON = Salon(id=962302, name="Барбершоп", address="Малаховка, Южная улица, 38", phone="+74950000000", timezone="Europe/Moscow")

WHATSAPP = Channel("whatsapp", bold=("*", "*"), strike=("~", "~"))
SMS = Channel("sms", short=True)
TELEGRAM = Channel("telegram", bold=("<b>", "</b>"), strike=("<s>", "</s>"), escape="html")


def a_service(title: str = "МУЖСКАЯ СТРИЖКА", cost: object = 2000, first_cost: object | None = None, **more: Any) -> Service:
    """One line of a booking; prices as int, str or Decimal."""
    more = {key: Decimal(str(value)) if key == "cost_to_pay" else value for key, value in more.items()}
    more.setdefault("cost_to_pay", Decimal(str(cost)))
    return Service(
        title=title, cost=Decimal(str(cost)), first_cost=Decimal(str(cost if first_cost is None else first_cost)), **more
    )


def a_booking(
    visit_at: datetime | str | None = VISIT,
    services: Iterable[Service | str] | None = (a_service(id="18356041"),),
    staff: Staff | str | None = Staff("Бари", "2895125"),
    **fields: Any,
) -> Booking:
    """The plain booking, with what you name instead; a time, a service and the staff may be given as text.

    `a_booking("2026-08-21 16:00", ["Бритьё"], "Лев", comment="с собакой")`: 16:00 in Moscow; a service by its title costs 2000.
    """
    plain: dict[str, Any] = {
        "branch": "962302",
        "client_name": "Арсен",
        "phone": PHONE,
        "changed_at": NOON,
        "created_at": NOON,
    }
    if isinstance(visit_at, str):
        visit_at = datetime.fromisoformat(visit_at)
        visit_at = visit_at if visit_at.tzinfo else visit_at.replace(tzinfo=MOSCOW)
    if services is not None:
        services = tuple(a_service(entry) if isinstance(entry, str) else entry for entry in services)
    if isinstance(staff, str):
        staff = Staff(staff)
    return Booking(visit_at=visit_at, services=services, staff=staff, **{**plain, **fields})


def an_event(**fields: Any) -> EventFacts:
    """What a rule may know of the event: created at noon, arrived at once."""
    return EventFacts(**{"event_id": "evt_1", "action": "created", "at": NOON, "since": NOON, "changed_at": NOON, **fields})


def a_contact(**fields: Any) -> Contact:
    """The client of the plain booking, who has not written and got no message yet."""
    return Contact(**{"phone": PHONE, **fields})


def a_case(**fields: Any) -> Case:
    """What a rule is given: a first `booking_created` about the plain booking."""
    plain: dict[str, Any] = {
        "type": "booking_created",
        "booking": a_booking(),
        "announced": None,
        "changed": frozenset(),
        "event": an_event(),
        "contact": a_contact(),
        "salon": SALON,
    }
    return Case(**{**plain, **fields})


def a_notice(**fields: Any) -> Notice:
    """What a renderer is given: `booking_created` about the plain booking."""
    plain: dict[str, Any] = {
        "type": "booking_created",
        "booking": a_booking(),
        "announced": None,
        "changed": frozenset(),
        "salon": SALON,
    }
    return Notice(**{**plain, **fields})


def a_message(text: str = "Вы записаны: *21 августа, 14:30*, мастер Бари", **fields: Any) -> Message:
    """What a transport is given to send."""
    return Message(text, **{"type": "booking_created", **fields})


def an_address(**fields: Any) -> Address:
    """Where a transport is to send it."""
    return Address(**{"phone": PHONE, "name": "Арсен", "reference": REFERENCE, **fields})


def an_attempt(id: str | None = "m1", **fields: Any) -> Attempt:  # noqa: A002
    """A message whose fate `check` is asked about; `id` is the gateway's."""
    return Attempt(id, **{"reference": REFERENCE, "phone": PHONE, "sent_at": NOON, **fields})


def a_request(
    body: object = b"", *, query: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None, path: str = "/"
) -> Request:
    """What a source's `receive` and a transport's `callback` are given: a POST; a body that is no bytes and no text travels as JSON."""
    lower = {"content-type": "application/json", **{name.lower(): value for name, value in (headers or {}).items()}}
    return Request("POST", path, lower, dict(query or {}), as_bytes(body))


def a_received(payload: object, **fields: Any) -> Received:
    """What a source's `normalize` is given: an item that was stored."""
    plain = {"event_id": "evt_1", "event_type": "record.created", "company_id": SALON.id, "subject_id": 1}
    return Received(payload=as_bytes(payload).decode(), **{**plain, **fields})


def an_outcome(status: str = "sent", **fields: Any) -> Outcome:
    """What a recorder is told: the message about the plain booking left over WhatsApp. Phones come masked."""
    plain: dict[str, Any] = {
        "at": NOON,
        "event_id": "evt_1",
        "source": "yclients",
        "company_id": SALON.id,
        "record_id": 1213336367,
        "type": "booking_created",
        "channel": "whatsapp",
        "transport": "console",
        "phone": "+7900…88",
        "seconds": 0.2,
    }
    return Outcome(status=status, **{**plain, **fields})


def as_bytes(body: object) -> bytes:
    """A body as it travels: bytes and text as they are, anything else as JSON."""
    if isinstance(body, str):
        return body.encode()
    return body if isinstance(body, bytes) else json.dumps(body, default=msgspec.to_builtins).encode()
