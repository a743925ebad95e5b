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
    """What 200 commits have put into the journal comes into the file, without another commit; none of them had to do it."""
    monkeypatch.setattr("core.store.engine._TAKE_OVER_EVERY", 0.0 if beside else 3600.0)
    file = tmp_path / "vestnik.db"

    async def story() -> None:
        store = await open_store(f"sqlite:///{file}", tmp_path)
        for number in range(200):
            await store.inbox.receive([an_arrival(f"evt_{number}", payload="x" * 60_000)])
        if beside:
            async with asyncio.timeout(20):
                while file.stat().st_size < WRITTEN:
                    await asyncio.sleep(0)
        else:
            assert file.stat().st_size < WRITTEN / 10
        await store.close()
        assert file.stat().st_size > WRITTEN

    asyncio.run(story())
