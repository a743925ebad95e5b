"""The load generator, a process of its own: keep-alive connections that post bookings of distinct clients.

`python -m tests.bench.load PORT PATH FIRST CONNECTIONS SECONDS COUNT RATE`: until COUNT (0: no end) or SECONDS; RATE 0 is as fast as it
goes, else so many a second by the clock, whether or not the server keeps up. Prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import deque
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import uvloop

from tests.bench.wire import Connection
from tests.conftest import PAYLOADS

MOSCOW = timezone(timedelta(hours=3))
RECORD, PHONE = 987654321, "+79012345678"


def template() -> bytes:
    """A recorded booking, set in two days, with marks in place of its number and its client's phone."""
    found: dict[str, Any] = json.loads((PAYLOADS / "yclients" / "record_create_discount50.json").read_text(encoding="utf-8"))
    at = (datetime.now(MOSCOW) + timedelta(days=2)).replace(hour=14, minute=30, second=0, microsecond=0)
    found["resource_id"] = found["data"]["id"] = RECORD
    found["data"]["client"]["phone"] = PHONE
    found["data"] |= {"date": f"{at:%Y-%m-%d %H:%M:%S}", "datetime": at.isoformat()}
    found["data"]["last_change_date"] = found["data"]["create_date"] = f"{datetime.now(UTC).astimezone(MOSCOW):%Y-%m-%dT%H:%M:%S%z}"
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode()


def phone_of(number: int) -> str:
    return f"+790{number:08d}"


class Load:
    def __init__(self, path: str, first: int, seconds: float, count: int, rate: float) -> None:
        body = template()
        head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.request = head.encode() + body
        self.next, self.last, self.rate = first, first + count if count else sys.maxsize, rate
        self.seconds, self.sent, self.answered, self.refused = seconds, dict[int, float](), deque[float](), 0
        self.idle: deque[Client] = deque()
        self.open = True
        self.done = asyncio.Event()

    def body(self, number: int) -> bytes:
        return self.request.replace(str(RECORD).encode(), str(100_000_000 + number).encode()).replace(
            PHONE.encode(), phone_of(number).encode()
        )

    def more(self) -> bool:
        return self.open and self.next < self.last

    def take(self) -> bytes:
        number, self.next = self.next, self.next + 1
        self.sent[number] = time.monotonic()
        return self.body(number)

    def answer(self, client: Client, message: bytes) -> None:
        if message.startswith(b"HTTP/1.1 200"):
            self.answered.append(time.monotonic())
        else:
            self.refused += 1
        if self.rate:
            self.idle.append(client)
        elif self.more():
            client.transport.write(self.take())
        if not self.more() and len(self.answered) + self.refused >= len(self.sent):
            self.done.set()

    async def run(self, port: int, connections: int) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        clients = [(await loop.create_connection(lambda: Client(self), "127.0.0.1", port))[1] for _ in range(connections)]
        begun = time.monotonic()
        if self.rate:
            self.idle.extend(clients)
            await self._by_the_clock(begun)
        else:
            for client in clients:
                if self.more():
                    client.transport.write(self.take())
            loop.call_later(self.seconds, self._close)
        await asyncio.wait_for(self.done.wait(), self.seconds + 30)
        for client in clients:
            client.transport.close()
        took = (self.answered[-1] if self.answered else time.monotonic()) - begun
        waits = {"sent": self.sent} if self.rate else {}
        return {
            "answered": len(self.answered),
            "refused": self.refused,
            "seconds": took,
            "begun": begun,
            "next": self.next,
            **waits,
        }

    async def _by_the_clock(self, begun: float) -> None:
        due, end = begun, begun + self.seconds
        while due < end:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if self.idle:
                self.idle.popleft().transport.write(self.take())
                due += 1 / self.rate
            else:
                await asyncio.sleep(0.0005)  # `due` stays: the delay counts against the server's rate
        self._close()

    def _close(self) -> None:
        self.open = False
        if len(self.answered) + self.refused >= len(self.sent):
            self.done.set()


class Client(Connection):
    def __init__(self, load: Load) -> None:
        super().__init__()
        self.load = load

    def whole(self, message: bytes) -> None:
        self.load.answer(self, message)


if __name__ == "__main__":
    port, path, first, connections, seconds, count, rate = sys.argv[1:]
    load = Load(path, int(first), float(seconds), int(count), float(rate))
    print(json.dumps(uvloop.run(load.run(int(port), int(connections)))))  # noqa: T201
