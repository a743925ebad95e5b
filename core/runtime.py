"""What the stages share while the app runs: config, plugins, store, clients, clock. One per app; there is no global."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx

from core import limits
from core.alerts import Alerts
from core.config import Configuration
from core.hooks import Hooks
from core.http import make_client
from core.pace import Rates
from core.pipeline.record import Recorders
from core.store import Store
from core.store.health import Health
from core.store.templates import Refused

SOURCE_PACE: Rates = ((5, 1.0), (200, 60.0))  # requests in seconds: what booking APIs allow

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


class Listener(asyncio.Event):
    """One loop's ear. `blocked`: something is due that it could not take up; it wants to hear when a request ends.

    `freed`: one has ended while the loop looked.
    """

    blocked = freed = False


class Bell:
    """Wakes the loops that have something to do: each listens for its own kind of work ("events", "messages", "callbacks")."""

    def __init__(self) -> None:
        self._listeners: list[tuple[str, Listener]] = []

    def listen(self, kind: str) -> Listener:
        listener = Listener()
        self._listeners.append((kind, listener))
        return listener

    def set(self, *kinds: str) -> None:
        """Something of these kinds may be due; of any kind, where none is named."""
        for kind, listener in self._listeners:
            if not kinds or kind in kinds:
                listener.set()

    def freed(self) -> None:
        """A request has ended: whoever waits for a slot, or for a booking to be free, looks again."""
        for _, listener in self._listeners:
            listener.freed = True
            if listener.blocked:
                listener.set()


class Runtime:
    """`now` is the clock (a test gives its own), `owner` names this process in leases, `chance` spreads retries."""

    def __init__(
        self, config: Configuration, hooks: Hooks, store: Store, now: Clock = utc_now, chance: random.Random | None = None
    ) -> None:
        self.config, self.hooks, self.store, self.now = config, hooks, store, now
        self.chance = chance or random.Random()
        self.owner = uuid4().hex[:12]
        self.work = Bell()  # something may be due
        self.alerts = Alerts(self)
        self.alone = asyncio.Lock()  # held while something is tried that may have killed its worker
        self.health: dict[tuple[str, int], Health] = {}
        self.refused: dict[tuple[str, int], dict[str, Refused]] = {}  # account → its templates that the gateway refused
        self.recorders = Recorders(self)
        self._clients: dict[tuple[str | None, str | None, Rates], httpx.AsyncClient] = {}
        self._tokens = random.Random()

    def token(self) -> int:
        """A fencing token: whoever took a row over has another one."""
        return self._tokens.getrandbits(62)

    def http(self, config: Any, pace: Rates = ()) -> httpx.AsyncClient:
        """The client for a plugin: shared, but for those that name a proxy or a certificate file of their own."""
        key = (getattr(config, "proxy", None), getattr(config, "ca_file", None), pace)
        if key not in self._clients:
            self._clients[key] = make_client(proxy=key[0], ca_file=key[1], pace=pace)
        return self._clients[key]

    def source_http(self, config: Any) -> httpx.AsyncClient:
        """The client for a source: its sender counts requests, and shuts out who asks too often."""
        return self.http(config, SOURCE_PACE)

    async def breathe(self) -> None:
        """After a plugin that hung: call a person, and let all others go on before the next one is asked."""
        late, self.hooks.late = self.hooks.late, {}
        for name, why in late.items():
            await self.alerts.late(name, why)
        await asyncio.sleep(limits.BREATH)

    async def close(self) -> None:
        for client in self._clients.values():
            await client.aclose()

    async def load_health(self) -> None:
        self.health = {(entry.transport, entry.account): entry for entry in await self.store.health.all()}
        refused: dict[tuple[str, int], dict[str, Refused]] = {}
        for entry in await self.store.templates.refused(self.now()):
            refused.setdefault((entry.transport, entry.account), {})[entry.template] = entry
        self.refused = refused
        await self.alerts.load()
