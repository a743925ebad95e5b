"""Messages that were not delivered in time, or given up by their gateway, go on by the next channel; where there is none, that is noted."""

from __future__ import annotations

from core.pipeline import outcomes
from core.pipeline.fate import Fate
from core.runtime import Runtime


class Fallbacks:
    def __init__(self, runtime: Runtime, fate: Fate) -> None:
        self.run, self.fate = runtime, fate

    async def step(self) -> int:
        """Move on what is due; how many messages have a next channel."""
        now = self.run.now()
        rows = await self.run.store.watches.due_fallbacks(now)
        if not rows:
            return 0
        states = await self.run.store.deliveries.states([row.state_key for row in rows])
        kin = await self.run.store.deliveries.kin([row.notification_id for row in rows])
        people = await self.run.store.people.known([(row.phone, row.company_id) for row in rows], now)
        entries = zip(rows, states, people, strict=True)
        onwards = [self.fate.further(row, kin.get(row.notification_id, []), state, person, now) for row, state, person in entries]
        went = [entry for entry, ok in zip(onwards, await self.run.store.watches.go_on(onwards), strict=True) if ok]
        moved = sum(entry.next is not None for entry in went)
        if moved:
            self.run.work.set("messages")
        self.run.recorders.tell([outcomes.of_going_on(entry, now) for entry in went])
        return moved
