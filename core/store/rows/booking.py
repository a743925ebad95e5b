"""A booking as the store keeps it: its key, what is known of it, and the message about it that still waits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from core.model import Booking
from core.store.values import time_of, when

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
            time_of(row["open_due_at"]),
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
