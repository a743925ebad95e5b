"""One command, one run: accepts, journeys, latency and memory on both databases, each beside its bare counterpart of the same round."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench import databases, report, servers

RESULTS = Path(__file__).parent / "results"
HOOK, RELAY = "/webhook/yclients", "/relay/yclients"
SENT = "SELECT COUNT(*) FROM booking_notifications WHERE status = 'sent' AND notification_id NOT LIKE 'p%'"


class Bench:
    def __init__(self, folder: Path, server: str, options: argparse.Namespace) -> None:
        self.folder, self.server, self.options = folder, server, options
        self.found: dict[str, list[float]] = defaultdict(list)

    def run(self) -> None:
        with servers.running(
            ["tests.bench.gateway", str(port := servers.free_port())], port, self.folder / "gateway.log"
        ) as gateway:
            self.gateway = gateway
            for number in range(self.options.rounds):
                self._round(number)

    def _round(self, number: int) -> None:
        port = servers.free_port()
        with servers.running(["tests.bench.bare", str(port), str(self.gateway.port)], port, self.folder / "bare.log") as bare:
            self._note("bare accepts", self._accepts(bare))
            self._note("bare journeys", self._journeys(bare, RELAY))
        for kind in self.options.databases:
            url = databases.fresh(kind, self.folder, self.server, self.options.past)
            with servers.vestnik(self.folder, url, self.gateway.port, "--no-worker") as server:
                self._note(f"{kind} accepts", self._accepts(server))
            url = databases.fresh(kind, self.folder, self.server, self.options.past)
            with servers.vestnik(self.folder, url, self.gateway.port) as server:
                time.sleep(1.0)
                self._note(f"{kind} memory at rest", server.memory())
                rate = self._journeys(server, HOOK, url)
                self._note(f"{kind} journeys", rate)
                self._note(f"{kind} memory under load", server.memory("VmHWM"))
                self._latency(server, f"{kind} idle", 20, 400_000)
                self._latency(server, f"{kind} half load", self._typical(kind) / 2, 600_000)
            print(f"round {number + 1} of {self.options.rounds}, {kind}: done", flush=True)  # noqa: T201

    def _note(self, name: str, value: float) -> None:
        self.found[name].append(value)
        print(f"  {name}: {value:.1f}", flush=True)  # noqa: T201

    def _typical(self, kind: str) -> float:
        return median(self.found[f"{kind} journeys"])

    def _accepts(self, server: servers.Process) -> float:
        servers.load(server.port, HOOK, 900_000, seconds=0.5)
        done = servers.load(server.port, HOOK, 1, seconds=self.options.seconds)
        _whole(done)
        return float(done["answered"] / done["seconds"])

    def _journeys(self, server: servers.Process, path: str, url: str | None = None) -> float:
        """From the first request until the last message is at the gateway, and recorded as sent."""
        warm, count = 200, self.options.journeys
        servers.load(server.port, path, 1, count=warm)
        self._wait(warm, url, warm)
        self.gateway.get("/times")
        done = servers.load(server.port, path, 10_000, count=count, seconds=120)
        _whole(done)
        return float(count / (self._wait(count, url, warm + count) - done["begun"]))

    def _wait(self, count: int, url: str | None, recorded: int) -> float:
        end = time.monotonic() + 120
        while time.monotonic() < end:
            if self.gateway.get("/count") >= count and (url is None or databases.counted(url, SENT) >= recorded):
                return time.monotonic()
            time.sleep(0.02)
        raise SystemExit(f"only {self.gateway.get('/count')} of {count} messages came through in two minutes")

    def _latency(self, server: servers.Process, name: str, rate: float, first: int) -> None:
        self.gateway.get("/times")
        done = servers.load(server.port, HOOK, first, seconds=self.options.seconds, rate=rate)
        end = time.monotonic() + 10
        while self.gateway.get("/count") < len(done["sent"]) and time.monotonic() < end:
            time.sleep(0.05)
        came = self.gateway.get("/times")
        waits = sorted(1e3 * (came.get(f"790{int(number):08d}", end) - at) for number, at in done["sent"].items())
        self._note(f"{name} p50", waits[len(waits) // 2])
        self._note(f"{name} p99", waits[min(len(waits) - 1, len(waits) * 99 // 100)])


def _whole(done: dict[str, Any]) -> None:
    if done["refused"]:
        raise SystemExit(f"{done['refused']} requests were refused")


def main() -> None:
    parse = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parse.add_argument("--rounds", type=int, default=5)
    parse.add_argument("--past", type=int, default=0, help="so many past events lie in the database")
    parse.add_argument("--seconds", type=float, default=5.0, help="for each measurement of accepts and of latency")
    parse.add_argument("--journeys", type=int, default=5000, help="messages for each measurement of journeys")
    parse.add_argument("--databases", nargs="+", default=databases.KINDS, choices=databases.KINDS)
    parse.add_argument("--quick", action="store_true", help="about 90 seconds")
    parse.add_argument("--name", default="latest", help="of the two files in tests/bench/results")
    options = parse.parse_args()
    if options.quick:
        options.rounds, options.seconds, options.journeys = min(options.rounds, 2), 2.0, 2000
    os.environ.pop("VESTNIK_TRACE", None)
    options.others = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="vestnik-bench-") as name, databases.postgres(Path(name)) as server:
        bench = Bench(Path(name), server, options)
        bench.run()
        report.write(RESULTS, options.name, bench.found, options)
    print((RESULTS / f"{options.name}.md").read_text(encoding="utf-8"))  # noqa: T201


if __name__ == "__main__":
    main()
