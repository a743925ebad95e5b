"""One message on one channel, as the store keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from core.model import Booking
from core.store.rows.booking import Key, read_booking
from core.store.values import time_of, when

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
    template: str | None = None  # of the gateway, that it left by
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
    fallback_at: datetime | None = None  # then the next channel, if it was not handed over or not delivered
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
        message=row["message"], status=row["status"], provider_message_id=row["provider_message_id"], template=row["template"], reference=row["reference"],
        error=row["error"], rule=row["rule"], is_test=bool(row["is_test"]), revision=row["revision"], told=read_booking(row["told"]),
        known_before=read_booking(row["known_before"]), body=row["body"], attempts=row["attempts"], claims=row["claims"], checks=row["checks"],
        due_at=time_of(row["due_at"]), deadline_at=time_of(row["deadline_at"]), created_at=time_of(row["created_at"]), turn_at=when(row["turn_at"]),
        repeat_until=when(row["repeat_until"]), fallback_at=when(row["fallback_at"]),
        sent_at=when(row["sent_at"]), delivered_at=when(row["delivered_at"]),
    )  # fmt: skip
