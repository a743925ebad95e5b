"""The load generator, a process of its own: keep-alive connections that post bookings of distinct clients.

`python -m tests.bench.load PORT PATH FIRST CONNECTIONS WARM SECONDS COUNT RATE`: until COUNT (0: no end) or, after WARM seconds
that do not count, SECONDS; RATE 0 is as fast as it goes, else so many a second by the clock, whether or not the server keeps up.
Prints one JSON object.

The machine is shared with what is measured, so this one is spare: bare sockets and epoll, every request made before the clock starts.
"""

from __future__ import annotations

import json
import resource
import select
import socket
import sys
import time
from collections import deque
from typing import Any

from tests.bench.bookings import requests
from tests.bench.wire import message_end

_READY = 16_000  # requests made beforehand for each second, where nobody says how many; beyond that they are made on the way
_GRACE = 30.0  # seconds for answers to what was sent


class Load:
    def __init__(self, path: str, first: int, warm: float, seconds: float, count: int, rate: float) -> None:
        self.first, self.warm, self.seconds, self.rate = first, warm, seconds, rate
        self.most = count or sys.maxsize
        self.frame = requests(path)
        self.ready = [self.frame.fill(first + n) for n in range(count or int((warm + seconds) * (rate or _READY)))]
        self.begun_at: list[float] = []  # when each request was due, in order
        self.answered = self.refused = self.warmed = 0
        self.last = 0.0

    def run(self, port: int, connections: int) -> dict[str, Any]:
        self.open = {(client := _connected(port)).fileno(): client for _ in range(connections)}
        self.rest = dict.fromkeys(self.open, b"")  # of an answer that came in pieces
        self.length = 0  # of the last answer: most are alike
        self.poll = select.epoll()
        for number in self.open:
            self.poll.register(number, select.EPOLLIN)
        used, begun = _cpu(), time.monotonic()
        self.last = begun
        if self.rate:
            self._by_the_clock(begun)
        else:
            self._as_fast_as_it_goes(begun + self.warm, begun + self.warm + self.seconds)
        for client in self.open.values():
            client.close()
        return {
            "answered": self.answered,
            "refused": self.refused,
            "begun": begun,
            "seconds": self.last - begun,
            "rate": (self.answered - self.warmed) / (self.last - begun - self.warm),
            "cpu": _cpu() - used,
            "first": self.first,
            "due": self.begun_at if self.rate else [],
        }

    def _as_fast_as_it_goes(self, start: float, end: float) -> None:
        waiting = 0
        for client in self.open.values():
            waiting += self._send(client, 0.0)
        while waiting:
            now = time.monotonic()
            more = now < end
            if now < start:
                self.warmed = self.answered
            for number in self._answers(end + _GRACE):
                waiting -= 1
                if more:
                    waiting += self._send(self.open[number], 0.0)

    def _by_the_clock(self, begun: float) -> None:
        """A request that finds no idle connection waits for one; its time runs from when it was due."""
        idle, late, due = deque(self.open), deque[float](), begun
        end, step = begun + self.seconds, 1 / self.rate
        while due < end or late or len(idle) < len(self.open):
            now = time.monotonic()
            while due <= now and due < end:
                late.append(due)
                due += step
            while late and idle:
                self._send(self.open[idle.popleft()], late.popleft())
            idle.extend(self._answers(min(due, end) if due < end else end + _GRACE, patient=due >= end))

    def _send(self, client: socket.socket, due: float) -> int:
        n = len(self.begun_at)
        if n >= self.most:
            return 0
        client.sendall(self.ready[n] if n < len(self.ready) else self.frame.fill(self.first + n))
        self.begun_at.append(due)
        return 1

    def _answers(self, until: float, *, patient: bool = True) -> list[int]:
        """The connections whose answer is whole. Breaks off where none comes until then, if it is `patient`."""
        wait = until - time.monotonic()
        events = self.poll.poll(max(0.0, wait))
        if not events and patient:
            raise SystemExit(f"no answer for {_GRACE:.0f} s; {len(self.begun_at) - self.answered - self.refused} requests are open")
        whole = []
        for number, _ in events:
            data = self.rest[number] + self.open[number].recv(65536)
            if not data:
                raise SystemExit("the server hung up")
            if len(data) != self.length:
                self.length = message_end(data)
            if not self.length:
                self.rest[number] = data
                continue
            self.rest[number] = b""
            if data.startswith(b"HTTP/1.1 200"):
                self.answered += 1
            else:
                self.refused += 1
            whole.append(number)
        if whole:
            self.last = time.monotonic()
        return whole


def _connected(port: int) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port))
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    port, path, first, connections, warm, seconds, count, rate = sys.argv[1:]
    load = Load(path, int(first), float(warm), float(seconds), int(count), float(rate))
    print(json.dumps(load.run(int(port), int(connections))))  # noqa: T201
