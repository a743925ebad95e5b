"""Step two: a message that is due → look at the state again, ask the rules again, render for the channel, send, write what happened.

What a failure means: whatever a transport raises is judged by whether the request can have been written (`core.retry.judge`): certainly
not → again later; else `unclear`, which is never repeated by itself. A bug in a transport is `unclear` too, and logged.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import msgspec
from msgspec import Struct

from core import retry
from core.failpoint import reach
from core.model import (
    Action,
    Address,
    Booking,
    Case,
    Deferred,
    EventFacts,
    Message,
    Notice,
    Outcome,
    Rejected,
    Retry,
    SendResult,
    Sent,
    Suppressed,
    Unclear,
)
from core.phones import mask
from core.pipeline import filter as rules
from core.pipeline import record, route
from core.pipeline.compare import CANCELLED, differences
from core.pipeline.render import render
from core.runtime import Runtime
from core.store.decisions import People
from core.store.deliveries import State
from core.store.rows import Finish, JournalLine, Notification, Onwards

log = logging.getLogger("vestnik.send")
LEASE = timedelta(seconds=20)  # renewed while its worker lives
_BATCH = 100
_LONGEST_SEND = 90.0  # seconds
_CHECK_AFTER = timedelta(minutes=1)
_PROBED = timedelta(seconds=5)  # how often paused accounts are asked
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)  # it is decided: no event waits for further ones


class Leaving(Struct, frozen=True):
    """A message that may leave: everything the transport is given, and what it tells."""

    row: Notification
    hop: route.Hop
    message: Message
    address: Address
    told: Booking | None
    before: Booking | None
    way: tuple[route.Hop, ...] = ()  # the channels that were not tried yet
    note: str | None = None


class Sender:
    """Claims messages that are due and sends them; across bookings in parallel, per account only so many at once."""

    def __init__(self, runtime: Runtime) -> None:
        self.run = runtime
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots: dict[tuple[str, int], asyncio.Semaphore] = {}
        self._load: Counter[tuple[str, int]] = Counter()
        self.stopping = False

    async def step(self) -> int:
        """Start what is due; how many messages were taken up."""
        now = self.run.now()
        rows = await self.run.store.deliveries.claim(self.run.owner, self.run.token(), now, LEASE, _BATCH, self._busy())
        if not rows:
            return 0
        reach("messages_claimed")
        states = await self.run.store.deliveries.states([row.state_key for row in rows])
        people = await self.run.store.decisions.people([(row.phone, row.company_id) for row in rows], now)
        bound = await self.run.store.deliveries.bindings([(row.phone, row.transport, row.account) for row in rows])
        kin = await self.run.store.deliveries.kin([row.notification_id for row in rows if row.step])
        ends: list[Finish] = []
        for row, state, person, binding in zip(rows, states, people, bound, strict=True):
            ready = self._prepare(row, kin.get(row.notification_id, []), state, person, binding, now)
            if isinstance(ready, Finish):
                ends.append(ready)
            else:
                if row.claims > 1:
                    await self.run.store.deliveries.clear([row])
                self._start(ready)
        if ends:
            await self._finish(ends)
        return len(rows)

    async def finish(self) -> None:
        """Wait for the requests that are open."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _busy(self) -> list[tuple[str, int]]:
        return [account for account, load in self._load.items() if load >= 2 * self._limit.get(account, 8)]

    @property
    def _limit(self) -> dict[tuple[str, int], int]:
        return {account: slots._value + self._load[account] for account, slots in self._slots.items()}

    def _start(self, leaving: Leaving) -> None:
        account = (leaving.hop.plugin.short, leaving.hop.account)
        self._load[account] += 1
        task = asyncio.create_task(self._leave(leaving, account))
        self._tasks.add(task)

        def done(finished: asyncio.Task[None]) -> None:
            self._tasks.discard(finished)
            self._load[account] -= 1
            self.run.work.set()
            if not finished.cancelled() and finished.exception() is not None:
                log.error("notification=%s outcome=broken", leaving.row.notification_id, exc_info=finished.exception())

        task.add_done_callback(done)

    async def _leave(self, leaving: Leaving, account: tuple[str, int]) -> None:
        slots = self._slots.setdefault(account, asyncio.Semaphore(max(1, leaving.hop.channel.concurrency)))
        async with slots:
            if self.stopping:
                return
            if (paused := self._paused(leaving.hop, self.run.now())) is not None:  # by one that was sent while this one waited here
                await self._finish([self._out_of_order(leaving.row, leaving.hop, list(leaving.way), self.run.now(), paused)])
                return
            entry = (leaving.row, leaving.message.text, leaving.told, leaving.before)
            if not (await self.run.store.deliveries.mark_sending([entry], self.run.now(), LEASE))[0]:
                return
            reach("marked_sending")
            result = await self._send(leaving)
            reach("answered")
            row = msgspec.structs.replace(
                leaving.row, attempts=leaving.row.attempts + 1, told=leaving.told, known_before=leaving.before
            )
            end = await self._outcome(msgspec.structs.replace(leaving, row=row), result)  # in the slot: who is next sees a pause
        await self._finish([end])

    async def _send(self, leaving: Leaving) -> SendResult:
        plugin, company = leaving.hop.plugin, leaving.row.company_id
        http = self.run.http(plugin.config_for(company))
        try:
            async with asyncio.timeout(_LONGEST_SEND):
                found = await self.run.hooks.ask_async(
                    "send", plugin, company, message=leaving.message, address=leaving.address, http=http, now=self.run.now()
                )
        except Exception as error:
            judged = retry.judge(error)
            log.warning(
                "notification=%s plugin=%s outcome=%s reason=%s",
                leaving.row.notification_id,
                plugin.name,
                type(judged).__name__,
                type(error).__name__,
            )
            return judged
        if isinstance(found, Sent | Retry | Rejected | Unclear):
            return found
        return Unclear(f"{plugin.name} answered {type(found).__name__}")

    def _prepare(
        self, row: Notification, kin: Sequence[Notification], state: State, person: People, binding: str | None, now: datetime
    ) -> Leaving | Finish:
        """Whether the message may leave now, judged by the state of this moment. `kin` is the same message on all its channels."""
        if any(other.status in ("delivered", "read") for other in kin):
            return self._end(row, "superseded", now, "delivered on another channel")
        if row.claims > retry.CLAIMS_ALLOWED:
            return self._end(
                row,
                "failed",
                now,
                f"it killed its worker {row.claims - 1} times",
                attempted=True,
                event=("parked", None, "it killed its worker"),
            )
        if not retry.fits(now, row.deadline_at) and not row.is_test:
            return self._end(row, "expired", now, row.error or "its time is over", attempted=True)
        told_by_us = row.revision + bool(row.step)  # an earlier channel may have moved what is announced
        if row.state_key is not None and state.revision not in (row.revision, told_by_us):
            return self._end(row, "superseded", now, "the client has been told meanwhile")
        told = state.snapshot if row.state_key is not None else row.told
        before = state.announced if row.step == 0 and row.state_key is not None else row.known_before
        judgement = rules.ask(self.run.hooks, self._case(row, told, before, person), now)
        if judgement.held is not None:
            return self._end(row, "pending", now, judgement.held, due_at=now + retry.backoff(row.attempts + 1, self.run.chance))
        if isinstance(judgement.verdict, Deferred):
            return self._end(row, "pending", now, f"{judgement.rule}: {judgement.verdict.reason}", due_at=judgement.verdict.until)
        if isinstance(judgement.verdict, Suppressed):
            return self._kept_back(row, judgement.rule, judgement.verdict, now)
        plugin = route.transport(self.run.hooks, row.transport, row.company_id)
        hops = route.hops(self.run.hooks, self.run.config, row.company_id, person.won_channel)
        hop = next((hop for hop in hops if plugin is not None and hop.plugin.short == plugin.short), None)
        way = route.untried(hops, {row.channel, *(other.channel for other in kin)})
        if hop is None:
            return self._onwards(row, way, now, f"the transport {row.transport} is not switched on any more")
        if (paused := self._paused(hop, now)) is not None:
            return self._out_of_order(row, hop, way, now, paused)
        notice = Notice(
            row.notification_type,
            told,
            before,
            differences(before, told) if before and told else frozenset(),
            self.run.config.salon_of(row.company_id),
            row.body,
        )
        rendered = render(self.run.hooks, notice, hop.channel)
        if rendered.message is None:
            return self._end(row, "failed", now, rendered.error, attempted=True, event=("parked", None, rendered.error))
        address = Address(row.phone or "", row.client_name, binding, row.reference, person.contact.wrote_at)
        note = "; ".join(rendered.left_out) or None
        return Leaving(row, hop, rendered.message, address, told, before, tuple(way), note)

    def _case(self, row: Notification, told: Booking | None, before: Booking | None, person: People) -> Case:
        changed_at = told.changed_at if told else None
        ending = row.notification_type.rpartition("_")[2]
        action: Action = "deleted" if row.notification_type == CANCELLED else "created" if ending == "created" else "updated"
        return Case(
            type=row.notification_type,
            booking=told,
            announced=before,
            changed=differences(before, told) if before and told else frozenset(),
            event=EventFacts(row.event_id, action, row.created_at, _LONG_AGO, changed_at),
            contact=msgspec.structs.replace(person.contact, phone=row.phone),
            salon=self.run.config.salon_of(row.company_id),
            test=row.is_test,
            seen=before is not None,
        )

    def _kept_back(self, row: Notification, rule: str | None, verdict: Suppressed, now: datetime) -> Finish:
        status = "withheld" if verdict.withheld else "superseded" if verdict.client_knows else "failed"
        moves = (verdict.client_knows or verdict.withheld) and row.step == 0
        event = ("suppressed", rule, verdict.reason)
        return self._end(
            row, status, now, f"{rule}: {verdict.reason}", rule=rule, announce=moves, attempted=status == "failed", event=event
        )

    def _paused(self, hop: route.Hop, now: datetime) -> tuple[datetime, str] | None:
        health = self.run.health.get((hop.plugin.short, hop.account))
        if health is None or health.reason is None or health.paused_until is None:
            return None
        if health.paused_until <= now:  # over, but where it can be asked how it is, no message is tried on it before
            return (now + _PROBED, health.reason) if "probe" in hop.plugin.calls else None
        return health.paused_until, health.reason

    def _out_of_order(
        self, row: Notification, hop: route.Hop, way: list[route.Hop], now: datetime, paused: tuple[datetime, str]
    ) -> Finish:
        return self._onwards(row, way, now, f"{hop.plugin.short} is out of order: {paused[1]}", wait=paused[0])

    def _onwards(self, row: Notification, way: list[route.Hop], now: datetime, reason: str, wait: datetime | None = None) -> Finish:
        """The next channel (`way`: those not tried yet), else wait for this one, else the end."""
        if way:
            return self._end(row, "failed", now, reason, next=self.on_channel(row, way[0], now))
        if wait is not None and retry.fits(wait, row.deadline_at):
            return self._end(row, "pending", now, reason, due_at=wait)
        return self._end(
            row, "expired" if wait is not None else "failed", now, reason, attempted=row.step == 0 or row.known_before is None
        )

    def on_channel(self, row: Notification, hop: route.Hop, now: datetime) -> Notification:
        """The same message on another channel: another row with the same `notification_id`."""
        return msgspec.structs.replace(
            row, id=0, token=0, step=row.step + 1, channel=hop.channel.name, transport=hop.plugin.short, account=hop.account, status="pending",
            reference=f"v{uuid4().hex[:23]}", message=None, error=None, rule=None, attempts=0, claims=0, due_at=now, created_at=now,
            provider_message_id=None, sent_at=None, delivered_at=None,
        )  # fmt: skip

    async def _outcome(self, leaving: Leaving, result: SendResult) -> Finish:
        """What a transport said → what is written."""
        row, hop, way, now = leaving.row, leaving.hop, list(leaving.way), self.run.now()
        match result:
            case Sent():
                await self._works(hop, now)
                return self._end(
                    row,
                    "sent",
                    now,
                    leaving.note,
                    provider_id=result.id,
                    announce=True,
                    **self._watch(leaving, now),
                )
            case Unclear():
                return self._end(row, "unclear", now, result.reason, announce=True, **self._watch(leaving, now))
            case Rejected():
                if result.unbind and leaving.address.binding:
                    await self.run.store.people.unbind(hop.plugin.short, hop.account, leaving.address.binding)
                if result.scope == "recipient":
                    return self._onwards(row, way, now, result.reason)
                await self.alert(
                    f"content {hop.plugin.short} {row.notification_type}",
                    f"{hop.plugin.short} refuses the text or template: {result.reason}",
                )
                return self._end(row, "failed", now, result.reason, attempted=row.step == 0)
            case Retry(scope="transport"):
                until = await self._pause(hop, result, now)
                return self._onwards(row, way if result.alert else [], now, result.reason, wait=until)
            case Retry():
                due = retry.next_attempt(now, row.deadline_at, row.attempts, self.run.chance, result.after)
                if due is None:
                    return self._end(row, "expired", now, result.reason, attempted=row.step == 0)
                return self._end(row, "pending", now, result.reason, due_at=due)

    def _watch(self, leaving: Leaving, now: datetime) -> dict[str, datetime]:
        """When to fall back, and when to ask the gateway, if it reports nothing."""
        if not leaving.hop.channel.reports_delivery:
            return {}
        found = {}
        if not leaving.row.is_test:
            wait = self.run.config.route_of(leaving.row.company_id).fallback_after
            found["fallback_at"] = retry.fallback_at(now, wait, leaving.told.visit_at if leaving.told else None)
        if "check" in leaving.hop.plugin.calls:
            found["check_at"] = now + _CHECK_AFTER
        return found

    async def _works(self, hop: route.Hop, now: datetime) -> None:
        account = (hop.plugin.short, hop.account)
        if account in self.run.health and self.run.health[account].reason is not None:
            await self.run.store.people.works(*account, now)
            await self.run.load_health()

    async def _pause(self, hop: route.Hop, result: Retry, now: datetime) -> datetime:
        account = (hop.plugin.short, hop.account)
        failures = self.run.health[account].failures if account in self.run.health else 0
        until = now + retry.pause(failures + 1, self.run.chance, result.after)
        await self.run.store.people.pause(*account, result.reason, until, now)
        await self.run.load_health()
        if result.alert:
            await self.alert(f"transport {account[0]} {account[1]}", f"{account[0]} is out of order: {result.reason}")
        return until

    async def alert(self, key: str, text: str) -> None:
        """A person has to see it: in the log, in `stats` and on the page; the same one once an hour."""
        await self.run.alert(key, text)

    def _end(self, row: Notification, status: str, now: datetime, error: str | None = None, **more: object) -> Finish:
        line = JournalLine(now, row.event_id, "send", status, row.transport, error, row.notification_id)
        return Finish(row=row, status=status, at=now, error=error, journal=(line,), **more)  # type: ignore[arg-type]

    async def _finish(self, ends: Sequence[Finish]) -> None:
        written = await self.run.store.deliveries.finish(ends)
        await record.tell(self.run.hooks, [outcome_of(end) for end, ok in zip(ends, written, strict=True) if ok])

    def lapsed(self, rows: Sequence[Notification]) -> list[Finish]:
        """Requests that were open when their worker died."""
        now, ends = self.run.now(), []
        for row in rows:
            way = route.hops(self.run.hooks, self.run.config, row.company_id)
            hop = next((hop for hop in way if hop.plugin.short == row.transport), None)
            watch: dict[str, datetime] = {}
            if hop is not None:
                leaving = Leaving(row, hop, Message(""), Address(""), row.told, row.known_before)
                watch = self._watch(leaving, now)
            ends.append(self._end(row, "unclear", now, "its worker died while the request was open", announce=True, **watch))
        return ends

    async def fall_back(self) -> int:
        """Messages that were not delivered in time, or given up by their gateway, go on by the next channel; where there is none, that is noted."""
        now = self.run.now()
        rows = await self.run.store.deliveries.due_fallbacks(now)
        if not rows:
            return 0
        states = await self.run.store.deliveries.states([row.state_key for row in rows])
        kin = await self.run.store.deliveries.kin([row.notification_id for row in rows])
        people = await self.run.store.decisions.people([(row.phone, row.company_id) for row in rows], now)
        entries = zip(rows, states, people, strict=True)
        return await self.run.store.deliveries.go_on(
            [self._further(row, kin.get(row.notification_id, []), state, person, now) for row, state, person in entries]
        )

    def _further(self, row: Notification, kin: Sequence[Notification], state: State, person: People, now: datetime) -> Onwards:
        hops = route.hops(self.run.hooks, self.run.config, row.company_id, person.won_channel)
        way = route.untried(hops, {row.channel, *(other.channel for other in kin)})
        hop = way[0] if way and retry.fits(now, row.deadline_at) else None
        gave_up, following = row.status == "failed", None
        if hop is not None:
            following = self.on_channel(row, hop, now)
            if gave_up and row.state_key is not None:  # announced has moved back: it is told from there
                following = msgspec.structs.replace(following, revision=state.revision)
        reason = row.error or "not delivered" if gave_up else "not delivered in time"
        verdict, plugin = ("fallback", hop.plugin.short) if hop else ("undelivered", row.transport)
        line = JournalLine(now, row.event_id, "send", verdict, plugin, reason, row.notification_id)
        return Onwards(row, following, line, reason)


def outcome_of(end: Finish) -> Outcome:
    row = end.row
    return Outcome(
        end.at, row.event_id, row.source, row.company_id, row.record_id, end.status, row.notification_type, end.rule, end.error, row.channel,
        row.transport, mask(row.phone), (end.at - row.created_at).total_seconds(),
    )  # fmt: skip
