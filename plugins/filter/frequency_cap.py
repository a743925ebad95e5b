"""Spreads messages out, so that one phone does not get too many of them in a day.

A new time or a cancellation shortly before the visit is never kept back: the client would come in vain.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from msgspec import Meta

from core import Case, Deferred, Settings, Verdict, hookimpl

SOON = timedelta(hours=24)

IN_RUSSIAN = "клиенту и так много сообщений"


class Config(Settings, frozen=True):
    messages: Annotated[int, Meta(ge=1)] = 5  # at most so many to one phone
    hours: Annotated[int, Meta(ge=1, le=24)] = 24  # in so many hours; older messages are not looked at


@hookimpl
def filter(case: Case, now: datetime, config: Config) -> Verdict:  # noqa: A001
    window = timedelta(hours=config.hours)
    recent = sorted(at for at in case.contact.sent_at if at > now - window)
    if len(recent) < config.messages or _urgent(case, now):
        return None
    return Deferred(recent[-config.messages] + window, f"{len(recent)} messages to this phone in the last {config.hours} h")


def _urgent(case: Case, now: datetime) -> bool:
    moved = case.type == "booking_updated" and "time" in case.changed
    if not moved and case.type != "booking_cancelled":
        return False
    known = case.announced or case.booking
    times = [booking.visit_at for booking in (known, case.booking if moved else None) if booking and booking.visit_at]
    return any(visit_at - now <= SOON for visit_at in times)
