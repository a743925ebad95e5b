"""What gateways posted, as it came: stored before they are answered, worked on when it is due, and kept with what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from core.store.lane import Lane
from core.store.tx import Tx
from core.store.values import when


class StoredCallback(Struct, frozen=True):
    id: int
    transport: str
    account: int
    items: str
    tries: int
    created_at: datetime


class CallbackStore:
    def __init__(self, work: Lane, read: Lane) -> None:
        self._work, self._read = work, read

    async def add(self, rows: Sequence[dict[str, Any]]) -> None:
        """Store what a gateway posted; returns after the commit."""
        await self._work.submit(self._add, list(rows))

    async def _add(self, tx: Tx, rows: list[dict[str, Any]]) -> list[None]:
        await tx.fetch("store_callback", [{"n": n, **row} for n, row in enumerate(rows)])
        return [None] * len(rows)

    async def due(self, now: datetime, most: int = 200) -> list[StoredCallback]:
        rows = await self._work.run("due_callbacks", now=now, most=most)
        return [
            StoredCallback(r["id"], r["transport"], r["account"], r["items"] or "[]", r["tries"], when(r["created_at"]) or now)
            for r in rows
        ]

    async def close(self, ends: Sequence[dict[str, Any]]) -> None:
        if ends:
            await self._work.run("close_callbacks", rows=list(ends))

    async def next_due(self) -> datetime | None:
        """When the next stored callback is due."""
        found = await self._read.run("next_callback")
        return when(found[0]["due_at"])
