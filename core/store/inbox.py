"""`webhook_events`: store what arrives or was asked for, and how far polls have come; claim what is undecided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from core.failpoint import reach
from core.model import Received
from core.store.lane import Lane
from core.store.rows import EventRow, event_row
from core.store.tx import Tx, one_statement, statement
from core.store.values import LONG_AGO, when

POLLED = "poll"  # the delivery id of what we asked for ourselves


class NewEvent(Struct, frozen=True):
    """One event to store. `status` "received" is undecided; "unreadable" is kept for a person."""

    event_id: str
    source: str
    event_type: str
    company_id: int | None
    record_id: int | None
    external_id: str | None
    transport_id: str | None
    digest: str | None
    payload: str
    status: str
    reason: str | None
    is_test: bool
    is_import: bool
    at: datetime


class Stored(Struct, frozen=True):
    """What the inbox says of an event: `repeats` > 0 means that it was known already."""

    event_id: str
    repeats: int


def _insert_row(event: NewEvent, repeats: int) -> dict[str, Any]:
    return {
        "event_id": event.event_id, "source": event.source, "event_type": event.event_type, "company_id": event.company_id,
        "record_id": event.record_id, "external_id": event.external_id, "transport_id": event.transport_id, "digest": event.digest,
        "payload": event.payload, "status": event.status, "reason": event.reason, "is_test": event.is_test, "is_import": event.is_import,
        "repeats": repeats, "at": event.at,
    }  # fmt: skip


class Inbox:
    """Statements on events. Writes go through the lane, so webhooks that arrive together share one transaction."""

    def __init__(self, intake: Lane, work: Lane, read: Lane) -> None:
        self._intake, self._work, self._read = intake, work, read

    async def receive(self, events: Sequence[NewEvent]) -> list[Stored]:
        """Store; returns after the commit. An event that is known is counted on its row."""
        return await self._intake.submit(self._receive, list(events))

    @one_statement("sqlite", "postgresql")
    async def _receive(self, tx: Tx, events: list[NewEvent]) -> list[Stored]:
        """One statement for all. The same event twice in one batch is folded first: one statement touches a row once."""
        folded: dict[str, dict[str, Any]] = {}
        for event in events:
            if (row := folded.get(event.event_id)) is not None:
                row["repeats"] += 1
            else:
                folded[event.event_id] = _insert_row(event, 0)
        reach("before_commit")
        stored = {row["event_id"]: row["repeats"] for row in await tx.fetch("receive", list(folded.values()))}
        answers, seen = [], set()
        for event in events:
            again = event.event_id in seen
            seen.add(event.event_id)
            repeats = stored.get(event.event_id, 0)
            answers.append(Stored(event.event_id, repeats if again or repeats > folded[event.event_id]["repeats"] else 0))
        return answers

    async def news(self, events: Sequence[NewEvent]) -> set[str]:
        """Of what a poll found, the event ids that tell something new."""
        rows = [_insert_row(event, 0) for event in events]
        found = await self._read.submit(self._news, [rows])
        return set(found[0])

    async def _news(self, tx: Tx, batches: list[list[dict[str, Any]]]) -> list[set[str]]:
        return [{row["event_id"] for row in await tx.fetch("news", rows)} for rows in batches]

    async def item(self, event_id: str) -> Received | None:
        """An event as its source gave it; `None` where it is unknown, or its body was deleted by retention."""
        rows = (await self._read.submit(statement("item_of_event"), [{"event": event_id}]))[0]
        if not rows or rows[0]["payload"] is None:
            return None
        row = rows[0]
        number = row["external_id"] or row["record_id"]
        return Received(event_id, row["event_type"], row["payload"], row["company_id"], number, test=bool(row["is_test"]))

    async def last_webhook(self, source: str, company: int) -> datetime | None:
        """When the last event of a salon came by itself."""
        found = await self._read.submit(statement("last_webhook"), [{"source": source, "company": company, "polled": POLLED}])
        return when(found[0][0]["at"])

    async def poll_point(self, source: str, company: int) -> datetime | None:
        found = await self._work.run("poll_point", source=source, company=company)
        return when(found[0]["since"]) if found else None

    async def take_poll_turn(self, source: str, company: int, owner: str, now: datetime, lease: timedelta) -> bool:
        """Whether it is for us to ask; then for nobody else until the lease ends."""
        values = {"source": source, "company": company, "owner": owner, "now": now, "until": now + lease}
        return bool(await self._work.run("take_poll_turn", **values))

    async def leave_poll_turn(self, source: str, company: int, owner: str) -> None:
        """Another node may do better."""
        await self._work.run("leave_poll_turn", source=source, company=company, owner=owner)

    async def set_poll_point(self, source: str, company: int, since: datetime, found: datetime | None) -> None:
        await self._work.run("set_poll_point", source=source, company=company, since=since, found=found)

    async def claim(self, owner: str, token: int, now: datetime, lease: timedelta, most: int) -> list[EventRow]:
        """Take undecided events that are due, and every other undecided event of the same bookings; not what was claimed in vain."""
        values = {"owner": owner, "token": token, "now": now, "until": now + lease, "most": most}
        found = await self._work.submit(statement("claim_events"), [values])
        return [event_row(row) for row in found[0]]

    async def claim_suspect(self, owner: str, token: int, now: datetime, lease: timedelta, least: int = 1) -> list[EventRow]:
        """Take one event that was claimed in vain, so often at the `least`, and may have killed its worker; none where none is due."""
        values = {"owner": owner, "token": token, "now": now, "until": now + lease, "least": least}
        found = await self._work.submit(statement("claim_suspect_event"), [values])
        return [event_row(row) for row in found[0]]

    async def next_due(self, now: datetime) -> datetime | None:
        """When the next undecided event is due."""
        found = await self._read.submit(statement("next_event"), [{"now": now}])
        return when(found[0][0]["due_at"])

    async def renew(self, held: Mapping[int, int], until: datetime) -> None:
        """Keep what is in hand: ids with the tokens they were claimed with. Whatever else was claimed is free once its lease lapses."""
        if held:
            rows = [{"id": number, "token": token} for number, token in held.items()]
            await self._work.submit(statement("renew_events"), [{"rows": rows, "until": until}])

    async def let_go(self, dropped: Mapping[int, int]) -> None:
        """Free what is in hand no more, though nothing could be written of it."""
        if dropped:
            rows = [{"id": number, "token": token} for number, token in dropped.items()]
            await self._work.run("let_go_events", rows=rows, past=LONG_AGO)

    async def catch_up(self, now: datetime, lease: timedelta) -> None:
        """After the clock was put back: what was stored in the future is due now; whatever should wait is asked again, and waits. A lease that
        reaches further than two ends after one: its worker renews it before, if it lives.
        """
        await self._work.run("early_events", now=now)
        await self._work.run("cut_event_leases", until=now + lease, far=now + 2 * lease)

    async def orphan(self, owner: str) -> None:
        """Its owner is dead: what it had claimed is free."""
        await self._work.submit(statement("orphan_events"), [{"owner": owner, "past": LONG_AGO}])
        await self._work.run("leave_poll_turns", owner=owner)

    async def release(self, owner: str) -> None:
        """Give back what is claimed: a graceful stop."""
        await self._work.submit(statement("release_events"), [{"owner": owner}])
        await self._work.run("leave_poll_turns", owner=owner)

    async def refuse(self, source: str, now: datetime) -> None:
        """Count a refused request: it is lost for ever, so somebody must see it."""
        hour = now.replace(minute=0, second=0, microsecond=0)
        await self._intake.submit(statement("refuse"), [{"source": source, "hour": hour}])

    async def replay(self, key: str, record: int | None, now: datetime) -> list[Any]:
        """Make decided events undecided again."""
        found = await self._work.submit(statement("replay_events"), [{"key": key, "record": record, "now": now}])
        return found[0]  # type: ignore[no-any-return]

    async def hurry(self, key: str, record: int | None, now: datetime) -> list[Any]:
        """Have the rules asked now about events that were put off; which they are."""
        found = await self._work.submit(statement("hurry_events"), [{"key": key, "record": record, "now": now}])
        return found[0]  # type: ignore[no-any-return]
