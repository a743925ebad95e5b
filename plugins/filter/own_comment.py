"""Stays silent about a booking that the salon's own bot made: the bot has told the client already.

It is known by a mark in the booking's comment. A booking first seen as a change is noted by the same mark.
"""

from __future__ import annotations

from core import Case, Settings, Suppressed, Verdict, hookimpl

IN_RUSSIAN = "запись сделал бот салона, он уже написал клиенту"


class Config(Settings, frozen=True):
    marks: tuple[str, ...] = ("AI Admin", "AI администратор", "WhatsApp")  # any of them in the comment, in small or capital letters


@hookimpl
def filter(case: Case, config: Config) -> Verdict:  # noqa: A001
    if case.booking is None or not (case.type == "booking_created" or _unseen_update(case)):
        return None
    comment = case.booking.comment.casefold()
    # A blank mark would be found in every comment and silence everybody.
    found = next((mark for mark in config.marks if mark.strip() and mark.casefold() in comment), None)
    return Suppressed(f'the comment bears the mark "{found}"', client_knows=True) if found else None


def _unseen_update(case: Case) -> bool:
    return case.type == "booking_updated" and case.announced is None and not case.seen
