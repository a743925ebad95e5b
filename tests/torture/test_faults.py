"""Faults that are not crashes: a booking that kills its worker, a full disk, a gateway that talks rubbish."""

from __future__ import annotations

import asyncio
import random
import resource
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from core import lines
from tests.conftest import Driver, body, drive, settings
from tests.torture.gateway import Gateway
from tests.torture.harness import Booking, Campaign, Server

POISON = '[filter.poison]\nmodule = "tests.torture.poison"\n'
ROOM = 600_000  # bytes that any one file of the server may have
LIMITED = (
    sys.executable, "-c", "import os, resource, sys\n"
    f"resource.setrlimit(resource.RLIMIT_FSIZE, ({ROOM}, resource.RLIM_INFINITY))\n"
    "os.execv(sys.argv[1], sys.argv[1:])",
)  # fmt: skip


async def until(holds: Callable[[], Awaitable[bool]], server: Server, seconds: float) -> float:
    """Wait until something holds; how long that took. If it does not in time, the server's log says why."""
    began = time.monotonic()
    while not await holds():
        assert time.monotonic() - began < seconds, server.log()[-4000:]
        await asyncio.sleep(0.05)
    return time.monotonic() - began


@asynccontextmanager
async def campaign(url: str, folder: Path, more: str = "") -> AsyncIterator[Campaign]:
    """One server that is not started yet, and its gateway."""
    chance = random.Random(1)
    async with Gateway(chance) as gateway:
        run = Campaign(url, folder, gateway, chance)
        run.nodes[0].more = more
        try:
            yield run
        finally:
            run.end()


def booked(run: Campaign, count: int) -> list[Booking]:
    """So many more bookings, each created and never changed."""
    run.per_cycle = count
    before = len(run.bookings)
    run.book()
    for booking in run.bookings[before:]:
        booking.states = ["create"]
    return run.bookings[before:]


def test_poison_kills_three_times_and_nobody_else(database_url: str, tmp_path: Path) -> None:
    """An event that ends its process each time it is decided: parked after three deaths; who stood beside it is told, and nobody waits long."""

    async def story() -> None:
        async with campaign(database_url, tmp_path, POISON) as run, httpx.AsyncClient(timeout=20, trust_env=False) as http:
            server, deaths = run.server, 0
            poisoned, *others = booked(run, 9)
            whole = poisoned.body(0)
            await server.start()
            bodies = [whole.replace(b'"comment": ""', b'"comment": "poison"'), *(booking.body(0) for booking in others)]
            assert b'"poison"' in bodies[0]
            await asyncio.gather(
                *(http.post(f"{server.address}/webhook/yclients", content=sent) for sent in bodies), return_exceptions=True
            )

            async def dead() -> bool:
                return not server.alive

            async def parked() -> bool:
                rows = await run.database.rows("SELECT reason FROM webhook_events WHERE status = 'parked'")
                return len(rows) == 1 and rows[0]["reason"].startswith("it killed its worker 3 times")

            async def told(bookings: list[Booking]) -> bool:
                """Or unclear: a request may have been open, and not have arrived, when a process died."""
                rows = await run.database.rows("SELECT phone FROM booking_notifications WHERE status = 'unclear'")
                known = {entry.phone for entry in run.gateway.ledger} | {row["phone"] for row in rows}
                return {booking.phone for booking in bookings} <= known

            while True:
                await until(lambda: _any(dead, parked), server, 20)
                if server.alive:
                    break
                deaths += 1
                assert deaths < 5, server.log()[-4000:]
                await server.start(doomed=True)
            assert deaths == 3
            run.bookings = others
            for booking in others:  # what was not answered 200 is posted again
                await http.post(f"{server.address}/webhook/yclients", content=booking.body(0))
            late = booked(run, 3)
            await asyncio.gather(*(http.post(f"{server.address}/webhook/yclients", content=b.body(0)) for b in late))
            assert await until(lambda: told([*others, *late]), server, 10) < 5
            assert {booking.phone for booking in late} <= {entry.phone for entry in run.gateway.ledger}
            assert max(Counter(entry.phone for entry in run.gateway.ledger).values()) == 1
            assert poisoned.phone not in {entry.phone for entry in run.gateway.ledger}
            assert await server.stop() in (0, -15)

    asyncio.run(story())


async def _any(*questions: Callable[[], Awaitable[bool]]) -> bool:
    return any([await question() for question in questions])


def test_a_full_disk(tmp_path: Path) -> None:
    """No file may grow further: webhooks go to the spool, then to no 200. With room again all that was answered is stored in order, and told once."""
    url = f"sqlite:///{tmp_path / 'vestnik.db'}"

    async def story() -> None:
        async with campaign(url, tmp_path) as run, httpx.AsyncClient(timeout=20, trust_env=False) as http:
            server = run.server
            await server.start(wrapped=LIMITED)
            answers: Counter[int] = Counter()
            kept: list[Booking] = []
            while not answers[503]:
                batch = booked(run, 20)
                said = await asyncio.gather(*(http.post(f"{server.address}/webhook/yclients", content=b.body(0)) for b in batch))
                answers.update(answer.status_code for answer in said)
                kept += [booking for booking, answer in zip(batch, said, strict=True) if answer.status_code == 200]
                assert set(answers) <= {200, 503}, server.log()[-4000:]
                assert len(run.bookings) < 3_000, "no limit was ever met"
            refused = next(answer for answer in said if answer.status_code == 503)
            assert refused.headers["retry-after"]
            ready = await http.get(f"{server.address}/ready")
            assert ready.json()["spooled"] > 0
            spooled = [row["event_id"] for name in ("vestnik.spool.draining", "vestnik.spool") for row in rows_of(tmp_path / name)]
            assert spooled
            assert server.alive
            assert server.process is not None
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

            async def at_rest() -> bool:
                spooled = (await http.get(f"{server.address}/ready")).json()["spooled"]
                return not spooled and not await run._busy()

            await until(at_rest, server, 60)
            told = Counter(entry.phone for entry in run.gateway.ledger)
            assert {booking.phone for booking in kept} == set(told) & {booking.phone for booking in kept}
            assert set(told.values()) == {1}
            stored = [row["event_id"] for row in await run.database.rows("SELECT event_id FROM webhook_events ORDER BY id")]
            assert [number for number in stored if number in set(spooled)] == spooled
            statuses = await run.database.rows("SELECT status FROM booking_notifications")
            assert {row["status"] for row in statuses} <= {"sent", "unclear"}
            assert await server.stop() in (0, -15)

    asyncio.run(story())


def rows_of(path: Path) -> list[dict[str, Any]]:
    """What lies in a file of the spool, oldest first."""
    return lines.read(path, 0, 10_000)[0] if path.exists() else []


def reset(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


OK = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 22\r\n\r\n{"idMessage": "BAE5X"}'
MISCHIEF: dict[str, tuple[bytes, str]] = {  # what it says once it has the whole request → what becomes of the message
    "no HTTP": (b"\x00\x01garbage\r\n\r\n", "unclear"),
    "HTML": (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 14\r\n\r\n<h1>Hello</h1>", "unclear"),
    "nothing": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "unclear"),
    "half an answer": (OK[:-9], "unclear"),
    "a list": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", "unclear"),
    "a broken length": (OK.replace(b"22", b"-5"), "unclear"),
    "a reset": (b"", "unclear"),
    "an answer in crumbs": (OK, "sent"),
}


@asynccontextmanager
async def listening(talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[int]:
    """A gateway whose every connection is `talk`, until it ends or the other side does; its port."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@asynccontextmanager
async def mischief(taken: list[str]) -> AsyncIterator[int]:
    """A gateway that takes each message and plays the next trick; after the last one it behaves. `taken` grows by the phones."""
    tricks = list(MISCHIEF)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        size = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        told = (await reader.readexactly(size)).decode()
        taken.append(f"+{told.partition('@c.us')[0].rpartition(chr(34))[2]}")
        trick = tricks.pop(0) if tricks else ""
        if trick == "an answer in crumbs":
            for n in range(len(OK)):
                writer.write(OK[n : n + 1])
                await writer.drain()
        elif trick == "a reset":
            reset(writer)
        else:
            writer.write(MISCHIEF[trick][0] if trick else OK)
            await writer.drain()

    async with listening(talk) as port:
        yield port


def test_a_gateway_that_talks_rubbish(database_url: str, tmp_path: Path) -> None:
    """Whatever a gateway says after it took a message: told once, unclear where nobody can know; who comes next is not held up."""
    taken: list[str] = []

    async def whole() -> None:
        async with mischief(taken) as port:
            send: dict[str, Any] = {
                "console": None,
                "green_api": {
                    "module": "tests.torture.transport",
                    "base_url": f"http://127.0.0.1:{port}",
                    "id_instance": "1101",
                    "token": "t",
                },
            }
            await asyncio.to_thread(drive, settings(database_url, send=send), tmp_path, story)

    async def story(app: Driver) -> None:
        for number in range(len(MISCHIEF) + 2):
            told = body("record_create_admin", id=number + 1, resource_id=number + 1)
            told["data"]["client"]["phone"] = f"+7901000000{number}"
            await app.tell(told)
        for _ in range(3):
            await app.settle(3600)
        wanted = [*(becomes for _, becomes in MISCHIEF.values()), "sent", "sent"]
        assert [row["status"] for row in await app.messages()] == wanted
        assert taken == [f"+7901000000{number}" for number in range(len(wanted))]

    asyncio.run(whole())
