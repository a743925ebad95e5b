"""A campaign: the real server as a process, killed again and again, between a client that posts bookings and a gateway that keeps a ledger."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx

from core.failpoint import KILLED, STEPS
from tests.conftest import PAYLOADS
from tests.torture.gateway import Entry, Gateway

ROOT = Path(__file__).resolve().parents[2]
MOSCOW = timezone(timedelta(hours=3))
PLAIN = json.loads((PAYLOADS / "yclients" / "record_create_admin.json").read_text(encoding="utf-8"))
RULES = ("same_event", "stale", "unchanged", "own_comment", "recent_chat", "past_visit", "skip_staff", "opt_out")
TAKEN = ("sent", "delivered", "read")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


class Database:
    """The database as a person beside the server sees it, and an outage that takes only its inbox away."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def rows(self, statement: str) -> list[dict[str, Any]]:
        if self.url.startswith("sqlite"):
            connection = sqlite3.connect(self.url.partition("sqlite:///")[2], timeout=10, isolation_level=None)
            connection.row_factory = sqlite3.Row
            try:
                return [dict(row) for row in connection.execute(statement)]
            finally:
                connection.close()
        import asyncpg

        opened = await asyncpg.connect(self.url)
        try:
            return [dict(row) for row in await opened.fetch(statement)]
        finally:
            await opened.close()

    async def shut(self) -> None:
        """From now on no event can be stored."""
        if self.url.startswith("sqlite"):
            await self.rows("CREATE TRIGGER away BEFORE INSERT ON webhook_events BEGIN SELECT RAISE(ABORT, 'away'); END")
            return
        await self.rows(
            "CREATE OR REPLACE FUNCTION away() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'away'; END $$ LANGUAGE plpgsql"
        )
        await self.rows("CREATE TRIGGER away BEFORE INSERT ON webhook_events FOR EACH STATEMENT EXECUTE FUNCTION away()")

    async def reopen(self) -> None:
        await self.rows("DROP TRIGGER away" + ("" if self.url.startswith("sqlite") else " ON webhook_events"))


class Server:
    """One `vestnik serve`, in a folder of its own."""

    def __init__(self, folder: Path, url: str, gateway_port: int, more: str = "") -> None:
        """`more`: further tables of its configuration."""
        folder.mkdir(exist_ok=True)
        self.folder, self.url, self.gateway_port, self.more = folder, url, gateway_port, more
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(
        self, failpoint: str | None = None, settle: str | None = None, wrapped: Sequence[str] = (), *, doomed: bool = False
    ) -> None:
        """Return once it answers. `doomed`: it may die before that."""
        config = self.folder / "config.toml"
        config.write_text(self._settings(settle), encoding="utf-8")
        env = {name: value for name, value in os.environ.items() if name != "VESTNIK_FAILPOINT"}
        if failpoint:
            env["VESTNIK_FAILPOINT"] = failpoint
        command = [*wrapped, sys.executable, "-m", "core", "serve", "--config", str(config)]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)
        async with httpx.AsyncClient() as http:
            for _ in range(1500):
                if self.process.poll() is not None:
                    if failpoint or doomed:
                        return  # what an earlier process left was enough to reach it
                    break
                try:
                    if (await http.get(f"{self.address}/health")).status_code == 200:
                        return
                except httpx.TransportError:
                    await asyncio.sleep(0.02)
        raise AssertionError(f"the server did not start:\n{self.log()[-4000:]}")

    def log(self) -> str:
        return (self.folder / "server.log").read_text(encoding="utf-8", errors="replace")

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> int:
        """As a power cut would; what it ended with."""
        assert self.process is not None
        self.process.kill()
        return self.process.wait(timeout=10)

    async def stop(self) -> int:
        """As a service manager would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self.process.wait, 15)

    def _settings(self, settle: str | None) -> str:
        rules = "".join(f"[filter.{rule}]\n" for rule in RULES)
        wait = f'[filter.settle]\nwait = "{settle}"\n' if settle else ""
        return f"""
[server]
port = {self.port}
token = "operators-token"
[database]
url = "{self.url}"
[source.yclients]
{rules}{wait}
[render.booking]
[render.discount]
[send.green_api]
module = "tests.torture.transport"
base_url = "http://127.0.0.1:{self.gateway_port}"
id_instance = "1101000001"
token = "t"
[salon.962302]
name = "Барбершоп"
timezone = "Europe/Moscow"
{self.more}
"""


@dataclass
class Booking:
    """One booking of one client: what YCLIENTS will say of it, in order. Each state has a time of its own, so a text names its state."""

    number: int
    states: list[str]  # "create", "update", …, "delete"
    base: datetime
    told: int = 0  # so many were answered 200

    @property
    def phone(self) -> str:
        return f"+7901{self.number:07d}"

    @property
    def deleted(self) -> bool:
        return self.states[-1] == "delete"

    def visit(self, state: int) -> datetime:
        live = state - 1 if self.states[state] == "delete" else state
        return self.base + timedelta(minutes=30 * live)

    def body(self, state: int) -> bytes:
        at = self.visit(state)
        changed = (datetime.now(MOSCOW).replace(microsecond=0, hour=0, minute=0, second=0) - timedelta(days=1)) + timedelta(
            minutes=state
        )
        data = {
            **PLAIN["data"],
            "id": 7_000_000 + self.number,
            "client": {**PLAIN["data"]["client"], "phone": self.phone},
            "date": f"{at:%Y-%m-%d %H:%M:%S}",
            "datetime": at.isoformat(),
            "last_change_date": f"{changed:%Y-%m-%dT%H:%M:%S}+0300",
            "deleted": self.states[state] == "delete",
        }
        return json.dumps({**PLAIN, "resource_id": data["id"], "status": self.states[state], "data": data}).encode()

    def state_of(self, text: str) -> int:
        """Which state a text tells."""
        if text.startswith("❌"):
            return len(self.states) - 1
        return next(n for n in range(len(self.states)) if f"в {self.visit(n):%H:%M}" in text)


@dataclass
class Verdict:
    """What a campaign found. Lists name the culprits."""

    cycles: int = 0
    posted: int = 0
    messages: int = 0
    unclear: int = 0
    resolved: int = 0
    settled_after: float = 0.0
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    disordered: list[str] = field(default_factory=list)
    unresolved: list[str] = field(default_factory=list)
    open_at_kill: list[int] = field(default_factory=list)
    reached: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        found = f"lost={len(self.lost)} twice={len(self.twice)} unclear={self.unclear} resolved={self.resolved}"
        return f"cycles={self.cycles} {found}"


class Campaign:
    """Cycles on one database; then everything settles, and the ledger, the client's notes and the tables are compared."""

    def __init__(
        self, url: str, folder: Path, gateway: Gateway, chance: random.Random, *, nodes: int = 1, bookings: int = 8
    ) -> None:
        self.database, self.gateway, self.chance, self.per_cycle = Database(url), gateway, chance, bookings
        self.nodes = [Server(folder / f"node{n}", url, gateway.port) for n in range(nodes)]
        self.bookings: list[Booking] = []
        self.answered: dict[str, str] = {}  # event id → whose
        self.verdict = Verdict()

    @property
    def server(self) -> Server:
        return next((node for node in self.nodes if node.alive), self.nodes[0])

    async def cycle(self, failpoint: str | None) -> None:
        """Start, post, die."""
        step = (failpoint or "").partition(":")[0]
        settle = self.chance.choice((None, "0.3s"))
        outage = step == "draining"
        if outage:
            await self.database.shut()
        await self.server.start(failpoint, settle)
        self.book()
        work = asyncio.create_task(self.post_all())
        if outage:
            await work
            await self.database.reopen()
        patience = 5.0 if failpoint else self.chance.uniform(0.05, 1.0)
        until = time.monotonic() + patience
        while self.server.alive and time.monotonic() < until:
            await asyncio.sleep(0.01)
        ended = await self.die()
        await work
        if ended == KILLED:
            self.verdict.reached[step] += 1
        self.verdict.cycles += 1

    async def next_of(self, waiting: list[str | None]) -> str | None:
        """The next step to die at. Nobody but a poisoned row is claimed alone and killed twice: while one is under such suspicion, its
        lane is not killed at the claim again.
        """
        spared = set()
        if self.verdict.cycles:
            for step, table, open_ in (
                ("events_claimed", "webhook_events", "'received', 'deferred'"),
                ("messages_claimed", "booking_notifications", "'pending'"),
            ):
                if await self.database.rows(f"SELECT id FROM {table} WHERE claims >= 2 AND status IN ({open_}) LIMIT 1"):
                    spared.add(step)
        for n, failpoint in enumerate(waiting):
            if (failpoint or "").partition(":")[0] not in spared:
                return waiting.pop(n)
        waiting.pop()
        return None

    async def die(self, node: int = 0) -> int:
        ended = self.nodes[node].kill()
        found = await self.database.rows(
            "SELECT lease_owner, count(*) AS n FROM booking_notifications WHERE status = 'sending' GROUP BY lease_owner"
        )
        self.verdict.open_at_kill += [row["n"] for row in found]
        return ended

    async def finish(self) -> Verdict:
        """Start once more, let everything settle, stop, and compare."""
        if not self.server.alive:
            await self.server.start()
        await self.come_to_rest()
        for entry in self.gateway.ledger:
            await self._report(entry)
        for _ in range(200):
            waiting = await self.database.rows("SELECT id FROM callbacks WHERE status = 'received'")
            if not waiting and not await self._unresolved():
                break
            await asyncio.sleep(0.1)
        for node in self.nodes:
            if node.alive:
                assert await node.stop() in (0, -signal.SIGTERM), node.log()[-4000:]
        await self._compare()
        return self.verdict

    def end(self) -> None:
        """Leave no process behind."""
        for node in self.nodes:
            if node.alive:
                node.kill()

    async def come_to_rest(self) -> None:
        """Post what is left, and wait until nothing is undecided, waiting or open."""
        began = time.monotonic()
        await self.post_all(until_done=True)
        for _ in range(900):
            if not await self._busy():
                break
            await asyncio.sleep(0.1)
        self.verdict.settled_after = time.monotonic() - began

    def book(self) -> None:
        for _ in range(self.per_cycle):
            states = ["create"] + ["update"] * self.chance.choice((0, 0, 1, 1, 2)) + ["delete"] * self.chance.choice((0, 0, 1))
            midnight = datetime.now(MOSCOW).replace(hour=9, minute=0, second=0, microsecond=0)
            self.bookings.append(Booking(len(self.bookings), states, midnight + timedelta(days=3)))

    async def post_all(self, *, until_done: bool = False) -> None:
        """Each booking in its own order, bookings at once; what is not answered is posted again when a server is there."""
        async with httpx.AsyncClient(timeout=20) as http:
            gate = asyncio.Semaphore(6)
            left = [booking for booking in self.bookings if booking.told < len(booking.states)]
            self.chance.shuffle(left)
            await asyncio.gather(*(self._post(http, gate, booking) for booking in left))
            if until_done:
                assert all(booking.told == len(booking.states) for booking in self.bookings), self.server.log()[-4000:]
            reports = [entry for entry in self.gateway.ledger if not entry.reported and self.chance.random() < 0.3]
            await asyncio.gather(*(self._report(entry) for entry in reports))

    async def _post(self, http: httpx.AsyncClient, gate: asyncio.Semaphore, booking: Booking) -> None:
        while booking.told < len(booking.states):
            async with gate:
                await asyncio.sleep(self.chance.uniform(0, 0.03))
                number = await self._webhook(http, booking.body(booking.told))
                if number is None:
                    return
                self.answered[number] = f"booking {booking.number} state {booking.told}"
                booking.told += 1
                if self.chance.random() < 0.25:  # the same again, or an older one
                    await self._webhook(http, booking.body(self.chance.randrange(booking.told)))

    async def _webhook(self, http: httpx.AsyncClient, body: bytes) -> str | None:
        """The event's id once it was answered 200, by whichever node is there."""
        for node in self.chance.sample(self.nodes, len(self.nodes)):
            try:
                said = await http.post(f"{node.address}/webhook/yclients", content=body)
            except httpx.TransportError:
                continue
            assert said.status_code == 200, said.text
            self.verdict.posted += 1
            return str(said.json()["eventId"])
        return None

    async def _report(self, entry: Entry) -> None:
        """As Green-API does: the echo before the status, and each until it is answered 200."""
        async with httpx.AsyncClient(timeout=20) as http:
            for node in self.nodes:
                try:
                    for told in (entry.echo, entry.status):
                        if (await http.post(f"{node.address}/callback/green_api", json=told)).status_code != 200:
                            return
                except httpx.TransportError:
                    continue
                entry.reported = True
                return

    async def _busy(self) -> int:
        found = await self.database.rows(
            "SELECT (SELECT count(*) FROM webhook_events WHERE status IN ('received', 'deferred'))"
            " + (SELECT count(*) FROM booking_notifications WHERE status IN ('pending', 'sending')) AS n"
        )
        return int(found[0]["n"])

    async def _unresolved(self) -> list[str]:
        """Messages that the gateway took and reported on, and that are unclear all the same."""
        taken = {(entry.phone, entry.text) for entry in self.gateway.ledger}
        rows = await self.database.rows("SELECT phone, message FROM booking_notifications WHERE status = 'unclear'")
        return [row["phone"] for row in rows if (row["phone"], row["message"]) in taken]

    async def _compare(self) -> None:
        verdict = self.verdict
        events = await self.database.rows("SELECT event_id, status, reason FROM webhook_events")
        decided = {row["event_id"]: row["status"] for row in events}
        for number, whose in self.answered.items():
            if decided.get(number) not in ("processed", "suppressed", "ignored"):
                verdict.lost.append(f"{whose}: answered 200, and {decided.get(number, 'not stored')}")
        rows = await self.database.rows("SELECT * FROM booking_notifications ORDER BY id")
        verdict.messages = len(self.gateway.ledger)
        verdict.unclear = len({row["notification_id"] for row in await self.database.rows(
            "SELECT notification_id FROM journal WHERE stage = 'send' AND verdict = 'unclear'")})  # fmt: skip
        verdict.resolved = verdict.unclear - sum(row["status"] == "unclear" for row in rows)
        verdict.unresolved = await self._unresolved()
        for booking in self.bookings:
            mine = [row for row in rows if row["phone"] == booking.phone]
            self._compare_one(booking, [entry.text for entry in self.gateway.ledger if entry.phone == booking.phone], mine)

    def _compare_one(self, booking: Booking, texts: list[str], rows: list[dict[str, Any]]) -> None:
        verdict, name = self.verdict, f"booking {booking.number} {booking.states}"
        story = f"{[(row['status'], row['notification_type'], row['error']) for row in rows]}"
        states = [booking.state_of(text) for text in texts]
        if len(set(states)) < len(states):
            verdict.twice.append(f"{name}: told {states}; {story}")
        if states != sorted(states):
            verdict.disordered.append(f"{name}: told {states}; {story}")
        unclear = {booking.state_of(row["message"]) for row in rows if row["status"] == "unclear"}
        known, last = unclear | set(states), len(booking.states) - 1
        if last not in known and (known or not booking.deleted):
            verdict.lost.append(f"{name}: told {states}, unclear {sorted(unclear)}; {story}")
        for row in rows:
            if row["status"] in TAKEN and row["message"] not in texts:
                verdict.lost.append(f"{name}: {row['status']}, and the gateway never saw it; {story}")


async def one_of_several_dies(url: str, folder: Path, nodes: int, seed: int) -> Verdict:
    """Several nodes share the work; one is killed in the midst of it, and the others go on."""
    chance = random.Random(seed)
    async with Gateway(chance) as gateway:
        run = Campaign(url, folder, gateway, chance, nodes=nodes, bookings=60)
        try:
            await asyncio.gather(*(node.start() for node in run.nodes))
            run.book()
            work = asyncio.create_task(run.post_all())
            while len(gateway.ledger) < 20:  # all nodes are in the midst of it
                await asyncio.sleep(0.005)
            await run.die()
            await work
            return await run.finish()
        finally:
            run.end()


def plan(cycles: int, chance: random.Random) -> list[str | None]:
    """Every step at which the process may end, in any order, and kills at random between; over again until there are enough.

    The first is at random: an outage needs tables that somebody has made.
    """
    found: list[str | None] = [None]
    while len(found) < cycles:
        turn: list[str | None] = [
            None,
            *(f"{step}:{chance.choice((1, 1, 2, 3, 5))}" if step != "draining" else step for step in STEPS),
        ]
        chance.shuffle(turn)
        found += turn
    return found[:cycles]


async def campaign(url: str, folder: Path, cycles: int, seed: int, say: Any = None) -> Verdict:
    """`cycles` crashes on one database, a few more where a step was not reached by them; what came of it."""
    chance = random.Random(seed)
    async with Gateway(chance) as gateway:
        run = Campaign(url, folder, gateway, chance)
        try:
            waiting = plan(cycles, chance)
            for more in (0, 1, 2, 3):  # a step that was spared, or not come to as often as planned, is tried again
                waiting += [f"{step}:1" for step in STEPS if more and not run.verdict.reached[step]]
                while waiting:
                    await run.cycle(await run.next_of(waiting))
                    if say is not None:
                        say(run.verdict)
            return await run.finish()
        finally:
            run.end()
