"""The server is killed at every step at which it hurts: nothing is lost, nothing is told twice, and what is unclear is little and is resolved."""

from __future__ import annotations

import asyncio
from pathlib import Path

from core.failpoint import STEPS
from tests.conftest import fresh_postgres
from tests.torture.harness import Verdict, campaign
from tests.torture.transport import CONCURRENCY

CYCLES = 10


def test_crash_anywhere(postgres_url: str, tmp_path: Path) -> None:
    """Ten crashes on each database, at each step and at random: lost 0, twice 0, never older after newer; unclear as promised, and resolved."""

    async def both() -> list[Verdict]:  # at the same time: most of it is waiting for a process to start
        places = [
            (f"sqlite:///{tmp_path / 'vestnik.db'}", tmp_path / "sqlite"),
            (await fresh_postgres(postgres_url), tmp_path / "postgresql"),
        ]
        for _, place in places:
            place.mkdir()
        return await asyncio.gather(*(campaign(url, place, CYCLES, seed) for seed, (url, place) in enumerate(places, 1)))

    for found in asyncio.run(both()):
        assert (found.lost, found.twice, found.disordered, found.unresolved) == ([], [], [], [])
        assert found.cycles >= CYCLES
        assert set(STEPS) <= set(found.reached), "a step was never reached, so nothing was proven of it"
        assert found.open_at_kill, "no request was ever open when the process died"
        assert max(found.open_at_kill) <= CONCURRENCY
        assert found.unclear <= found.cycles * CONCURRENCY
        assert found.messages > 3 * found.cycles
