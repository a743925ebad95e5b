"""Waits a moment, so that a burst of edits becomes one message.

An administrator corrects within seconds, and one edit often comes as several webhooks. The wait counts from the first of
them, so a long burst ends too. A cancellation shortly before the visit does not wait.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from core import Case, Deferred, Duration, Settings, Verdict, hookimpl

SOON = timedelta(hours=3)

IN_RUSSIAN = "ждём, не последуют ли ещё правки"


class Config(Settings, frozen=True):
    wait: Duration = Duration("20s")  # from the first undecided event of the booking


@hookimpl
def filter(case: Case, now: datetime, config: Config) -> Verdict:  # noqa: A001
    until = case.event.since + config.wait
    if now >= until or case.test or _urgent(case, now):
        return None
    return Deferred(until, f"waits {config.wait.total_seconds():g} s for further edits")


def _urgent(case: Case, now: datetime) -> bool:
    told = case.announced or case.booking
    return case.type == "booking_cancelled" and told is not None and told.visit_at is not None and told.visit_at - now <= SOON
