"""Stays silent about an old change that arrives after a newer one.

Webhooks come in any order. Core keeps the newer state in any case; this rule names it.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from core import Case, Suppressed, Verdict, hookimpl

IN_RUSSIAN = "новее изменение уже известно"


@hookimpl
def filter(case: Case) -> Verdict:  # noqa: A001
    if not case.event.stale:
        return None
    known = case.event.known_changed_at
    if known is None:
        return Suppressed("a newer change is already known")
    return Suppressed(f"a change of {_wall_clock(known, case)} is already known")


def _wall_clock(at: datetime, case: Case) -> str:
    """The salon's clock, because that is what the salon compares it with; the day only where it is another one."""
    visit = case.booking.visit_at if case.booking else None
    zone = visit.tzinfo if visit and not case.salon.timezone else ZoneInfo(case.salon.timezone or "Europe/Moscow")
    local = at.astimezone(zone)
    same_day = local.date() == case.event.change.astimezone(zone).date()
    return f"{local:%H:%M:%S}" if same_day else f"{local:%d.%m.%Y %H:%M:%S}"
