"""Whether a message may leave now: the state, the rules, the route, the health of its account and the text of this moment say so.

Values in, values out: nothing here waits, and nothing is written. What becomes of a message that may not is its `fate`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Struct

from core import retry
from core.model import (
    Action,
    Address,
    Booking,
    Case,
    Deferred,
    EventFacts,
    Message,
    Notice,
    Suppressed,
)
from core.pipeline import filter as rules
from core.pipeline import route
from core.pipeline.compare import CANCELLED, differences
from core.pipeline.fate import Fate
from core.pipeline.render import render
from core.runtime import Runtime
from core.store.deliveries import State
from core.store.pacing import Turn
from core.store.people import People
from core.store.rows import Finish, JournalLine, Notification

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

    @property
    def account(self) -> tuple[str, int]:
        return self.hop.plugin.short, self.hop.account


class Pause(Struct, frozen=True):
    """An account that is left alone. `limited`: it only keeps to a rate."""

    until: datetime
    reason: str
    limited: bool


class Departure:
    """The judgement of messages that are due."""

    def __init__(self, runtime: Runtime, fate: Fate) -> None:
        self.run, self.fate = runtime, fate

    def prepare(
        self, row: Notification, kin: Sequence[Notification], state: State, person: People, binding: str | None, now: datetime
    ) -> Leaving | Finish:
        """Whether the message may leave now, judged by the state of this moment. `kin` is the same message on all its channels."""
        if any(other.status in ("delivered", "read") for other in kin):
            return self.fate.end(row, "superseded", now, "delivered on another channel")
        if row.claims > retry.CLAIMS_ALLOWED:
            return self.fate.end(
                row,
                "failed",
                now,
                f"it killed its worker {row.claims - 1} times",
                attempted=True,
                event=("parked", None, "it killed its worker"),
            )
        if row.repeat_until is not None and now >= row.repeat_until:
            return self.fate.unclear(row, now, row.error)
        if not retry.fits(now, row.deadline_at) and not row.is_test:
            return self.fate.end(row, "expired", now, row.error or "its time is over", attempted=True)
        told_by_us = row.revision + (not _first(row, kin))  # an earlier channel may have moved what is announced
        if row.state_key is not None and state.revision not in (row.revision, told_by_us):
            return self.fate.end(row, "superseded", now, "the client has been told meanwhile")
        told = state.snapshot if row.state_key is not None else row.told
        before = state.announced if row.step == 0 and row.state_key is not None else row.known_before
        judgement = self._judge(row, self._case(row, told, before, person), now)
        if judgement.held is not None:
            return self.fate.end(row, "pending", now, judgement.held, due_at=now + retry.backoff(row.attempts + 1, self.run.chance))
        if isinstance(judgement.verdict, Deferred):
            return self._put_off(row, now, f"{judgement.rule}: {judgement.verdict.reason}", judgement.verdict.until)
        if isinstance(judgement.verdict, Suppressed):
            return self._kept_back(row, judgement, judgement.verdict, now)
        plugin = route.transport(self.run.hooks, row.transport, row.company_id)
        hops = route.of(self.run.hooks, self.run.config, row, person.won_channel)
        hop = next((hop for hop in hops if plugin is not None and hop.plugin.short == plugin.short), None)
        way = route.untried(hops, row, kin)
        if hop is None:
            return self.fate.onwards(row, way, now, f"the transport {row.transport} is not switched on any more")
        if way and row.fallback_at is not None and now >= row.fallback_at:
            return self.fate.onwards(row, way, now, row.error or "it could not be handed over")
        if (paused := self.paused(hop, now)) is not None:
            return self.out_of_order(row, hop, way, now, paused)
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
            return self.fate.end(row, "failed", now, rendered.error, attempted=True, event=("parked", None, rendered.error))
        address = Address(row.phone or "", row.client_name, binding, row.reference, person.wrote_to(hop.plugin.short, hop.account))
        note = "; ".join((*judgement.abstained, *rendered.left_out)) or None
        return Leaving(row, hop, rendered.message, address, told, before, tuple(way), note)

    def chosen(self, row: Notification, kin: Sequence[Notification], person: People) -> Notification:
        """The message on the channel that comes first now, where none has been tried yet: what reached the client lately counts."""
        hops = route.of(self.run.hooks, self.run.config, row, person.won_channel) if not row.attempts and _first(row, kin) else []
        if not hops or (hops[0].plugin.short, hops[0].account) == (row.transport, row.account):
            return row
        channel, transport, account = hops[0].channel.name, hops[0].plugin.short, hops[0].account
        return msgspec.structs.replace(row, channel=channel, transport=transport, account=account, turn_at=None)

    def _judge(self, row: Notification, case: Case, now: datetime) -> rules.Judgement:
        """The rules are for clients: none keeps an alert from the owner. An answer is given now or never, so none puts it off."""
        if row.ours and row.notification_type == route.ALERT:
            return rules.Judgement(None, None, ())
        said = rules.ask(self.run.hooks, case, now)
        return msgspec.structs.replace(said, verdict=None, rule=None) if row.ours and isinstance(said.verdict, Deferred) else said

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

    def _put_off(self, row: Notification, now: datetime, reason: str, until: datetime) -> Finish:
        line = JournalLine(now, row.event_id, "send", "deferred", row.transport, reason, row.notification_id, rules.until(until))
        return msgspec.structs.replace(self.fate.end(row, "pending", now, reason, due_at=until), journal=(line,))

    def _kept_back(self, row: Notification, said: rules.Judgement, verdict: Suppressed, now: datetime) -> Finish:
        """It fails, and the client may have to be called, where every rule that says no wants that; else it is needed no more."""
        told = verdict.client_knows or verdict.withheld
        status = "withheld" if verdict.withheld else "failed" if said.call and not told else "superseded"
        event, moves = ("suppressed", said.rule, verdict.reason), told and row.step == 0
        error = f"{said.rule}: {verdict.reason}"
        return self.fate.end(row, status, now, error, rule=said.rule, announce=moves, attempted=not told, event=event)

    def paused(self, hop: route.Hop, now: datetime) -> Pause | None:
        health = self.run.health.get((hop.plugin.short, hop.account))
        if health is None or health.reason is None or health.paused_until is None:
            return None
        if health.paused_until <= now:  # over, but where it can be asked how it is, no message is tried on it before
            return Pause(now + _PROBED, health.reason, health.limited) if "probe" in hop.plugin.calls else None
        return Pause(health.paused_until, health.reason, health.limited)

    def out_of_order(self, row: Notification, hop: route.Hop, way: list[route.Hop], now: datetime, paused: Pause) -> Finish:
        trouble = "has to wait" if paused.limited else "is out of order"
        further = [] if paused.limited and self.fate.worth_waiting(row, paused.until, now) else way
        return self.fate.onwards(row, further, now, f"{hop.plugin.short} {trouble}: {paused.reason}", wait=paused.until)

    def kept_waiting(self, leaving: Leaving, turn: Turn, now: datetime) -> Finish:
        """Its account may not send it yet. A new client beyond the cap, and who would be told too late, is told on the next channel."""
        row, at = leaving.row, turn.at or now
        reason = f"{leaving.hop.plugin.short} is paced: {turn.reason}"
        late = row.fallback_at is not None and at >= row.fallback_at
        if turn.capped or late or not retry.fits(at, row.deadline_at):
            return self.fate.onwards(row, list(leaving.way), now, reason, wait=at)
        turn_at = at if turn.queued else None
        end = self.fate.end(row, "pending", now, reason, due_at=at, turn_at=turn_at, fallback_at=row.fallback_at)
        return msgspec.structs.replace(end, journal=()) if row.turn_at is not None else end  # moved on by a moment: told before


def _first(row: Notification, kin: Sequence[Notification]) -> bool:
    """Whether no channel was tried before this one, since the message was decided or sent again."""
    return not any(other.round == row.round and other.step < row.step for other in kin)
