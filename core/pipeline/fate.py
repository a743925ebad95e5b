"""What becomes of a message that did not leave, did not arrive, or of which nobody knows: tried again, on the next channel, watched, unclear,
or at its end. Values in, values out: nothing here waits, and nothing is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from core import retry
from core.ids import new_id
from core.model import Booking, Retry
from core.pipeline import route
from core.runtime import Runtime
from core.store.deliveries import State
from core.store.people import People
from core.store.rows import Finish, JournalLine, Notification, Onwards

_CHECK_AFTER = timedelta(minutes=1)


class Fate:
    """Each method answers with what is to be written: `Finish` for a message in hand, `Onwards` for one that is watched."""

    def __init__(self, runtime: Runtime) -> None:
        self.run = runtime

    def end(self, row: Notification, status: str, now: datetime, error: str | None = None, **more: object) -> Finish:
        line = JournalLine(now, row.event_id, "send", status, row.transport, error, row.notification_id)
        return Finish(row=row, status=status, at=now, error=error, journal=(line,), **more)  # type: ignore[arg-type]

    def again(self, row: Notification, way: list[route.Hop], now: datetime, result: Retry) -> Finish:
        """Not taken: tried again after ever longer waits; who was not handed over for `fallback_after` goes on by the next channel."""
        due = retry.next_attempt(now, row.deadline_at, row.attempts, self.run.chance, result.after)
        go_on_at = None
        if way and not row.is_test and row.repeat_until is None:  # else a second one might come beside the first
            visit_at = row.told.visit_at if row.told else None
            wait = self.run.config.route_of(row.company_id).fallback_after
            go_on_at = row.fallback_at or retry.fallback_at(now, wait, visit_at)
            due = min(due or go_on_at, go_on_at)
        if due is None:
            return self.end(row, "expired", now, result.reason, attempted=True)
        return self.end(row, "pending", now, result.reason, due_at=due, fallback_at=go_on_at)

    def onwards(self, row: Notification, way: list[route.Hop], now: datetime, reason: str, wait: datetime | None = None) -> Finish:
        """The next channel (`way`: those not tried yet), else wait for this one, else the end."""
        if way:
            return self.end(row, "failed", now, reason, next=self._on_channel(row, way[0], now))
        if wait is not None and retry.fits(wait, row.deadline_at):
            return self.end(row, "pending", now, reason, due_at=wait)
        return self.end(row, "expired" if wait is not None else "failed", now, reason, attempted=True)

    def _on_channel(self, row: Notification, hop: route.Hop, now: datetime) -> Notification:
        """The same message on another channel: another row with the same `notification_id`."""
        return msgspec.structs.replace(
            row, id=0, token=0, step=row.step + 1, turn_at=None, repeat_until=None, fallback_at=None, channel=hop.channel.name, transport=hop.plugin.short, account=hop.account, status="pending",
            reference=new_id("v", now, 23), message=None, error=None, rule=None, attempts=0, claims=0, due_at=now, created_at=now,
            provider_message_id=None, template=None, sent_at=None, delivered_at=None,
        )  # fmt: skip

    def worth_waiting(self, row: Notification, until: datetime, now: datetime) -> bool:
        """Whether an account over its rate may take the message before one that is not delivered would go on by the next channel."""
        visit = row.told.visit_at if row.told else None
        return until <= retry.fallback_at(now, self.run.config.route_of(row.company_id).fallback_after, visit)

    def watch(self, row: Notification, hop: route.Hop, told: Booking | None, now: datetime) -> dict[str, datetime]:
        """When to fall back, and when to ask the gateway, if it reports nothing."""
        if not hop.channel.reports_delivery:
            return {}
        found = {}
        if not row.is_test:
            wait = self.run.config.route_of(row.company_id).fallback_after
            found["fallback_at"] = retry.fallback_at(now, wait, told.visit_at if told else None)
        if "check" in hop.plugin.calls:
            found["check_at"] = now + _CHECK_AFTER
        return found

    def further(self, row: Notification, kin: Sequence[Notification], state: State, person: People, now: datetime) -> Onwards:
        hops = route.of(self.run.hooks, self.run.config, row, person.won_channel)
        way = route.untried(hops, row, kin)
        hop = way[0] if way and retry.fits(now, row.deadline_at) else None
        gave_up, following = row.status == "failed", None
        if hop is not None:
            following = self._on_channel(row, hop, now)
            if gave_up and row.state_key is not None:  # announced has moved back: it is told from there
                following = msgspec.structs.replace(following, revision=state.revision)
        reason = row.error or "not delivered" if gave_up else "not delivered in time"
        verdict, plugin = ("fallback", hop.plugin.short) if hop else ("undelivered", row.transport)
        line = JournalLine(now, row.event_id, "send", verdict, plugin, reason, row.notification_id)
        return Onwards(row, following, line, reason)

    def lapsed(self, rows: Sequence[Notification]) -> list[Finish]:
        """Requests that were open when their worker died."""
        return [self.unclear(row, self.run.now(), "its worker died while the request was open") for row in rows]

    def sure(self, end: Finish) -> Finish:
        """A message that may have been taken, and whose gateway would not know the repeat any more as one, is not repeated."""
        until = end.row.repeat_until
        if until is None or not (end.status == "expired" or (end.status == "pending" and (end.due_at or end.at) >= until)):
            return end
        return self.unclear(end.row, end.at, end.error)

    def unclear(self, row: Notification, now: datetime, reason: str | None) -> Finish:
        way = route.of(self.run.hooks, self.run.config, row)
        hop = next((hop for hop in way if hop.plugin.short == row.transport), None)
        watch: dict[str, datetime] = {}
        if hop is not None:
            watch = self.watch(row, hop, row.told, now)
        return self.end(row, "unclear", now, reason, announce=True, **watch)
