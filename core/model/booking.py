"""What happened: a booking at one moment, and the event that tells of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import msgspec
from msgspec import Struct

Attendance = Literal["expected", "confirmed", "arrived", "no_show"]
Action = Literal["created", "updated", "deleted"]


class Service(Struct, frozen=True, omit_defaults=True):
    """One line of a booking. `cost` is the line's total after discount, `first_cost` before it, `cost_to_pay` what is left to pay."""

    title: str
    id: str | None = None
    cost: Decimal | None = None
    first_cost: Decimal | None = None
    cost_to_pay: Decimal | None = None


class Staff(Struct, frozen=True, omit_defaults=True):
    """Who does the work."""

    name: str
    id: str | None = None


class Booking(Struct, frozen=True, omit_defaults=True):
    """A booking at one moment. `None` means "not said"; core fills it from what it already knows.

    `phone` is E.164 ("+79000000088"). Where there is none, `phone_missing` says why, in words a salon understands.
    `extra` keeps what the source wants to have in the snapshot and core does not judge (visit id, short link, …).
    """

    visit_at: datetime | None = None
    services: tuple[Service, ...] | None = None
    staff: Staff | None = None
    branch: str | None = None
    client_name: str | None = None
    phone: str | None = None
    phone_missing: str | None = None
    attendance: Attendance = "expected"
    paid: bool = False
    cancelled: bool = False
    comment: str = ""
    online: bool = False  # the client booked it himself
    notify: bool | None = None  # the administrator's tick "notify the client"; None: not said
    created_at: datetime | None = None
    changed_at: datetime | None = None
    extra: dict[str, Any] = {}


class Recipient(Struct, frozen=True, omit_defaults=True):
    """Whom to tell, for an event that has no booking."""

    phone: str | None = None
    name: str | None = None
    missing: str | None = None  # why there is no phone


class Event(Struct, frozen=True, omit_defaults=True):
    """What a source understood of a `Received` item.

    Either `booking` (a state to compare), or `text` (already rendered elsewhere), or neither: a deletion that says no more than the id.
    `action` is what the sender called it; core trusts it only to tell a first creation from a later change.
    `kind` names the notification of an event without booking ("message" if unset).
    """

    action: Action
    booking: Booking | None = None
    text: str | None = None
    recipient: Recipient | None = None
    kind: str = "message"
    changed_at: datetime | None = None


class Ignored(Struct, frozen=True):
    """Nothing to tell anybody; the reason is kept with the event."""

    reason: str


class Later(Struct, frozen=True):
    """Cannot be understood yet (the sender's API is away). `after` is the wait; core doubles it from one time to the next."""

    reason: str
    after: timedelta = timedelta(seconds=30)


def merge(known: Booking | None, now: Booking) -> Booking:
    """`now`, with what it does not say filled in from `known`."""
    if known is None:
        return now
    gaps: dict[str, Any] = {
        name: getattr(known, name)
        for name in ("visit_at", "services", "staff", "branch", "client_name", "created_at", "notify")
        if getattr(now, name) is None and getattr(known, name) is not None
    }
    if known.extra and now.extra != known.extra:
        gaps["extra"] = {**known.extra, **now.extra}
    return msgspec.structs.replace(now, **gaps) if gaps else now
