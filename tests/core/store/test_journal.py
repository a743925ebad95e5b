"""SQLite's journal stays short while a worker runs, though no commit has to wait for it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from core.store import open_store
from tests.core.store.kit import an_arrival

WRITTEN = 12_000_000  # bytes, at the least


@pytest.mark.parametrize("beside", [True, False])
def test_it_is_taken_over_beside_the_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, beside: bool) -> None:
    """What 200 commits write is far more than the journal ever holds; without the task beside them it holds all of it."""
    monkeypatch.setattr("core.store.engine._TAKE_OVER_EVERY", 0.0 if beside else 3600.0)

    async def story() -> int:
        store = await open_store(f"sqlite:///{tmp_path / 'vestnik.db'}", tmp_path)
        for number in range(200):
            await store.inbox.receive([an_arrival(f"evt_{number}", payload="x" * 60_000)])
        size = (tmp_path / "vestnik.db-wal").stat().st_size
        await store.close()
        return size

    size = asyncio.run(story())
    assert size < WRITTEN / 2 if beside else size > WRITTEN
