"""Ask the sources what changed: at the start, on a timer, for each listed salon since the point that is known; nothing is lost while we are
down. Where polls find what no webhook has told, the owner hears of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import datetime, timedelta

from core.alerts import Cause
from core.blame import silently
from core.config import Configuration
from core.hooks import Hooks, Plugin
from core.pipeline import receive
from core.runtime import Runtime

log = logging.getLogger("vestnik.poll")
_EVERY = timedelta(minutes=5)  # where a source does not say
_SILENT_FOR = timedelta(hours=3)  # webhooks that tell nothing while polls find changes


class Polls:
    """A task for each source that asks."""

    def __init__(self, run: Runtime) -> None:
        self.run = run
        self.tasks: dict[str, asyncio.Task[None]] = {}

    def start(self) -> None:
        self.tasks = {name: asyncio.create_task(self._poll(name), name=f"poll {name}") for name in self._sources()}

    def reloaded(self, config: Configuration, hooks: Hooks) -> None:
        """Another configuration is in force than this one: where it is another for those who ask, they begin again."""
        now = self.run.hooks
        same = all(hooks.get("source", name) is now.get("source", name) for name in {*self.tasks, *self._sources()})
        if not (same and config.salons == self.run.config.salons):
            for task in self.tasks.values():
                task.cancel()  # the next one asks from the same point
            self.start()

    def _sources(self) -> list[str]:
        return [plugin.short for plugin in self.run.hooks.stage("source") if "poll" in plugin.calls]

    async def _poll(self, source: str) -> None:
        clock = asyncio.get_running_loop().time
        due: dict[int, float] = {}
        while True:
            for plugin, company in self._asked(source):
                if due.get(company, 0.0) <= clock():
                    await self._ask(plugin, company)
                    due[company] = clock() + _every(plugin, company).total_seconds()
            await asyncio.sleep(max(1.0, min(due.values(), default=clock() + 60) - clock()))

    async def once(self, source: str) -> int:
        """Ask a source what changed in each listed salon since the last known point; how much of it was news."""
        return sum([await self._ask(plugin, company) for plugin, company in self._asked(source)])

    def _asked(self, source: str) -> list[tuple[Plugin, int]]:
        plugin = self.run.hooks.get("source", source)
        return [
            (plugin, company) for company in self.run.config.salons if plugin is not None and plugin.config_for(company) is not None
        ]

    async def _ask(self, plugin: Plugin, company: int) -> int:
        """Where it is our turn: of several nodes one asks, and another once that one has been silent for longer than it should."""
        inbox, owner = self.run.store.inbox, self.run.owner
        try:
            if not await inbox.take_poll_turn(plugin.short, company, owner, self.run.now(), 1.5 * _every(plugin, company)):
                return 0
            return await self._poll_salon(plugin, company)
        except Exception as error:
            log.warning("source=%s salon=%d outcome=poll_failed reason=%s", plugin.short, company, silently(plugin, error))
        with contextlib.suppress(Exception):
            await inbox.leave_poll_turn(plugin.short, company, owner)
        return 0

    async def _poll_salon(self, plugin: Plugin, company: int) -> int:
        """The very first poll of a salon imports its coming bookings as announced, and tells nobody."""
        now, inbox = self.run.now(), self.run.store.inbox
        since = await inbox.poll_point(plugin.short, company)
        http, salon = self.run.source_http(plugin.config_for(company)), self.run.config.salon_of(company)
        found = await self.run.hooks.ask_async("poll", plugin, company, since=since, salon=salon, http=http, now=now)
        if found is None:
            return 0
        events = receive.rows(plugin.short, list(found), now, polled=True, first_import=since is None)
        fresh = await inbox.news(events) if events else set()
        if fresh:
            await inbox.receive([event for event in events if event.event_id in fresh])
            self.run.work.set()
        await inbox.set_poll_point(plugin.short, company, now, now if fresh and since else None)
        await self._watch_webhooks(plugin.short, company, now, unheard=bool(fresh) and since is not None)
        return len(fresh)

    async def _watch_webhooks(self, source: str, company: int, now: datetime, *, unheard: bool) -> None:
        """`unheard`: a poll found what no webhook had told. Where none comes at all, its address is wrong."""
        cause = Cause("silent", source, company)
        if not unheard and cause.key not in self.run.alerts.open:
            return
        last = await self.run.store.inbox.last_webhook(source, company)
        if last is not None and now - last <= _SILENT_FOR:
            await self.run.alerts.over(cause)
        elif unheard:
            since, russian = (f"since {last:%Y-%m-%d %H:%M} UTC", f"с {last:%d.%m %H:%M} UTC") if last else ("at all", "совсем")
            text = f"Вебхуков от {source} нет {russian}, хотя записи меняются. Проверьте в его настройках адрес и секрет."
            await self.run.alerts.tell(cause, text, company, f"no webhook has come {since}, although bookings change")


def _every(plugin: Plugin, company: int) -> timedelta:
    return getattr(plugin.config_for(company), "poll_every", None) or _EVERY
