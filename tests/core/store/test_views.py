"""What people ask the database themselves: the two views, and what was sent lately."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from core.store import Store
from tests.core.store.kit import a_notification, an_arrival, execute, keep, rows

EVENTS = ("received", "deferred", "processed", "processed", "suppressed", "ignored", "unreadable", "parked")
MESSAGES = ("pending", "sending", "sent", "delivered", "read", "read", "failed", "unclear", "expired", "superseded", "withheld")


async def fill(store: Store) -> None:
    """One event and one message of each status, of now, of yesterday's yesterday, and of a test."""
    now = datetime.now(UTC)
    for when, test in ((now, False), (now - timedelta(hours=25), False), (now, True)):
        mark = f"{when:%d}{test}"
        await store.inbox.receive([an_arrival(f"evt_{mark}_{n}", at=when, is_test=test) for n in range(len(EVENTS))])
        for n, status in enumerate(EVENTS):
            ended = f"'{when + timedelta(seconds=4):%Y-%m-%d %H:%M:%S.%f}+00'" if status not in ("received", "deferred") else "NULL"
            ended = ended.replace("+00", "") if store.engine.dialect == "sqlite" else ended
            await execute(
                store, f"UPDATE webhook_events SET status = '{status}', processed_at = {ended} WHERE event_id = 'evt_{mark}_{n}'"
            )
        await store.deliveries.add(
            [a_notification(f"n_{mark}_{n}", status=status, record_id=n, created_at=when + timedelta(milliseconds=n), is_test=test)
             for n, status in enumerate(MESSAGES)]
        )  # fmt: skip


def test_webhook_stats_count_a_day_without_tests(database_url: str) -> None:
    """`webhook_stats_24h` counts each status once, leaves out tests and what is older, and averages the time it took."""

    async def story(store: Store) -> None:
        await fill(store)
        found = await rows(store, "SELECT * FROM webhook_stats_24h")
        assert [{**row, "avg_processing_time_seconds": round(float(row["avg_processing_time_seconds"]), 2)} for row in found] == [
            {"event_type": "record.created", "total_events": 8, "processed_events": 2, "pending_events": 2, "suppressed_events": 2,
             "failed_events": 2, "avg_processing_time_seconds": 4.0}
        ]  # fmt: skip

    keep(database_url, story)


def test_notification_stats_count_a_day_without_tests(database_url: str) -> None:
    """`notification_stats_24h` counts what was sent, delivered, read, failed and waits; tests and the day before are left out."""

    async def story(store: Store) -> None:
        await fill(store)
        found = await rows(store, "SELECT * FROM notification_stats_24h")
        assert found == [
            {"notification_type": "booking_created", "total_sent": 5, "delivered": 3, "read": 2, "failed": 2, "pending": 2}
        ]

    keep(database_url, story)


def test_what_was_sent_lately(database_url: str) -> None:
    """The query of docs/http.md gives the ten newest messages, newest first."""

    async def story(store: Store) -> None:
        await fill(store)
        found = await rows(store, "SELECT * FROM booking_notifications ORDER BY created_at DESC LIMIT 10")
        assert Counter(row["status"] for row in found) == Counter(MESSAGES[-5:] * 2)
        assert found[0]["status"] == "withheld"

    keep(database_url, story)
