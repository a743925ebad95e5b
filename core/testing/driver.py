"""An app that is driven over HTTP (ASGI) by a clock of its own. `an_app` stands on it, and so do the project's own tests."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import httpx

from core import hooks as plugin_hooks
from core.app import Vestnik, create_app
from core.config import Configuration
from core.testing.values import NOON, as_bytes


class Clock:
    """Time as a value: it stands still until somebody moves `now`."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


class Driver:
    """An app, its clock, and the two things tests do: post, and look."""

    def __init__(self, app: Any, http: httpx.AsyncClient, clock: Clock) -> None:
        self.app, self.http, self.clock = app, http, clock

    @property
    def vestnik(self) -> Vestnik:
        return self.app.state.vestnik  # type: ignore[no-any-return]

    async def post(self, payload: Any, path: str = "/webhook/yclients", **options: Any) -> httpx.Response:
        """Post a webhook; JSON if it is no bytes."""
        return await self.http.post(path, content=as_bytes(payload), **options)

    async def tell(self, payload: Any, **options: Any) -> dict[str, Any]:
        """Post, do everything that is due, and return the event's story: status, rule, reason, journal, notifications."""
        answered = await self.post(payload, **options)
        assert answered.status_code == 200, answered.text
        await self.settle()
        return await self.story(answered.json()["eventId"])

    async def settle(self, seconds: float = 0) -> None:
        """Let time pass, then do everything that is due."""
        self.clock.now += timedelta(seconds=seconds)
        await self.vestnik.worker.drain()

    async def story(self, key: str) -> dict[str, Any]:
        return (await self.vestnik.run.store.look.story(str(key)))[0]

    async def messages(self) -> list[dict[str, Any]]:
        """Every row of booking_notifications, oldest first."""
        return await self.rows("SELECT * FROM booking_notifications ORDER BY id")

    async def rows(self, statement: str) -> list[dict[str, Any]]:
        """Any SELECT, as a person at the database would write it."""
        engine = self.vestnik.run.store.engine
        async with engine.connection() as connection:
            return [dict(row._mapping) if hasattr(row, "_mapping") else dict(row) for row in await connection.fetch_all(statement)]

    async def texts(self) -> list[str]:
        """The texts that left, oldest first."""
        return [row["message"] for row in await self.messages() if row["status"] in ("sent", "delivered", "read")]


@contextlib.asynccontextmanager
async def driven(config: Configuration, clock: Clock, *, with_worker: bool = False) -> AsyncIterator[Driver]:
    """The app of this configuration while the block runs. Time moves only by `settle`; chance is always the same."""
    app = create_app(config, plugin_hooks.load(config), now=clock, by_hand=not with_worker, chance=random.Random(1))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://vestnik") as http:
            yield Driver(app, http, clock)
