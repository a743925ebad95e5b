"""Messages that are out and watched: when the next channel takes over from one that was not delivered, and when its gateway is asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from core.store.lane import Lane
from core.store.rows import Notification, Onwards, journal_values, notification_row, notification_values
from core.store.tx import Tx


class Watches:
    def __init__(self, work: Lane, read: Lane) -> None:
        self._work, self._read = work, read

    async def due_fallbacks(self, now: datetime) -> list[Notification]:
        """Messages accepted or unclear and not delivered in time; `go_on` ends their watch."""
        found = await self._read.run("due_fallbacks", now=now)
        return [notification_row(row) for row in found]

    async def go_on(self, following: Sequence[Onwards]) -> list[bool]:
        """End the watch on these messages and add the next ones; `False` where a delivery, a later step or something newer is known by now."""
        return await self._work.submit(self._go_on, list(following))

    async def _go_on(self, tx: Tx, following: list[Onwards]) -> list[bool]:
        rows = [{"id": entry.row.id, "error": None if entry.next else entry.reason} for entry in following]
        may = {row["id"] for row in await tx.fetch("go_on", rows)}
        kept = [entry for entry in following if entry.row.id in may]
        if over := [{"id": entry.row.id} for entry in following if entry.row.id not in may]:
            await tx.fetch("end_watch", over)
        if added := [notification_values(entry.next) for entry in kept if entry.next is not None]:
            await tx.fetch("add_notifications", added)
        if kept:
            await tx.fetch("add_journal", journal_values(entry.journal for entry in kept))
        return [entry.row.id in may for entry in following]

    async def fall_back_at(self, number: int, fallback_at: datetime) -> None:
        """The next channel is due then, unless a delivery is known."""
        await self._work.run("gave_up", rows=[{"id": number, "at": fallback_at}])

    async def due_checks(self, now: datetime) -> list[Notification]:
        found = await self._work.run("due_checks", now=now)
        return [notification_row(row) for row in found]

    async def check_again(self, rows: Sequence[tuple[int, datetime]]) -> None:
        await self._work.submit(self._check_again, [[{"id": number, "check_at": at} for number, at in rows]])

    async def _check_again(self, tx: Tx, batches: list[list[dict[str, Any]]]) -> list[Any]:
        return [await tx.fetch("check_again", rows) for rows in batches]
