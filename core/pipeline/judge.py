"""Judge one booking: what was known, what came, who would be told → one decision, with its reason. No waiting, no clock of its own."""

from __future__ import annotations

from datetime import datetime
from functools import partial

import msgspec
from msgspec import Struct

from core import retry
from core.model import Booking, Case, Event, Suppressed
from core.pipeline import filter as rules
from core.pipeline.compare import CANCELLED, UPDATED, Change, differences
from core.pipeline.draft import draft
from core.pipeline.filter import Judgement
from core.pipeline.matter import OLD, SAME, Matter
from core.pipeline.normalize import Folded
from core.runtime import Runtime
from core.store.people import People
from core.store.rows import Decision, EventEnd, EventRow, JournalLine, Known, Notification

_HOLDS = 8  # a safety rule that stays broken so often parks the event


class Ready(Struct, frozen=True):
    """One booking's events (or one event without booking), understood."""

    events: tuple[tuple[EventRow, Event], ...]

    @property
    def first(self) -> EventRow:
        return self.events[0][0]


class Judge:
    """One decision: a booking's events, what was known, and the client → what is written. Pure, but for the ids it makes."""

    def __init__(self, run: Runtime, ready: Ready, before: Known | None, fold: Folded, person: People, now: datetime) -> None:
        self.run, self.ready, self.before, self.fold, self.now = run, ready, before, fold, now
        self.row, self.event = fold.last
        self.known = before or Known(fold.state.key)
        self.test = self.row.is_test
        first_at = min(row.created_at for row, _ in ready.events)
        self.matter = Matter(self.known, fold, person, run.config.salon_of(self.row.company_id), first_at, now)
        self._draft = partial(draft, run, self.matter)

    def decide(self) -> Decision:
        if self.event.text is not None:
            return self._text()
        state, booking = self.fold.state, self.fold.state.snapshot
        if self.row.is_import:
            return self._silent("first import: counts as announced", "ignored")
        if booking is None:
            return self._unknown()
        if self.known.created_by_bot and self.known.snapshot is None and self.known.announced is None:
            return self._silent("another bot has told the client", "suppressed")
        change = self.matter.change(booking)
        phone = self.matter.told(change.type, booking).phone or booking.phone
        case = self.matter.case(change, booking, phone)
        judgement = rules.ask(self.run.hooks, case, self.now)
        if (later := self._put_off(case, judgement)) is not None:
            return later
        if isinstance(judgement.verdict, Suppressed):
            return self._suppress(case, judgement, judgement.verdict, change, state, phone)
        if change.type is None:
            return self._end(case, judgement, "suppressed", None, change.note, state, announce=change.noted)
        if phone is None:
            reason = booking.phone_missing or "no phone"
            return self._end(
                case, judgement, "suppressed", None, reason, msgspec.structs.replace(state, hindrance="no phone", attempted=booking)
            )
        return self._tell(case, judgement, change, state, phone)

    # --- a booking or a text of one kind

    def _unknown(self) -> Decision:
        """A deletion that says only its id leaves a mark; what arrives later and is older is stale."""
        if self.fold.applied:
            return self._silent("deleted, and nothing is known of the booking", "suppressed", announce=False)
        case = self.matter.case(Change(None, note=OLD), None, None)
        said = rules.ask(self.run.hooks, case, self.now)
        verdict = said.verdict if isinstance(said.verdict, Suppressed) else None
        return self._end(
            case, said, "suppressed", said.rule if verdict else None, verdict.reason if verdict else OLD, self.fold.state
        )

    def _text(self) -> Decision:
        """A text rendered elsewhere: no state to compare, its key is its event."""
        recipient, kind = self.event.recipient, self.event.kind
        phone = recipient.phone if recipient else None
        case = self.matter.case(Change(kind), None, phone)
        judgement = rules.ask(self.run.hooks, case, self.now)
        if (later := self._put_off(case, judgement)) is not None:
            return later
        if isinstance(judgement.verdict, Suppressed):
            withheld = judgement.verdict.withheld
            message = self._draft(kind, phone, None, status="withheld", rule=judgement.rule) if withheld else None
            return self._end(case, judgement, "suppressed", judgement.rule, judgement.verdict.reason, None, message=message)
        if phone is None:
            return self._end(case, judgement, "suppressed", None, (recipient and recipient.missing) or "no phone", None)
        return self._end(case, judgement, "processed", None, None, None, message=self._draft(kind, phone, None))

    def _silent(self, reason: str, status: str, *, announce: bool = True) -> Decision:
        """No rule is asked."""
        state = self.fold.state
        if announce and state.snapshot is not None:
            state = _announced(state, state.snapshot)
        ends = self._ends(status, None, reason)
        line = JournalLine(self.now, self.row.event_id, "decide", status, reason=reason)
        return Decision(
            known=self._kept_known,
            ends=ends,
            state=self._next(state),
            journal=(line,),
            at=self.now,
            supersede=self._replaces(reason),
        )

    # --- what the rules said

    def _put_off(self, case: Case, said: Judgement) -> Decision | None:
        """Nothing is decided yet, where a rule wants to wait, or a safety rule is broken. `None`: it can be."""
        if said.held is not None:
            tried = max(row.attempts for row, _ in self.ready.events)
            due, rule = self.now + retry.backoff(tried, self.run.chance), said.held.partition(" ")[0]
            if tried >= _HOLDS:
                return self._later(case, said, "parked", "parked", due, rule, said.held)
            return self._later(case, said, "deferred", "held", due, rule, said.held)
        if said.verdict is not None and not isinstance(said.verdict, Suppressed):
            return self._later(case, said, "deferred", "deferred", said.verdict.until, said.rule, said.verdict.reason)
        return None

    def _later(
        self, case: Case, said: Judgement, status: str, verdict: str, due: datetime, rule: str | None, reason: str
    ) -> Decision:
        ends = tuple(EventEnd(row, status, due, rule, reason) for row, _ in self.ready.events)
        line = JournalLine(self.now, self.row.event_id, "filter", verdict, rule, reason, detail=rules.detail(case, said))
        return Decision(known=None, ends=ends, journal=(line,), at=self.now)

    def _suppress(
        self, case: Case, said: Judgement, verdict: Suppressed, change: Change, state: Known, phone: str | None
    ) -> Decision:
        message = None
        booking = state.snapshot
        if verdict.withheld and change.type is not None and booking is not None:
            message = self._draft(change.type, phone, booking, status="withheld", rule=said.rule)
        if said.call and phone and self._in_vain(change) and not self.test:
            message = self._draft(change.type or "", phone, booking, status="failed", rule=said.rule, error=verdict.reason)
        if change.type is not None and not (verdict.client_knows or verdict.withheld):
            state = msgspec.structs.replace(state, hindrance=said.rule, attempted=booking)
        announce = change.noted or (change.type is not None and (verdict.client_knows or verdict.withheld))
        state = msgspec.structs.replace(state, created_by_bot=state.created_by_bot or verdict.client_knows)
        return self._end(case, said, "suppressed", said.rule, verdict.reason, state, announce=announce, message=message)

    @staticmethod
    def _in_vain(change: Change) -> bool:
        """Whether a client who hears nothing comes in vain."""
        return change.type == CANCELLED or (change.type == UPDATED and "time" in change.changed)

    def _tell(self, case: Case, said: Judgement, change: Change, state: Known, phone: str) -> Decision:
        assert change.type is not None
        message = self._draft(change.type, phone, state.snapshot)
        if message.status == "failed":
            state = msgspec.structs.replace(state, attempted=state.snapshot, hindrance=None)
        return self._end(case, said, "processed", None, message.error or change.note or None, state, message=message)

    # --- what is written

    def _end(
        self,
        case: Case,
        said: Judgement,
        status: str,
        rule: str | None,
        reason: str | None,
        state: Known | None,
        *,
        announce: bool = False,
        message: Notification | None = None,
    ) -> Decision:
        """`state` None: no booking is kept, as for a ready-made text."""
        if state is not None and announce and state.snapshot is not None:
            state = _announced(state, state.snapshot)
        elif state is not None and case.type is None:
            state = _forgotten(state)
        number = message.notification_id if message else None
        line = JournalLine(self.now, self.row.event_id, "filter", status, rule, reason, number, rules.detail(case, said))
        return Decision(
            known=self._kept_known,
            ends=self._ends(status, rule, reason),
            state=self._next(state) if state is not None else None,
            supersede=None if self._keeps_waiting(case) else self._replaces(f"replaced by event {self.row.event_id}"),
            notification=message,
            journal=(line,),
            at=self.now,
        )

    def _keeps_waiting(self, case: Case) -> bool:
        """The message that waits still tells the truth: nothing is stale about it."""
        return case.type is None and (not self.fold.applied or case.note == SAME)

    def _replaces(self, reason: str) -> str | None:
        """Nothing waits and nothing is watched for a booking that was never seen."""
        return reason if self.known.open is not None or self.known.seen else None

    @property
    def _kept_known(self) -> Known | None:
        return self.known if self.before is not None and not self.test else None

    def _next(self, state: Known) -> Known | None:
        return msgspec.structs.replace(state, version=self.known.version + 1) if self._kept_known is not None else None

    def _ends(self, status: str, rule: str | None, reason: str | None) -> tuple[EventEnd, ...]:
        stale = {row.id for row in self.fold.stale}
        ends = [EventEnd(self.row, status, self.now, rule, reason)]
        for row, _ in self.ready.events:
            if row.id == self.row.id:
                continue
            if row.id in stale:
                ends.append(EventEnd(row, "suppressed", self.now, "stale", OLD))
            else:
                ends.append(
                    EventEnd(row, "suppressed", self.now, "settle", f"folded into event {self.row.event_id}, which decided")
                )
        return tuple(ends)


def _announced(state: Known, booking: Booking) -> Known:
    return msgspec.structs.replace(state, announced=booking, revision=state.revision + 1, attempted=None, hindrance=None)


def _forgotten(state: Known) -> Known:
    """The booking has left the state that was attempted in vain: should it come back to it, that is a new change."""
    tried, now = state.attempted, state.snapshot
    if tried is None or now is None or (tried.cancelled == now.cancelled and not differences(tried, now)):
        return state
    return msgspec.structs.replace(state, attempted=None, hindrance=None)
