"""What gateways posted, as it came: stored before they are answered, worked on when it is due, and kept with what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from core.store.lane import Lane
from core.store.tx import Tx
from core.store.values import LONG_AGO, time_of, when


class StoredCallback(Struct, frozen=True):
    id: int
    transport: str
    account: int
    items: str
    tries: int
    created_at: datetime
    failures: int = 0
    token: int = 0


class CallbackStore:
    def __init__(self, work: Lane, read: Lane) -> None:
        self._work, self._read = work, read

    async def add(self, rows: Sequence[dict[str, Any]]) -> None:
        """Store what a gateway posted; returns after the commit."""
        await self._work.submit(self._add, list(rows))

    async def _add(self, tx: Tx, rows: list[dict[str, Any]]) -> list[None]:
        await tx.fetch("store_callback", [{"n": n, **row} for n, row in enumerate(rows)])
        return [None] * len(rows)

    async def claim(self, owner: str, token: int, now: datetime, lease: timedelta, most: int = 200) -> list[StoredCallback]:
        """What is due and in nobody's hand, oldest first. Only who has the `token` may close it."""
        rows = await self._work.run(
            "claim_callbacks", owner=owner, token=token, now=now, until=now + lease, far=now + 2 * lease, most=most
        )
        return [_stored(row) for row in sorted(rows, key=lambda row: (time_of(row["due_at"]), row["id"]))]

    async def close(self, ends: Sequence[dict[str, Any]]) -> None:
        if ends:
            await self._work.run("close_callbacks", rows=list(ends))

    async def renew(self, held: Mapping[int, int], until: datetime) -> None:
        """As with events."""
        if held:
            await self._work.run(
                "renew_callbacks", rows=[{"id": number, "token": token} for number, token in held.items()], until=until
            )

    async def orphan(self, owner: str) -> None:
        """As with events."""
        await self._work.run("orphan_callbacks", owner=owner, past=LONG_AGO)

    async def release(self, owner: str) -> None:
        await self._work.run("release_callbacks", owner=owner)

    async def replay(self, transport: str, now: datetime) -> int:
        """Those of a transport that were parked are due again; how many."""
        return len(await self._work.run("replay_callbacks", transport=transport, now=now))

    async def next_due(self) -> datetime | None:
        """When the next stored callback is due."""
        found = await self._read.run("next_callback")
        return when(found[0]["due_at"])


def _stored(row: Mapping[str, Any]) -> StoredCallback:
    return StoredCallback(
        row["id"],
        row["transport"],
        row["account"],
        row["items"] or "[]",
        row["tries"],
        time_of(row["created_at"]),
        row["failures"],
        row["lease_token"],
    )
