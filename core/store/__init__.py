"""The store: the only place that knows SQL and `databases`. Everybody else calls its methods and gets values."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from pathlib import Path
from typing import IO

from core.errors import StoreError
from core.store import sql
from core.store.alerts import AlertStore
from core.store.callbacks import CallbackStore
from core.store.decisions import Decisions
from core.store.deliveries import Deliveries
from core.store.engine import Engine, dialect_of
from core.store.health import HealthStore
from core.store.inbox import Inbox
from core.store.lane import Full, Lane
from core.store.look import Look
from core.store.pacing import Pacing
from core.store.people import PeopleStore
from core.store.reports import Reports
from core.store.templates import TemplateStore
from core.store.tx import Tx
from core.store.values import LONG_AGO
from core.store.watches import Watches

__all__ = ["Full", "Store", "dialect_of", "open_store", "schema"]

_VERSIONS = "CREATE TABLE IF NOT EXISTS schema_migrations (version BIGINT PRIMARY KEY)"


_READS = ("read", "watch", "look")


class Store:
    """One database, opened. Its rooms are named as their modules are."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        names = (
            ("write", "read")
            if engine.dialect == "sqlite"  # one writer, whatever it is called
            else ("intake", "decide", "deliver", "people", "read", "watch", "look")
        )
        self._lanes = {name: Lane(engine, name, reads=name in _READS) for name in names}

        def lane(name: str) -> Lane:
            return self._lanes.get(name) or self._lanes["read" if name in _READS else "write"]

        self.inbox = Inbox(lane("intake"), lane("decide"), lane("watch"))
        self.decisions = Decisions(lane("decide"), lane("read"))
        self.deliveries = Deliveries(lane("deliver"), lane("watch"))
        self.watches = Watches(lane("deliver"), lane("watch"))
        self.pacing = Pacing(lane("deliver"))
        self.people = PeopleStore(lane("people"), lane("read"))
        self.reports = Reports(lane("people"))
        self.callbacks = CallbackStore(lane("people"), lane("watch"))
        self.health = HealthStore(lane("people"), lane("watch"))
        self.templates = TemplateStore(lane("people"), lane("watch"))
        self.alerts = AlertStore(lane("people"), lane("watch"))
        self.look = Look(lane("people"), lane("look"))
        self._lock: IO[str] | None = None
        self._tidying: asyncio.Task[None] | None = None

    async def open(self, *, alone: bool) -> None:
        """Connect and migrate. `alone`: a server or a worker; on SQLite a second one on the same file is refused."""
        if alone and self.engine.dialect == "sqlite":
            self._lock = _lock(sqlite_path(self.engine.url))
        if self.engine.dialect == "sqlite":
            _keep_private(sqlite_path(self.engine.url))
        try:
            await self.engine.connect()
            await self._migrate()
            if self._lock is not None:
                await self._orphan()
        except BaseException:
            await self.close()
            raise
        for lane in self._lanes.values():
            lane.start()
        if self._lock is not None:
            self._tidying = asyncio.create_task(self.engine.take_over_journal(), name="store journal")

    async def _orphan(self) -> None:
        """The lock is ours, so every lease is a dead worker's."""
        async with self.engine.connection() as connection:
            tx = self.engine.tx(connection)

            async def all_of_them() -> None:
                for name in ("orphan_events", "orphan_notifications", "orphan_callbacks", "leave_poll_turns"):
                    await tx.fetch(name, past=LONG_AGO, owner="")

            await tx.together(all_of_them)

    async def close(self) -> None:
        if self._tidying is not None:
            self._tidying.cancel()
            await asyncio.wait([self._tidying])
        for lane in self._lanes.values():
            await lane.stop()
        await self.engine.disconnect()
        if self._lock is not None:
            self._lock.close()

    async def orphan(self, owner: str) -> None:
        """This process is dead: its leases are over."""
        await self.inbox.orphan(owner)
        await self.deliveries.orphan(owner)
        await self.callbacks.orphan(owner)

    def is_away(self, error: BaseException) -> bool:
        """Whether what a method has raised means that the same call may work later; else it never will."""
        return isinstance(error, Full) or self.engine.is_away(error)

    async def ping(self) -> None:
        """Raises what the database raises."""
        await self.look.ask("waiting")

    async def _migrate(self) -> None:
        async with self.engine.connection() as connection:
            tx = self.engine.tx(connection)
            await tx.together(lambda: _migrate(tx))


async def _migrate(tx: Tx) -> None:
    if tx.dialect == "postgresql":
        await tx.bare("SELECT pg_advisory_xact_lock(8462911)")  # several nodes may start at once
    await tx.bare(_VERSIONS)
    done = {row["version"] for row in await tx.run(sql.Query("SELECT version FROM schema_migrations", tx.dialect), {})}
    steps = sql.migrations(tx.dialect)
    if done and max(done) > steps[-1][0]:
        raise StoreError(f"[database] url: the database is of a newer Vestnik (schema {max(done)}); update this one")
    for number, script in steps:
        if number not in done:
            await tx.script(script)
            await tx.bare(_done(number))


async def open_store(url: str, folder: Path, *, alone: bool = True) -> Store:
    """Open the database of a configuration; a relative SQLite file lies in `folder`. Raises `StoreError`."""
    store = Store(Engine(absolute(url, folder)))
    await store.open(alone=alone)
    return store


def absolute(url: str, folder: Path) -> str:
    if dialect_of(url) != "sqlite":
        return url
    path = folder / sqlite_path(url)
    if not url.startswith("sqlite:///") or path == folder:
        raise StoreError(f"[database] url: `{url}` names no file; write sqlite:///vestnik.db")
    if not path.parent.is_dir():
        raise StoreError(f"[database] url: there is no folder {path.parent}; make it, or mend the url")
    return f"sqlite:///{path}"


def sqlite_path(url: str) -> Path:
    return Path(url.partition("sqlite:///")[2])


def beside(url: str, folder: Path, suffix: str) -> Path:
    """A file beside the database ("vestnik.token"), or in `folder` where the database is elsewhere."""
    if dialect_of(url) == "sqlite":
        path = folder / sqlite_path(url)
        return path.with_name(f"{path.stem}.{suffix}")
    return folder / f"vestnik.{suffix}"


def schema(url: str) -> str:
    """The full script for the database of this url. Whoever ran it by hand may start Vestnik on it: it notes its migrations."""
    steps = sql.migrations(dialect_of(url))
    return "\n".join([*(script for _, script in steps), f"{_VERSIONS};", *(f"{_done(number)};" for number, _ in steps)])


def _done(number: int) -> str:
    return f"INSERT INTO schema_migrations (version) VALUES ({number})"


def _lock(path: Path) -> IO[str]:
    """Held while the process lives; a kill lets go of it."""
    file = path.with_name(path.name + ".lock").open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise StoreError(
            f"{path}: another `vestnik serve` or `vestnik worker` has this file; stop it first (several nodes need PostgreSQL)"
        ) from None
    return file


def _keep_private(path: Path) -> None:
    """Clients' phones: 0600, whatever the umask. SQLite gives `-wal` and `-shm` the mode of the file.

    One that exists is never opened here: to close it would let go of the locks that SQLite has on it in this process.
    """
    with contextlib.suppress(OSError):  # a folder that is not there, or is not ours, is for whoever connects to tell of
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    for file in (path, *(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm"))):
        with contextlib.suppress(OSError):
            found = file.stat()
            if found.st_uid == os.geteuid() and found.st_mode & 0o077:
                file.chmod(0o600)
