"""What others say of messages that left: a gateway what became of one, a person that one did not arrive, another bot that it has told
the client itself. What the client knows (announced) moves with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from msgspec import Struct, structs

from core.errors import StoreError
from core.store.lane import Lane
from core.store.rows import Key, Notification, notification_row, notification_values, write_booking
from core.store.tx import Tx

_LOST_ANSWER = timedelta(days=1)  # how long a message without an id may be found by its phone
_RANK = {"pending": 0, "sending": 0, "unclear": 1, "expired": 1, "superseded": 1, "sent": 2, "failed": 2, "delivered": 3, "read": 4}


class Report(Struct, frozen=True):
    """One delivery status to be matched: by the gateway's id, by our reference, or by phone and text where both are unknown.

    `others` are accounts that it may be about as well.
    """

    transport: str
    account: int
    status: str
    at: datetime
    provider_id: str | None = None
    reference: str | None = None
    phone: str | None = None
    reason: str | None = None
    text: str | None = None
    others: tuple[int, ...] = ()


class Matched(Struct, frozen=True):
    """What a report did: the row it met, as it was before, and its status now. `row` None: no message is known by that id; `waits`: yet."""

    row: Notification | None
    status: str | None = None
    untold: int | None = (
        None  # it failed, and the client knows of nothing newer: the revision from which another channel may tell it
    )
    waits: bool = False


class Reports:
    def __init__(self, work: Lane) -> None:
        self._work = work

    async def match(self, reports: Sequence[Report]) -> list[Matched]:
        """Match statuses and apply them: only upwards (sent < delivered < read), and a late delivery wins over a failure."""
        return await self._work.submit(self._match, list(reports))

    async def _match(self, tx: Tx, reports: list[Report]) -> list[Matched]:
        return [await self._match_one(tx, report) for report in reports]

    async def _match_one(self, tx: Tx, report: Report) -> Matched:
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
        row = await self._held(tx, notification_row(rows[0]))
        if row.status == "sending":  # what its gateway answers is not written yet: the status waits for that
            return Matched(None, waits=True)
        if not _moves(row.status, report.status):
            return Matched(row)
        untold = await self._apply(tx, row, report)
        if report.status == "failed" and untold is not None and not row.is_test:
            await tx.fetch("gave_up", [{"id": row.id, "at": report.at}])
        return Matched(row, report.status, untold)

    async def _held(self, tx: Tx, row: Notification) -> Notification:
        """The row as it is when no other node works on a report of its message: of two that come at once, the second sees what the first has made of it."""
        if tx.dialect == "sqlite":
            return row
        await tx.fetch("hold_message", number=row.notification_id)
        steps = await tx.fetch("siblings", [{"notification_id": row.notification_id}])
        return next((found for step in steps if (found := notification_row(step)).id == row.id), row)

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

    async def resend(self, key: str, record: int | None, now: datetime, deadline: datetime) -> Notification | None:
        """A message that failed, expired or is unclear is sent again: a person says that the client did not get it.

        It begins its route anew, as a further step of the same notification. What is announced moves back to what was known before
        it. `None`: there is no such message, or it was delivered, or a newer one has replaced it. `StoreError`: the number is that of
        several bookings.
        """
        found = await self._work.submit(self._resend, [{"key": key, "record": record, "now": now, "deadline": deadline}])
        return found[0]  # type: ignore[no-any-return]

    async def _resend(self, tx: Tx, asked: list[dict[str, Any]]) -> list[Notification | None]:
        return [await self._resend_one(tx, **values) for values in asked]

    async def _resend_one(self, tx: Tx, key: str, record: int | None, now: datetime, deadline: datetime) -> Notification | None:
        places = await tx.fetch("places_of_record", key=key, record=record)
        if len(places) > 1:
            raise StoreError(f"{key}: several bookings have this number; name the event id, which `vestnik trace {key}` tells")
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
            provider_message_id=None, template=None, sent_at=None, delivered_at=None,
        )  # fmt: skip
        return again if await tx.fetch("add_notifications", [notification_values(again)]) else None

    async def told_by_another(self, key: Key, now: datetime, reason: str) -> None:
        """Another bot has told the client: announced is what is now, and what waits is withdrawn. An unknown booking is marked ahead."""
        await self._work.submit(self._told, [(key, now, reason)])

    async def _told(self, tx: Tx, asked: list[Any]) -> list[None]:
        for key, now, reason in asked:
            place = {"source": key.source, "company": key.company_id, "record": key.record_id, "now": now}
            if await tx.fetch("told_by_another", **place):
                await tx.fetch("withdraw", **place, error=reason)
            else:
                await tx.fetch("told_ahead", **place)
        return [None] * len(asked)


def _place(key: Key) -> dict[str, Any]:
    return {"source": key.source, "company_id": key.company_id, "record_id": key.record_id}


def _moves(before: str, now: str) -> bool:
    """Whether a status changes anything: a repeat and an older one do not."""
    if now == "failed":
        return before in ("sent", "unclear", "pending", "sending")
    return _RANK[now] > _RANK.get(before, 0)
