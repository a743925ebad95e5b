"""A full disk under PostgreSQL: webhooks are answered 200 and lie in the spool; with room again they are stored in order, and told once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import httpx
import pytest

from tests.conftest import fresh_postgres
from tests.torture.harness import Booking
from tests.torture.test_faults import booked, campaign, rows_of, until

TABLES = ("webhook_events", "appointments_cache", "booking_notifications", "journal")
FULL = """CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'could not extend file "base/1/1": No space left on device' USING ERRCODE = 'disk_full'; END $$"""

Step = Callable[[], Awaitable[None]]
Disk = tuple[str, Step, Step]  # the database's url, fill, make room


@asynccontextmanager
async def by_trigger(postgres_url: str) -> AsyncIterator[Disk]:
    """Every row that is to be written meets the error that a full disk is over the wire."""
    url = await fresh_postgres(postgres_url)

    async def fill() -> None:
        make = [
            f"CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION full_disk()"
            for table in TABLES
        ]
        await execute(url, FULL, *make)

    async def make_room() -> None:
        await execute(url, "DROP FUNCTION full_disk CASCADE")

    yield url, fill, make_room


@asynccontextmanager
async def by_tmpfs(postgres_url: str) -> AsyncIterator[Disk]:
    """The database lies on a disk of 24 MB, and something else fills it. Only root may mount one."""
    folder, data = Path(tempfile.mkdtemp(prefix="vestnik-disk-")), parse_qs(urlsplit(postgres_url).query).get("host", [""])[0]
    folder.chmod(0o755)
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    if not Path(data).is_dir() or subprocess.run(mount, capture_output=True, check=False).returncode:
        folder.rmdir()
        pytest.skip("a disk of its own needs the right to mount, and a PostgreSQL on this machine")
    name, filler = folder.name.replace("-", "_"), folder / "filler"
    (space := folder / "space").mkdir(mode=0o700)
    os.chown(space, (owner := Path(data).stat()).st_uid, owner.st_gid)
    url = f"{postgres_url.partition('?')[0].rpartition('/')[0]}/{name}?host={data}"

    async def fill() -> None:
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(b"\0" * 4096):
                pass
        assert os.statvfs(folder).f_bavail == 0

    async def make_room() -> None:
        filler.unlink()

    try:
        await execute(postgres_url, f"CREATE TABLESPACE {name} LOCATION '{space}'", f"CREATE DATABASE {name} TABLESPACE {name}")
        yield url, fill, make_room
        await execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)", f"DROP TABLESPACE {name}")
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


async def execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


@pytest.mark.parametrize("disk", [by_trigger, by_tmpfs])
def test_a_full_disk_of_postgresql(
    disk: Callable[[str], AbstractAsyncContextManager[Disk]], postgres_url: str, tmp_path: Path
) -> None:
    """Never anything but 200, through the spool; what was in hand is written late. All that was answered is told, and nothing twice."""

    async def story() -> None:
        async with (
            disk(postgres_url) as (url, fill, make_room),
            campaign(url, tmp_path) as run,
            httpx.AsyncClient(timeout=30, trust_env=False) as http,
        ):
            server = run.server
            await server.start()
            kept: list[Booking] = []

            async def post(count: int) -> None:
                batch = booked(run, count)
                said = await asyncio.gather(*(http.post(f"{server.address}/webhook/yclients", content=b.body(0)) for b in batch))
                assert [answer.status_code for answer in said] == [200] * count, server.log()[-4000:]
                kept.extend(batch)

            async def spooled() -> int:
                return int((await http.get(f"{server.address}/ready")).json()["spooled"])

            await post(10)
            await fill()
            while not await spooled():
                await post(20)
                assert len(kept) < 3_000, "the disk was never full"
            await post(20)

            async def tried() -> bool:
                return "outcome=spool_waits reason=DiskFullError" in server.log()

            await until(tried, server, 10)  # what could not be handed over lies there still
            assert "outcome=spooled" in server.log()
            waiting = [
                row["event_id"] for name in ("vestnik.spool.draining", "vestnik.spool") for row in rows_of(server.folder / name)
            ]
            assert len(waiting) == await spooled() >= 20
            assert (await http.get(f"{server.address}/ready")).status_code == 200
            await make_room()

            async def at_rest() -> bool:
                return not await spooled() and not await run._busy()

            await until(at_rest, server, 90)
            told = Counter(entry.phone for entry in run.gateway.ledger)
            assert {booking.phone for booking in kept} == set(told)
            assert set(told.values()) == {1}
            stored = [row["event_id"] for row in await run.database.rows("SELECT event_id FROM webhook_events ORDER BY id")]
            assert len(stored) == len(kept)
            assert [number for number in stored if number in set(waiting)] == waiting
            statuses = await run.database.rows("SELECT status FROM booking_notifications")
            assert {row["status"] for row in statuses} <= {"sent", "delivered", "read"}
            assert await server.stop() in (0, -15)

    asyncio.run(story())
