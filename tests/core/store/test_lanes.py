"""Lanes: what waits together is written together, reading waits for no writer, and a stored event wakes the other nodes."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from core.store import Store
from tests.conftest import fresh_postgres
from tests.core.store.kit import KEY, NOW, an_arrival, keep, rows


def test_reading_waits_for_no_writer(tmp_path: Path) -> None:
    """While another process holds SQLite's write lock, what is only read is answered at once."""

    async def story(store: Store) -> None:
        await store.inbox.receive([an_arrival()])
        with closing(sqlite3.connect(tmp_path / "vestnik.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            async with asyncio.timeout(2):
                assert (await store.decisions.known([KEY]))[KEY].version == 0
                assert await store.inbox.next_due(NOW) == NOW
                assert (await store.look.story("evt_1"))[0]["status"] == "received"
            other.execute("ROLLBACK")

    keep(f"sqlite:///{tmp_path / 'vestnik.db'}", story)


def test_one_poor_webhook_spoils_no_other_of_its_batch(database_url: str) -> None:
    """A row that the database refuses fails alone; those that waited with it are stored."""

    async def story(store: Store) -> None:
        answers = await asyncio.gather(
            *(store.inbox.receive([an_arrival(f"evt_{n}", source=None if n == 3 else "yclients")]) for n in range(6)),
            return_exceptions=True,
        )
        assert [isinstance(answer, Exception) for answer in answers] == [False, False, False, True, False, False]
        for n in (0, 1, 2, 4, 5):
            assert (await store.look.story(f"evt_{n}"))[0]["status"] == "received"

    keep(database_url, story)


def test_a_stored_event_wakes_the_other_nodes(postgres_url: str) -> None:
    """On PostgreSQL the statement that stores an event also rings, and a node that listens hears it. (A SQLite file has one node.)"""

    async def story(store: Store) -> None:
        rung: asyncio.Queue[None] = asyncio.Queue()
        listening = asyncio.create_task(store.engine.listen(lambda: rung.put_nowait(None)))
        async with asyncio.timeout(10):
            number = 0
            while rung.empty():  # until the listening connection is up
                number += 1
                await store.inbox.receive([an_arrival(f"evt_{number}")])
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        assert len(await rows(store, "SELECT id FROM webhook_events")) == number

    keep(asyncio.run(fresh_postgres(postgres_url)), story)
