"""Tells YCLIENTS what became of its texts: statuses, in batches, in the background. No plugin itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from pathlib import Path

import httpx
from msgspec import Struct

from plugins.source._yclients_owed import Owed

log = logging.getLogger("vestnik.yclients_operator")
DELIVERED, LOST, PASSED_ON, REFUSED = 1, 2, 8, 16  # доставлено, не доставлено, передано оператору, отклонено оператором
# Only upwards: a message that was given up may be delivered after all, and one that is delivered stays so.
_RANK: Mapping[int, int] = {PASSED_ON: 1, LOST: 2, REFUSED: 2, DELIVERED: 3}
WAITS = (2.0, 10.0, 60.0, 300.0)  # seconds between the tries of a batch
_BATCH = 100
_REMEMBERED = 20_000  # messages whose last status is known
_MOST = 5_000  # statuses that may wait for one address
_STOP_WITHIN = 2.0  # seconds


class Way(Struct):
    """What waits for one address, and the task that takes it there: one, so that nothing overtakes."""

    waiting: dict[str, int] = {}
    task: asyncio.Task[None] | None = None


class Reports:
    """`tell` never waits. What could not be told after five tries is lost, and the log says so.

    What is not told when the process ends, stays in the file of `keep`; without one it is lost as well.
    """

    def __init__(self) -> None:
        self._owed: Owed | None = None
        self._ways: dict[str, Way] = {}
        self._last: dict[tuple[str, str], int] = {}  # (address, id) → what was told, or is about to be

    def keep(self, path: Path) -> list[tuple[str, str, int]]:
        """Keep what is owed in this file from now on. What an earlier process left there: address, id, status; nothing the second time."""
        if self._owed is not None:
            return []
        self._owed = Owed(path)
        return [(address, number, status) for (address, number), status in self._owed.owed.items()]

    def tell(self, address: str, number: str, status: int, http: httpx.AsyncClient, token: str) -> None:
        way = self._ways.setdefault(address, Way({}))
        if _RANK[status] <= _RANK.get(self._last.get((address, number), 0), 0):
            return
        if number not in way.waiting and len(way.waiting) >= _MOST:
            log.warning("outcome=not_reported reason=%d statuses wait already", _MOST)
            return
        self._last[address, number] = way.waiting[number] = status
        if self._owed is not None:
            self._owed.add(address, number, status)
        if len(self._last) > _REMEMBERED:
            del self._last[next(iter(self._last))]
        if way.task is None:
            way.task = asyncio.create_task(self._work(address, way, http, token), name="statuses for YCLIENTS")

    async def stop(self) -> None:
        """What can be told quickly is; the rest waits for the next process, or is lost."""
        tasks = [way.task for way in self._ways.values() if way.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=_STOP_WITHIN)
        for way in self._ways.values():
            if way.task is not None and not way.task.done():
                way.task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await way.task
            if way.waiting:
                outcome = "not_reported" if self._owed is None else "reported_later"
                log.warning("outcome=%s count=%d reason=the process ends", outcome, len(way.waiting))
        if self._owed is not None:
            self._owed.close()
            self._owed = None
        self._ways.clear()
        self._last.clear()

    async def _work(self, address: str, way: Way, http: httpx.AsyncClient, token: str) -> None:
        """Batch after batch. Where YCLIENTS refuses a batch, one that it does not know must not cost the others: each by itself."""
        try:
            while way.waiting:
                batch = list(way.waiting)[:_BATCH]
                if not await self._told(address, way, batch, http, token):
                    for number in batch:
                        await self._told(address, way, [number], http, token)
        finally:
            way.task = None

    async def _told(self, address: str, way: Way, numbers: list[str], http: httpx.AsyncClient, token: str) -> bool:
        """Post these, again where that may help; `False` where several are refused together."""
        statuses: dict[str, int] = {}
        for wait in (*WAITS, None):
            statuses = {number: way.waiting[number] for number in numbers}  # as they are by now
            why, for_good = await _posted(address, statuses, http, token)
            if why and for_good and len(numbers) > 1:
                return False
            if why and (for_good or wait is None):
                log.warning("outcome=not_reported count=%d reason=%s", len(statuses), why)
            if wait is None or not why or for_good:
                break
            await asyncio.sleep(wait)
        for number, status in statuses.items():
            if way.waiting[number] == status:  # else something newer is to be told
                del way.waiting[number]
                if self._owed is not None:
                    self._owed.done(address, number, status)
        return True


async def _posted(address: str, statuses: Mapping[str, int], http: httpx.AsyncClient, token: str) -> tuple[str, bool]:
    """(why YCLIENTS did not take them, whether it never will); nothing and `False` where it did."""
    body = [{"id": number, "status": status} for number, status in statuses.items()]
    try:
        response = await http.post(address, json=body, headers={"Authorization": f"Bearer {token}"} if token else {})
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return type(error).__name__, isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol)
    if response.is_success:
        return "", False
    return f"HTTP {response.status_code}", response.status_code < 500 and response.status_code not in (408, 429)
