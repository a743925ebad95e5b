"""Keeps messages back at night, on the salon's own clock, and sends them in the morning.

At once all the same, if the visit begins soon after the quiet ends, or the client is booking online at this very moment.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from msgspec import field

from core import Case, Deferred, Settings, Verdict, WallTime, hookimpl

on_error = "hold"  # a broken rule must not ring at 2 a.m.

SOON = timedelta(hours=2)  # after the end of the quiet: time enough to get ready
JUST_NOW = timedelta(minutes=10)

IN_RUSSIAN = "тихие часы"


class Config(Settings, frozen=True):
    from_: WallTime = field(default=WallTime("22:00"), name="from")  # the salon's clock; the same as `to`: no quiet
    to: WallTime = WallTime("09:00")  # may lie behind midnight


@hookimpl
def filter(case: Case, now: datetime, config: Config) -> Verdict:  # noqa: A001
    end = _end(now.astimezone(_zone(case)), config)
    if end is None or case.test or _begins_before(case, end + SOON) or _online_just_now(case, now):
        return None
    return Deferred(end.astimezone(UTC), f"quiet hours until {config.to:%H:%M}")


def _end(local: datetime, config: Config) -> datetime | None:
    """When the quiet around `local` ends; `None` where it is not quiet."""
    begin, end, clock = config.from_, config.to, local.time()
    quiet = begin <= clock < end if begin <= end else clock >= begin or clock < end
    if not quiet:
        return None
    return datetime.combine(local.date() + timedelta(days=clock >= end), end, local.tzinfo)


def _zone(case: Case) -> tzinfo:
    visit = case.booking.visit_at if case.booking else None
    if case.salon.timezone is None and visit is not None and visit.tzinfo is not None:
        return visit.tzinfo
    return ZoneInfo(case.salon.timezone or "Europe/Moscow")


def _begins_before(case: Case, moment: datetime) -> bool:
    told = (case.type == "booking_cancelled" and case.announced) or case.booking
    return told is not None and told.visit_at is not None and told.visit_at < moment


def _online_just_now(case: Case, now: datetime) -> bool:
    booked_online = case.type == "booking_created" and case.booking is not None and case.booking.online
    return booked_online and now - case.event.change <= JUST_NOW
