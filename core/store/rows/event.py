"""An event as the store keeps it, what becomes of it, and the lines of its story."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from core.store.rows.booking import Key
from core.store.values import time_of


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
    reason: str | None = None

    @property
    def key(self) -> Key | None:
        """The booking, where there is one."""
        return None if self.company_id is None or self.record_id is None else Key(self.source, self.company_id, self.record_id)


def event_row(row: Mapping[str, Any]) -> EventRow:
    return EventRow(
        row["id"], row["event_id"], row["source"], row["event_type"], row["company_id"], row["record_id"], row["external_id"], row["digest"],
        row["payload"], row["status"], row["rule"], bool(row["is_test"]), bool(row["is_import"]), row["attempts"], row["claims"],
        row["lease_token"], time_of(row["created_at"]), row["reason"],
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
