"""`create_app(config)` → Starlette: routes and lifespan. One app, one set of plugins, one store; nothing is global."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from core import hooks as plugin_hooks
from core.config import UNUSABLE, Configuration, usable
from core.endpoints import routes
from core.endpoints.requests import nowhere
from core.endpoints.session import Guesses
from core.endpoints.webhooks import webhook
from core.errors import StoreError, VestnikError
from core.failpoint import reach
from core.hooks import Hooks
from core.log import keep_secret
from core.reload import Reloader
from core.review import review
from core.runtime import Clock, Runtime, utc_now
from core.spools import Spools
from core.store import beside, open_store
from core.store.inbox import NewEvent
from core.worker import Worker

log = logging.getLogger("vestnik.app")
_DRAIN_EVERY = 2.0  # seconds between tries to hand the spool over


class Vestnik:
    """What the app is made of. Filled by the lifespan; `run` and `worker` exist while it runs."""

    run: Runtime
    worker: Worker
    spool: Spools
    token: str

    reloader: Reloader

    def __init__(
        self,
        config: Configuration,
        hooks: Hooks,
        *,
        now: Clock = utc_now,
        with_worker: bool = True,
        by_hand: bool = False,
        follow: bool = False,
        chance: Random | None = None,
    ) -> None:
        self.now = now
        self.has_worker, self.by_hand, self._follow = with_worker, by_hand, follow
        self._apply(config, hooks)
        self._chance = chance
        self.problem: VestnikError | None = None  # why the start was refused
        self.guesses = Guesses()

    async def start(self) -> None:
        """Open the store, take over what an earlier process left, start the loops."""
        self.token = operator_token(self.config)
        store = await open_store(self.config.database.url, self.config.folder, alone=not self.by_hand)
        self.spool = Spools(beside(self.config.database.url, self.config.folder, "spool"))
        self.run = Runtime(self.config, self.hooks, store, self.now, self._chance)
        if before := self.spool.take(self.run.owner):
            await store.orphan(before)
        self.worker = Worker(self.run)
        self.reloader = Reloader(self.run, self.worker, self._fits, self._in_force)
        await plugin_hooks.start(self.hooks)
        await self.empty_spool()
        self._drainer = asyncio.create_task(self._keep_empty())
        if self.has_worker:
            await self.worker.start()
        if self._follow:
            self.reloader.start()

    def _apply(self, config: Configuration, hooks: Hooks) -> None:
        self.config, self.hooks = config, hooks
        self.warnings = review(config, hooks)
        self.short_way = {f"/webhook/{plugin.short}": plugin.short for plugin in hooks.stage("source")}

    def _fits(self, config: Configuration, hooks: Hooks) -> None:
        """Raises `VestnikError` for a configuration that this server cannot take up."""
        review(config, hooks)
        operator_token(config)

    def _in_force(self, config: Configuration, hooks: Hooks) -> None:
        self.token = operator_token(config)
        self._apply(config, hooks)

    async def stop(self) -> None:
        await self.reloader.stop()
        self._drainer.cancel()
        await asyncio.gather(self._drainer, return_exceptions=True)
        await self.worker.stop()
        await self.reloader.finish()
        await plugin_hooks.stop(self.hooks)
        await self.run.close()
        await self.run.store.close()
        self.spool.close()

    async def empty_spool(self) -> int:
        """Hand over what was spooled, in order; 0 where the database still cannot take it."""

        async def write(rows: object) -> None:
            await self.run.store.inbox.receive(msgspec.convert(rows, list[NewEvent]))
            reach("draining")

        try:
            count, dead = await self.spool.drain(write)
            for owner in dead:
                await self.run.store.orphan(owner)
        except Exception as error:
            log.warning("outcome=spool_waits reason=%s", type(error).__name__)
            return 0
        if count:
            log.info("outcome=spool_drained count=%d", count)
            self.run.work.set()
        return count

    async def _keep_empty(self) -> None:
        while True:
            await asyncio.sleep(_DRAIN_EVERY)
            await self.empty_spool()


class _App(Starlette):
    """A POST to a source's own address goes straight to its endpoint: routing and middleware cost as much as taking the event in.

    A slash too many is not redirected: a booking system follows no redirect and sends nothing twice, so its event would be lost.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        vestnik = self.state.vestnik
        if scope["type"] == "http" and (scope["path"].endswith("/") or "//" in scope["path"]):
            scope["path"] = "/" + "/".join(filter(None, scope["path"].split("/")))
        source = vestnik.short_way.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if source is None:
            await super().__call__(scope, receive, send)
            return
        scope["path_params"] = {"source": source}
        answer = await webhook(vestnik, Request(scope, receive, send))
        await answer(scope, receive, send)


def create_app(
    config: Configuration,
    hooks: Hooks | None = None,
    *,
    now: Clock = utc_now,
    with_worker: bool = True,
    by_hand: bool = False,
    follow: bool = False,
    chance: Random | None = None,
) -> Starlette:
    """The app of one configuration. Raises `ConfigError` where a plugin does not fit. `app.state.vestnik` is the `Vestnik`.

    `follow`: take up the file whenever it changes. `by_hand`: a test moves it, perhaps several on one file; nothing runs by itself.
    """
    vestnik = Vestnik(
        config,
        hooks or plugin_hooks.load(config),
        now=now,
        with_worker=with_worker and not by_hand,
        by_hand=by_hand,
        follow=follow,
        chance=chance,
    )

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        try:
            await vestnik.start()
        except VestnikError as error:
            vestnik.problem = error
            raise
        try:
            yield
        finally:
            await vestnik.stop()

    app = _App(routes=routes(vestnik), lifespan=lifespan, exception_handlers={HTTPException: nowhere})
    app.state.vestnik = vestnik
    return app


def operator_token(config: Configuration) -> str:
    """From the configuration, else from the file beside the database; made, kept there (0600) and printed once at first start."""
    if config.server.token:
        keep_secret(config.server.token)
        return config.server.token
    path = beside(config.database.url, config.folder, "token")
    token = _kept(path) or _made(path)
    if not usable(token):
        raise StoreError(f"{path}: {UNUSABLE}")
    keep_secret(token)
    return token


def _kept(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


def _made(path: Path) -> str:
    """Written beside and renamed, so that nobody ever reads half a token."""
    token = secrets.token_urlsafe(24)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        draft.touch(mode=0o600, exist_ok=False)
        draft.write_text(token + "\n", encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise StoreError(
            f"{path}: the operator's token cannot be kept there ({error.strerror}); set [server] token instead"
        ) from None
    with contextlib.suppress(BrokenPipeError):  # a start does not depend on who reads along
        print(f"The operator's token, shown once and kept in {path}: {token}", flush=True)  # noqa: T201
    return token
