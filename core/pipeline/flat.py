"""The flat body of the test endpoint → an event: each call is a new booking that goes through the whole pipeline."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from core.model import Action, Booking, Event, Ignored, Salon, Service, Staff
from core.phones import parse_phone

_DIGITS = 15  # of a sum; one with a million of them has no discount to reckon with


class FlatBody(msgspec.Struct, frozen=True):
    """The body, as documented. Only `phone` has to be there."""

    phone: str | int | float | None = None
    eventType: str | None = "record.created"  # noqa: N815 (the documented name)
    service: str | None = None
    master: str | None = None
    datetime: str | None = None
    cost: Any = None
    first_cost: Any = None
    discount: Any = None
    clientName: str | None = None  # noqa: N815
    comment: str | None = None
    companyId: int | str | None = None  # noqa: N815


def action(name: str | None) -> Action:
    """ "record.updated", "update", "booking_cancelled" → updated, updated, deleted."""
    text = (name or "").lower()
    if "delet" in text or "cancel" in text:
        return "deleted"
    return "updated" if "update" in text or "change" in text else "created"


def understand(payload: str, salon: Salon, at: datetime) -> Event | Ignored:
    """The stored body → an event."""
    try:
        body = msgspec.json.decode(payload, type=FlatBody)
    except msgspec.DecodeError as error:
        return Ignored(f"the test body cannot be read: {error}")
    phone, missing = parse_phone(body.phone, salon.region)
    doing = action(body.eventType)
    return Event(
        doing,
        Booking(
            visit_at=_when(body.datetime, salon),
            services=(_service(body),) if body.service else None,
            staff=Staff(body.master) if body.master else None,
            branch=str(salon.id) if salon.id else None,
            client_name=body.clientName,
            phone=phone,
            phone_missing=missing,
            comment=body.comment or "",
            cancelled=doing == "deleted",
            created_at=at,
            changed_at=at,
        ),
        changed_at=at,
    )


def _service(body: FlatBody) -> Service:
    cost, first = _money(body.cost), _money(body.first_cost)
    percent = _money(body.discount)
    if cost is not None and first is None and percent and 0 < percent < 100:
        first = cost * 100 / (100 - percent)
    return Service(body.service or "", cost=cost, first_cost=first or cost, cost_to_pay=cost)


def _money(value: Any) -> Decimal | None:
    if value is None or isinstance(value, bool):
        return None
    try:
        found = Decimal("".join(str(value).split()).replace(",", "."))
    except InvalidOperation:
        return None
    return found if found.is_finite() and -_DIGITS < found.adjusted() < _DIGITS else None


def _when(text: str | None, salon: Salon) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    zone = ZoneInfo(salon.timezone or "Europe/Moscow")
    if found.tzinfo is None or salon.timezone:  # the digits are the salon's wall clock
        found = found.replace(tzinfo=zone)
    return found.replace(tzinfo=_fixed(found))


def _fixed(at: datetime) -> Any:
    from datetime import timezone

    return timezone(at.utcoffset() or timedelta(0))
