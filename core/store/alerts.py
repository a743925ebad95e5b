"""Alerts: what a person has to see, told once until it is over, and the messages that tell it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from core.store.lane import Lane
from core.store.rows import Notification, notification_values
from core.store.tx import Tx, statement

_QUIET = timedelta(days=1)


class AlertStore:
    def __init__(self, work: Lane, read: Lane) -> None:
        self._work, self._read = work, read

    async def note(
        self, alerts: Sequence[tuple[str, str]], messages: Sequence[Notification], now: datetime, every: timedelta
    ) -> bool:
        """Note (key, text) pairs. Whether one of them is to be told now; then `messages` are stored in the same transaction.

        A key is what the alert is about, and " #" and its reason, where that makes it another one.
        """
        return bool((await self._work.submit(self._note, [(list(alerts), list(messages), now, every)]))[0])

    async def _note(self, tx: Tx, asked: list[Any]) -> list[bool]:
        answers = []
        for alerts, messages, now, every in asked:
            rows = [{"key": key, "text": text, "about": key.partition(" #")[0]} for key, text in alerts]
            await tx.fetch("note_alerts", rows, now=now, quiet=now - _QUIET)
            told = await tx.fetch("tell_alerts", rows, now=now, before=now - every)
            if told and messages:
                await tx.fetch("add_notifications", [notification_values(row) for row in messages])
            answers.append(bool(told))
        return answers

    async def over(self, keys: Sequence[str], now: datetime) -> None:
        """The causes are gone: they may be told anew, and what still waits to tell of them is withdrawn."""
        await self._work.submit(self._over, [(list(keys), now)])

    async def _over(self, tx: Tx, asked: list[Any]) -> list[None]:
        for keys, now in asked:
            await tx.fetch("end_alerts", [{"key": key} for key in keys], now=now)
            await tx.fetch("withdraw_alerts", [{"event_id": f"alert {key}"} for key in keys], now=now)
        return [None] * len(asked)

    async def open(self) -> frozenset[str]:
        """The keys of what is not over; those of calls are left out, because they never are."""
        found = await self._read.submit(statement("open_alerts"), [{}])
        return frozenset(row["key"] for row in found[0])

    async def known(self, keys: Sequence[str]) -> set[str]:
        """Which of these were noted before."""
        found = await self._read.submit(statement("known_alerts"), [{"rows": [{"key": key} for key in keys]}])
        return {row["key"] for row in found[0]}

    async def parked(self) -> set[tuple[str, int]]:
        """(rule or source, salon) of events that are parked now, and (transport, account) of callbacks."""
        found = await self._read.submit(statement("parked_causes"), [{}])
        return {(row["place"], row["number"]) for row in found[0]}
