"""Connections, transactions and group commit, over `databases`.

A `Lane` is one long-lived task that holds one connection. What is submitted while it is busy is done together, in one transaction:
rows of the same statement become one statement. So a commit (an fsync) is paid once for all that wait, not once for each.
`databases` gives the connections and their pool; statements go to the driver's own connection, because a batch is one statement
with one JSON parameter and needs no building.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import databases

from core.errors import StoreError
from core.store import sql
from core.store.values import pack, stamp

T = TypeVar("T")
JobOf = TypeVar("JobOf", bound=Callable[..., Awaitable[list[Any]]])
Row = Mapping[str, Any]

_WAITING_LIMIT = 5_000  # rows that may wait in one lane before new ones are turned away
_PLANNED_FOR = 64  # rows, at first
_LISTEN_AGAIN = 2.0  # seconds between looks whether the listening connection is still there


class Full(Exception):
    """More waits than memory should hold; the sender may try again."""


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
            given = {name: _sqlite_value(values[name]) for name in query.names}
            found = await raw.execute_fetchall(query.text, given)  # one hop to the connection's thread; a cursor takes three
            names = found[0].keys() if found else ()
            return [dict(zip(names, row, strict=True)) for row in found]
        return list(await raw.fetch(query.text, *[values[name] for name in query.names]))

    async def script(self, text: str) -> None:
        """Several statements without parameters (migrations, pragmas)."""
        for statement in sql.statements(text):
            await self._connection.raw_connection.execute(statement)


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
        answers: list[tuple[_Waiting, list[Any]]] = []
        bare = self._reads or (len(jobs) == 1 and _is_one_statement(batch, tx.dialect))
        async with contextlib.nullcontext() if bare else self._engine.transaction(tx):
            for job, group in jobs.items():
                said = await job(tx, [row for waiting in group for row in waiting.rows])
                at = 0
                for waiting in group:
                    answers.append((waiting, said[at : at + len(waiting.rows)]))
                    at += len(waiting.rows)
        for waiting, said in answers:
            if not waiting.done.done():
                waiting.done.set_result(said)

    def _fail_all(self, error: Exception) -> None:
        batch, self._waiting, self._rows = self._waiting, [], 0
        _tell(batch, error)


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


class Engine:
    """One database: its dialect, its connections, its lanes."""

    def __init__(self, url: str) -> None:
        self.dialect: sql.Dialect = dialect_of(url)
        self.url = driver_url(url, self.dialect)
        self.queries = sql.queries(self.dialect)
        options: dict[str, Any] = {"timeout": 10} if self.dialect == "sqlite" else _POSTGRES
        self.database = databases.Database(self.url, **options)

    async def connect(self) -> None:
        try:
            await self.database.connect()
        except Exception as error:
            raise StoreError(
                f"[database] url: the database cannot be reached ({type(error).__name__}: {error}); start it, or mend the url"
            ) from error

    async def disconnect(self) -> None:
        await self.database.disconnect()

    @contextlib.asynccontextmanager
    async def connection(self) -> Any:
        """A connection of this task's own, with its settings; SQLite's are read back."""
        async with self.database.connection() as connection:
            if self.dialect == "sqlite":
                await _sqlite_pragmas(connection.raw_connection)
            else:
                await connection.raw_connection.execute(PLANS)
            yield connection

    def tx(self, connection: databases.core.Connection) -> Tx:
        if self.dialect == "sqlite":
            connection.raw_connection.row_factory = sqlite3.Row  # its rows know their columns
        return Tx(connection, self.dialect, self.queries)

    @contextlib.asynccontextmanager
    async def transaction(self, tx: Tx) -> Any:
        """A transaction that will write: SQLite's begins IMMEDIATE, since one that upgrades later gets BUSY in spite of the timeout."""
        raw = tx._connection.raw_connection
        await raw.execute("BEGIN IMMEDIATE" if self.dialect == "sqlite" else "BEGIN")
        try:
            yield
        except BaseException:
            with contextlib.suppress(Exception):
                await raw.execute("ROLLBACK")
            raise
        await raw.execute("COMMIT")

    async def plan_anew(self, tx: Tx) -> None:
        """The tables may have doubled: a plan for a nearly empty one reads it as a whole, and PostgreSQL would keep it until it next takes statistics."""
        if self.dialect == "postgresql":
            await tx.script("DISCARD PLANS")

    async def listen(self, ring: Callable[[], None]) -> None:
        """Call `ring` when another node has stored something, until cancelled. Only PostgreSQL tells; a timer stands behind it anyway."""
        while self.dialect == "postgresql":
            with contextlib.suppress(Exception):
                async with self.database.connection() as connection:
                    raw, heard = connection.raw_connection, lambda *_: ring()
                    await raw.add_listener("vestnik", heard)
                    try:
                        while not raw.is_closed():  # noqa: ASYNC110  the driver tells nobody that a connection broke
                            await asyncio.sleep(_LISTEN_AGAIN)
                    finally:  # the pool wants it back as it was
                        if not raw.is_closed():
                            await raw.remove_listener("vestnik", heard)
            await asyncio.sleep(_LISTEN_AGAIN)

    def is_gone(self, error: BaseException) -> bool:
        """Whether this error means that the connection, not the statement, is at fault."""
        name = type(error).__name__
        return self.dialect == "postgresql" and (
            isinstance(error, OSError)
            or name
            in (
                "InterfaceError",
                "ConnectionDoesNotExistError",
                "ConnectionFailureError",
                "AdminShutdownError",
                "CannotConnectNowError",
                "CrashShutdownError",
            )
        )


# A batch is joined with what lies in the database by its keys, always: a plan that reads a table or the whole queue instead looks cheap
# while nothing waits, is kept, and costs a hundred times as much once something does.
# One plan for all batches: to plan costs as much as to run, and to compile a hundred times as much.
PLANS = "SET enable_hashjoin = off; SET enable_mergejoin = off; SET random_page_cost = 1.1; SET plan_cache_mode = force_generic_plan; SET jit = off"
_POSTGRES: dict[str, Any] = {"min_size": 1, "max_size": 12, "server_settings": {"timezone": "UTC", "application_name": "vestnik"}}


async def _sqlite_pragmas(raw: Any) -> None:
    """WAL and FULL, set and read back: builds differ in their defaults, and 200 means that it is on disk."""
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "wal_autocheckpoint = 1000",
        "cache_size = -16000",
    ):
        async with raw.execute(f"PRAGMA {pragma}"):
            pass
    for pragma, wanted in (("journal_mode", "wal"), ("synchronous", 2)):
        async with raw.execute(f"PRAGMA {pragma}") as cursor:
            found = (await cursor.fetchone())[0]
        if found != wanted:
            raise StoreError(
                f"[database] url: SQLite will not set {pragma} to {wanted} (it is {found}); put the file on a local disk"
            )


def dialect_of(url: str) -> sql.Dialect:
    """Raises `StoreError` for a database we do not know."""
    scheme = urlsplit(url).scheme.partition("+")[0]
    if scheme == "sqlite":
        return "sqlite"
    if scheme in ("postgresql", "postgres"):
        return "postgresql"
    raise StoreError(
        f"[database] url: `{scheme or url}` is no database we know; write sqlite:///vestnik.db or postgresql://user@host/db"
    )


def driver_url(url: str, dialect: sql.Dialect) -> str:
    if dialect == "sqlite":
        return url
    return "postgresql+asyncpg://" + url.partition("://")[2]
