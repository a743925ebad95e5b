"""What the pipeline asks the store to write in one transaction: a decision, the end of an attempt, the next channel; and
the columns of what is new."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from core.store.rows.booking import Known, write_booking
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
    template: str | None = None  # the one that it left by
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


def notification_values(row: Notification, lease: Lease | None = None) -> dict[str, Any]:
    """A new row's columns. `lease`: it is taken up as it is written."""
    values = {name: getattr(row, name) for name in _COLUMNS}
    if lease is not None:
        values |= {"lease_owner": lease.owner, "lease_token": lease.token, "lease_until": lease.until, "claims": 1}
    else:
        values["claims"] = 0
    values["told"], values["known_before"] = write_booking(row.told), write_booking(row.known_before)
    return values


_COLUMNS = (
    "notification_id", "step", "round", "event_id", "source", "company_id", "record_id", "phone", "client_name", "notification_type", "channel", "transport",
    "account", "message", "status", "reference", "error", "rule", "is_test", "revision", "body", "attempts", "due_at", "turn_at", "deadline_at",
    "created_at", "sent_at",
)  # fmt: skip


def journal_values(lines: Iterable[JournalLine]) -> list[dict[str, Any]]:
    return [msgspec.structs.asdict(line) for line in lines]
