"""The real server as a process, killed and started again: nothing is lost, nothing is told twice."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from stand_ins import Scenario, serving
from stand_ins.green_api import GreenApi
from tests.conftest import body
from tests.core.store.kit import rows
from tests.test_delivery import free_port

MOSCOW = ZoneInfo("Europe/Moscow")


class Server:
    """`vestnik serve` on a free port of loopback, as an operator would start it."""

    def __init__(self, folder: Path, database_url: str, gateway: str, settle: str) -> None:
        self.port, self.database_url = free_port(), database_url
        self.config, self.log = folder / "config.toml", folder / "server.log"
        self.process: asyncio.subprocess.Process | None = None
        green = "\n".join(f"{key} = {json.dumps(value)}" for key, value in GreenApi.settings(gateway).items())
        self.config.write_text(
            f'[server]\nport = {self.port}\ntoken = "t"\n[database]\nurl = "{database_url}"\n[source.yclients]\n[filter.same_event]\n[filter.stale]\n'
            f'[filter.unchanged]\n[filter.settle]\nwait = "{settle}"\n[render.booking]\n[render.discount]\n[send.green_api]\n{green}\n',
            encoding="utf-8",
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, http: httpx.AsyncClient) -> None:
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "core", "serve", "--config", str(self.config), stdout=log, stderr=log
            )
        await until(lambda: up(http, self.url), self.log)

    async def end(self, number: int) -> float:
        """Send a signal; seconds until the process was gone."""
        assert self.process is not None
        begun = time.monotonic()
        self.process.send_signal(number)
        await asyncio.wait_for(self.process.wait(), 30)
        return time.monotonic() - begun

    async def store(self, work: Callable[[Any], Awaitable[Any]]) -> Any:
        """Look into the database, as a command does beside the server."""
        from core.store import open_store

        opened = await open_store(self.database_url, Path("/"), alone=False)
        try:
            return await work(opened)
        finally:
            await opened.close()

    async def messages(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self.store(lambda store: rows(store, "SELECT * FROM booking_notifications ORDER BY id"))
        return found


async def up(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(f"{url}/health")).status_code == 200
    except httpx.HTTPError:
        return False


async def until(holds: Callable[[], Awaitable[bool]], log: Path, seconds: float = 40) -> None:
    """Wait until something holds; if it does not in time, the server's log says why."""
    ends = time.monotonic() + seconds
    while not await holds():
        assert time.monotonic() < ends, log.read_text(encoding="utf-8")
        await asyncio.sleep(0.05)


def coming(number: int) -> bytes:
    """A booking of tomorrow, made just now."""
    now = datetime.now(MOSCOW)
    visit = (now + timedelta(days=1)).replace(hour=14, minute=30, second=0, microsecond=0)
    changed = body(
        "record_create_discount50", id=number, resource_id=number, date=f"{visit:%Y-%m-%d %H:%M:%S}", datetime=visit.isoformat(),
        create_date=now.isoformat(timespec="seconds"), last_change_date=now.isoformat(timespec="seconds"),
    )  # fmt: skip
    changed["data"]["client"]["phone"] = f"+790000{number:05}"
    return json.dumps(changed).encode()


Live = Callable[..., Any]


@pytest.fixture
def live(database_url: str, tmp_path: Path) -> Live:
    """`live(story, settle="2s")`: a gateway, a server that is not started yet, and a client; the server is ended in any case."""

    def run(story: Callable[[Server, GreenApi, httpx.AsyncClient], Awaitable[Any]], settle: str = "2s") -> Any:
        async def whole() -> Any:
            gateway = GreenApi()
            gateway.always(Scenario(report=()))
            async with asyncio.timeout(120), serving(gateway) as url, httpx.AsyncClient(timeout=10, trust_env=False) as http:
                server = Server(tmp_path, database_url, url, settle)
                try:
                    return await story(server, gateway, http)
                finally:
                    if server.process is not None and server.process.returncode is None:
                        server.process.kill()
                        await server.process.wait()

        return asyncio.run(whole())

    return run


def test_killed_while_events_wait(live: Live) -> None:
    """Events answered 200 and still undecided survive kill -9: after the next start each is told, once."""

    async def story(server: Server, gateway: GreenApi, http: httpx.AsyncClient) -> None:
        await server.start(http)
        answers = await asyncio.gather(*(http.post(f"{server.url}/webhook/yclients", content=coming(n)) for n in range(6)))
        assert [answer.status_code for answer in answers] == [200] * 6
        assert gateway.ledger == []
        await server.end(signal.SIGKILL)
        assert gateway.ledger == []
        await server.start(http)
        await until(lambda: sent(server, gateway, 6), server.log)
        assert Counter(taken.phone for taken in gateway.ledger) == Counter(f"+790000{n:05}" for n in range(6))
        assert [row["status"] for row in await server.messages()] == ["sent"] * 6

    async def sent(server: Server, gateway: GreenApi, count: int) -> bool:
        return len(gateway.ledger) >= count and all(row["status"] == "sent" for row in await server.messages())

    live(story, settle="3s")


def test_killed_while_a_request_is_open(live: Live) -> None:
    """kill -9 between the request and its answer: the message becomes unclear, and is not sent again; others are not held up."""

    async def story(server: Server, gateway: GreenApi, http: httpx.AsyncClient) -> None:
        gateway.plan(Scenario("hang", report=()))
        await server.start(http)
        await http.post(f"{server.url}/webhook/yclients", content=coming(1))
        await until(lambda: in_ledger(gateway, 1), server.log)
        await server.end(signal.SIGKILL)
        await server.start(http)
        await http.post(f"{server.url}/webhook/yclients", content=coming(2))
        await until(lambda: in_ledger(gateway, 2), server.log)
        await until(lambda: settled(server), server.log)
        assert [row["status"] for row in await server.messages()] == ["unclear", "sent"]
        assert [taken.phone for taken in gateway.ledger] == ["+79000000001", "+79000000002"]

    async def in_ledger(gateway: GreenApi, count: int) -> bool:
        return len(gateway.ledger) >= count

    async def settled(server: Server) -> bool:
        return all(row["status"] not in ("pending", "sending") for row in await server.messages())

    live(story, settle="0s")


def test_a_stop_is_quick_and_gives_back(live: Live) -> None:
    """SIGTERM ends within 10 s although events wait; what was claimed is free again, and told after the next start."""

    async def story(server: Server, gateway: GreenApi, http: httpx.AsyncClient) -> None:
        await server.start(http)
        await asyncio.gather(*(http.post(f"{server.url}/webhook/yclients", content=coming(n)) for n in range(3)))
        assert await server.end(signal.SIGTERM) < 10
        leases = await server.store(lambda store: rows(store, "SELECT lease_owner, status FROM webhook_events"))
        assert [row["lease_owner"] for row in leases] == [None] * 3
        await server.start(http)
        await until(lambda: in_ledger(gateway, 3), server.log)
        assert len({taken.phone for taken in gateway.ledger}) == len(gateway.ledger) == 3

    async def in_ledger(gateway: GreenApi, count: int) -> bool:
        return len(gateway.ledger) >= count

    live(story, settle="2s")
