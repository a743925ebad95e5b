"""One measurement each: accepts, journeys, latency. What is found goes to `Found`, under a name, once for each round."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from tests.bench import past, servers
from tests.bench.bookings import SECRET, phone_of
from tests.bench.databases import Opened, Postgres

HOOK, RELAY = f"/webhook/yclients?secret={SECRET}", "/relay/yclients"
_WARM, _PATIENCE = 200, 180.0


class Found:
    """Name → a value for each round."""

    def __init__(self) -> None:
        self.values: dict[str, list[float]] = defaultdict(list)
        self._begun = time.monotonic()

    def note(self, name: str, value: float) -> float:
        self.values[name].append(value)
        print(f"{time.monotonic() - self._begun:6.0f} s  {name}: {value:,.4g}", flush=True)  # noqa: T201
        return value


class Measure:
    """`subject` names what is measured ("bare", "sqlite full"): the first words of every name."""

    def __init__(self, found: Found, gateway: servers.Process, postgres: Postgres) -> None:
        self._found, self._gateway, self._postgres = found, gateway, postgres
        self._next = past.FIRST_NEW  # no two bookings of a run are alike

    def _load(self, server: servers.Process, path: str, **how: Any) -> dict[str, Any]:
        done = servers.load(server.port, path, self._next, **how)
        self._next += done["answered"] + done["refused"]
        if done["refused"]:
            raise SystemExit(f"{done['refused']} of {done['answered'] + done['refused']} requests were refused")
        return done

    def accepts(self, subject: str, server: servers.Process, seconds: float) -> None:
        used = self._cpu(subject, server)
        done = self._load(server, HOOK, warm=0.5, seconds=seconds)
        self._found.note(f"{subject} accepts", float(done["rate"]))
        self._spent(subject, "accepts", server, used, done["answered"], done)

    def journeys(self, subject: str, server: servers.Process, count: int, database: Opened | None = None) -> float:
        """From the first request until the last message is at the gateway, and recorded as sent. Per second."""
        path = HOOK if database else RELAY
        self._gateway.get("/times")
        self._load(server, path, count=_WARM)
        self._wait(_WARM, database)
        self._gateway.get("/times")
        used = self._cpu(subject, server)
        done = self._load(server, path, count=count, seconds=_PATIENCE)
        rate = float(count / (self._wait(count, database) - done["begun"]))
        self._found.note(f"{subject} journeys", rate)
        self._spent(subject, "journeys", server, used, count, done)
        return rate

    def latency(self, subject: str, server: servers.Process, rate: float, seconds: float, wait: float = 0.0) -> None:
        """From when a webhook is due until its message is at the gateway, less `wait`; ms.

        What was posted in the first `seconds` counts; the load goes on until that has come through.
        """
        self._gateway.get("/times")
        done = self._load(server, HOOK, seconds=seconds + wait, rate=rate)
        counted = [due for due in done["due"] if due < done["begun"] + seconds]
        phones = [phone_of(done["first"] + n).lstrip("+") for n in range(len(counted))]
        self._until(lambda: self._gateway.get("/count") >= len(counted), 10.0)
        time.sleep(0.3)
        came, now = self._gateway.get("/times"), time.monotonic()
        waits = sorted(1e3 * (came.get(phone, now) - due - wait) for phone, due in zip(phones, counted, strict=True))
        self._found.note(f"{subject} p50", waits[len(waits) // 2])
        self._found.note(f"{subject} p99", waits[min(len(waits) - 1, len(waits) * 99 // 100)])

    def _wait(self, count: int, database: Opened | None) -> float:
        through = self._until(lambda: self._gateway.get("/count") >= count, _PATIENCE)
        if through and (database is None or self._until(lambda: not database.one(past.OPEN), _PATIENCE)):
            return time.monotonic()
        raise SystemExit(f"only {self._gateway.get('/count')} of {count} messages came through in {_PATIENCE:.0f} s")

    def _until(self, so: Callable[[], bool], seconds: float) -> bool:
        end = time.monotonic() + seconds
        while not (there := so()) and time.monotonic() < end:
            time.sleep(0.02)
        return there

    def _cpu(self, subject: str, server: servers.Process) -> tuple[float, float | None]:
        return server.cpu(), self._postgres.cpu() if subject.startswith("postgresql") else None

    def _spent(
        self, subject: str, what: str, server: servers.Process, before: tuple[float, float | None], count: int, done: dict[str, Any]
    ) -> None:
        """CPU seconds per 1,000: of the server, of the database server; and how much of one core the load generator took."""
        after = self._cpu(subject, server)
        self._found.note(f"{subject} {what} cpu", 1e3 * (after[0] - before[0]) / count)
        if before[1] is not None and after[1] is not None:
            self._found.note(f"{subject} {what} database cpu", 1e3 * (after[1] - before[1]) / count)
        self._found.note(f"{subject} {what} generator", done["cpu"] / done["seconds"])
