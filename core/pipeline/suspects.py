"""Work that was claimed in vain may have killed its worker. It is tried alone, so that the next death says whose fault it was.

What dies in company was claimed once, and is a suspect from then on. Only what dies alone is counted further, so of all that a worker had in
hand the culprit alone comes to be parked. Others wait no longer than for one such try: it comes between two batches.

Beside it the process takes webhooks in and hears gateways, and may die of that. So what has died alone before is tried again before anything
else begins: the deaths that park it are its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from core.runtime import Runtime

Row = TypeVar("Row")
_LOOK_EVERY = timedelta(seconds=1)  # where there is always something fresh
_DIED_ALONE = 2  # claims: the first was in company
_AT_FIRST = 20  # so many at most: others wait


class Suspects(Generic[Row]):
    """One loop's suspects: `claim(least)` takes the least suspect of those that were claimed so often at the least, `work` does what is to
    be done with it."""

    def __init__(
        self, run: Runtime, claim: Callable[[int], Awaitable[Sequence[Row]]], work: Callable[[Sequence[Row]], Awaitable[None]]
    ) -> None:
        self._run, self._claim, self._work = run, claim, work
        self._looked: datetime | None = None
        self._more = False

    async def first(self) -> None:
        """At the start, while nothing else is in hand: try those that have died alone."""
        for _ in range(_AT_FIRST):
            if not await self._one(_DIED_ALONE):
                return

    async def step(self, fresh: int) -> int:
        """Try one; how many were tried. `fresh`: how much else was done in this step."""
        now = self._run.now()
        if fresh and not self._more and self._looked is not None and abs(now - self._looked) < _LOOK_EVERY:
            return 0
        self._looked = now
        tried = await self._one(1)
        self._more = bool(tried)
        return tried

    async def _one(self, least: int) -> int:
        async with self._run.alone:
            rows = await self._claim(least)
            if rows:
                await self._work(rows)
        return len(rows)
