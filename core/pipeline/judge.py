"""Judge one booking: what was known, what came, who would be told → one decision, with its reason. No waiting, no clock of its own."""

from __future__ import annotations

import hashlib
from datetime import datetime

import msgspec
from msgspec import Struct

from core import retry
from core.ids import new_id
from core.model import Booking, Case, Event, EventFacts, Notice, Salon, Suppressed
from core.pipeline import filter as rules
from core.pipeline import route
from core.pipeline.compare import CANCELLED, CREATED, UPDATED, Change, Past, compare, differences
from core.pipeline.filter import Judgement
from core.pipeline.normalize import Folded
from core.pipeline.render import render
from core.runtime import Runtime
from core.store.decisions import People
from core.store.rows import Decision, EventEnd, EventRow, JournalLine, Known, Notification

_OLD = "a newer change of the booking is already known"
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
        self.run, self.ready, self.before, self.fold, self.person, self.now = run, ready, before, fold, person, now
        self.row, self.event = fold.last
        self.known = before or Known(fold.state.key)
        self.salon: Salon = run.config.salon_of(self.row.company_id)
        self.test = self.row.is_test

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
        change = self._change(booking)
        announced = self.known.announced
        told = announced if change.type == CANCELLED and announced is not None and not announced.cancelled else booking
        phone = told.phone or booking.phone
        case = self._case(change, booking, phone)
        judgement = rules.ask(self.run.hooks, case, self.now)
        if judgement.held is not None:
            return self._hold(case, judgement)
        if judgement.verdict is not None and not isinstance(judgement.verdict, Suppressed):
            return self._defer(case, judgement)
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

    def _unknown(self) -> Decision:
        """A deletion that says only its id leaves a mark; what arrives later and is older is stale."""
        if self.fold.applied:
            return self._silent("deleted, and nothing is known of the booking", "suppressed", announce=False)
        case = msgspec.structs.replace(self._case(Change(None, note=_OLD), Booking(), None), booking=None)
        said = rules.ask(self.run.hooks, case, self.now)
        verdict = said.verdict if isinstance(said.verdict, Suppressed) else None
        return self._end(
            case, said, "suppressed", said.rule if verdict else None, verdict.reason if verdict else _OLD, self.fold.state
        )

    def _change(self, booking: Booking) -> Change:
        if self.test:
            return Change({"created": CREATED, "updated": UPDATED, "deleted": CANCELLED}[self.event.action])
        if not self.fold.applied and not (self.fold.state.create_seen and not self.known.create_seen and self._waiting == UPDATED):
            return Change(None, note=_OLD)
        past = Past(
            self.known.announced,
            self.known.attempted,
            self.known.hindrance is not None,
            self.known.seen,
            self.fold.state.create_seen,
            self._waiting,
        )
        change = compare(past, booking, self.now)
        waiting, before = self._waiting, self.known.snapshot
        if change.type is not None and change.type == waiting and before is not None and not differences(before, booking):
            return Change(None, note="the message that waits tells the same")
        return change

    @property
    def _waiting(self) -> str | None:
        return self.known.open.type if self.known.open is not None else None

    def _case(self, change: Change, booking: Booking, phone: str | None) -> Case:
        return Case(
            type=change.type,
            booking=booking,
            announced=self.known.announced,
            changed=change.changed,
            event=EventFacts(
                self.row.event_id,
                self.event.action,
                self.row.created_at,
                min(row.created_at for row, _ in self.ready.events),
                self.event.changed_at,
                self.known.changed_at,
                stale=not self.fold.applied and change.type is None,  # an older create that turns an update into itself is none
            ),
            contact=msgspec.structs.replace(self.person.contact, phone=phone),
            salon=self.salon,
            test=self.test,
            seen=self.known.seen,
            note=change.note,
        )

    def _text(self) -> Decision:
        """A text rendered elsewhere: no state to compare, its key is its event."""
        recipient = self.event.recipient
        phone = recipient.phone if recipient else None
        case = self._case(Change(self.event.kind), Booking(), phone)
        judgement = rules.ask(self.run.hooks, msgspec.structs.replace(case, booking=None), self.now)
        if judgement.held is not None:
            return self._hold(case, judgement)
        if judgement.verdict is not None and not isinstance(judgement.verdict, Suppressed):
            return self._defer(case, judgement)
        if isinstance(judgement.verdict, Suppressed):
            withheld = judgement.verdict.withheld
            message = self._notification(self.event.kind, phone, None, status="withheld", rule=judgement.rule) if withheld else None
            return self._write(case, judgement, "suppressed", judgement.rule, judgement.verdict.reason, None, message)
        if phone is None:
            return self._write(case, judgement, "suppressed", None, (recipient and recipient.missing) or "no phone", None, None)
        return self._write(case, judgement, "processed", None, None, None, self._notification(self.event.kind, phone, None))

    def _silent(self, reason: str, status: str, *, announce: bool = True) -> Decision:
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

    def _suppress(
        self, case: Case, said: Judgement, verdict: Suppressed, change: Change, state: Known, phone: str | None
    ) -> Decision:
        message = None
        booking = state.snapshot
        if verdict.withheld and change.type is not None and booking is not None:
            message = self._notification(change.type, phone, booking, status="withheld", rule=said.rule)
        if said.call and phone and self._in_vain(change) and not self.test:
            message = self._notification(change.type or "", phone, booking, status="failed", rule=said.rule, error=verdict.reason)
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
        message = self._notification(change.type, phone, state.snapshot)
        if message.status == "failed":
            state = msgspec.structs.replace(state, attempted=state.snapshot, hindrance=None)
        return self._end(case, said, "processed", None, message.error or change.note or None, state, message=message)

    def _end(
        self,
        case: Case,
        said: Judgement,
        status: str,
        rule: str | None,
        reason: str | None,
        state: Known,
        *,
        announce: bool = False,
        message: Notification | None = None,
    ) -> Decision:
        if announce and state.snapshot is not None:
            state = _announced(state, state.snapshot)
        elif case.type is None:
            state = _forgotten(state)
        return self._write(
            case, said, status, rule, reason, state, message, keep_waiting=case.type is None and self._keeps_waiting(case)
        )

    def _keeps_waiting(self, case: Case) -> bool:
        """The message that waits still tells the truth: nothing is stale about it."""
        return not self.fold.applied or case.note == "the message that waits tells the same"

    def _write(
        self,
        case: Case,
        said: Judgement,
        status: str,
        rule: str | None,
        reason: str | None,
        state: Known | None,
        message: Notification | None,
        *,
        keep_waiting: bool = False,
    ) -> Decision:
        number = message.notification_id if message else None
        line = JournalLine(self.now, self.row.event_id, "filter", status, rule, reason, number, rules.detail(case, said))
        return Decision(
            known=self._kept_known,
            ends=self._ends(status, rule, reason),
            state=self._next(state) if state is not None else None,
            supersede=None if keep_waiting else self._replaces(f"replaced by event {self.row.event_id}"),
            notification=message,
            journal=(line,),
            at=self.now,
        )

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
                ends.append(EventEnd(row, "suppressed", self.now, "stale", _OLD))
            else:
                ends.append(
                    EventEnd(row, "suppressed", self.now, "settle", f"folded into event {self.row.event_id}, which decided")
                )
        return tuple(ends)

    def _defer(self, case: Case, said: Judgement) -> Decision:
        assert said.verdict is not None and not isinstance(said.verdict, Suppressed)
        ends = tuple(EventEnd(row, "deferred", said.verdict.until, said.rule, said.verdict.reason) for row, _ in self.ready.events)
        line = JournalLine(
            self.now, self.row.event_id, "filter", "deferred", said.rule, said.verdict.reason, detail=rules.detail(case, said)
        )
        return Decision(known=None, ends=ends, journal=(line,), at=self.now)

    def _hold(self, case: Case, said: Judgement) -> Decision:
        tried = max(row.attempts for row, _ in self.ready.events)
        over = tried >= _HOLDS
        due = self.now + retry.backoff(tried, self.run.chance)
        rule = (said.held or "").partition(" ")[0]
        ends = tuple(EventEnd(row, "parked" if over else "deferred", due, rule, said.held) for row, _ in self.ready.events)
        line = JournalLine(
            self.now, self.row.event_id, "filter", "parked" if over else "held", rule, said.held, detail=rules.detail(case, said)
        )
        return Decision(known=None, ends=ends, journal=(line,), at=self.now)

    def _notification(
        self,
        kind: str,
        phone: str | None,
        booking: Booking | None,
        status: str = "pending",
        rule: str | None = None,
        error: str | None = None,
    ) -> Notification:
        way = route.hops(self.run.hooks, self.run.config, self.row.company_id, self.person.won_channel)
        hop = way[0] if way else None
        announced = self.known.announced
        visit = (
            (announced if kind == CANCELLED and announced is not None and not announced.cancelled else booking) if booking else None
        )
        waits = self.known.open
        turn = waits.turn_at if waits and hop and (waits.transport, waits.account) == (hop.plugin.short, hop.account) else None
        if hop is None and status == "pending":
            error = "no transport carries a channel of [route]; switch one on"
        text = self._would_say(kind, booking, hop) if status != "pending" else None
        return Notification(
            notification_id=_number_of(self.row.event_id) if self.event.text is not None else new_id("n_", self.now),
            event_id=self.row.event_id,
            source=self.row.source,
            company_id=self.row.company_id,
            record_id=self.row.record_id,
            phone=phone,
            client_name=booking.client_name if booking else (self.event.recipient.name if self.event.recipient else None),
            notification_type=kind,
            channel=hop.channel.name if hop else "none",
            transport=hop.plugin.short if hop else None,
            account=hop.account if hop else 0,
            reference=new_id("v", self.now, 23),
            status=status if hop or status == "withheld" else "failed",
            error=f"{rule}: {error}" if rule and error else error,
            rule=rule,
            message=text,
            is_test=self.test,
            revision=self.fold.state.revision,
            told=booking,
            known_before=announced,
            body=self.event.text,
            attempts=waits.attempts if waits else 0,
            due_at=max(self.now, waits.due_at) if waits and (waits.attempts or turn) else self.now,
            turn_at=turn,
            deadline_at=retry.deadline_of(self.now, visit.visit_at if visit else None, self.test),
            created_at=self.now,
        )

    def _would_say(self, kind: str, booking: Booking | None, hop: route.Hop | None) -> str | None:
        if hop is None:
            return self.event.text
        notice = Notice(kind, booking, self.known.announced, frozenset(), self.salon, self.event.text)
        said = render(self.run.hooks, notice, hop.channel).message
        return said.text if said else None


def _announced(state: Known, booking: Booking) -> Known:
    return msgspec.structs.replace(state, announced=booking, revision=state.revision + 1, attempted=None, hindrance=None)


def _forgotten(state: Known) -> Known:
    """The booking has left the state that was attempted in vain: should it come back to it, that is a new change."""
    tried, now = state.attempted, state.snapshot
    if tried is None or now is None or (tried.cancelled == now.cancelled and not differences(tried, now)):
        return state
    return msgspec.structs.replace(state, attempted=None, hindrance=None)


def _number_of(event_id: str) -> str:
    """A ready-made text is one message, however often its event is decided."""
    return f"n_{hashlib.sha256(event_id.encode()).hexdigest()[:20]}"
