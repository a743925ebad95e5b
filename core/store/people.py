"""What gateways and people tell us: inbound messages, opt-outs, bindings, the health of transports, and how far polls have come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from msgspec import Struct, structs

from core.store.decisions import notification_values
from core.store.deliveries import Report
from core.store.engine import Engine
from core.store.lane import Lane
from core.store.rows import Key, Notification, notification_row, write_booking
from core.store.tx import Tx, statement
from core.store.values import when

_LINK_FOR = timedelta(days=30)
_LOST_ANSWER = timedelta(days=1)  # how long a message without an id may be found by its phone
_RANK = {"pending": 0, "sending": 0, "unclear": 1, "expired": 1, "superseded": 1, "sent": 2, "failed": 2, "delivered": 3, "read": 4}


class Health(Struct, frozen=True):
    """One account of one transport. `reason` is `None` while it works; `failures` counts the sends that failed since one succeeded.

    `limited`: it works, and may take more a moment later.
    """

    transport: str
    account: int
    reason: str | None
    failures: int
    paused_until: datetime | None
    paused_at: datetime | None = None
    limited: bool = False


class StoredCallback(Struct, frozen=True):
    id: int
    transport: str
    account: int
    items: str
    tries: int
    created_at: datetime


class Matched(Struct, frozen=True):
    """What a report did: the row it met, as it was before, and its status now. `row` None: no message is known by that id; `waits`: yet."""

    row: Notification | None
    status: str | None = None
    untold: int | None = (
        None  # it failed, and the client knows of nothing newer: the revision from which another channel may tell it
    )
    waits: bool = False


class PeopleStore:
    def __init__(self, engine: Engine, work: Lane, read: Lane) -> None:
        self._engine, self._work, self._read = engine, work, read

    async def _run(self, name: str, **values: Any) -> list[Any]:
        found = await self._work.submit(statement(name), [values])
        return list(found[0])

    async def next_callback(self) -> datetime | None:
        """When the next stored callback is due."""
        found = await self._read.submit(statement("next_callback"), [{}])
        return when(found[0][0]["due_at"])

    async def wrote(self, phone: str, company: int, at: datetime, transport: str = "") -> None:
        """The client wrote: to an account of a transport, or as another bot says, which does not say where."""
        await self._run("wrote", rows=[{"phone": phone, "company_id": company, "at": at, "wrote_to": transport}])

    async def opt(self, phone: str, account: int, out_at: datetime | None, answer: Notification | None = None) -> None:
        """СТОП (a time) or СТАРТ (`None`) on an account; 0 is all salons'. `answer` is stored with it, once a day at most for a client."""
        await self._work.submit(self._opt, [(phone, account, out_at, answer)])

    async def _opt(self, tx: Tx, asked: list[Any]) -> list[None]:
        for phone, account, out_at, answer in asked:
            place = {"phone": phone, "company_id": account}
            if out_at is not None:
                await tx.fetch("say_stop", [{**place, "at": out_at}])
            else:
                await tx.fetch("say_start", [place])
            if answer is not None:
                now = answer.created_at
                if await tx.fetch("confirm", [{**place, "at": now}], since=now - timedelta(days=1)):
                    await tx.fetch("add_notifications", [notification_values(answer)])
        return [None] * len(asked)

    async def won(self, phone: str, company: int, channel: str, at: datetime) -> None:
        await self._run("won", rows=[{"phone": phone, "company_id": company, "channel": channel, "at": at}])

    async def bind(self, transport: str, account: int, binding: str, phone: str | None, token: str | None, now: datetime) -> None:
        """By phone, or by the token of a link, which is good once and for a month."""
        values = {"transport": transport, "account": account, "binding": binding, "now": now}
        await self._work.submit(self._bind, [(values, phone, token)])

    async def _bind(self, tx: Tx, asked: list[Any]) -> list[None]:
        for values, phone, token in asked:
            if phone is None and token:
                found = await tx.fetch("use_token", token=token, since=values["now"] - _LINK_FOR)
                phone = found[0]["phone"] if found else None
            await tx.fetch("bind", **values, phone=phone)
        return [None] * len(asked)

    async def add_token(self, token: str, phone: str, now: datetime) -> None:
        """A link was made: whoever opens it is this phone."""
        await self._run("add_token", token=token, phone=phone, now=now)

    async def unbind(self, transport: str, account: int, binding: str) -> None:
        await self._run("unbind", transport=transport, account=account, binding=binding)

    async def phone_of_binding(self, transport: str, account: int, binding: str) -> str | None:
        found = await self._run("phone_of_binding", transport=transport, account=account, binding=binding)
        return found[0]["phone"] if found else None

    async def store_callbacks(self, rows: Sequence[dict[str, Any]]) -> None:
        """Store what a gateway posted; returns after the commit."""
        await self._work.submit(self._store_callbacks, list(rows))

    async def _store_callbacks(self, tx: Tx, rows: list[dict[str, Any]]) -> list[None]:
        await tx.fetch("store_callback", [{"n": n, **row} for n, row in enumerate(rows)])
        return [None] * len(rows)

    async def due_callbacks(self, now: datetime, most: int = 200) -> list[StoredCallback]:
        rows = await self._run("due_callbacks", now=now, most=most)
        return [
            StoredCallback(r["id"], r["transport"], r["account"], r["items"] or "[]", r["tries"], when(r["created_at"]) or now)
            for r in rows
        ]

    async def close_callbacks(self, ends: Sequence[dict[str, Any]]) -> None:
        if ends:
            await self._run("close_callbacks", rows=list(ends))

    async def report(self, reports: Sequence[Report]) -> list[Matched]:
        """Match statuses and apply them: only upwards (sent < delivered < read), and a late delivery wins over a failure."""
        return await self._work.submit(self._report, list(reports))

    async def _report(self, tx: Tx, reports: list[Report]) -> list[Matched]:
        return [await self._report_one(tx, report) for report in reports]

    async def _report_one(self, tx: Tx, report: Report) -> Matched:
        places = [{"n": 0, "transport": report.transport, "account": account} for account in (report.account, *report.others)]
        asked = {"provider_id": report.provider_id, "reference": report.reference}
        rows = await tx.fetch("rows_of_statuses", [{**place, **asked} for place in places])
        if not rows and report.phone and report.provider_id:
            lost = {"phone": report.phone, "since": report.at - _LOST_ANSWER}
            rows = await tx.fetch("rows_of_phones", [{**place, **lost} for place in places])
            if report.text is not None:
                rows = [row for row in rows if row["message"] == report.text]
                if not rows:  # a message is marked before its request begins: this is somebody else's
                    return Matched(None)
            if len(rows) > 1:  # nobody can say which of them it is: a wrong "delivered" would keep a person from calling
                rows = []
        if not rows:
            return Matched(None, waits=True)
        row = notification_row(rows[0])
        if row.status == "sending":  # what its gateway answers is not written yet: the status waits for that
            return Matched(None, waits=True)
        if not _moves(row.status, report.status):
            return Matched(row)
        untold = await self._apply(tx, row, report)
        if report.status == "failed" and untold is not None and not row.is_test:
            await tx.fetch("gave_up", [{"id": row.id, "at": report.at}])
        return Matched(row, report.status, untold)

    async def _apply(self, tx: Tx, row: Notification, report: Report) -> int | None:
        arrived = report.at if report.status in ("delivered", "read") else None
        values = {"id": row.id, "status": report.status, "error": report.reason if report.status == "failed" else None,
                  "provider_id": report.provider_id, "delivered_at": arrived, "read_at": report.at if report.status == "read" else None}  # fmt: skip
        await tx.fetch("set_status", [values])
        key = row.state_key
        if arrived is not None:
            await tx.fetch("stop_siblings", [{"notification_id": row.notification_id, "id": row.id}], now=report.at)
        if key is None or row.told is None or (row.status in ("pending", "sending") and report.status == "failed"):
            return row.revision
        state = {**_place(key), "told": write_booking(row.told)}
        if report.status != "failed" and row.status in ("pending", "expired", "failed"):  # taken, though its answer was a refusal
            await tx.fetch("move_announced", [{**state, "revision": row.revision}], now=report.at)
        if report.status == "failed" and not await self._reached_otherwise(tx, row):
            back = {**state, "known_before": write_booking(row.known_before), "revision": row.revision}
            moved = await tx.fetch("move_back", [back], now=report.at)
            if not moved:
                return None
            revision: int = moved[0]["revision"]
            await tx.fetch("follow_back", [{**_place(key), "revision": revision}])
            return revision
        if row.status == "failed" and arrived is not None:
            again = {**state, "known_before": state["told"], "told": None, "revision": row.revision + 1}
            await tx.fetch("move_back", [again], now=report.at)
        return None

    async def _reached_otherwise(self, tx: Tx, row: Notification) -> bool:
        siblings = await tx.fetch("siblings", [{"notification_id": row.notification_id}])
        return any(r["id"] != row.id and r["status"] in ("sending", "sent", "unclear", "delivered", "read") for r in siblings)

    async def watch(self, number: int, fallback_at: datetime) -> None:
        """The next channel is due then, unless a delivery is known."""
        await self._run("gave_up", rows=[{"id": number, "at": fallback_at}])

    async def resend(self, key: str, record: int | None, now: datetime, deadline: datetime) -> Notification | None:
        """A message that failed, expired or is unclear is sent again: a person says that the client did not get it.

        It begins its route anew, as a further step of the same notification. What is announced moves back to what was known before
        it. `None`: there is no such message, or it was delivered, or a newer one has replaced it.
        """
        found = await self._work.submit(self._resend, [{"key": key, "record": record, "now": now, "deadline": deadline}])
        return found[0]  # type: ignore[no-any-return]

    async def _resend(self, tx: Tx, asked: list[dict[str, Any]]) -> list[Notification | None]:
        return [await self._resend_one(tx, **values) for values in asked]

    async def _resend_one(self, tx: Tx, key: str, record: int | None, now: datetime, deadline: datetime) -> Notification | None:
        steps = [notification_row(row) for row in await tx.fetch("resendable", key=key, record=record)]
        if not steps:
            return None
        first, last = steps[0], steps[-1]
        await tx.fetch("give_up", number=first.notification_id)
        revision = first.revision
        if (place := first.state_key) is not None:
            before = {**_place(place), "known_before": write_booking(first.known_before), "revision": revision}
            moved = await tx.fetch("tell_again", [before], now=now)
            revision = moved[0]["revision"] if moved else revision
        again = structs.replace(
            first, id=0, token=0, step=last.step + 1, round=last.round + 1, status="pending", reference=f"v{uuid4().hex[:23]}", message=None,
            error=None, rule=None, revision=revision, attempts=0, claims=0, due_at=now, turn_at=None, repeat_until=None, deadline_at=deadline, created_at=now,
            provider_message_id=None, sent_at=None, delivered_at=None,
        )  # fmt: skip
        return again if await tx.fetch("add_notifications", [notification_values(again)]) else None

    async def pause(
        self, transport: str, account: int, reason: str, until: datetime, now: datetime, *, failed: bool, limited: bool = False
    ) -> None:
        """Leave an account alone until then. `failed`: a message did, so that the next pause is longer. `limited`: it only keeps to a rate."""
        place = {"transport": transport, "account": account}
        await self._run("pause", **place, reason=reason, limited=limited, until=until, now=now, failures=int(failed))

    async def works(self, transport: str, account: int, now: datetime) -> None:
        """It has taken a message."""
        await self._run("works", transport=transport, account=account, now=now)

    async def returns(self, transport: str, account: int, now: datetime) -> None:
        """It says that it works again."""
        await self._run("returns", transport=transport, account=account, now=now)

    async def health(self) -> list[Health]:
        found = await self._read.submit(statement("health"), [{}])
        return [
            Health(
                r["transport"],
                r["account"],
                r["reason"],
                r["failures"],
                when(r["paused_until"]),
                when(r["paused_at"]),
                bool(r["limited"]),
            )
            for r in found[0]
        ]

    async def poll_point(self, source: str, company: int) -> datetime | None:
        found = await self._run("poll_point", source=source, company=company)
        return when(found[0]["since"]) if found else None

    async def set_poll_point(self, source: str, company: int, since: datetime, found: datetime | None) -> None:
        await self._run("set_poll_point", source=source, company=company, since=since, found=found)


def _place(key: Key) -> dict[str, Any]:
    return {"source": key.source, "company_id": key.company_id, "record_id": key.record_id}


def _moves(before: str, now: str) -> bool:
    """Whether a status changes anything: a repeat and an older one do not."""
    if now == "failed":
        return before in ("sent", "unclear", "pending", "sending")
    return _RANK[now] > _RANK.get(before, 0)
