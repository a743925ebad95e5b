"""Step one: undecided events → what is to be told. Normalize, fold, compare, filter; one transaction writes it all.

State does not change before it is decided: an event that waits (`Deferred`) leaves no mark but on its own row. So a burst, a restart
and a replay end in the same messages.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import msgspec

from core import retry
from core.alerts import Cause
from core.failpoint import reach
from core.model import Case, Contact, EventFacts, Outcome
from core.phones import mask
from core.pipeline import filter as rules
from core.pipeline import normalize
from core.pipeline.hand_over import Handed, HandOver
from core.pipeline.judge import Judge, Ready
from core.pipeline.normalize import Folded
from core.pipeline.suspects import Suspects
from core.pipeline.understand import understand
from core.runtime import Runtime
from core.store.decisions import Saved
from core.store.people import People
from core.store.rows import Decision, EventEnd, EventRow, JournalLine, Known

log = logging.getLogger("vestnik.decide")
_BATCH = 200
_PATIENCE = 0.05  # seconds; who needs longer (an API is asked) holds up nobody


class Decider:
    """Claims undecided events and decides them, a batch at a time."""

    def __init__(self, runtime: Runtime, hand_over: HandOver | None = None) -> None:
        self.run = runtime
        self._hand_over = hand_over
        self._slow: set[asyncio.Task[None]] = set()
        self.suspects = Suspects(runtime, self._claim_suspect, self._decide)
        self.held: dict[int, int] = {}  # events in hand, id → token: their leases are renewed
        self.dropped: dict[int, int] = {}  # no more in hand, and still leased

    async def step(self) -> int:
        """Decide what is due; how many events were taken up."""
        rows = await self.run.store.inbox.claim(self.run.owner, self.run.token(), self.run.now(), retry.LEASE, _BATCH)
        if rows:
            await self._decide(rows)
        return len(rows) + await self.suspects.step(len(rows))

    async def _claim_suspect(self, least: int) -> Sequence[EventRow]:
        return await self.run.store.inbox.claim_suspect(self.run.owner, self.run.token(), self.run.now(), retry.LEASE, least)

    async def _decide(self, rows: Sequence[EventRow]) -> None:
        reach("events_claimed")
        groups: dict[object, list[EventRow]] = {}
        for row in rows:
            groups.setdefault(row.id if row.key is None or row.is_test else row.key, []).append(row)
        tasks = {asyncio.ensure_future(understand(self.run, group)): group for group in groups.values()}
        done, late = await asyncio.wait(tasks, timeout=_PATIENCE)
        for task in late:
            self._later(task, tasks[task])
        with self._holding([row for task in done for row in tasks[task]]):
            await self._settle([task.result() for task in done], self.run.now())

    async def note_repeats(self, events: Sequence[tuple[str, int | None]]) -> None:
        """An event came again: it is counted on its row already; ask the rules, so that the story names who would keep silent."""
        now, lines = self.run.now(), []
        for number, company in events:
            facts = EventFacts(number, "updated", now, now, repeat=True)
            case = Case(
                None, None, None, frozenset(), facts, Contact(), self.run.config.salon_of(company), note="the same event came again"
            )
            said = rules.ask(self.run.hooks, case, now)
            reason = said.verdict.reason if said.verdict is not None else case.note
            lines.append(JournalLine(now, number, "receive", "repeat", said.rule, reason))
        await self.run.store.decisions.note(lines)

    @contextlib.contextmanager
    def _holding(self, rows: Sequence[EventRow]) -> Iterator[None]:
        """Who fails lets go: what it had is claimed again once the lease lapses, and at once where it was only the database that failed."""
        held = {row.id: row.token for row in rows}
        self.held |= held
        try:
            yield
        except Exception as error:
            if self.run.store.engine.is_away(error):
                self.dropped |= held
            raise
        finally:
            for number, token in held.items():
                if self.held.get(number) == token:
                    del self.held[number]

    async def finish(self, *, once: bool = False) -> None:
        """Wait for those that needed longer (a stop, a test); `once`: not for those that begin meanwhile."""
        while self._slow:
            await asyncio.gather(*self._slow, return_exceptions=True)
            if once:
                return

    def _later(self, task: asyncio.Future[tuple[Ready | None, list[EventEnd]]], rows: Sequence[EventRow]) -> None:
        async def wait() -> None:
            with self._holding(rows):
                await self._settle([await task], self.run.now())
            self.run.work.set("events", "messages")

        slow = asyncio.create_task(wait())
        self._slow.add(slow)
        slow.add_done_callback(self._slow.discard)

    async def _settle(self, understood: Sequence[tuple[Ready | None, list[EventEnd]]], now: datetime) -> None:
        decisions = [_closed(ends, now) for _, ends in understood if ends]
        ready = [entry for entry, _ in understood if entry is not None]
        keys = [entry.first.key for entry in ready if _kept(entry)]
        known = await self.run.store.decisions.known([key for key in keys if key is not None]) if keys else {}
        folded: list[tuple[Ready, Folded]] = []
        for entry in ready:
            try:
                before = known[key] if _kept(entry) and (key := entry.first.key) else _nothing(entry)
                folded.append((entry, normalize.fold(before, entry.events)))
            except Exception as error:
                decisions.append(_failed(entry, error, now))
        asked = [(_phone(fold), entry.first.company_id) for entry, fold in folded]
        people = await self.run.store.people.known(asked, now) if asked else []
        persons: dict[int, People] = {}
        for (entry, fold), person in zip(folded, people, strict=True):
            seen = known.get(key) if _kept(entry) and (key := entry.first.key) else None
            try:
                decision = Judge(self.run, entry, seen, fold, person, now).decide()
                persons[len(decisions)] = person
                decisions.append(decision)
            except Exception as error:
                decisions.append(_failed(entry, error, now))
            if self.run.hooks.late:
                await self.run.breathe()
        if decisions:
            won = await self._save(decisions, persons)
            self.run.recorders.tell(
                [outcome for decision, ok in zip(decisions, won, strict=True) if ok for outcome in _outcomes(decision)]
            )
            for end in (end for decision, ok in zip(decisions, won, strict=True) if ok for end in decision.ends):
                if end.status == "parked":
                    await self._alert(end)

    async def _alert(self, end: EventEnd) -> None:
        cause = Cause("parked", end.rule or end.row.source, end.row.company_id or 0)
        text = f"Событие не обработано ({end.reason}). Исправьте причину, затем: vestnik replay {end.row.event_id}"
        await self.run.alerts.tell(cause, text, end.row.company_id, f"an event is parked: {end.reason}")

    async def _save(self, decisions: list[Decision], persons: Mapping[int, People]) -> list[bool]:
        """Write them. What may leave at once is written as ours, and handed to the sender; the rest it claims."""
        handed: dict[int, Handed] = {}
        saved: Sequence[Saved] = [Saved(False)] * len(decisions)
        try:
            for n, person in persons.items():
                message = decisions[n].notification
                if self._hand_over is None or message is None or (decisions[n].state is None and message.state_key is not None):
                    continue
                if (offered := await self._hand_over.offer(decisions[n], person)) is not None:
                    handed[n] = offered
                    decisions[n] = msgspec.structs.replace(decisions[n], lease=offered.lease, notification=offered.row)
                if self.run.hooks.late:
                    await self.run.breathe()
            saved = await self.run.store.decisions.save(decisions)
            reach("decided")
            if any(decision.notification is not None and decision.lease is None for decision in decisions):
                self.run.work.set("messages")  # the sender need not wait for its timer
        finally:
            if self._hand_over is not None:
                self._hand_over.take([(entry, saved[n].number) for n, entry in handed.items()])
        return [entry.stands for entry in saved]


def _kept(ready: Ready) -> bool:
    """Whether the store keeps a state for it: a booking, and no test."""
    row, event = ready.events[-1]
    return row.key is not None and not row.is_test and event.text is None


def _nothing(ready: Ready) -> Known:
    from core.store.rows import Key

    row = ready.first
    return Known(row.key or Key(row.source, row.company_id or 0, row.record_id or 0))


def _phone(fold: Folded) -> str | None:
    """Whose history the rules see: who would be told."""
    state, event = fold.state, fold.last[1]
    if event.recipient is not None:
        return event.recipient.phone
    if state.is_cancelled and state.announced is not None and state.announced.phone:
        return state.announced.phone
    return state.snapshot.phone if state.snapshot is not None else None


def _closed(ends: Sequence[EventEnd], now: datetime) -> Decision:
    lines = tuple(JournalLine(now, end.row.event_id, "normalize", end.status, reason=end.reason) for end in ends)
    return Decision(known=None, ends=tuple(ends), journal=lines, at=now)


def _failed(ready: Ready, error: Exception, now: datetime) -> Decision:
    """One booking that cannot be decided is parked; the others of its batch go on."""
    log.error("event=%s outcome=parked", ready.first.event_id, exc_info=error)
    why = f"the decision failed: {type(error).__name__}: {error}"
    return _closed([EventEnd(row, "parked", now, reason=why) for row, _ in ready.events], now)


def _outcomes(decision: Decision) -> list[Outcome]:
    message = decision.notification
    return [
        Outcome(
            decision.at, end.row.event_id, end.row.source, end.row.company_id, end.row.record_id, end.status,
            message.notification_type if message else None, end.rule, end.reason,
            phone=mask(message.phone) if message else None, seconds=(decision.at - end.row.created_at).total_seconds(),
        )
        for end in decision.ends
    ]  # fmt: skip
