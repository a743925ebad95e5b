"""The health of accounts: which transports are left alone, since when, until when and why; kept over restarts, and known on every node."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from core.store.lane import Lane
from core.store.values import when


class Health(Struct, frozen=True):
    """One account of one transport. `reason` is `None` while it works; `failures` counts the sends that failed since one succeeded.

    `limited`: it works, and may take more a moment later.
    """

    transport: str
    account: int
    reason: str | None
    failures: int
    paused_until: datetime | None
    paused_at: datetime | None = None
    limited: bool = False


class HealthStore:
    def __init__(self, work: Lane, read: Lane) -> None:
        self._work, self._read = work, read

    async def pause(
        self, transport: str, account: int, reason: str, until: datetime, now: datetime, *, failed: bool, limited: bool = False
    ) -> None:
        """Leave an account alone until then. `failed`: a message did, so that the next pause is longer. `limited`: it only keeps to a rate."""
        place = {"transport": transport, "account": account}
        await self._work.run("pause", **place, reason=reason, limited=limited, until=until, now=now, failures=int(failed))

    async def works(self, transport: str, account: int, now: datetime) -> None:
        """It has taken a message."""
        await self._work.run("works", transport=transport, account=account, now=now)

    async def returns(self, transport: str, account: int, now: datetime) -> None:
        """It says that it works again."""
        await self._work.run("returns", transport=transport, account=account, now=now)

    async def all(self) -> list[Health]:
        found = await self._read.run("health")
        return [
            Health(
                r["transport"],
                r["account"],
                r["reason"],
                r["failures"],
                when(r["paused_until"]),
                when(r["paused_at"]),
                bool(r["limited"]),
            )
            for r in found
        ]
