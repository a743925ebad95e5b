"""Stays silent about a new booking when the client has just been writing: whoever made it in the chat has told them.

Judged by the time of the change and never by now, so that a backlog or a replay answers the same.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from msgspec import Meta

from core import Case, Settings, Suppressed, Verdict, hookimpl

IN_RUSSIAN = "клиент только что переписывался с салоном"


class Config(Settings, frozen=True):
    minutes: Annotated[int, Meta(ge=0)] = 5  # how long before the booking was made


@hookimpl
def filter(case: Case, config: Config) -> Verdict:  # noqa: A001
    wrote_at = case.contact.wrote_at
    if case.type != "booking_created" or case.test or wrote_at is None:
        return None
    before = case.event.change - wrote_at
    if before > timedelta(minutes=config.minutes):
        return None
    return Suppressed(
        f"the client wrote {_spoken(abs(before))} {'before' if before >= timedelta(0) else 'after'} the change", client_knows=True
    )


def _spoken(length: timedelta) -> str:
    seconds = int(length.total_seconds())
    return f"{seconds // 60} min" if seconds >= 60 else f"{seconds} s"
