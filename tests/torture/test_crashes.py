"""The server is killed at every step at which it hurts: nothing is lost, nothing is told twice, and what is unclear is little and is resolved."""

from __future__ import annotations

import asyncio

import pytest

from core.failpoint import STEPS
from tests.conftest import fresh_postgres
from tests.torture.harness import Verdict, campaign
from tests.torture.transport import CONCURRENCY

CYCLES = 10


@pytest.fixture(scope="module")
def verdicts(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdict]:
    """Both databases are tortured at the same time: most of it is waiting for a process to start."""

    async def both() -> list[Verdict]:
        folder = tmp_path_factory.mktemp("torture")
        places = [
            (f"sqlite:///{folder / 'vestnik.db'}", folder / "sqlite"),
            (await fresh_postgres(postgres_url), folder / "postgresql"),
        ]
        for _, place in places:
            place.mkdir()
        return await asyncio.gather(*(campaign(url, place, CYCLES, seed) for seed, (url, place) in enumerate(places, 1)))

    return dict(zip(("sqlite", "postgresql"), asyncio.run(both()), strict=True))


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_crash_anywhere(verdicts: dict[str, Verdict], database: str) -> None:
    """Ten crashes, one at each step and the rest at random: lost 0, twice 0, never older after newer; unclear as promised, and resolved."""
    found = verdicts[database]
    assert (found.lost, found.twice, found.disordered, found.unresolved) == ([], [], [], [])
    assert found.cycles == CYCLES
    assert set(STEPS) <= set(found.reached), "a step was never reached, so nothing was proven of it"
    assert found.open_at_kill, "no request was ever open when the process died"
    assert max(found.open_at_kill) <= CONCURRENCY
    assert found.unclear <= CYCLES * CONCURRENCY
    assert found.messages > 3 * CYCLES
