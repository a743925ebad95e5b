"""Keeps messages back on the salon's holidays, and sends them when it opens on the day after."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from core import Case, Deferred, Settings, Verdict, WallTime, hookimpl


class Config(Settings, frozen=True):
    days: tuple[str, ...] = ("01.01", "08.03")  # day and month
    opens: WallTime = WallTime("10:00")  # on the day after, by the salon's clock


@hookimpl
async def startup(config: Config) -> None:
    for day in config.days:
        try:
            _parsed(day)
        except ValueError:
            raise ValueError(f'days: `{day}` is no day of the year; write it as "08.03"') from None


@hookimpl
def filter(case: Case, now: datetime, config: Config) -> Verdict:
    visit = case.booking.visit_at if case.booking else None
    zone = ZoneInfo(case.salon.timezone) if case.salon.timezone else visit.tzinfo if visit else UTC
    here = now.astimezone(zone)
    if case.test or (here.day, here.month) not in map(_parsed, config.days):
        return None
    opens = datetime.combine(here.date() + timedelta(days=1), config.opens, zone)
    if visit and visit < opens:
        return None  # it cannot wait
    return Deferred(opens, f"{here:%d.%m} is a holiday")


def _parsed(text: str) -> tuple[int, int]:
    """ "08.03" → (8, 3). Raises ValueError."""
    day, month = map(int, text.split("."))
    date(2024, month, day)  # a leap year has every day
    return day, month
