"""The test kit for plugins: values by keyword, with defaults that make a plain booking.

    from core.testing import a_case, NOON
    assert recent_chat.filter(a_case(contact=a_contact(wrote_at=NOON)), NOON, recent_chat.Config()) == Suppressed(…)

The plain booking is the one of the README: tomorrow 14:30 in Moscow, МУЖСКАЯ СТРИЖКА with Бари, 2000 roubles, +79000000088.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from core.model import Booking, Case, Channel, Contact, EventFacts, Notice, Salon, Service, Staff

MOSCOW = timezone(timedelta(hours=3))
NOON = datetime(2026, 8, 20, 9, 0, tzinfo=UTC)  # 12:00 in Moscow, the day before the plain booking
VISIT = datetime(2026, 8, 21, 14, 30, tzinfo=MOSCOW)
PHONE = "+79000000088"
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


def a_booking(**fields: Any) -> Booking:
    """The plain booking, with what you name instead."""
    plain: dict[str, Any] = {
        "visit_at": VISIT,
        "services": (a_service(id="18356041"),),
        "staff": Staff("Бари", "2895125"),
        "branch": "962302",
        "client_name": "Арсен",
        "phone": PHONE,
        "changed_at": NOON,
        "created_at": NOON,
    }
    return Booking(**{**plain, **fields})


def an_event(**fields: Any) -> EventFacts:
    """What a rule may know of the event: created at noon, arrived at once."""
    return EventFacts(**{"event_id": "evt_1", "action": "created", "at": NOON, "since": NOON, "changed_at": NOON, **fields})


def a_contact(**fields: Any) -> Contact:
    return Contact(**{"phone": PHONE, **fields})


def a_case(**fields: Any) -> Case:
    """A first `booking_created` about the plain booking."""
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
