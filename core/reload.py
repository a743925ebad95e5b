"""Take up a changed config.toml while running. A wrong one is refused with its sentence, and the old one stays until it is right.

No step of the work is stopped: what is under way ends with the plugins it began with, and those that are gone are shut down after that.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from core import config as configuration
from core import demands, limits
from core import hooks as plugin_hooks
from core.config import Configuration
from core.errors import ConfigError, VestnikError, in_words
from core.hooks import Hooks, Plugin
from core.log import masked
from core.runtime import Runtime
from core.worker import Worker

log = logging.getLogger("vestnik.reload")
_EVERY = 1.0  # seconds between looks at the file
_LOAD_WITHIN = 10.0  # seconds: a module that does not come back from its import must not stop a server
_SETTLED = 2.0  # seconds: a step that was under way has started by then what it was going to start
_LOOKS = 0.1

Stamp = tuple[int, int, int] | None


class Reloader:
    """`check` refuses a configuration by raising; `applied` is told of one that is in force. `said` is what a person should read."""

    def __init__(
        self,
        run: Runtime,
        worker: Worker,
        check: Callable[[Configuration, Hooks], Any] = lambda *_: None,
        applied: Callable[[Configuration, Hooks], Any] = lambda *_: None,
    ) -> None:
        self.run, self.worker, self._check, self._applied = run, worker, check, applied
        self.path = run.config.path
        self.problem: str | None = None  # why the file as it is now is not in force
        self.later: list[str] = []  # what of it takes a restart
        self._done = self._seen = _stamp(self.path)
        self._now = asyncio.Event()
        self._retiring: dict[asyncio.Task[None], tuple[Hooks, list[Plugin]]] = {}
        self._task: asyncio.Task[None] | None = None

    @property
    def said(self) -> list[str]:
        return ([f"{self.problem}; until then the old configuration stays in force"] if self.problem else []) + self.later

    def start(self) -> None:
        self._task = asyncio.create_task(self._follow(), name="reload")
        # A loop beside the main thread, or one without signals, cannot hear SIGHUP: the file is looked at all the same.
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            terminal = os.isatty(0)
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._hung_up, terminal)

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def finish(self) -> None:
        """What was waiting to be shut down is shut down: the worker has stopped, and nothing is under way."""
        for task, (hooks, gone) in list(self._retiring.items()):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            for plugin in reversed(gone):
                await plugin_hooks.stop_one(hooks, plugin)

    def _hung_up(self, terminal: bool) -> None:
        if terminal and not _terminal_is_there():  # somebody closed the window: end as ever
            signal.raise_signal(signal.SIGTERM)
        else:
            self._now.set()

    async def _follow(self) -> None:
        while True:
            try:
                async with asyncio.timeout(_EVERY):
                    await self._now.wait()
                self._now.clear()
                self._seen = _stamp(self.path)
                await self.reload()
            except TimeoutError:
                await self.look()

    async def look(self) -> None:
        """Take the file up if it has changed, and not again since the last look: it may be half written."""
        now = _stamp(self.path)
        settled, self._seen = now == self._seen, now
        if settled and now != self._done:
            await self.reload()

    async def reload(self) -> bool:
        """Whether the file as it is now is in force."""
        self._done = self._seen
        try:
            await self._take_up()
        except Exception as error:
            why = str(error) if isinstance(error, VestnikError) else in_words(error)
            self.problem = masked(why)
            log.error("outcome=kept_old reason=%s", self.problem)
        else:
            self.problem = None
        return self.problem is None

    async def _take_up(self) -> None:
        running, before = self.run.hooks, self.run.config
        importlib.invalidate_caches()  # a plugin's file may be new
        config = configuration.load(self.path)
        if not any(config.tables.values()):  # a file that somebody is about to write looks like this
            raise ConfigError(f"{self.path}: names no plugin; write the tables back")
        hooks = limits.WATCH.call(_LOAD_WITHIN, plugin_hooks.load, config, running)
        demands.check(config, hooks)
        self._check(config, hooks)
        config, later = _as_started(config, before)
        self._check(config, hooks)
        fresh = [plugin for plugin in hooks.plugins if plugin not in running.plugins]
        gone = [plugin for plugin in running.plugins if plugin not in hooks.plugins]
        await _start(hooks, fresh, running)
        hooks.late.update(running.late)
        self.run.config, self.run.hooks = config, hooks
        self._applied(config, hooks)
        self.worker.reloaded(before, running)
        self._retire(running, [plugin for plugin in gone if "shutdown" in plugin.calls])
        self.later = later
        log.info("outcome=reloaded changed=%s", ",".join(_changes(fresh, gone)) or "keys")
        for sentence in later:
            log.warning("outcome=needs_restart reason=%s", sentence)

    def _retire(self, hooks: Hooks, gone: list[Plugin]) -> None:
        if gone:
            task = asyncio.create_task(self._let_go(hooks, gone), name="retire")
            self._retiring[task] = (hooks, gone)
            task.add_done_callback(lambda done: self._retiring.pop(done, None))

    async def _let_go(self, hooks: Hooks, gone: list[Plugin]) -> None:
        """Shut plugins down once nothing of theirs is under way."""
        await self.worker.under_way()
        await asyncio.sleep(_SETTLED)
        await self.worker.under_way()
        while any(plugin.uses.count or self.run.recorders.waits(plugin) for plugin in gone):  # noqa: ASYNC110 (they ring no bell)
            await asyncio.sleep(_LOOKS)
        for plugin in reversed(gone):
            await plugin_hooks.stop_one(hooks, plugin)


async def _start(hooks: Hooks, fresh: list[Plugin], running: Hooks) -> None:
    """`startup` of what is new or has new settings. Raises `PluginError`; then all is as it was."""
    begun: list[Plugin] = []
    try:
        for plugin in fresh:
            begun.append(plugin)
            await plugin_hooks.start_one(hooks, plugin)
    except BaseException:
        for plugin in reversed(begun):
            before = running.get(plugin.stage, plugin.short)
            if before is not None and before.module is plugin.module:  # it has been told of settings that do not come
                with contextlib.suppress(VestnikError):
                    await plugin_hooks.start_one(running, before)
            elif plugin is not begun[-1]:
                await plugin_hooks.stop_one(hooks, plugin)
        raise


def _as_started(config: Configuration, before: Configuration) -> tuple[Configuration, list[str]]:
    """The new configuration with what cannot change in a running process left as it is, and a sentence for each such key."""
    later = []
    for table, key in (("server", "host"), ("server", "port"), ("database", "url")):
        kept = getattr(getattr(before, table), key)
        if getattr(getattr(config, table), key) != kept:
            later.append(f"{config.path} [{table}] {key}: has changed; restart Vestnik, which uses the old one until then")
    server = msgspec.structs.replace(config.server, host=before.server.host, port=before.server.port)
    database = msgspec.structs.replace(config.database, url=before.database.url)
    return msgspec.structs.replace(config, server=server, database=database), later


def _changes(fresh: list[Plugin], gone: list[Plugin]) -> list[str]:
    """ "+filter.a" is on now, "-filter.b" off, "filter.c" has other settings."""
    on, off = {plugin.name for plugin in fresh}, {plugin.name for plugin in gone}
    return [*sorted(on & off), *(f"+{name}" for name in sorted(on - off)), *(f"-{name}" for name in sorted(off - on))]


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _terminal_is_there() -> bool:
    try:
        os.tcgetpgrp(sys.stdin.fileno())
    except (OSError, ValueError):
        return False
    return True
