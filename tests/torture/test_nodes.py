"""Several nodes on one PostgreSQL, one of them killed in the midst of it."""

from __future__ import annotations

import asyncio

import pytest

from tests.conftest import fresh_postgres
from tests.torture.harness import Verdict, one_of_several_dies
from tests.torture.transport import CONCURRENCY

TAKEN_OVER_WITHIN = 30.0  # seconds


@pytest.fixture(scope="module")
def verdicts(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Verdict]:
    """Two nodes and four nodes, at the same time: most of it is waiting for the dead one's leases."""

    async def all_of_them() -> list[Verdict]:
        folders = {nodes: tmp_path_factory.mktemp(f"nodes{nodes}") for nodes in (2, 4)}
        return await asyncio.gather(
            *[one_of_several_dies(await fresh_postgres(postgres_url), folder, nodes, nodes) for nodes, folder in folders.items()]
        )

    return dict(zip((2, 4), asyncio.run(all_of_them()), strict=True))


@pytest.mark.parametrize("nodes", [2, 4])
def test_others_take_over(verdicts: dict[int, Verdict], nodes: int) -> None:
    """Nothing is lost, told twice or told out of order, and what the dead node had is done within 30 s."""
    found = verdicts[nodes]
    assert (found.lost, found.twice, found.disordered, found.unresolved) == ([], [], [], [])
    assert found.settled_after < TAKEN_OVER_WITHIN
    assert found.messages > 60
    assert max(found.open_at_kill, default=0) <= CONCURRENCY
    assert found.unclear <= CONCURRENCY
