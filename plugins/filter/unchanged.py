"""Stays silent when nothing worth a message differs from what the client knows.

What differs is told if `tell` names it. A small shift of the time is not told, and what the client knows stays where it
was: three shifts of 2 minutes are one of 6.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from core import Case, Duration, Settings, Suppressed, Verdict, hookimpl

Visible = Literal["time", "services", "staff", "branch", "price"]

IN_RUSSIAN = "для клиента ничего важного не изменилось"


class Config(Settings, frozen=True):
    tell: tuple[Visible, ...] = ("time", "services", "staff", "branch")  # worth a message; "price" may be added
    min_shift: Duration = Duration("5m")  # a smaller shift of the time is none
    unseen: Literal["tell", "note"] = "tell"  # a change of a booking never seen before: "tell" or "note"


@hookimpl
def filter(case: Case, config: Config) -> Verdict:  # noqa: A001
    if case.type is None:
        return Suppressed(case.note or "nothing that the client could see differs")
    if case.type != "booking_updated":
        return None
    if case.announced is None:
        return _unseen(case, config)
    shift = _shift(case)
    small = shift is not None and shift < config.min_shift
    if any(name in config.tell for name in case.changed if not (small and name == "time")):
        return None
    return Suppressed(_reason(case, shift))


def _unseen(case: Case, config: Config) -> Verdict:
    if config.unseen == "note" and not case.seen:
        return Suppressed("a change of a booking never seen before is only noted", client_knows=True)
    return None


def _shift(case: Case) -> timedelta | None:
    """How far the visit was moved, or `None` where a time is unknown or the time is the same."""
    before, now = case.announced and case.announced.visit_at, case.booking and case.booking.visit_at
    return abs(now - before) if "time" in case.changed and before and now else None


def _reason(case: Case, shift: timedelta | None) -> str:
    if not case.changed:
        return "nothing differs from what the client knows"
    by = f" (by {shift.total_seconds() / 60:g} min)" if shift is not None else ""
    names = [f"the {name}{by if name == 'time' else ''}" for name in sorted(case.changed)]
    return f"only {' and '.join(names)} {'differs' if len(names) == 1 else 'differ'}"
