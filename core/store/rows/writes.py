"""What the pipeline asks the store to write in one transaction: a decision, the end of an attempt, the next channel."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from core.store.rows.booking import Known
from core.store.rows.event import EventEnd, JournalLine
from core.store.rows.notification import Notification


class Lease(Struct, frozen=True):
    """Who works on a row, and until when; `token` fences off whoever had it before."""

    owner: str
    token: int
    until: datetime


class Decision(Struct, frozen=True, kw_only=True):
    """All that one decision writes, in one transaction: the booking as it is now, what it replaces, what is to be told, and the story.

    `known` carries the version that was read; if the store has a newer one by then, nothing is written and the events are decided again.
    """

    known: Known | None  # None: no booking is kept (a ready-made text, a test)
    ends: tuple[EventEnd, ...]
    state: Known | None = None  # what the row becomes; None: unchanged
    supersede: str | None = None  # the reason, where a waiting message is replaced
    notification: Notification | None = None
    lease: Lease | None = None  # the message leaves at once: who decided sends it, and nobody need claim it
    journal: tuple[JournalLine, ...] = ()
    at: datetime


class Onwards(Struct, frozen=True):
    """A message that was not delivered, and the same one on the next channel; `next` None: there is none, and `reason` is noted."""

    row: Notification
    next: Notification | None
    journal: JournalLine
    reason: str


class Finish(Struct, frozen=True, kw_only=True):
    """What becomes of a claimed notification, in one transaction with what follows from it."""

    row: Notification
    status: str
    at: datetime
    provider_id: str | None = None
    error: str | None = None
    rule: str | None = None
    message: str | None = None
    due_at: datetime | None = None
    turn_at: datetime | None = None  # `due_at` is a turn that its account has promised
    fallback_at: datetime | None = None
    check_at: datetime | None = None
    announce: bool = False  # the client may know: announced moves to what the row tells
    attempted: bool = False  # it was tried and did not get through
    next: Notification | None = None  # the same message on the next channel
    event: tuple[str, str | None, str | None] | None = None  # (status, rule, reason) of its event, where that changes
    journal: tuple[JournalLine, ...] = ()
