"""What is worth a message: the state that is announced against the state that is now. One pure function, `compare`."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from core.model import Booking

CREATED, UPDATED, CANCELLED = "booking_created", "booking_updated", "booking_cancelled"


class Past(Struct, frozen=True):
    """What was so before: what is announced, what was last attempted in vain, and whether that attempt was hindered.

    `seen`: the booking was known. `created`: its creation was seen, now or before. `waiting` is the type of the message that still waits.
    """

    announced: Booking | None = None
    attempted: Booking | None = None
    hindered: bool = False
    seen: bool = False
    created: bool = False
    waiting: str | None = None


class Change(Struct, frozen=True):
    """The notification that is due, or `None` with the reason. `noted`: nobody is told, and what is announced moves all the same."""

    type: str | None
    changed: frozenset[str] = frozenset()
    note: str = ""
    noted: bool = False


def compare(past: Past, now: Booking, at: datetime) -> Change:
    """The table of what counts as worth a message. `at` is the time of the decision."""
    if past.announced is None:
        return _first(past, now, at)
    if past.announced.cancelled:
        return _after_cancellation(past, now)
    if now.cancelled:
        return _unless_attempted(past, now, Change(CANCELLED, differences(past.announced, now)))
    if now.attendance in ("no_show", "arrived"):
        return Change(None, note=_attendance(now))
    changed = differences(past.announced, now)
    if "phone" in changed:
        why = "another phone: the new one is told of the booking, the old one of nothing"
        return _unless_attempted(past, now, Change(CREATED, changed, why))
    if not changed:
        return Change(None, note=_invisible(past.announced, now))
    return _unless_attempted(past, now, Change(UPDATED, changed))


def _first(past: Past, now: Booking, at: datetime) -> Change:
    """Nothing is announced yet."""
    ahead = now.visit_at is not None and now.visit_at > at
    unsure = (
        past.waiting == UPDATED and not past.created
    )  # first seen by a change: the client may know of the booking from elsewhere
    if now.cancelled:
        if (past.seen or past.created) and not unsure:
            return Change(None, note="created and cancelled before the client was told")
        if now.phone and ahead:
            return Change(CANCELLED)
        return Change(None, note="a booking not seen before is deleted, and its phone or a time ahead is unknown")
    if now.attendance in ("no_show", "arrived"):
        return Change(None, note=_attendance(now), noted=not past.seen)
    if not past.seen and not past.created:
        if now.attendance == "expected" and not now.paid and ahead:
            return Change(UPDATED)
        return Change(None, note="a booking not seen before, which is paid, confirmed or past: noted", noted=True)
    return _unless_attempted(past, now, Change(UPDATED if unsure else CREATED))


def _after_cancellation(past: Past, now: Booking) -> Change:
    if now.cancelled:
        return Change(None, note="the cancellation has been told already")
    if now.attendance in ("no_show", "arrived"):
        return Change(None, note=_attendance(now))
    return _unless_attempted(past, now, Change(CREATED))


def _unless_attempted(past: Past, now: Booking, change: Change) -> Change:
    """The same message is not tried again because somebody touched the booking; a person may resend it."""
    tried = past.attempted
    if tried is None or past.hindered or tried.cancelled != now.cancelled or differences(tried, now):
        return change
    return Change(None, note="the last message did not get through, and nothing the client could see differs since")


def differences(before: Booking, now: Booking) -> frozenset[str]:
    """What a client could see: time, services, staff, branch, price, phone. What one side does not say does not differ."""
    pairs = {
        "time": (before.visit_at, now.visit_at),
        "services": (_services(before), _services(now)),
        "staff": (_staff(before), _staff(now)),
        "branch": (before.branch, now.branch),
        "price": (price(before), price(now)),
        "phone": (before.phone, now.phone),
    }
    return frozenset(name for name, (old, new) in pairs.items() if old is not None and new is not None and old != new)


def price(booking: Booking) -> tuple[Decimal, Decimal] | None:
    """(to pay, before discount), summed; `None` where a line does not say its cost."""
    if booking.services is None or any(line.cost is None for line in booking.services):
        return None
    now = sum((line.cost for line in booking.services if line.cost is not None), Decimal(0))
    return now, sum((line.first_cost or line.cost or Decimal(0) for line in booking.services), Decimal(0))


def _services(booking: Booking) -> Counter[str] | None:
    """As a set that counts: their order is not stable from one read to the next."""
    return None if booking.services is None else Counter(line.id or line.title for line in booking.services)


def _staff(booking: Booking) -> str | None:
    return None if booking.staff is None else booking.staff.id or booking.staff.name


def _attendance(now: Booking) -> str:
    return "a no-show is not a cancellation" if now.attendance == "no_show" else "the client has come"


def _invisible(before: Booking, now: Booking) -> str:
    if before.attendance != now.attendance:
        return "the client confirmed" if now.attendance == "confirmed" else "only the attendance differs"
    if before.paid != now.paid:
        return "only the payment differs"
    if before.comment != now.comment:
        return "only the comment differs"
    return "nothing that the client could see differs"
