"""Step two: a message that is due → look at the state again, ask the rules again, render for the channel, send, write what happened."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TypeVar

import msgspec

from core import retry
from core.failpoint import reach
from core.model import Retry
from core.pipeline import outcomes
from core.pipeline.departure import Departure, Leaving
from core.pipeline.fate import Fate
from core.pipeline.hand_over import HandOver
from core.pipeline.health import Accounts
from core.pipeline.send import Transports
from core.pipeline.slots import Slots
from core.pipeline.suspects import Suspects
from core.pipeline.turns import paced, turns
from core.runtime import Runtime
from core.store.pacing import Ask
from core.store.rows import Finish, Notification

log = logging.getLogger("vestnik.send")
_BATCH = 100
_DATABASE_AWAY = (0.2, 0.5, 1, 2, 4, 8, 15, 30, 60)  # seconds between tries to write down what a gateway said
T = TypeVar("T")


class Sender:
    """Claims messages that are due and sends them; across bookings in parallel, per account only so many at once."""

    def __init__(self, runtime: Runtime) -> None:
        self.run = runtime
        self.fate = Fate(runtime)
        self.departure = Departure(runtime, self.fate)
        self.accounts = Accounts(runtime)
        self.transports = Transports(runtime, self.accounts, self.fate)
        self._tasks: set[asyncio.Task[None]] = set()
        self.slots = Slots()
        self.hand_over = HandOver(runtime, self.departure, self.slots, self._start)
        self.suspects = Suspects(runtime, self._claim_suspect, self._take_up)
        self.held: dict[int, int] = {}  # messages in hand, id → token: their leases are renewed
        self.dropped: dict[int, int] = {}  # no more in hand, and still leased

    async def step(self) -> int:
        """Start what is due; how many messages were taken up."""
        now = self.run.now()
        rows = await self.run.store.deliveries.claim(self.run.owner, self.run.token(), now, retry.LEASE, _BATCH, self.busy())
        if rows:
            await self._take_up(rows)
        return len(rows) + await self.suspects.step(len(rows))

    async def _claim_suspect(self, least: int) -> Sequence[Notification]:
        run = self.run
        return await run.store.deliveries.claim_suspect(run.owner, run.token(), run.now(), retry.LEASE, self.busy(), least)

    async def _take_up(self, rows: Sequence[Notification]) -> None:
        try:
            await self._sort_out(rows)
        except Exception as error:
            if self.run.store.engine.is_away(error):
                self.dropped |= {row.id: row.token for row in rows if self.held.get(row.id) != row.token}
            raise

    async def _sort_out(self, rows: Sequence[Notification]) -> None:
        reach("messages_claimed")
        now = self.run.now()
        states = await self.run.store.deliveries.states([row.state_key for row in rows])
        people = await self.run.store.people.known([(row.phone, row.company_id) for row in rows], now)
        kin = await self.run.store.deliveries.kin([row.notification_id for row in rows if row.step])
        known = zip(rows, people, strict=True)
        rows = [self.departure.chosen(row, kin.get(row.notification_id, []), person) for row, person in known]
        bound = await self.run.store.people.bindings([(row.phone, row.transport, row.account) for row in rows])
        ends: list[Finish] = []
        queue: list[Leaving] = []
        for row, state, person, binding in zip(rows, states, people, bound, strict=True):
            ready = self.departure.prepare(row, kin.get(row.notification_id, []), state, person, binding, now)
            if isinstance(ready, Finish):
                ends.append(ready)
            elif paced(ready.hop.channel):
                queue.append(ready)
            else:
                await self._begin(ready)
            if self.run.hooks.late:
                await self.run.breathe()
        ends += await self._in_turn(queue)
        if ends:
            await self._finish(ends)

    async def _begin(self, leaving: Leaving) -> None:
        if leaving.row.claims > 1:
            await self.run.store.deliveries.clear([leaving.row])
        self._start(leaving)

    async def _in_turn(self, queue: Sequence[Leaving]) -> list[Finish]:
        """Start those whose account may send now; what becomes of those that have to wait for it."""
        if not queue:
            return []
        now = self.run.now()  # they leave now, not when they were taken up
        asks = [
            Ask(
                entry.hop.plugin.short, entry.hop.account, entry.address.phone, entry.hop.channel,
                promised=entry.row.turn_at is not None, known=entry.address.wrote_at is not None, deadline_at=entry.row.deadline_at,
            )
            for entry in queue
        ]  # fmt: skip
        given = await self.run.store.pacing.take(asks, now, lambda asks, accounts: turns(asks, accounts, now, self.run.chance))
        waiting: list[Finish] = []
        for entry, turn in zip(queue, given, strict=True):
            if turn.at is None:
                await self._begin(entry)
            else:
                waiting.append(self.departure.kept_waiting(entry, turn, now))
        return waiting

    async def finish(self, *, once: bool = False) -> None:
        """Wait for the requests that are open; `once`: not for those that begin meanwhile."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
            if once:
                return

    def busy(self) -> list[tuple[str, int]]:
        """The accounts that can take up no more for now."""
        return self.slots.busy()

    def _start(self, leaving: Leaving, marked_at: datetime | None = None) -> None:
        """`marked_at`: since then its row says that it is being sent, and the slot is its own."""
        account, row = leaving.account, leaving.row
        self.slots.begin(account, leaving.hop.channel)
        self.held[row.id] = row.token
        task = asyncio.create_task(self._leave(leaving, marked_at))
        self._tasks.add(task)

        def done(finished: asyncio.Task[None]) -> None:
            self._tasks.discard(finished)
            self.slots.end(account)
            if self.held.get(row.id) == row.token:
                del self.held[row.id]  # who failed lets go: its lease lapses
            self.run.work.freed()
            if not finished.cancelled() and finished.exception() is not None:
                log.error("notification=%s outcome=broken", row.notification_id, exc_info=finished.exception())

        task.add_done_callback(done)

    async def _leave(self, leaving: Leaving, marked_at: datetime | None) -> None:
        if marked_at is None:
            await self.slots.take(leaving.account, leaving.hop.channel)
        try:
            end = await self._in_slot(leaving, marked_at)
        finally:
            self.slots.give_back(leaving.account)
        if end is not None:
            await self._insist(lambda: self._finish([end]), lambda error: self._finish([self._broke(end.row, error)]))

    async def _in_slot(self, leaving: Leaving, began: datetime | None) -> Finish | None:
        if self.slots.closed and began is None:
            return None
        paused = self.departure.paused(leaving.hop, self.run.now())
        if paused is not None:  # by one that was sent while this one waited here
            return self.departure.out_of_order(leaving.row, leaving.hop, list(leaving.way), self.run.now(), paused)
        if began is None:
            entry, began = (leaving.row, leaving.message.text, leaving.told, leaving.before), self.run.now()
            try:
                ours = (await self.run.store.deliveries.mark_sending([entry], began, retry.LEASE))[0]
            except Exception as error:
                if self.run.store.engine.is_away(error):
                    self.dropped[leaving.row.id] = leaving.row.token
                raise
            if not ours:
                return None
        reach("marked_sending")
        leaving = self.accounts.fitting(leaving, self.run.now())
        result = retry.known_again(await self.transports.ask(leaving), leaving.hop.channel.repeats)
        reach("answered")
        row = msgspec.structs.replace(
            leaving.row, attempts=leaving.row.attempts + 1, told=leaving.told, known_before=leaving.before
        )
        if isinstance(result, Retry) and result.within is not None and row.repeat_until is None:
            row = msgspec.structs.replace(row, repeat_until=began + result.within)
        done = msgspec.structs.replace(leaving, row=row)

        async def broke(error: Exception) -> Finish:
            return self._broke(row, error)

        return await self._insist(lambda: self.transports.outcome(done, result), broke)  # in the slot: who is next sees a pause

    async def _insist(self, work: Callable[[], Awaitable[T]], instead: Callable[[Exception], Awaitable[T]] | None = None) -> T:
        """What a gateway said is known here alone: while the database is away it is not forgotten. In the end it lapses and is unclear.

        What else goes wrong would go wrong again, so `instead` is done at once.
        """
        for wait in _DATABASE_AWAY:
            try:
                return await work()
            except Exception as error:
                if not self.run.store.is_away(error):
                    if instead is None:
                        raise
                    broke, otherwise = error, instead
                    break
                log.warning("outcome=written_later reason=%s", type(error).__name__)
                await asyncio.sleep(wait)
        else:
            return await work()
        return await self._insist(lambda: otherwise(broke))

    def _broke(self, row: Notification, error: Exception) -> Finish:
        log.error("notification=%s outcome=unclear", row.notification_id, exc_info=error)
        reason = f"what became of it could not be taken up: {type(error).__name__}; the log says where"
        return self.fate.unclear(row, self.run.now(), reason)

    async def _finish(self, ends: Sequence[Finish]) -> None:
        ends = [self.fate.sure(end) for end in ends]
        written = await self.run.store.deliveries.finish(ends)
        if any(end.next is not None or end.status == "pending" for end in ends):
            self.run.work.set("messages")
        self.run.recorders.tell([outcomes.of_end(end) for end, ok in zip(ends, written, strict=True) if ok and not end.row.ours])
