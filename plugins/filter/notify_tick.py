"""Stays silent where the administrator unticked "notify the client"."""

from __future__ import annotations

from core import Case, Suppressed, Verdict, hookimpl

IN_RUSSIAN = "администратор снял галочку «уведомить клиента»"


@hookimpl
def filter(case: Case) -> Verdict:  # noqa: A001
    if case.booking is not None and case.booking.notify is False:
        return Suppressed('the administrator unticked "notify the client"')
    return None
