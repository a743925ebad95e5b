"""Step one, decide: what is known of bookings, and what a decision writes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from core.store.lane import Lane
from core.store.rows import Decision, JournalLine, Key, Known, journal_values, known_row, notification_values, write_booking
from core.store.tx import Tx


class Saved(msgspec.Struct, frozen=True):
    """Whether a decision stands; else the booking changed meanwhile, and its events are undecided again. `number`: its message's row, 0 for none."""

    stands: bool
    number: int = 0


class Decisions:
    def __init__(self, work: Lane, read: Lane) -> None:
        self._work, self._read = work, read

    async def known(self, keys: Sequence[Key]) -> dict[Key, Known]:
        """What is known of these bookings; one that is not has version 0."""
        return dict(zip(keys, await self._read.submit(self._known, list(keys)), strict=True))

    async def _known(self, tx: Tx, keys: list[Key]) -> list[Known]:
        rows = [
            {"n": n, "source": key.source, "company_id": key.company_id, "record_id": key.record_id} for n, key in enumerate(keys)
        ]
        found = {row["n"]: known_row(keys[row["n"]], row) for row in await tx.fetch("known_bookings", rows)}
        return [found.get(n, Known(key)) for n, key in enumerate(keys)]

    async def save(self, decisions: Sequence[Decision]) -> list[Saved]:
        """Write decisions, each whole or not at all."""
        return await self._work.submit(self._save, list(decisions))

    async def _save(self, tx: Tx, decisions: list[Decision]) -> list[Saved]:
        won = await self._save_bookings(tx, decisions)
        kept = [decision for decision, ok in zip(decisions, won, strict=True) if ok]
        now = decisions[0].at
        replaced = [
            {"source": key.source, "company_id": key.company_id, "record_id": key.record_id, "error": decision.supersede}
            for decision in kept
            if decision.supersede is not None and decision.known is not None and (key := decision.known.key)
        ]
        if replaced:
            await tx.fetch("supersede", replaced, now=now)
            await tx.fetch("end_fallbacks", replaced)
        ends = [end for decision in kept for end in decision.ends]
        rows = [
            {
                "id": end.row.id,
                "token": end.row.token,
                "status": end.status,
                "rule": end.rule,
                "reason": end.reason,
                "due_at": end.due_at,
                "counts": end.counts,
            }
            for end in ends
        ]
        rows += [
            {
                "id": end.row.id,
                "token": end.row.token,
                "status": end.row.status,
                "rule": end.row.rule,
                "reason": None,
                "due_at": decision.at,
                "counts": False,
            }
            for decision, ok in zip(decisions, won, strict=True)
            if not ok
            for end in decision.ends
        ]
        added = [
            notification_values(decision.notification, decision.lease) for decision in kept if decision.notification is not None
        ]
        written = await tx.in_order(
            {
                "close_events": rows,
                "add_journal": journal_values(line for decision in kept for line in decision.journal),
                "add_notifications": added,
            },
            now=now,
        )
        numbers = {row["notification_id"]: row["id"] for row in written} if added else {}
        return [Saved(ok, _number(decision, numbers)) for decision, ok in zip(decisions, won, strict=True)]

    async def note(self, lines: Sequence[JournalLine]) -> None:
        """Add to the stories of events what is no decision: a repeat, a recorder that broke."""
        if lines:
            await self._work.run("add_journal", rows=journal_values(lines))

    async def _save_bookings(self, tx: Tx, decisions: list[Decision]) -> list[bool]:
        changed = [decision for decision in decisions if decision.state is not None]
        if not changed:
            return [True] * len(decisions)
        rows = [_state_values(decision.state, decision.at) for decision in changed if decision.state is not None]
        saved = {Key(row["source"], row["company_id"], row["record_id"]) for row in await tx.fetch("save_bookings", rows)}
        return [decision.state is None or decision.state.key in saved for decision in decisions]


def _state_values(state: Known, at: datetime) -> dict[str, Any]:
    now = state.snapshot
    visit_id = now.extra.get("visit_id") if now is not None else None
    return {
        "source": state.key.source, "company_id": state.key.company_id, "record_id": state.key.record_id, "external_id": state.external_id,
        "visit_id": visit_id if isinstance(visit_id, int) and abs(visit_id) < 2**63 else None,
        "client_name": now.client_name if now else None, "client_phone": now.phone if now else None,
        "visit_at": now.visit_at if now else None,
        "services": ", ".join(service.title for service in now.services) if now and now.services else None,
        "staff": now.staff.name if now and now.staff else None, "is_cancelled": state.is_cancelled, "created_by_bot": state.created_by_bot,
        "last_change_date": state.changed_at, "digest": state.digest, "snapshot": write_booking(now),
        "announced": write_booking(state.announced), "revision": state.revision, "create_seen": state.create_seen,
        "attempted": write_booking(state.attempted), "hindrance": state.hindrance, "restored_at": state.restored_at,
        "version": state.version, "at": at,
    }  # fmt: skip


def _number(decision: Decision, numbers: dict[str, int]) -> int:
    return numbers.get(decision.notification.notification_id, 0) if decision.notification is not None else 0
