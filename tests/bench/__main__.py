"""One command, one run: accepts, journeys, latency and memory on both databases, empty and after a year's events, beside their bare
counterparts of the same round; then with `settle` on, and on several nodes."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from tests.bench import databases, past, report, servers, settings
from tests.bench.measure import Found, Measure

RESULTS = Path(__file__).parent / "results"
PARTS = ("accepts", "journeys", "latency", "settle", "nodes")
NODES = (1, 2, 4)
SLOW = 0.05  # seconds that the gateway of the nodes takes
TRANSPORTS = {"narrow": 8, "transport": 64}  # requests that one node may have open at once
_SLOW_PARTS_ROUNDS = 2  # settle waits for 20 s at a time
_IDLE = 20.0  # a second
_BYTES = 16_000  # on disk, for each past event and both databases


class Bench:
    def __init__(self, folder: Path, server: databases.Postgres, options: argparse.Namespace) -> None:
        self.folder, self.server, self.options = folder, server, options
        self.found = Found()
        self.full: dict[str, str] = {}

    def run(self) -> None:
        begun, longest = time.monotonic(), 0.0
        with self._gateway() as gateway, self._gateway(SLOW) as slow:
            self.gateway, self.slow = gateway, slow
            self.measure, self.slowly = (Measure(self.found, process, self.server) for process in (gateway, slow))
            if self.options.past and {"accepts", "journeys", "latency"} & self.options.only:
                self._fill()
            for number in range(self.options.rounds):
                started = time.monotonic()
                if started + longest - begun > 60 * self.options.minutes:
                    print(f"{number} rounds of {self.options.rounds}: there is no time for more", flush=True)  # noqa: T201
                    self.options.rounds = number
                    break
                self._round(number)
                longest = max(longest, time.monotonic() - started)
                print(f"round {number + 1} of {self.options.rounds}: {time.monotonic() - started:.0f} s", flush=True)  # noqa: T201

    @contextlib.contextmanager
    def _gateway(self, seconds: float = 0.0) -> Iterator[servers.Process]:
        port = servers.free_port()
        with servers.running(["tests.bench.gateway", str(port), str(seconds)], port, self.folder / "gateway.log") as process:
            yield process

    def _fill(self) -> None:
        """Both databases at once, before any clock starts; kept for all rounds."""
        wanted = self.options.past * _BYTES
        if (free := shutil.disk_usage(self.folder).free) < wanted:
            raise SystemExit(
                f"--past {self.options.past}: needs {wanted / 1e9:.0f} GB in {self.folder.parent}, {free / 1e9:.0f} are free"
            )
        begun = time.monotonic()
        self.full = {kind: databases.fresh(kind, self.folder, self.server) for kind in self.options.databases}
        with ThreadPoolExecutor() as pool:
            jobs = [pool.submit(past.fill, url, self.folder, self.gateway.port, self.options.past) for url in self.full.values()]
        for job in jobs:
            job.result()
        print(f"{self.options.past:,} past events: {time.monotonic() - begun:.0f} s", flush=True)  # noqa: T201

    def _round(self, number: int) -> None:
        only = self.options.only
        self._baselines()
        for kind in self.options.databases:
            with self._empty(kind) as url:
                self._accepts(kind, url)
            with self._empty(kind) as url:
                self._journeys(kind, url)
            if kind in self.full:
                self._accepts(f"{kind} full", self.full[kind])
                self._journeys(f"{kind} full", self.full[kind])
            if "settle" in only and number < _SLOW_PARTS_ROUNDS:
                self._settle(kind)
        if "nodes" in only and number < _SLOW_PARTS_ROUNDS:
            self._nodes()

    def _baselines(self) -> None:
        only, port = self.options.only, servers.free_port()
        with servers.running(["tests.bench.bare", str(port), str(self.gateway.port)], port, self.folder / "bare.log") as bare:
            if "accepts" in only:
                self.measure.accepts("bare", bare, self.options.seconds)
            if "journeys" in only:
                self.measure.journeys("bare", bare, self.options.journeys)
        if "accepts" in only:
            with servers.forgetful(self.folder, self.gateway.port) as forgetful:
                self.measure.accepts("forgetful", forgetful, self.options.seconds)

    @contextlib.contextmanager
    def _empty(self, kind: str) -> Iterator[str]:
        url = databases.fresh(kind, self.folder, self.server)
        yield url
        databases.drop(url, self.server)

    def _accepts(self, subject: str, url: str) -> None:
        if "accepts" in self.options.only:
            with servers.vestnik(self.folder, url, self.gateway.port, "--no-worker") as server:
                self.measure.accepts(subject, server, self.options.seconds)
            with databases.opened(url) as database:
                past.forget_undecided(database)

    def _journeys(self, subject: str, url: str) -> None:
        """Journeys and latency. The rate of half load is half of the journeys', so latency alone measures these too."""
        only = self.options.only
        if not {"journeys", "latency"} & only:
            return
        with servers.vestnik(self.folder, url, self.gateway.port) as server, databases.opened(url) as database:
            time.sleep(1.0)
            self.found.note(f"{subject} memory at rest", server.memory())
            self.measure.journeys(subject, server, self.options.journeys, database)
            self.found.note(f"{subject} memory under load", server.memory("VmHWM"))
            if "latency" in only:
                self.measure.latency(f"{subject} idle", server, _IDLE, self.options.seconds)
                self.measure.latency(f"{subject} half load", server, self._half(subject), self.options.seconds)

    def _settle(self, kind: str) -> None:
        wait, seconds = settings.settle_wait(), self.options.seconds
        for load, rate in (("idle", _IDLE), ("half load", self._half(kind))):
            with self._empty(kind) as url, servers.vestnik(self.folder, url, self.gateway.port, settle=True) as server:
                time.sleep(1.0)
                self.measure.latency(f"{kind} settle {load}", server, rate, seconds, wait)

    def _nodes(self) -> None:
        for transport, slots in TRANSPORTS.items():
            for nodes in NODES:
                count = 500 * nodes if slots == min(TRANSPORTS.values()) else self.options.journeys
                with self._empty("postgresql") as url, contextlib.ExitStack() as stack:
                    server = stack.enter_context(servers.vestnik(self.folder, url, self.slow.port, transport=transport))
                    for _ in range(nodes - 1):
                        stack.enter_context(servers.worker(self.folder, url, self.slow.port, transport=transport))
                    database = stack.enter_context(databases.opened(url))
                    self.slowly.journeys(f"postgresql {slots} slots {nodes} nodes", server, count, database)

    def _half(self, subject: str) -> float:
        """Where nobody has measured journeys here, of the empty database's."""
        rates = self.found.values[f"{subject} journeys"]
        return (median(rates) if rates else self.options.rate) / 2


def main() -> None:
    parse = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parse.add_argument("--rounds", type=int, help="5; settle and nodes in the first two of them")
    parse.add_argument("--past", type=int, help="so many past events lie in the full database: 1000000; 0: none is filled")
    parse.add_argument("--seconds", type=float, help="for each measurement of accepts and of latency: 3")
    parse.add_argument("--journeys", type=int, help="messages for each measurement of journeys: 3000")
    parse.add_argument("--only", nargs="+", default=list(PARTS), choices=PARTS, help="memory is measured with journeys")
    parse.add_argument("--databases", nargs="+", default=databases.KINDS, choices=databases.KINDS)
    parse.add_argument(
        "--rate", type=float, default=400.0, help="journeys a second that settle takes half of, where it is measured alone"
    )
    parse.add_argument("--minutes", type=float, default=19.0, help="no round begins that would end later")
    parse.add_argument("--quick", action="store_true", help="a look, in three minutes: one round, little past")
    parse.add_argument("--name", default="latest", help="of the two files in tests/bench/results")
    options = parse.parse_args()
    usual = {"rounds": 1, "past": 30_000, "seconds": 2.0, "journeys": 1500} if options.quick else {}
    for name, value in ({"rounds": 5, "past": 1_000_000, "seconds": 3.0, "journeys": 3000} | usual).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    options.only = set(options.only)
    os.environ.pop("VESTNIK_TRACE", None)
    options.others = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="vestnik-bench-") as name, databases.postgres(Path(name)) as server:
        bench = Bench(Path(name), server, options)
        bench.run()
        report.write(RESULTS, options.name, bench.found.values, options)
    print((RESULTS / f"{options.name}.md").read_text(encoding="utf-8"))  # noqa: T201


if __name__ == "__main__":
    main()
