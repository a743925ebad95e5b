"""The loops that decide and deliver: claim, run, re-schedule, stop gracefully. What is claimed carries a lease; a dead worker's lapses."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime

from core import retry
from core.config import Configuration
from core.hooks import Hooks
from core.pipeline import outcomes
from core.pipeline.callback import Callbacks
from core.pipeline.decide import Decider
from core.pipeline.deliver import Sender
from core.pipeline.fallback import Fallbacks
from core.pipeline.poll import Polls
from core.runtime import Runtime

log = logging.getLogger("vestnik.worker")
_IDLE = 1.0  # seconds between looks when nobody rings: another node may have stored something
_BLOCKED = 0.5  # due, and not to be had: leased elsewhere, or behind something else of its booking
_STOP_WITHIN = 8.0
_HOUR, _MINUTE = 3600.0, 60.0


class Worker:
    """`start` runs the loops; `drain` does what is due now and returns (commands, tests)."""

    def __init__(self, run: Runtime) -> None:
        self.run = run
        self.sender = Sender(run)
        self.fallbacks = Fallbacks(run, self.sender.fate)
        self.decider = Decider(run, self.sender.hand_over)
        self.callbacks = Callbacks(run, self.sender.accounts, self.fallbacks)
        self.polls = Polls(run)
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    async def start(self) -> None:
        await self.run.load_health()
        await self.take_over()
        await self.clear_up()
        loops: list[tuple[str, Callable[[], Awaitable[object]], Callable[[], Awaitable[float]]]] = [
            ("events", self.decider.step, self._until_event),
            ("messages", self.sender.step, self._until_message),
            ("callbacks", self.callbacks.step, self._until_callback),
            ("time", self.renew, _every(5.0)),
            ("time", self.housekeep, _every(5.0)),
            ("time", self.ask, _every(5.0)),
            ("time", self.prune, _every(_HOUR)),
            ("time", self.alert, _every(_MINUTE)),
        ]
        self._tasks = [asyncio.create_task(self._loop(kind, step, idle), name=step.__qualname__) for kind, step, idle in loops]
        self._tasks.append(asyncio.create_task(self.run.store.engine.listen(self._rung), name="listen"))
        self.polls.start()

    def reloaded(self, config: Configuration, hooks: Hooks) -> None:
        """Another configuration is in force than this one: sources that ask begin again with theirs."""
        if self._tasks:
            self.polls.reloaded(config, hooks)
        self.run.work.set()

    async def under_way(self) -> None:
        """Wait until what is being decided and sent at this moment is done."""
        await self.decider.finish(once=True)
        await self.sender.finish(once=True)

    async def stop(self) -> None:
        """No new work; requests that are open finish; what is claimed and not begun goes back."""
        self._stopping = self.sender.slots.closed = True
        tasks = [*self._tasks, *self.polls.tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_WITHIN):
                await self.decider.finish()
                await self.sender.finish()
        await self.run.recorders.stop()
        with contextlib.suppress(Exception):
            await self.run.store.inbox.release(self.run.owner)
            await self.run.store.deliveries.release(self.run.owner)
            await self.run.store.callbacks.release(self.run.owner)

    async def drain(self) -> None:
        """Everything that is due at this moment of the clock."""
        await self.sender.accounts.probe()
        busy = True
        while busy:
            busy = False
            for step in (self.callbacks.step, self.decider.step, self.fallbacks.step, self.sender.step, self.run.alerts.look):
                busy |= bool(self.sender.busy())  # who finds no slot is still due
                busy |= bool(await step())
            await self.decider.finish()
            await self.sender.finish()
        await self.run.recorders.finish()

    async def take_over(self) -> None:
        """Requests that were open when a worker died become unclear; what it had claimed is free once its lease lapses."""
        lapsed = await self.run.store.deliveries.lapse(self.run.now(), self.sender.fate.lapsed, self.sender.held)
        if lapsed:
            log.warning("outcome=unclear count=%d reason=a worker died while requests were open", len(lapsed))
            self.run.recorders.tell([outcomes.of_end(end) for end in lapsed if not end.row.ours])

    async def clear_up(self) -> None:
        """Before anybody is served: is it this that we died of?"""
        for suspects in (self.decider.suspects, self.sender.suspects):
            try:
                await suspects.first()
            except Exception:
                log.exception("outcome=broken step=%s", "clear_up")

    async def renew(self) -> int:
        """Renew the leases of what is in hand. By itself: whatever housekeeping waits for, nobody takes us for dead."""
        until = self.run.now() + retry.LEASE
        await self.run.store.inbox.renew(self.decider.held, until)
        await self.run.store.deliveries.renew(self.sender.held, until)
        await self.run.store.callbacks.renew(self.callbacks.held, until)
        await self._let_go()
        return 0

    async def _let_go(self) -> None:
        """What could not be written while the database was away is free again, as soon as this can be written."""
        for step, let_go in ((self.decider, self.run.store.inbox.let_go), (self.sender, self.run.store.deliveries.let_go)):
            if dropped := dict(step.dropped):
                await let_go(dropped)
                step.dropped = {number: token for number, token in step.dropped.items() if dropped.get(number) != token}
                self.run.work.set()

    async def housekeep(self) -> int:
        """Take over, fall back, try paused accounts."""
        await self.take_over()
        await self.run.store.inbox.catch_up(self.run.now(), retry.LEASE)
        await self.run.store.deliveries.catch_up(self.run.now(), retry.LEASE)
        await self.run.load_health()
        await self.sender.accounts.probe()
        if await self.fallbacks.step():
            self.run.work.set()
        return 0

    async def ask(self) -> int:
        """What became of messages. By itself: a gateway that answers slowly holds up no fallback."""
        if await self.callbacks.ask_gateways():
            self.run.work.set()
        return 0

    async def alert(self) -> int:
        await self.run.alerts.look()
        return 0

    async def prune(self) -> int:
        database = self.run.config.database
        counts = await self.run.store.look.prune(self.run.now(), database.keep, database.keep_bodies)
        if counts:
            log.info("outcome=pruned %s", " ".join(f"{name.removeprefix('prune_')}={count}" for name, count in counts.items()))
        return 0

    def _rung(self) -> None:
        """A node, perhaps we ourselves, stored events."""
        self.run.work.set("events")

    async def _loop(self, kind: str, step: Callable[[], Awaitable[object]], idle: Callable[[], Awaitable[float]]) -> None:
        bell = self.run.work.listen(kind)
        while not self._stopping:
            bell.clear()
            bell.blocked = bell.freed = False
            try:
                if await step():
                    continue
                seconds = await idle()
                bell.blocked = seconds == _BLOCKED
                if bell.blocked and bell.freed:
                    continue
            except Exception:
                log.exception("outcome=broken step=%s", step.__qualname__)
                seconds = _IDLE
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await (bell.wait() if seconds <= _IDLE else asyncio.sleep(seconds))

    async def _until_event(self) -> float:
        return self._until(await self.run.store.inbox.next_due(self.run.now()))

    async def _until_message(self) -> float:
        return self._until(await self.run.store.deliveries.next_due(self.run.now()))

    async def _until_callback(self) -> float:
        return self._until(await self.run.store.callbacks.next_due())

    def _until(self, due: datetime | None) -> float:
        """Seconds until something is due, within bounds: what cannot be taken up yet must not spin."""
        if due is None:
            return _IDLE
        seconds = (due - self.run.now()).total_seconds()
        return min(max(seconds, 0.05), _IDLE) if seconds > 0 else _BLOCKED


def _every(seconds: float) -> Callable[[], Awaitable[float]]:
    async def idle() -> float:
        return seconds

    return idle
