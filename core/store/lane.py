"""Group commit: what is submitted while a lane is busy is done together, in one transaction.

A `Lane` is one long-lived task that holds one connection. Rows of the same statement become one statement, so a commit (an fsync) is
paid once for all that wait, not once for each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import databases

from core.store import sql
from core.store.tx import Job, Row, Tx, statement

if TYPE_CHECKING:
    from core.store.engine import Engine

_WAITING_LIMIT = 5_000  # rows that may wait in one lane before new ones are turned away
_PLANNED_FOR = 64  # rows, at first


class Full(Exception):
    """More waits than memory should hold; the sender may try again."""


class _Waiting:
    __slots__ = ("done", "job", "rows")

    def __init__(self, job: Job, rows: list[Any], done: asyncio.Future[list[Any]]) -> None:
        self.job, self.rows, self.done = job, rows, done


class Lane:
    """One writer: holds its connection, groups what waits into one transaction. Started and stopped by the engine.

    A lane that `reads` opens no transaction: on SQLite that would be a writer's, and the two would wait for each other.
    """

    def __init__(self, engine: Engine, name: str, *, reads: bool = False) -> None:
        self.name = name
        self._reads = reads
        self._engine = engine
        self._waiting: list[_Waiting] = []
        self._rows = 0
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"store lane {self.name}")

    async def stop(self) -> None:
        """Finish what waits, then let go of the connection."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task

    async def submit(self, job: Job, rows: list[Any]) -> list[Any]:
        """Have `job` done with `rows` in the next transaction; its answers, one for each row, come back after the commit.

        Raises `Full` when too much waits already, or what the database raised.
        """
        if self._rows + len(rows) > _WAITING_LIMIT and self._rows:
            raise Full
        done: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(job, rows, done))
        self._rows += len(rows)
        self._wake.set()
        return await done

    async def run(self, name: str, **values: Any) -> list[Row]:
        """Have the statement `name` run once; its rows."""
        found = await self.submit(statement(name), [values])
        return list(found[0])

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                async with self._engine.connection() as connection:
                    await self._serve(connection)
            except Exception as error:  # the connection itself is gone: whoever waits is told, and the next one tries a fresh one
                self._fail_all(error)
            if self._closing and not self._waiting:
                return

    async def _serve(self, connection: databases.core.Connection) -> None:
        tx, seen, planned_for = self._engine.tx(connection), 0, _PLANNED_FOR
        while self._waiting or not self._closing:
            if not self._waiting:
                await self._wake.wait()
                self._wake.clear()
                continue
            if _is_dead(connection.raw_connection):  # it died in its sleep: what waits goes over a fresh one
                self._wake.set()
                return
            if seen > planned_for:
                seen, planned_for = 0, 2 * planned_for
                await self._engine.plan_anew(tx)
            batch, self._waiting = self._waiting, []
            seen, self._rows = seen + self._rows, 0
            if not await self._together(tx, batch):
                return

    async def _together(self, tx: Tx, batch: list[_Waiting]) -> bool:
        """One transaction for all; if one of them spoils it, each by itself. False: the connection cannot be used any more."""
        try:
            await self._transaction(tx, batch)
            return True
        except Exception as error:
            if len(batch) == 1 or self._engine.is_gone(error):
                _tell(batch, error)
                return not self._engine.is_gone(error)
        for waiting in batch:
            try:
                await self._transaction(tx, [waiting])
            except Exception as error:
                _tell([waiting], error)
        return True

    async def _transaction(self, tx: Tx, batch: list[_Waiting]) -> None:
        jobs: dict[Any, list[_Waiting]] = {}
        for waiting in batch:
            jobs.setdefault(waiting.job, []).append(waiting)
        bare = self._reads or (len(jobs) == 1 and _is_one_statement(batch, tx.dialect))
        answers = await tx.together(lambda: _all(tx, jobs), transaction=not bare)
        for waiting, said in answers:
            if not waiting.done.done():
                waiting.done.set_result(said)

    def _fail_all(self, error: Exception) -> None:
        batch, self._waiting, self._rows = self._waiting, [], 0
        _tell(batch, error)


async def _all(tx: Tx, jobs: Mapping[Job, Sequence[_Waiting]]) -> list[tuple[_Waiting, list[Any]]]:
    answers: list[tuple[_Waiting, list[Any]]] = []
    for job, group in jobs.items():
        said, at = await job(tx, [row for waiting in group for row in waiting.rows]), 0
        for waiting in group:
            answers.append((waiting, said[at : at + len(waiting.rows)]))
            at += len(waiting.rows)
    return answers


def _is_one_statement(batch: list[_Waiting], dialect: sql.Dialect) -> bool:
    """Whether what waits, all for the same job, is one statement."""
    job = batch[0].job
    if getattr(job, "once_for_each", False):
        return len(batch) == 1 and len(batch[0].rows) == 1
    return dialect in getattr(job, "one_statement", ())


def _is_dead(raw: Any) -> bool:
    """Whether the server has hung up. (A file never does; a pooled connection that is gone cannot even be asked.)"""
    if not hasattr(raw, "is_closed"):
        return False
    try:
        return bool(raw.is_closed())
    except Exception:
        return True


def _tell(batch: list[_Waiting], error: Exception) -> None:
    for waiting in batch:
        if not waiting.done.done():
            waiting.done.set_exception(error)
