"""Statements on one connection, by name, and the jobs that are made of them.

Statements go to the driver's own connection: a batch is one statement with one JSON parameter, and needs no building.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import databases

from core.store import sql
from core.store.values import pack, stamp

JobOf = TypeVar("JobOf", bound=Callable[..., Awaitable[list[Any]]])
Row = Mapping[str, Any]
T = TypeVar("T")


class Tx:
    """Statements on one connection, by name. Times go in and come out aware."""

    def __init__(self, connection: databases.core.Connection, dialect: sql.Dialect, queries: Mapping[str, sql.Query]) -> None:
        self._connection = connection
        self.dialect = dialect
        self._queries = queries

    async def fetch(self, name: str, rows: Sequence[Mapping[str, Any]] | None = None, **values: Any) -> list[Row]:
        """Run the statement `name`; `rows` is the batch, `values` its other parameters."""
        query = self._queries[name]
        if rows is not None:
            values["rows"] = pack(rows, query.times)
        return await self.run(query, values)

    async def in_order(self, steps: Mapping[str, Sequence[Mapping[str, Any]]], **values: Any) -> list[Row]:
        """Several statements, each with its batch, one after another; empty batches are left out. The answer is the last one's.

        PostgreSQL does them as one: none may read what another of them writes, nor change the same row.
        """
        steps = {name: rows for name, rows in steps.items() if rows}
        names = tuple(steps)
        if self.dialect == "sqlite" or len(names) < 2:
            found: list[Row] = []
            for name, rows in steps.items():
                found = await self.fetch(name, rows, **values)
            return found
        query = _together(names)
        batches = {f"rows_{place}": pack(rows, self._queries[name].times) for place, (name, rows) in enumerate(steps.items())}
        return await self.run(query, {**values, **batches})

    async def run(self, query: sql.Query, values: Mapping[str, Any]) -> list[Row]:
        raw = self._connection.raw_connection
        if self.dialect == "sqlite":
            cursor = raw._conn.execute(query.text, {name: _sqlite_value(values[name]) for name in query.names})
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        return list(await raw.fetch(query.text, *[values[name] for name in query.names]))

    async def script(self, text: str) -> None:
        """Several statements without parameters (migrations, pragmas)."""
        for statement in sql.statements(text):
            await self.bare(statement)

    async def bare(self, statement: str) -> None:
        """One without parameters and answer."""
        raw = self._connection.raw_connection
        if self.dialect == "sqlite":
            raw._conn.execute(statement)
        else:
            await raw.execute(statement)

    async def together(self, work: Callable[[], Coroutine[Any, Any, T]], *, transaction: bool = True) -> T:
        """Do `work`, which awaits nothing but statements of this connection.

        SQLite does the whole of it in one visit to its connection's thread: a visit for each statement would wait for our own thread each time,
        with the file locked.
        """
        whole = self._transaction(work) if transaction else work()
        if self.dialect == "postgresql":
            return await whole
        found: T = await self._connection.raw_connection._execute(
            _straight, whole
        )  # aiosqlite's own way there; it has no public one
        return found

    async def _transaction(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """SQLite's begins IMMEDIATE, since one that upgrades later gets BUSY in spite of the timeout."""
        await self.bare("BEGIN IMMEDIATE" if self.dialect == "sqlite" else "BEGIN")
        try:
            found = await work()
        except BaseException:
            with contextlib.suppress(Exception):
                await self.bare("ROLLBACK")
            raise
        await self.bare("COMMIT")
        return found


def _straight(work: Coroutine[Any, Any, T]) -> T:
    """Run what never waits, without a loop."""
    try:
        work.send(None)
    except StopIteration as end:
        found: T = end.value
        return found
    work.close()
    raise RuntimeError("a job waits for something else than its own statements")


@functools.cache
def _together(names: tuple[str, ...]) -> sql.Query:
    found = sql.queries("postgresql")
    return sql.in_order([found[name] for name in names])


def _sqlite_value(value: Any) -> Any:
    return stamp(value) if isinstance(value, datetime) else value


Job = Callable[[Tx, list[Any]], Awaitable[list[Any]]]


@functools.cache
def statement(name: str) -> Job:
    """A job that runs one statement, once for each dict of parameters. One object for each name, so that a lane can group by it."""

    async def job(tx: Tx, asked: list[dict[str, Any]]) -> list[Any]:
        return [await tx.fetch(name, **values) for values in asked]

    job.once_for_each = True  # type: ignore[attr-defined]
    return job


def one_statement(*dialects: sql.Dialect) -> Callable[[JobOf], JobOf]:
    """Mark a job that runs one statement there, whatever it is given: such a statement commits by itself, so nothing waits for a BEGIN and a COMMIT."""

    def mark(job: JobOf) -> JobOf:
        job.one_statement = dialects  # type: ignore[attr-defined]
        return job

    return mark
