"""One database, over `databases`, which gives the connections and their pool: settings, transactions, the bell of other nodes."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import databases

from core.errors import StoreError
from core.store import sql
from core.store.tx import Tx

_TAKE_OVER_EVERY = 0.5  # seconds
_LATER = ("08", "25", "40", "53", "55", "57", "58", "XX")  # classes of PostgreSQL's errors that say nothing against the statement
_LISTEN_AGAIN = 2.0  # seconds between looks whether the listening connection is still there


class Engine:
    """One database: its dialect and its connections."""

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
        return Tx(connection, self.dialect, self.queries)

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

    async def take_over_journal(self) -> None:
        """SQLite: bring what lies in the journal into the file, beside the writer, until cancelled. Otherwise a commit does it now and then, and
        whoever waits for that commit waits for a thousand pages.
        """
        while self.dialect == "sqlite":
            await asyncio.sleep(_TAKE_OVER_EVERY)
            with contextlib.suppress(Exception):  # a file that cannot be written is the writer's to tell of
                async with self.connection() as connection:
                    while True:
                        await connection.raw_connection.execute_fetchall("PRAGMA wal_checkpoint(PASSIVE)")
                        await asyncio.sleep(_TAKE_OVER_EVERY)

    def is_away(self, error: BaseException) -> bool:
        """Whether the database cannot take it now and may later: not there, locked, full, starting. Else what it was given is at fault, or who gave it."""
        if isinstance(error, OSError | StoreError | sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError:
            return True
        return self.is_gone(error) or str(getattr(error, "sqlstate", None) or "")[:2] in _LATER

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
# while nothing waits or the last sample was an odd one, is kept, and costs a hundred times as much once something does.
# One plan for all batches: to plan costs as much as to run, and to compile a hundred times as much.
PLANS = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET random_page_cost = 1.1; SET plan_cache_mode = force_generic_plan; SET jit = off"
_POSTGRES: dict[str, Any] = {"min_size": 1, "max_size": 12, "server_settings": {"timezone": "UTC", "application_name": "vestnik"}}


async def _sqlite_pragmas(raw: Any) -> None:
    """WAL and FULL, set and read back: builds differ in their defaults, and 200 means that it is on disk."""
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "wal_autocheckpoint = 16000",  # 64 MB, should `take_over_journal` not keep up
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
