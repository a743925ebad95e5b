"""Write a line of the log about what became of it, and tell the recorders. Each has a queue of its own, so nothing waits for them.

What a failure means: a recorder that raises or hangs is logged and named in the trace; the others go on. One that cannot keep up loses
the newest outcomes: our own journal has them all.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from core import limits
from core.blame import blame
from core.hooks import Plugin
from core.log import masked, say
from core.model import Outcome
from core.store.rows import JournalLine

if TYPE_CHECKING:
    from core.runtime import Runtime

log = logging.getLogger("vestnik.record")
_MOST = 10_000  # outcomes that may wait for one recorder
_LINES = 100  # failures that are written at once
_STOP_WITHIN = 2.0  # seconds


class Recorders:
    """A queue for each recorder; a task empties it while there is something in it."""

    def __init__(self, run: Runtime) -> None:
        self.run = run
        self._waiting: dict[str, deque[tuple[Plugin, Outcome]]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Each recorder, each outcome, later; a source hears of its own events alone. Never raises, never waits."""
        written = log.isEnabledFor(logging.INFO)
        for outcome in outcomes:
            if outcome.reason:  # a gateway's own words may hold the number
                outcome = msgspec.structs.replace(outcome, reason=masked(outcome.reason))
            if written:
                _say(outcome)
            for plugin, _, _ in self.run.hooks.implementations("record", outcome.company_id):
                if plugin.stage == "source" and plugin.short != outcome.source:
                    continue
                waiting = self._waiting.setdefault(plugin.name, deque())
                if len(waiting) >= _MOST:
                    limits.count(plugin.name, "record", "lost")
                    continue
                waiting.append((plugin, outcome))
                if plugin.name not in self._tasks:
                    self._tasks[plugin.name] = asyncio.create_task(self._work(plugin.name), name=plugin.name)

    def waits(self, plugin: Plugin) -> bool:
        """Whether it has not been told of everything yet."""
        return any(told is plugin for told, _ in self._waiting.get(plugin.name, ()))

    async def finish(self) -> None:
        """Wait until all are told."""
        while self._tasks:
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def stop(self) -> None:
        """Tell what can be told quickly; the rest is lost to the recorders."""
        try:
            async with asyncio.timeout(_STOP_WITHIN):
                await self.finish()
        except TimeoutError:
            for name, waiting in self._waiting.items():
                if waiting:
                    log.warning("plugin=%s outcome=lost count=%d reason=it did not keep up", name, len(waiting))
        for task in list(self._tasks.values()):
            task.cancel()

    async def _work(self, name: str) -> None:
        waiting, lines = self._waiting[name], list[JournalLine]()
        try:
            while waiting:
                plugin, outcome = waiting.popleft()
                try:
                    given = await self._given(plugin, outcome)
                    await self.run.hooks.ask_async("record", plugin, outcome.company_id, outcome=outcome, **given)
                except Exception as error:
                    why = blame(plugin, error)
                    log.warning("event=%s plugin=%s outcome=broken reason=%s", outcome.event_id, name, why)
                    lines.append(JournalLine(self.run.now(), outcome.event_id, "record", "broken", plugin.short, why))
                if lines and (not waiting or len(lines) >= _LINES):
                    lines = await self._written(lines)
        finally:
            del self._tasks[name]  # at once: whoever tells it something now must start it again

    async def _given(self, plugin: Plugin, outcome: Outcome) -> dict[str, Any]:
        """What else the hook may name; the stored item is looked up for those who do."""
        config, names = plugin.config_for(outcome.company_id), plugin.calls["record"].names
        return {
            "received": await self.run.store.inbox.item(outcome.event_id) if "received" in names else None,
            "http": self.run.source_http(config) if plugin.stage == "source" else self.run.http(config),
        }

    async def _written(self, lines: list[JournalLine]) -> list[JournalLine]:
        """What is left to write: nothing, even if the database is away."""
        try:
            await self.run.store.decisions.note(lines)
        except Exception as error:
            log.warning("outcome=not_in_the_trace count=%d reason=%s", len(lines), type(error).__name__)
        return []


def _say(outcome: Outcome) -> None:
    """The one line of the log about one outcome, of an event or of its message on a channel."""
    say(
        outcome.event_id,
        salon=outcome.company_id,
        outcome=outcome.status,
        plugin=outcome.transport,
        source=outcome.source,
        record=outcome.record_id,
        type=outcome.type,
        channel=outcome.channel,
        next=outcome.next,
        rule=outcome.rule,
        reason=outcome.reason,
        phone=outcome.phone,
        ms=None if outcome.seconds is None else round(outcome.seconds * 1000),
    )
