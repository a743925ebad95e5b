"""What the tests of the store share: an open store, and rows by keyword."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from core.store import Store, open_store
from core.store.inbox import NewEvent
from core.store.rows import Decision, EventEnd, EventRow, JournalLine, Key, Known, Notification
from core.testing import PHONE, a_booking

NOW = datetime(2026, 8, 20, 9, 0, tzinfo=UTC)
LEASE = timedelta(seconds=20)
KEY = Key("yclients", 962302, 1213336367)


def keep(url: str, story: Callable[[Store], Awaitable[Any]], *, alone: bool = True) -> Any:
    """Open the store of `url`, run `story` on it, close it."""

    async def run() -> Any:
        store = await open_store(url, Path("/"), alone=alone)
        try:
            async with asyncio.timeout(60):
                return await story(store)
        finally:
            await store.close()

    return asyncio.run(run())


def an_arrival(event_id: str = "evt_1", **fields: Any) -> NewEvent:
    """A webhook as the edge stores it."""
    plain: dict[str, Any] = {
        "event_id": event_id, "source": "yclients", "event_type": "record.created", "company_id": KEY.company_id, "record_id": KEY.record_id,
        "external_id": None, "transport_id": None, "digest": None, "payload": "{}", "status": "received", "reason": None, "is_test": False,
        "is_import": False, "at": NOW,
    }  # fmt: skip
    return NewEvent(**{**plain, **fields})


def a_notification(number: str = "n_1", **fields: Any) -> Notification:
    """A message that waits."""
    plain: dict[str, Any] = {
        "notification_id": number, "event_id": "evt_1", "source": KEY.source, "company_id": KEY.company_id, "record_id": KEY.record_id,
        "phone": PHONE, "notification_type": "booking_created", "channel": "whatsapp", "transport": "console", "reference": f"v{number}",
        "due_at": NOW, "deadline_at": NOW + timedelta(hours=24), "created_at": NOW, "told": a_booking(),
    }  # fmt: skip
    return Notification(**{**plain, **fields})


def a_decision(known: Known, row: EventRow, notification: Notification | None = None, **fields: Any) -> Decision:
    """The event is processed; the booking's row gets the next version."""
    booking = fields.pop("snapshot", a_booking())
    state = Known(known.key, snapshot=booking, create_seen=True, changed_at=NOW, version=known.version + 1)
    plain: dict[str, Any] = {
        "known": known, "ends": (EventEnd(row, "processed", NOW),), "state": state, "notification": notification,
        "journal": (JournalLine(NOW, row.event_id, "filter", "processed"),), "at": NOW,
    }  # fmt: skip
    return Decision(**{**plain, **fields})


async def rows(store: Store, statement: str) -> list[dict[str, Any]]:
    """Any SELECT, as a person at the database would write it."""
    async with store.engine.connection() as connection:
        found = await connection.fetch_all(statement)
        return [dict(row._mapping) if hasattr(row, "_mapping") else dict(row) for row in found]


async def execute(store: Store, statement: str) -> None:
    """Any other statement."""
    async with store.engine.connection() as connection:
        await connection.execute(statement)
