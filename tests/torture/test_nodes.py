"""Several nodes on one PostgreSQL, one of them killed in the midst of it."""

from __future__ import annotations

import asyncio

import pytest

from tests.conftest import fresh_postgres
from tests.torture.harness import Verdict, one_of_several_dies
from tests.torture.transport import CONCURRENCY

TAKEN_OVER_WITHIN = 30.0  # seconds


def test_others_take_over(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Of two and of four nodes one is killed: nothing is lost, told twice or out of order, and what it had is done within 30 s."""

    async def both() -> list[Verdict]:  # at the same time: most of it is waiting for the dead one's leases
        folders = {nodes: tmp_path_factory.mktemp(f"nodes{nodes}") for nodes in (2, 4)}
        urls = [await fresh_postgres(postgres_url) for _ in folders]
        return await asyncio.gather(
            *(one_of_several_dies(url, folder, nodes, nodes) for url, (nodes, folder) in zip(urls, folders.items(), strict=True))
        )

    for found in asyncio.run(both()):
        assert (found.lost, found.twice, found.disordered, found.unresolved) == ([], [], [], [])
        assert found.settled_after < TAKEN_OVER_WITHIN
        assert found.messages > 60
        assert max(found.open_at_kill, default=0) <= CONCURRENCY
        assert found.unclear <= CONCURRENCY
