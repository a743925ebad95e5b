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
    """One line of a booking. Sums are of the whole line, in the salon's currency."""

    title: str  # as clients read it
    id: str | None = None  # the sender's own; without one, services are told apart by title
    cost: Decimal | None = None  # after discount
    first_cost: Decimal | None = None  # before it
    cost_to_pay: Decimal | None = None  # what is left to pay


class Staff(Struct, frozen=True, omit_defaults=True):
    """Who does the work."""

    name: str  # as clients know them
    id: str | None = None  # the sender's own; without one, staff are told apart by name


class Booking(Struct, frozen=True, omit_defaults=True):
    """A booking at one moment. `None` means "not said"; core fills it from what it already knows."""

    visit_at: datetime | None = None  # with the salon's offset: the digits are its wall clock
    services: tuple[Service, ...] | None = None
    staff: Staff | None = None
    branch: str | None = None  # where; another one is worth a message
    client_name: str | None = None
    phone: str | None = None  # E.164
    phone_missing: str | None = None  # why there is none, in words a salon understands
    attendance: Attendance = "expected"
    paid: bool = False
    cancelled: bool = False
    comment: str = ""  # what the administrator, or another bot, wrote
    online: bool = False  # the client booked it himself
    notify: bool | None = None  # the administrator's tick "notify the client"
    created_at: datetime | None = None  # when it was made
    changed_at: datetime | None = None  # when it was last changed, by the sender's clock
    extra: dict[str, Any] = {}  # what the source wants to keep and core does not judge: a visit's id, a short link


class Recipient(Struct, frozen=True, omit_defaults=True):
    """Whom to tell, for an event that has no booking."""

    phone: str | None = None  # E.164
    name: str | None = None
    missing: str | None = None  # why there is no phone


class Event(Struct, frozen=True, omit_defaults=True):
    """What a source understood of a `Received` item.

    Either `booking` (a state to compare), or `text` (already rendered elsewhere), or neither: a deletion that says no more than the id.
    """

    action: Action  # as the sender called it; core trusts it only to tell a first creation from a later change
    booking: Booking | None = None
    text: str | None = None
    recipient: Recipient | None = None  # of an event without booking
    kind: str = "message"  # the name of the notification of an event without booking
    changed_at: datetime | None = None  # when the change was made, by the sender's clock; orders events of one booking


class Ignored(Struct, frozen=True):
    """Nothing to tell anybody."""

    reason: str  # kept with the event


class Later(Struct, frozen=True):
    """Cannot be understood yet: the sender's API is away."""

    reason: str
    after: timedelta = timedelta(seconds=30)  # or a number of seconds; core doubles it from one time to the next

    def __post_init__(self) -> None:
        in_seconds(self, "after")


def in_seconds(value: Struct, *names: str) -> None:
    """Fields that were given as a number become that many seconds."""
    for name in names:
        if type(found := getattr(value, name)) in (int, float):
            msgspec.structs.force_setattr(value, name, timedelta(seconds=found))


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
