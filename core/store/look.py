"""What people look at: statistics, the story of an event, what lies dead; and what retention deletes."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from core.ids import number_of
from core.store.lane import Lane
from core.store.tx import Tx, statement
from core.store.values import when

_RENDERERS = re.compile(r"(?:^|; )render\.(\w+): ([^;]+)")
_REST = (
    *("erase_bindings", "erase_tokens", "erase_recipient", "erase_callbacks"),
    *("blot_bookings", "blot_notifications", "blot_events", "blot_journal", "blot_alerts"),
)
_BATCH = 500  # rows deleted in one transaction, so that nobody waits for the broom


class Look:
    def __init__(self, work: Lane, read: Lane) -> None:
        self._work, self._read = work, read
        self._bodiless = datetime(1970, 1, 1, tzinfo=UTC)  # up to here no body is left, but of what is undecided

    async def ask(self, name: str, **values: Any) -> list[dict[str, Any]]:
        """Any of the statements in `queries/look.sql`, as plain dicts with aware times."""
        found = await self._read.submit(statement(name), [values])
        return [_plain(row) for row in found[0]]

    async def story(self, key: str, most: int = 20) -> list[dict[str, Any]]:
        """Events by event id or record id, newest first, each with its `journal` and `notifications`."""
        events = await self.ask("event_of_key", key=key, record=number_of(key)[0], most=most)
        for event in events:
            event["journal"] = await self.ask("journal_of_event", event=event["event_id"])
            event["notifications"] = await self.ask("notifications_of_event", event=event["event_id"])
        return events

    async def broken(self, since: datetime) -> list[dict[str, Any]]:
        """The plugins that broke, most often first: `stage`, `plugin`, `times`, and of the last time `last_at` and `reason`; `event_id` is one of them."""
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for row in sorted(await self.ask("broken", since=since), key=lambda row: row["last_at"], reverse=True):
            named = _RENDERERS.findall(row["reason"]) if row["stage"] == "render" else [(row["plugin"], row["reason"])]
            for plugin, reason in named:
                known = found.setdefault((row["stage"], plugin), {**row, "plugin": plugin, "reason": reason, "times": 0})
                known["times"] += row["times"]
        return sorted(found.values(), key=lambda row: -row["times"])

    async def to_call(self, now: datetime, most: int = 50) -> list[dict[str, Any]]:
        """«Позвоните клиенту»: cancellations and new times that did not get through."""
        return await self.ask("to_call", since=now - timedelta(days=3), unclear_before=now - timedelta(minutes=30), most=most)

    async def prune(self, now: datetime, keep: timedelta, keep_bodies: timedelta) -> dict[str, int]:
        """Delete what is older than retention allows, in small batches. Undecided and unsent rows stay."""
        before = now - keep
        counts = {"prune_bodies": bodies} if (bodies := await self._prune_bodies(now - keep_bodies)) else {}
        cuts = {
            "prune_events": before,
            "prune_notifications": before,
            "prune_journal": before,
            "prune_callbacks": now - keep_bodies,
            "prune_refusals": before,
            "prune_alerts": before,
            "prune_tokens": before,
            "prune_recipients": before,
            "prune_templates": before,
            "prune_bookings": before,
            "prune_tombstones": before,
        }
        for name, cut in cuts.items():
            while len(found := (await self._work.submit(statement(name), [{"before": cut, "most": _BATCH}]))[0]):
                counts[name] = counts.get(name, 0) + len(found)
                if len(found) < _BATCH:
                    break
        return counts

    async def _prune_bodies(self, before: datetime) -> int:
        """The rows stay, so each walk begins where the last one ended; the first of a process at the beginning."""
        count = 0
        while found := (await self._work.submit(statement("prune_bodies"), [self._span(before)]))[0]:
            count += len(found)
            self._bodiless = max(filter(None, (when(row["created_at"]) for row in found)))
            if len(found) < _BATCH:
                break
        self._bodiless = max(self._bodiless, before)
        return count

    def _span(self, before: datetime) -> dict[str, Any]:
        return {"after": self._bodiless, "before": before, "most": _BATCH}

    async def erase(self, phone: str) -> dict[str, int]:
        """Delete every trace of a phone (152-FZ), all or nothing. What is another client's by now stays, without it."""
        found = await self._work.submit(_erase, [phone])
        return found[0]  # type: ignore[no-any-return]


async def _erase(tx: Tx, phones: list[str]) -> list[dict[str, int]]:
    return [await _erase_one(tx, phone) for phone in phones]


async def _erase_one(tx: Tx, phone: str) -> dict[str, int]:
    number = phone.removeprefix("+7") if phone.startswith("+7") else phone.lstrip("+")  # many write 8 for +7
    values: dict[str, Any] = {"phone": phone, "number": number, "digits": f"%{number}%"}
    events = await tx.fetch("erase_events", **values)
    messages = await tx.fetch("erase_notifications", **values)
    await tx.fetch("erase_journal", [{"event_id": row["event_id"]} for row in (*events, *messages)])
    of_messages = [{"notification_id": row["notification_id"]} for row in messages]
    await tx.fetch("erase_steps", of_messages)
    await tx.fetch("erase_calls", of_messages)
    bookings = await tx.fetch("erase_bookings", **values)
    contacts = await tx.fetch("erase_contact", **values)
    for name in _REST:
        await tx.fetch(name, **values)
    return {"events": len(events), "messages": len(messages), "bookings": len(bookings), "contacts": len(contacts)}


def _plain(row: Any) -> dict[str, Any]:
    return {
        key: when(value) if key.endswith("_at") or key in ("at", "hour", "since") else value for key, value in dict(row).items()
    }
