"""What the pipeline and the store say to each other: rows as values. Times are aware UTC; bookings are decoded."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from core.model import Booking
from core.store.values import when

_booking = msgspec.json.Decoder(Booking)
_encoder = msgspec.json.Encoder()


class Key(Struct, frozen=True, order=True):
    """One booking. The source comes first, because the ids of two sources may overlap."""

    source: str
    company_id: int
    record_id: int


def read_booking(text: str | None) -> Booking | None:
    return None if text is None else _booking.decode(text)


def write_booking(booking: Booking | None) -> str | None:
    return None if booking is None else _encoder.encode(booking).decode()


class EventRow(Struct, frozen=True):
    """One row of `webhook_events`, as decide needs it."""

    id: int
    event_id: str
    source: str
    event_type: str
    company_id: int | None
    record_id: int | None
    external_id: str | None
    digest: str | None
    payload: str | None
    status: str
    rule: str | None
    is_test: bool
    is_import: bool
    attempts: int
    claims: int
    token: int
    created_at: datetime

    @property
    def key(self) -> Key | None:
        """The booking, where there is one."""
        return None if self.company_id is None or self.record_id is None else Key(self.source, self.company_id, self.record_id)


def event_row(row: Mapping[str, Any]) -> EventRow:
    return EventRow(
        row["id"], row["event_id"], row["source"], row["event_type"], row["company_id"], row["record_id"], row["external_id"], row["digest"],
        row["payload"], row["status"], row["rule"], bool(row["is_test"]), bool(row["is_import"]), row["attempts"], row["claims"],
        row["lease_token"], _time(row["created_at"]),
    )  # fmt: skip


class OpenMessage(Struct, frozen=True):
    """The message about a booking that still waits, or is being sent."""

    id: int
    type: str
    attempts: int
    due_at: datetime
    status: str
    error: str | None = None
    transport: str | None = None
    account: int = 0
    turn_at: datetime | None = None


class Known(Struct, frozen=True):
    """What the store knows of a booking. `version` 0: nothing at all."""

    key: Key
    snapshot: Booking | None = None
    announced: Booking | None = None
    revision: int = 0
    create_seen: bool = False
    attempted: Booking | None = None
    hindrance: str | None = None
    changed_at: datetime | None = None
    is_cancelled: bool = False
    restored_at: datetime | None = None
    created_by_bot: bool = False
    digest: str | None = None
    external_id: str | None = None
    version: int = 0
    open: OpenMessage | None = None

    @property
    def seen(self) -> bool:
        return self.version > 0


def known_row(key: Key, row: Mapping[str, Any]) -> Known:
    waiting = None
    if row["open_id"] is not None:
        waiting = OpenMessage(
            row["open_id"],
            row["open_type"],
            row["open_attempts"],
            _time(row["open_due_at"]),
            row["open_status"],
            row["open_error"],
            row["open_transport"],
            row["open_account"],
            when(row["open_turn_at"]),
        )
    if row["version"] is None:
        return Known(key, open=waiting)
    return Known(
        key, read_booking(row["snapshot"]), read_booking(row["announced"]), row["revision"], bool(row["create_seen"]), read_booking(row["attempted"]),
        row["hindrance"], when(row["last_change_date"]), bool(row["is_cancelled"]), when(row["restored_at"]), bool(row["created_by_bot"]),
        row["digest"], row["external_id"], row["version"], waiting,
    )  # fmt: skip


class EventEnd(Struct, frozen=True):
    """What becomes of an event row. `due_at` says when it is looked at again (received, deferred). `counts`: this claim counts as a failed one."""

    row: EventRow
    status: str
    due_at: datetime
    rule: str | None = None
    reason: str | None = None
    counts: bool = False


class JournalLine(Struct, frozen=True):
    """One step of the story of an event."""

    at: datetime
    event_id: str
    stage: str
    verdict: str
    plugin: str | None = None
    reason: str | None = None
    notification_id: str | None = None
    detail: str | None = None


OURS = "vestnik"  # the source of what we say for ourselves: alerts, answers, tests. It counts as no client's notification.


class Notification(Struct, frozen=True, kw_only=True):
    """One row of `booking_notifications`. A new one has id 0 and no token."""

    notification_id: str
    event_id: str
    source: str
    company_id: int | None
    record_id: int | None
    phone: str | None
    notification_type: str
    channel: str
    reference: str
    due_at: datetime
    deadline_at: datetime
    created_at: datetime
    id: int = 0
    token: int = 0
    step: int = 0
    round: int = 0  # how often it had been sent again by hand: each round tries the route anew
    client_name: str | None = None
    transport: str | None = None
    account: int = 0
    message: str | None = None
    status: str = "pending"
    provider_message_id: str | None = None
    error: str | None = None
    rule: str | None = None
    is_test: bool = False
    revision: int = 0
    told: Booking | None = None
    known_before: Booking | None = None
    body: str | None = None
    attempts: int = 0
    claims: int = 0
    checks: int = 0
    turn_at: datetime | None = None  # the turn of its account that it was promised and waits for
    repeat_until: datetime | None = None  # it may have been taken: until then its gateway knows a repeat as one
    sent_at: datetime | None = None
    delivered_at: datetime | None = None

    @property
    def ours(self) -> bool:
        """Whether we say it for ourselves: no rule for clients, no statistics and no cascade of theirs knows it."""
        return self.source == OURS

    @property
    def key(self) -> Key | None:
        """The booking it is about; `None` for a ready-made text."""
        if self.company_id is None or self.record_id is None or self.body is not None:
            return None
        return Key(self.source, self.company_id, self.record_id)

    @property
    def state_key(self) -> Key | None:
        """The booking whose state the store keeps: a test event has none."""
        return None if self.is_test else self.key


def notification_row(row: Mapping[str, Any]) -> Notification:
    return Notification(
        id=row["id"], token=row["lease_token"] or 0, notification_id=row["notification_id"], step=row["step"], round=row["round"], event_id=row["event_id"],
        source=row["source"], company_id=row["company_id"], record_id=row["record_id"], phone=row["phone"], client_name=row["client_name"],
        notification_type=row["notification_type"], channel=row["channel"], transport=row["transport"], account=row["account"],
        message=row["message"], status=row["status"], provider_message_id=row["provider_message_id"], reference=row["reference"],
        error=row["error"], rule=row["rule"], is_test=bool(row["is_test"]), revision=row["revision"], told=read_booking(row["told"]),
        known_before=read_booking(row["known_before"]), body=row["body"], attempts=row["attempts"], claims=row["claims"], checks=row["checks"],
        due_at=_time(row["due_at"]), deadline_at=_time(row["deadline_at"]), created_at=_time(row["created_at"]), turn_at=when(row["turn_at"]),
        repeat_until=when(row["repeat_until"]),
        sent_at=when(row["sent_at"]), delivered_at=when(row["delivered_at"]),
    )  # fmt: skip


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


def _time(value: Any) -> datetime:
    found = when(value)
    assert found is not None
    return found
