"""Step two, deliver: claim messages that are due, mark them as being sent, write what became of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from core.model import Booking
from core.store.lane import Lane
from core.store.rows import (
    Finish,
    Key,
    Notification,
    journal_values,
    notification_row,
    notification_values,
    read_booking,
    write_booking,
)
from core.store.tx import Tx, one_statement, statement
from core.store.values import LONG_AGO, when


class State(Struct, frozen=True):
    """A booking at this moment, for a message about to leave."""

    snapshot: Booking | None = None
    announced: Booking | None = None
    revision: int = 0


class Deliveries:
    def __init__(self, work: Lane, read: Lane) -> None:
        self._work, self._read = work, read

    async def claim(
        self, owner: str, token: int, now: datetime, lease: timedelta, most: int, busy: Sequence[tuple[str, int]]
    ) -> list[Notification]:
        """Take messages that are due, except those of accounts that have no slot free (`busy`), and what was claimed in vain."""
        values = {"owner": owner, "token": token, "now": now, "until": now + lease, "most": most, "rows": _accounts(busy)}
        found = await self._work.submit(statement("claim_notifications"), [values])
        return sorted((notification_row(row) for row in found[0]), key=lambda row: (row.due_at, row.id))

    async def claim_suspect(
        self, owner: str, token: int, now: datetime, lease: timedelta, busy: Sequence[tuple[str, int]], least: int = 1
    ) -> list[Notification]:
        """As with events."""
        values = {"owner": owner, "token": token, "now": now, "until": now + lease, "least": least, "rows": _accounts(busy)}
        found = await self._work.submit(statement("claim_suspect_notification"), [values])
        return [notification_row(row) for row in found[0]]

    async def clear(self, rows: Sequence[Notification]) -> None:
        """These did not kill their worker, though they had been under suspicion."""
        await self._work.submit(statement("clear_claims"), [{"rows": [{"id": row.id, "token": row.token} for row in rows]}])

    async def states(self, keys: Sequence[Key | None]) -> list[State]:
        """The bookings at this moment, in the order asked."""
        return await self._read.submit(self._states, list(keys))

    async def _states(self, tx: Tx, keys: list[Key | None]) -> list[State]:
        rows = [
            {"n": n, "source": k.source, "company_id": k.company_id, "record_id": k.record_id}
            for n, k in enumerate(keys)
            if k is not None
        ]
        found = {
            row["n"]: State(read_booking(row["snapshot"]), read_booking(row["announced"]), row["revision"])
            for row in (await tx.fetch("known_states", rows) if rows else [])
        }
        return [found.get(n, State()) for n in range(len(keys))]

    async def mark_sending(
        self, rows: Sequence[tuple[Notification, str, Booking | None, Booking | None]], now: datetime, lease: timedelta
    ) -> list[bool]:
        """(row, text, state told, state known before) → whether the row is still ours and may leave now."""
        return await self._work.submit(self._mark_sending, [(*entry, now, now + lease) for entry in rows])

    @one_statement("postgresql")
    async def _mark_sending(self, tx: Tx, rows: list[Any]) -> list[bool]:
        touched = [_key_values(key) for row, *_ in rows if (key := row.state_key) is not None]
        values = [
            {
                "id": row.id,
                "token": row.token,
                "channel": row.channel,
                "transport": row.transport,
                "account": row.account,
                "message": text,
                "told": write_booking(told),
                "known_before": write_booking(before),
            }
            for row, text, told, before, _, _ in rows
        ]
        found = await tx.in_order({"touch_bookings": touched, "mark_sending": values}, now=rows[0][4], until=rows[0][5])
        marked = {row["id"] for row in found}
        return [row.id in marked for row, *_ in rows]

    async def finish(self, ends: Sequence[Finish]) -> list[bool]:
        """Write what became of claimed messages, with all that follows. `False`: the row was not ours any more."""
        return await self._work.submit(self._finish, list(ends))

    async def _finish(self, tx: Tx, ends: list[Finish]) -> list[bool]:
        now = ends[0].at
        done = {row["id"] for row in await tx.fetch("finish", [_finish_values(end) for end in ends], now=now)}
        kept = [end for end in ends if end.row.id in done]
        await self._follow(tx, kept, now)
        return [end.row.id in done for end in ends]

    async def _follow(self, tx: Tx, ends: Sequence[Finish], now: datetime) -> None:
        tried = [_told_values(end.row) for end in ends if end.attempted and end.row.state_key is not None]
        if tried:
            await tx.fetch("note_attempted", tried, now=now)
        judged = [
            {"event_id": end.row.event_id, "status": end.event[0], "rule": end.event[1], "reason": end.event[2]}
            for end in ends
            if end.event is not None
        ]
        await tx.in_order(
            {
                "move_announced": [_told_values(end.row) for end in ends if end.announce and end.row.state_key is not None],
                "judge_event": judged,
                "add_journal": journal_values(line for end in ends for line in end.journal),
                "add_notifications": [notification_values(end.next) for end in ends if end.next is not None],
            },
            now=now,
        )

    async def lapse(self, now: datetime, ends_of: Any, held: Mapping[int, int]) -> list[Finish]:
        """Requests that were open when their worker died become unclear; announced moves in the same transaction.

        `ends_of(rows)` says, as `Finish` values, what follows for each. `held` is what we have in hand ourselves, id → token: a clock that
        jumped makes nobody dead.
        """
        found = await self._work.submit(self._lapse, [(now, ends_of, dict(held))])
        return list(found[0])

    async def _lapse(self, tx: Tx, asked: list[Any]) -> list[list[Finish]]:
        answers = []
        for now, ends_of, held in asked:
            rows = [notification_row(row) for row in await tx.fetch("lapsed", now=now) if held.get(row["id"]) != row["lease_token"]]
            ends: list[Finish] = ends_of(rows)
            if ends:
                values = [{"id": end.row.id, "fallback_at": end.fallback_at, "check_at": end.check_at} for end in ends]
                await tx.fetch("lapse", values, now=now, error=ends[0].error)
                await self._follow(tx, ends, now)
            answers.append(ends)
        return answers

    async def kin(self, numbers: Sequence[str]) -> dict[str, list[Notification]]:
        """The same message on all its channels, by `notification_id`."""
        if not numbers:
            return {}
        kin: dict[str, list[Notification]] = {}
        rows = [{"notification_id": number} for number in dict.fromkeys(numbers)]
        for row in (await self._read.submit(self._kin, [rows]))[0]:
            kin.setdefault(row.notification_id, []).append(row)
        return kin

    async def _kin(self, tx: Tx, batches: list[list[dict[str, Any]]]) -> list[list[Notification]]:
        return [[notification_row(row) for row in await tx.fetch("siblings", rows)] for rows in batches]

    async def add(self, rows: Sequence[Notification]) -> None:
        """New messages that no event asks for."""
        await self._work.submit(self._add, list(rows))

    async def _add(self, tx: Tx, rows: list[Notification]) -> list[None]:
        await tx.fetch("add_notifications", [notification_values(row) for row in rows])
        return [None] * len(rows)

    async def next_due(self, now: datetime) -> datetime | None:
        """When the next message, fallback or check is due."""
        found = await self._read.submit(statement("next_message"), [{"now": now}])
        return when(found[0][0]["due_at"])

    async def renew(self, held: Mapping[int, int], until: datetime) -> None:
        """As with events: what is in hand, and nothing else."""
        if held:
            rows = [{"id": number, "token": token} for number, token in held.items()]
            await self._work.submit(statement("renew_notifications"), [{"rows": rows, "until": until}])

    async def let_go(self, dropped: Mapping[int, int]) -> None:
        """As with events; none of them may have been begun."""
        if dropped:
            rows = [{"id": number, "token": token} for number, token in dropped.items()]
            await self._work.run("let_go_notifications", rows=rows, past=LONG_AGO)

    async def catch_up(self, now: datetime, lease: timedelta) -> None:
        """As with events."""
        await self._work.run("early_notifications", now=now)
        for name in ("cut_message_leases", "cut_request_leases"):
            await self._work.run(name, until=now + lease, far=now + 2 * lease)

    async def orphan(self, owner: str) -> None:
        """As with events."""
        await self._work.submit(statement("orphan_notifications"), [{"owner": owner, "past": LONG_AGO}])

    async def release(self, owner: str) -> None:
        await self._work.submit(statement("release_notifications"), [{"owner": owner}])


def _accounts(busy: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
    return [{"transport": transport, "account": account} for transport, account in busy]


def _key_values(key: Key) -> dict[str, Any]:
    return {"source": key.source, "company_id": key.company_id, "record_id": key.record_id}


def _told_values(row: Notification) -> dict[str, Any]:
    return {
        "source": row.source, "company_id": row.company_id, "record_id": row.record_id, "told": write_booking(row.told), "revision": row.revision,
    }  # fmt: skip


def _finish_values(end: Finish) -> dict[str, Any]:
    return {
        "id": end.row.id, "token": end.row.token, "status": end.status, "channel": end.row.channel, "transport": end.row.transport,
        "account": end.row.account, "provider_id": end.provider_id, "template": end.template, "error": end.error, "rule": end.rule,
        "message": end.message, "due_at": end.due_at, "turn_at": end.turn_at, "repeat_until": end.row.repeat_until, "fallback_at": end.fallback_at, "check_at": end.check_at,
    }  # fmt: skip
