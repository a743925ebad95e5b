"""A new message that may leave at once is handed over by whoever decides it: written with our lease, and sent as soon as it is written.
Nobody need claim it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec
from msgspec import Struct

from core import retry
from core.pipeline.departure import Departure, Leaving
from core.pipeline.slots import Slots
from core.pipeline.turns import paced
from core.runtime import Runtime
from core.store.deliveries import State
from core.store.people import People
from core.store.rows import Decision, Finish, Lease, Notification


class Handed(Struct, frozen=True):
    """A new message that leaves as soon as it is written. `marked_at`: it is written as being sent, and a slot is its own."""

    leaving: Leaving
    lease: Lease
    marked_at: datetime | None

    @property
    def row(self) -> Notification:
        """As it is to be written."""
        leaving = self.leaving
        if self.marked_at is None:
            return leaving.row
        return msgspec.structs.replace(
            leaving.row, status="sending", message=leaving.message.text, told=leaving.told, known_before=leaving.before, attempts=1,
            sent_at=self.marked_at,
        )  # fmt: skip


class HandOver:
    """`start(leaving, marked_at)` begins its request."""

    def __init__(
        self, runtime: Runtime, departure: Departure, slots: Slots, start: Callable[[Leaving, datetime | None], None]
    ) -> None:
        self.run, self.departure, self.slots, self._start = runtime, departure, slots, start

    async def offer(self, decision: Decision, person: People) -> Handed | None:
        """A new message that may leave at once: it is written with our lease, and whoever decided it sends it. `None`: it is claimed when its
        turn comes.

        With a slot that is free it is written as being sent, so that nothing more need be written before its request.
        """
        row, now, known = decision.notification, self.run.now(), decision.state
        plugin = self.run.hooks.get("send", row.transport or "") if row is not None else None
        if row is None or plugin is None or row.status != "pending" or row.due_at > now or row.phone != person.contact.phone:
            return None
        facts, account = self.run.hooks.facts(plugin, row.company_id), (plugin.short, row.account)
        if facts.needs_binding or paced(facts) or not self.slots.room(account, facts):
            return None
        lease = Lease(self.run.owner, self.run.token(), now + retry.LEASE)
        state = State(known.snapshot, known.announced, known.revision) if known is not None else State()
        ready = self.departure.prepare(msgspec.structs.replace(row, token=lease.token, claims=1), [], state, person, None, now)
        if isinstance(ready, Finish):
            return None
        self.slots.promise(account)
        return Handed(ready, lease, now if await self.slots.take_free(account, facts) else None)

    def take(self, handed: Sequence[tuple[Handed, int]]) -> None:
        """Messages that were offered and are written, each with the number of its row; 0: it was not written."""
        for entry, number in handed:
            account = entry.leaving.account
            self.slots.kept(account)
            if number:
                self._start(
                    msgspec.structs.replace(entry.leaving, row=msgspec.structs.replace(entry.leaving.row, id=number)),
                    entry.marked_at,
                )
            elif entry.marked_at is not None:
                self.slots.give_back(account)
