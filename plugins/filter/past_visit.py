"""Stays silent about a visit that has begun, or that the client has come to.

Salons mend bookings long after the visit. A cancellation is judged by the time the client knows, everything else by the new one.
"""

from __future__ import annotations

from datetime import datetime

from core import Case, Suppressed, Verdict, hookimpl

IN_RUSSIAN = "визит уже начался или состоялся"


@hookimpl
def filter(case: Case, now: datetime) -> Verdict:  # noqa: A001
    told = (case.type == "booking_cancelled" and case.announced) or case.booking
    if told is None or case.test:
        return None
    if "arrived" in (told.attendance, case.booking and case.booking.attendance):
        return Suppressed("the client has come to the visit")
    if told.visit_at is not None and told.visit_at <= now:
        return Suppressed(f"the visit began on {told.visit_at:%d.%m.%Y at %H:%M}")
    return None
