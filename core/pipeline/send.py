"""Step two: a message that is due → look at the state again, ask the rules again, render for the channel, send, write what happened.

What a failure means: whatever a transport raises is judged by whether the request can have been written (`core.retry.judge`): certainly
not → again later; else `unclear`, which is never repeated by itself. A bug in a transport is `unclear` too, and logged.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec
from msgspec import Struct

from core import retry
from core.blame import judged, silently
from core.failpoint import reach
from core.model import Rejected, Retry, SendResult, Sent, Unclear
from core.pipeline import outcomes
from core.pipeline.departure import Departure, Leaving
from core.pipeline.health import Accounts
from core.pipeline.slots import Slots
from core.pipeline.suspects import Suspects
from core.pipeline.turns import paced, turns
from core.runtime import Runtime
from core.store.deliveries import State
from core.store.pacing import Ask
from core.store.people import People
from core.store.rows import Decision, Finish, Lease, Notification

log = logging.getLogger("vestnik.send")
LEASE = timedelta(seconds=20)  # renewed while its worker lives
_BATCH = 100
_DATABASE_AWAY = (0.2, 0.5, 1, 2, 4, 8, 15, 30, 60)  # seconds between tries to write down what a gateway said
T = TypeVar("T")


class Handed(Struct, frozen=True):
    """A new message that leaves as soon as it is written. `marked_at`: it is written as being sent, and a slot is its own."""

    leaving: Leaving
    lease: Lease
    marked_at: datetime | None

    @property
    def row(self) -> Notification:
        """As it is to be written."""
        leaving = self.leaving
        if self.marked_at is None:
            return leaving.row
        return msgspec.structs.replace(
            leaving.row, status="sending", message=leaving.message.text, told=leaving.told, known_before=leaving.before, attempts=1,
            sent_at=self.marked_at,
        )  # fmt: skip


class Sender:
    """Claims messages that are due and sends them; across bookings in parallel, per account only so many at once."""

    def __init__(self, runtime: Runtime) -> None:
        self.run = runtime
        self.judge = Departure(runtime)
        self.accounts = Accounts(runtime)
        self._tasks: set[asyncio.Task[None]] = set()
        self.slots = Slots()
        self.suspects = Suspects(runtime, self._claim_suspect, self._take_up)
        self.held: dict[int, int] = {}  # messages in hand, id → token: their leases are renewed
        self.stopping = False

    async def step(self) -> int:
        """Start what is due; how many messages were taken up."""
        now = self.run.now()
        rows = await self.run.store.deliveries.claim(self.run.owner, self.run.token(), now, LEASE, _BATCH, self.busy())
        if rows:
            await self._take_up(rows)
        return len(rows) + await self.suspects.step(len(rows))

    async def _claim_suspect(self, least: int) -> Sequence[Notification]:
        run = self.run
        return await run.store.deliveries.claim_suspect(run.owner, run.token(), run.now(), LEASE, self.busy(), least)

    async def _take_up(self, rows: Sequence[Notification]) -> None:
        reach("messages_claimed")
        now = self.run.now()
        states = await self.run.store.deliveries.states([row.state_key for row in rows])
        people = await self.run.store.people.known([(row.phone, row.company_id) for row in rows], now)
        kin = await self.run.store.deliveries.kin([row.notification_id for row in rows if row.step])
        known = zip(rows, people, strict=True)
        rows = [self.judge.chosen(row, kin.get(row.notification_id, []), person) for row, person in known]
        bound = await self.run.store.people.bindings([(row.phone, row.transport, row.account) for row in rows])
        ends: list[Finish] = []
        queue: list[Leaving] = []
        for row, state, person, binding in zip(rows, states, people, bound, strict=True):
            ready = self.judge.prepare(row, kin.get(row.notification_id, []), state, person, binding, now)
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
                waiting.append(self.judge.kept_waiting(entry, turn, now))
        return waiting

    async def offer(self, decision: Decision, person: People) -> Handed | None:
        """A new message that may leave at once: it is written with our lease, and whoever decided it sends it. `None`: it is claimed when its
        turn comes.

        With a slot that is free it is written as being sent, so that nothing more need be written before its request.
        """
        row, now, known = decision.notification, self.run.now(), decision.state
        plugin = self.run.hooks.get("send", row.transport or "") if row is not None else None
        if (
            self.stopping
            or row is None
            or plugin is None
            or row.status != "pending"
            or row.due_at > now
            or row.phone != person.contact.phone
        ):
            return None
        facts, account = self.run.hooks.facts(plugin, row.company_id), (plugin.short, row.account)
        if facts.needs_binding or paced(facts) or not self.slots.room(account, facts):
            return None
        lease = Lease(self.run.owner, self.run.token(), now + LEASE)
        state = State(known.snapshot, known.announced, known.revision) if known is not None else State()
        ready = self.judge.prepare(msgspec.structs.replace(row, token=lease.token, claims=1), [], state, person, None, now)
        if isinstance(ready, Finish):
            return None
        self.slots.promise(account)
        return Handed(ready, lease, now if await self.slots.take_free(account, facts) else None)

    def take(self, handed: Sequence[tuple[Handed, int]]) -> None:
        """Messages that were offered and are written, each with the number of its row; 0: it was not written."""
        for entry, number in handed:
            account = entry.leaving.account
            self.slots.kept(account)
            if number:
                self._start(
                    msgspec.structs.replace(entry.leaving, row=msgspec.structs.replace(entry.leaving.row, id=number)),
                    entry.marked_at,
                )
            elif entry.marked_at is not None:
                self.slots.give_back(account)

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
            await self._insist(lambda: self._finish([end]))

    async def _in_slot(self, leaving: Leaving, began: datetime | None) -> Finish | None:
        if self.stopping and began is None:
            return None
        paused = self.judge.paused(leaving.hop, self.run.now())
        if paused is not None:  # by one that was sent while this one waited here
            return self.judge.out_of_order(leaving.row, leaving.hop, list(leaving.way), self.run.now(), paused)
        if began is None:
            entry, began = (leaving.row, leaving.message.text, leaving.told, leaving.before), self.run.now()
            if not (await self.run.store.deliveries.mark_sending([entry], began, LEASE))[0]:
                return None
        reach("marked_sending")
        leaving = self.accounts.fitting(leaving, self.run.now())
        result = retry.known_again(await self._send(leaving), leaving.hop.channel.repeats)
        reach("answered")
        row = msgspec.structs.replace(
            leaving.row, attempts=leaving.row.attempts + 1, told=leaving.told, known_before=leaving.before
        )
        if isinstance(result, Retry) and result.within is not None and row.repeat_until is None:
            row = msgspec.structs.replace(row, repeat_until=began + result.within)
        done = msgspec.structs.replace(leaving, row=row)
        return await self._insist(lambda: self._outcome(done, result))  # in the slot: who is next sees a pause

    async def _insist(self, work: Callable[[], Awaitable[T]]) -> T:
        """What a gateway said is known here alone: while the database is away it is not forgotten. In the end it lapses and is unclear."""
        for wait in _DATABASE_AWAY:
            try:
                return await work()
            except Exception as error:
                log.warning("outcome=written_later reason=%s", type(error).__name__)
                await asyncio.sleep(wait)
        return await work()

    async def _send(self, leaving: Leaving) -> SendResult:
        plugin, company = leaving.hop.plugin, leaving.row.company_id
        http = self.run.http(plugin.config_for(company))
        try:
            found = await self.run.hooks.ask_async(
                "send", plugin, company, message=leaving.message, address=leaving.address, http=http, now=self.run.now()
            )
        except Exception as error:
            meant, why = judged(plugin, error), silently(plugin, error)
            kind = type(meant).__name__
            log.warning("notification=%s plugin=%s outcome=%s reason=%s", leaving.row.notification_id, plugin.name, kind, why)
            return meant
        if isinstance(found, Sent | Retry | Rejected | Unclear):
            return found
        return Unclear(f"{plugin.name} answered {type(found).__name__}")

    async def _outcome(self, leaving: Leaving, result: SendResult) -> Finish:
        """What a transport said → what is written."""
        row, hop, way, now = leaving.row, leaving.hop, list(leaving.way), self.run.now()
        result = self.accounts.answered(leaving, result, now)
        match result:
            case Sent():
                await self.accounts.works(hop, result, row.notification_type, now)
                if result.binding and result.binding != leaving.address.binding:
                    await self.run.store.people.bind(hop.plugin.short, hop.account, result.binding, row.phone, None, now)
                watch = self.judge.watch(leaving, now)
                return self.judge.end(row, "sent", now, leaving.note, provider_id=result.id, announce=True, **watch)
            case Unclear():
                return self.judge.end(row, "unclear", now, result.reason, announce=True, **self.judge.watch(leaving, now))
            case Rejected():
                if result.unbind and leaving.address.binding:
                    await self.run.store.people.unbind(hop.plugin.short, hop.account, leaving.address.binding)
                if result.template:
                    again = await self.accounts.without(leaving, result, now)
                    return self.judge.onwards(row, way if again > now else [], now, result.reason, wait=again)
                if result.scope == "recipient" or row.ours:
                    return self.judge.onwards(row, way, now, result.reason)
                await self.run.alerts.refused_content(hop.plugin.short, hop.account, row.notification_type, result.reason)
                return self.judge.end(row, "failed", now, result.reason, attempted=True)
            case Retry(scope="transport"):
                until = await self.accounts.pause(hop, result, now)
                waits = not result.alert and self.judge.worth_waiting(row, until, now)
                return self.judge.onwards(row, [] if waits else way, now, result.reason, wait=until)
            case Retry():
                return self.judge.again(row, way, now, result)

    async def _finish(self, ends: Sequence[Finish]) -> None:
        ends = [self.judge.sure(end) for end in ends]
        written = await self.run.store.deliveries.finish(ends)
        if any(end.next is not None or end.status == "pending" for end in ends):
            self.run.work.set("messages")
        self.run.recorders.tell([outcomes.of_end(end) for end, ok in zip(ends, written, strict=True) if ok and not end.row.ours])

    async def fall_back(self) -> int:
        """Messages that were not delivered in time, or given up by their gateway, go on by the next channel; where there is none, that is noted."""
        now = self.run.now()
        rows = await self.run.store.watches.due_fallbacks(now)
        if not rows:
            return 0
        states = await self.run.store.deliveries.states([row.state_key for row in rows])
        kin = await self.run.store.deliveries.kin([row.notification_id for row in rows])
        people = await self.run.store.people.known([(row.phone, row.company_id) for row in rows], now)
        entries = zip(rows, states, people, strict=True)
        onwards = [self.judge.further(row, kin.get(row.notification_id, []), state, person, now) for row, state, person in entries]
        went = [entry for entry, ok in zip(onwards, await self.run.store.watches.go_on(onwards), strict=True) if ok]
        moved = sum(entry.next is not None for entry in went)
        if moved:
            self.run.work.set("messages")
        self.run.recorders.tell([outcomes.of_going_on(entry, now) for entry in went])
        return moved
