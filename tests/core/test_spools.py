"""The spools of several processes: each has one of its own, and what the dead have left is handed over by whoever lives."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from core.lines import Row, Size
from core.spools import Spools


def rows(*numbers: int) -> list[Row]:
    return [{"event_id": f"evt_{number}", "number": number} for number in numbers]


class Taker:
    def __init__(self, away: bool = False) -> None:
        self.numbers: list[int] = []
        self.away = away

    async def __call__(self, batch: list[Row]) -> None:
        if self.away:
            raise ConnectionError("the database is away")
        self.numbers += [row["number"] for row in batch]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "v.spool"


def test_what_a_dead_process_left_is_handed_over_by_another(path: Path) -> None:
    """Two wrote while the database was away; one is gone. The other hands over both files, each in its order, and says who died."""

    async def story() -> None:
        first, second, taker = Spools(path), Spools(path), Taker()
        first.take("one")
        second.take("two")
        await second.append(rows(1, 2))
        await second.append(rows(3))
        await first.append(rows(4))
        assert await first.drain(taker) == (1, [])  # whoever lives keeps its own
        assert taker.numbers == [4]
        await first.append(rows(5))
        second.close()
        assert await first.drain(taker) == (4, ["two"])
        assert taker.numbers == [4, 1, 2, 3, 5]
        assert await first.drain(taker) == (0, [])
        assert first.pending() == Size()
        first.close()

    asyncio.run(story())
    assert sorted(file.name for file in path.parent.iterdir()) == ["v.2.spool.lock", "v.spool.lock"]


def test_what_it_adopts_it_counts_and_keeps_until_the_database_takes_it(path: Path) -> None:
    """While the database is away nobody else starts on that file; it was half handed over when its process died, and goes on from its beginning."""

    async def story() -> None:
        first, second, taker = Spools(path), Spools(path), Taker(away=True)
        await second.append(rows(1, 2))
        with pytest.raises(ConnectionError):
            await second.drain(taker)
        second.close()
        assert (path.parent / "v.2.spool.draining").exists()
        with pytest.raises(ConnectionError):
            await first.drain(taker)
        assert first.pending().count == 2
        third = Spools(path)
        await third.append(rows(3))
        assert (path.parent / "v.3.spool").exists()
        taker.away = False
        assert await asyncio.gather(first.drain(taker), first.drain(taker)) == [(2, []), (0, [])]
        assert taker.numbers == [1, 2]
        assert first.pending() == Size()
        third.close()
        first.close()
        fourth = Spools(path)
        assert await fourth.drain(taker) == (1, [])  # at the start of the next one
        fourth.close()

    asyncio.run(story())


def test_another_database_in_the_folder_is_none_of_ours(path: Path) -> None:
    """`w.spool` belongs to `w.db`."""

    async def story() -> None:
        other, mine, taker = Spools(path.with_name("w.spool")), Spools(path), Taker()
        await other.append(rows(1))
        other.close()
        assert await mine.drain(taker) == (0, [])
        mine.close()

    asyncio.run(story())


def test_a_file_that_it_may_not_open_is_told_once(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its own events go on; the log names the file, once."""

    async def story() -> None:
        mine, taker = Spools(path), Taker()
        path.with_name("v.2.spool").write_text("left\n")
        path.with_name("v.2.spool.lock").mkdir()
        await mine.append(rows(1))
        assert await mine.drain(taker) == (1, [])
        assert await mine.drain(taker) == (0, [])
        mine.close()

    asyncio.run(story())
    assert [record.getMessage().partition("/")[0] for record in caplog.records if "not_adopted" in record.getMessage()] == ["path="]
