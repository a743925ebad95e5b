"""The tables: migrations, the printed script, what each database promises to keep."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from core.errors import StoreError
from core.store import Store, open_store, schema, sql
from core.store.engine import Engine
from tests.conftest import fresh_postgres
from tests.core.store.kit import NOW, an_arrival, execute, keep, rows

TABLES = {
    "webhook_events": "id event_id source event_type company_id record_id payload status rule reason attempts created_at processed_at",
    "booking_notifications": "id notification_id event_id source company_id record_id phone notification_type channel transport message status "
    "provider_message_id attempts error created_at sent_at delivered_at read_at",
    "appointments_cache": "source company_id record_id visit_id client_name client_phone visit_at services staff is_cancelled created_by_bot "
    "last_change_date snapshot announced updated_at",
    "webhook_stats_24h": "event_type total_events processed_events pending_events suppressed_events failed_events avg_processing_time_seconds",
    "notification_stats_24h": "notification_type total_sent delivered read failed pending",
}
_POSTGRES_COLUMNS = (
    "SELECT table_name || '.' || column_name || ' ' || data_type AS said FROM information_schema.columns WHERE table_schema = 'public' "
    "UNION SELECT 'index ' || indexname FROM pg_indexes WHERE schemaname = 'public' "
    "UNION SELECT 'view ' || table_name FROM information_schema.views WHERE table_schema = 'public'"
)
_SQLITE_COLUMNS = (
    "SELECT m.name || '.' || c.name || ' ' || c.type AS said FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type IN ('table', 'view') "
    "UNION SELECT m.type || ' ' || m.name FROM sqlite_master m"
)


async def shape(store: Store) -> set[str]:
    """Every column with its type, every index, every view."""
    postgres = store.engine.dialect == "postgresql"
    return {row["said"] for row in await rows(store, _POSTGRES_COLUMNS if postgres else _SQLITE_COLUMNS)}


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Without a table: the start makes them."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'vestnik.db'}"
    return asyncio.run(fresh_postgres(request.getfixturevalue("postgres_url")))


def test_migrations_make_what_others_rely_on(database_url: str) -> None:
    """On an empty database the migrations leave every table, view and column that DESIGN promises."""

    async def story(store: Store) -> None:
        for table, columns in TABLES.items():
            found = (await shape(store)) or set()
            missing = [name for name in columns.split() if not any(entry.startswith(f"{table}.{name} ") for entry in found)]
            assert missing == [], table

    keep(database_url, story)


def test_a_second_start_migrates_nothing(database_url: str) -> None:
    """Opened again, the database keeps its rows, and each migration stands once."""

    async def first(store: Store) -> None:
        await execute(
            store, "INSERT INTO binding_tokens (token, phone, created_at) VALUES ('t', '+79000000088', '2026-08-20 09:00:00+00')"
        )

    async def second(store: Store) -> list[dict[str, Any]]:
        versions = [row["version"] for row in await rows(store, "SELECT version FROM schema_migrations ORDER BY version")]
        assert versions == [number for number, _ in sql.migrations(store.engine.dialect)]
        return await rows(store, "SELECT token FROM binding_tokens")

    keep(database_url, first)
    assert keep(database_url, second) == [{"token": "t"}]


def test_a_database_of_an_older_release_is_brought_up(database_url: str) -> None:
    """What the first schema has made keeps what lies in it, and gets the tables and columns that came later."""

    async def old() -> None:
        engine = Engine(database_url)
        await engine.connect()
        async with engine.connection() as connection:
            tx = engine.tx(connection)
            filled = "INSERT INTO binding_tokens (token, phone, created_at) VALUES ('t', '+79000000088', '2026-08-20 09:00:00+00')"
            versions = "CREATE TABLE schema_migrations (version BIGINT PRIMARY KEY); INSERT INTO schema_migrations VALUES (1)"
            await tx.together(lambda: tx.script("\n".join([sql.migrations(engine.dialect)[0][1], f"{versions};", filled])))
        await engine.disconnect()

    async def now(store: Store) -> Any:
        assert await rows(store, "SELECT token FROM binding_tokens") == [{"token": "t"}]
        return {said.partition(" ")[0] for said in await shape(store)}

    asyncio.run(old())
    assert keep(database_url, now) >= {"pacing.last_at", "recipients.first_at", "booking_notifications.turn_at"}


def test_what_clients_said_outlives_the_new_key(database_url: str) -> None:
    """Contacts of a release that kept one place for each client: when they wrote, to whom, and that they said СТОП."""
    at = "2026-08-20 09:00:00.000000"

    async def old() -> None:
        engine = Engine(database_url)
        await engine.connect()
        async with engine.connection() as connection:
            tx = engine.tx(connection)
            scripts = [script for _, script in sql.migrations(engine.dialect)[:7]]
            scripts += ["CREATE TABLE schema_migrations (version BIGINT PRIMARY KEY);"]
            scripts += [f"INSERT INTO schema_migrations VALUES ({number});" for number in range(1, 8)]
            scripts += [
                f"INSERT INTO contacts (phone, company_id, wrote_at, wrote_to, opted_out_at, won_channel, won_at) "
                f"VALUES ('{phone}', 0, '{at}', {place}, '{at}', 'sms', '{at}');"
                for phone, place in (("+79000000088", "'telegram'"), ("+79000000099", "NULL"))
            ]
            await tx.together(lambda: tx.script("\n".join(scripts)))
        await engine.disconnect()

    async def now(store: Store) -> Any:
        return [await store.people.known([(phone, 1)], NOW) for phone in ("+79000000088", "+79000000099")]

    asyncio.run(old())
    for (person,), (elsewhere, there) in zip(keep(database_url, now), ((None, NOW), (NOW, NOW)), strict=True):
        assert (person.contact.wrote_at, person.contact.opted_out_at, person.won_channel) == (NOW, NOW, "sms")
        assert (person.wrote_to("whatsapp_cloud", 0), person.wrote_to("telegram", 0)) == (elsewhere, there)


def test_a_database_of_a_newer_release_is_refused(database_url: str) -> None:
    """An older Vestnik does not write into a newer schema; the sentence says what to do."""
    keep(database_url, lambda store: execute(store, "INSERT INTO schema_migrations (version) VALUES (99)"))
    with pytest.raises(StoreError, match=r"newer Vestnik \(schema 99\); update this one"):
        keep(database_url, shape)


def test_the_printed_script_makes_the_same_sqlite(tmp_path: Path) -> None:
    """`vestnik schema sqlite`, run as one script, gives the tables of the migrations; a server then starts on them."""
    script = printed("sqlite")
    with closing(sqlite3.connect(tmp_path / "by_hand.db")) as connection:
        connection.executescript(script)
    migrated = keep(f"sqlite:///{tmp_path / 'migrated.db'}", shape)
    assert keep(f"sqlite:///{tmp_path / 'by_hand.db'}", shape) == migrated


def test_the_printed_script_makes_the_same_postgres(postgres_url: str) -> None:
    """`vestnik schema postgresql`, run as one script, gives the tables of the migrations; a server then starts on them."""
    by_hand, migrated = asyncio.run(fresh_postgres(postgres_url)), asyncio.run(fresh_postgres(postgres_url))

    async def apply() -> None:
        import asyncpg

        connection = await asyncpg.connect(by_hand)
        await connection.execute(printed("postgresql"))
        await connection.close()

    asyncio.run(apply())
    assert keep(by_hand, shape) == keep(migrated, shape)


def printed(database: str) -> str:
    """What the command prints is what `schema` says."""
    done = subprocess.run(
        [sys.executable, "-m", "core", "schema", database], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == schema(f"{database}://").strip()
    return done.stdout


def test_sqlite_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    """Every connection writes through a WAL and flushes at each commit: 200 means that it is on disk."""

    async def story(store: Store) -> None:
        for lane in store._lanes.values():
            asked = await lane.submit(pragmas, [None])
            assert asked == [("wal", 2)], lane.name

    async def pragmas(tx: Any, asked: list[Any]) -> list[Any]:
        said = [await tx.run(sql.Query(f"PRAGMA {name}", "sqlite"), {}) for name in ("journal_mode", "synchronous")]
        return [tuple(value for rows in said for value in rows[0].values())]

    keep(f"sqlite:///{tmp_path / 'vestnik.db'}", story)


def test_a_second_worker_on_one_file_is_refused(tmp_path: Path) -> None:
    """On SQLite one `serve` or `worker` has the file; commands may open it beside; the lock ends with its holder."""
    url = f"sqlite:///{tmp_path / 'vestnik.db'}"
    sentence = rf"^{tmp_path / 'vestnik.db'}: another `vestnik serve` or `vestnik worker` has this file; stop it first \(several nodes need PostgreSQL\)$"

    async def story(store: Store) -> None:
        with pytest.raises(StoreError, match=sentence):
            await open_store(url, Path("/"))
        beside = await open_store(url, Path("/"), alone=False)
        await beside.close()

    keep(url, story)
    keep(url, shape)


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_the_refused_command_says_one_sentence(tmp_path: Path, command: str) -> None:
    """A second `vestnik serve` or `vestnik worker` ends at once, exit code 1, with the sentence and no traceback."""
    config = tmp_path / "config.toml"
    config.write_text('[server]\nport = 0\ntoken = "t"\n[source.yclients]\n[send.console]\n', encoding="utf-8")

    async def story(store: Store) -> None:
        asked = [sys.executable, "-m", "core", command, "--config", str(config)]
        done = await asyncio.to_thread(subprocess.run, asked, capture_output=True, text=True, timeout=60)
        assert done.returncode == 1
        assert "another `vestnik serve` or `vestnik worker` has this file; stop it first" in done.stderr
        assert "Traceback" not in done.stderr + done.stdout

    keep(f"sqlite:///{tmp_path / 'vestnik.db'}", story)


def test_an_unknown_database_is_named() -> None:
    """A url of a database that we do not know is refused with what to write instead."""
    with pytest.raises(
        StoreError,
        match=r"^\[database\] url: `mysql` is no database we know; write sqlite:///vestnik.db or postgresql://user@host/db$",
    ):
        keep("mysql://localhost/x", shape)


def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    """It holds clients' phones: 0600 with what lies beside it, whatever the umask; one that others could read is closed to them."""
    file, before = tmp_path / "vestnik.db", os.umask(0)

    async def modes() -> dict[str, int]:
        store = await open_store(f"sqlite:///{file}", tmp_path)
        await store.inbox.receive([an_arrival()])
        found = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.glob("vestnik.db*") if path.suffix != ".lock"}
        await store.close()
        return found

    private = {"vestnik.db": 0o600, "vestnik.db-wal": 0o600, "vestnik.db-shm": 0o600}
    try:
        assert asyncio.run(modes()) == private
        file.chmod(0o644)
        assert asyncio.run(modes()) == private
    finally:
        os.umask(before)
