"""The spools beside a database: one that this process writes, and those that dead processes have left, to be handed over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from core.errors import StoreError
from core.lines import Row, Size
from core.spool import Spool

log = logging.getLogger("vestnik.spool")
_MOST_PROCESSES = 64


class Spools:
    """`path` is the first one's, `v.spool`; the others are `v.2.spool`, … Whoever holds a lock lives; an unlocked file is nobody's any more."""

    def __init__(self, path: Path) -> None:
        self._places = [path, *(path.with_suffix(f".{number}{path.suffix}") for number in range(2, _MOST_PROCESSES))]
        self._own, self._place = self._free()
        self._left: list[Spool] = []
        self._troubled: set[Path] = set()
        self._drain = asyncio.Lock()

    def pending(self) -> Size:
        """What waits to be handed over, as far as no other process will do it."""
        return sum((spool.pending() for spool in self._left), self._own.pending())

    async def problem(self) -> str | None:
        """Why our own would not take another event."""
        return await self._own.problem()

    async def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        await self._own.append(rows)

    async def drain(self, write: Callable[[list[Row]], Awaitable[object]]) -> tuple[int, list[str]]:
        """Hand over all that waits, what the dead have left first; how many rows, and who is dead. Raises what `write` raises."""
        count, dead = 0, []
        async with self._drain:
            await self._adopt()
            while self._left:
                spool = self._left[0]
                count += await spool.drain(write)
                dead.append(spool.take(""))
                self._left.remove(spool)
                spool.close()
            if self._own.pending().count:
                count += await self._own.drain(write)
        return count, [name for name in dead if name]

    def take(self, owner: str) -> str:
        """As `Spool.take`, of our own."""
        return self._own.take(owner)

    def close(self) -> None:
        for spool in (self._own, *self._left):
            spool.close()
        self._left = []

    def _free(self) -> tuple[Spool, Path]:
        for place in self._places:
            with suppress(StoreError):
                return Spool(place), place
        raise StoreError(f"{self._places[0].parent}: {_MOST_PROCESSES} processes have a spool here already; stop some")

    async def _adopt(self) -> None:
        """They are ours until they are empty: whoever starts meanwhile takes another number."""
        held = {self._place, *(spool.path for spool in self._left)}
        for place in await asyncio.to_thread(_filled, self._places):
            if place in held:
                continue
            try:
                self._left.append(await asyncio.to_thread(Spool, place))
                log.warning("path=%s outcome=adopted reason=its process is gone", place)
            except StoreError:  # somebody lives there
                pass
            except OSError as error:
                if place not in self._troubled:
                    self._troubled.add(place)
                    log.error("path=%s outcome=not_adopted reason=%s; events lie there that nobody decides", place, error.strerror)


def _filled(places: Sequence[Path]) -> list[Path]:
    return [place for place in places if any(_size(file) for file in (place, place.with_name(place.name + ".draining")))]


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
