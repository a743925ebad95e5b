"""The spool: what was appended is on disk, and comes back in order, whatever happens in between."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from core.errors import StoreError
from core.lines import Row, Size, to_line
from core.spool import Spool, SpoolFull

ROOT = Path(__file__).parents[2]


def row(number: int, text: str = "Вы записаны\n✅") -> Row:
    return {"event_id": f"evt_{number}", "number": number, "payload": text, "company_id": 962302, "unreadable": None}


def rows(*numbers: int) -> list[Row]:
    return [row(number) for number in numbers]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vestnik.spool"


@pytest.fixture
def spool(path: Path) -> Iterator[Spool]:
    this = Spool(path)
    yield this
    this.close()


class Taker:
    """Takes batches; may fail at one of them, before or after it has taken it."""

    def __init__(self, fail_at: int | None = None, taken_anyhow: bool = False) -> None:
        self.batches: list[list[int]] = []
        self.rows: list[Row] = []
        self._fail_at = fail_at
        self._taken_anyhow = taken_anyhow
        self._calls = 0

    async def __call__(self, batch: list[Row]) -> None:
        self._calls += 1
        failing = self._calls == self._fail_at
        if not failing or self._taken_anyhow:
            self.batches.append([row["number"] for row in batch])
            self.rows += batch
        if failing:
            raise ConnectionError("the database is away")

    @property
    def numbers(self) -> list[int]:
        return [number for batch in self.batches for number in batch]


def drained(path: Path) -> tuple[list[int], int]:
    """What a fresh process finds in the file: the numbers, and how many lines were corrupt."""
    spool, taker = Spool(path), Taker()
    asyncio.run(spool.drain(taker))
    spool.close()
    return taker.numbers, spool.corrupt


def test_what_was_appended_comes_back_as_it_was(spool: Spool) -> None:
    """Rows come back equal, in order, once; then nothing is left, in memory or on disk."""
    taker = Taker()

    async def story() -> int:
        await spool.append(rows(1, 2))
        await spool.append(rows(3))
        return await spool.drain(taker)

    assert asyncio.run(story()) == 3
    assert taker.rows == rows(1, 2, 3)
    assert asyncio.run(spool.drain(taker)) == 0
    assert spool.pending() == Size(0, 0)


def test_files_are_gone_when_nothing_waits(spool: Spool, path: Path) -> None:
    """An empty spool is no file; only the lock stays."""

    async def story() -> None:
        await spool.append([])
        assert spool.pending() == Size(0, 0)
        await spool.append(rows(1))
        await spool.drain(Taker())

    asyncio.run(story())
    assert [file.name for file in path.parent.iterdir()] == ["vestnik.spool.lock"]


def test_it_survives_a_restart(spool: Spool, path: Path) -> None:
    """A new process finds what the old one left, and counts it."""
    asyncio.run(spool.append(rows(1, 2, 3)))
    size = path.stat().st_size
    spool.close()
    again = Spool(path)
    assert again.pending() == Size(3, size)
    again.close()
    assert drained(path) == ([1, 2, 3], 0)


def test_only_the_owner_may_read_it(path: Path) -> None:
    """The file holds clients' phones: mode 0600, whatever the umask, even if it was there before."""
    path.touch(mode=0o644)
    before = os.umask(0)
    try:
        spool = Spool(path)
        asyncio.run(spool.append(rows(1)))
        spool.close()
    finally:
        os.umask(before)
    assert [stat.S_IMODE(file.stat().st_mode) for file in sorted(path.parent.iterdir())] == [0o600, 0o600]


def test_an_append_returns_after_the_disk_has_it(spool: Spool, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is synced when the file is made, and the file before the append returns, with all its bytes."""
    synced: list[tuple[str, int]] = []
    real = os.fsync

    def fsync(file: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(file).st_mode) else "file"
        synced.append((kind, path.stat().st_size))
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)
    asyncio.run(spool.append(rows(1)))
    assert synced == [("folder", 0), ("file", len(to_line(row(1))))]


def test_appends_at_the_same_time_share_one_sync(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred requests that wait together cost one fsync, not a hundred; order is the order of asking."""
    synced: list[int] = []
    real = os.fsync

    def fsync(file: int) -> None:
        if stat.S_ISREG(os.fstat(file).st_mode):
            synced.append(file)
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)
    taker = Taker()

    async def story() -> None:
        await asyncio.gather(*(spool.append(rows(number)) for number in range(100)))
        assert len(synced) == 1
        await spool.drain(taker)

    asyncio.run(story())
    assert taker.numbers == list(range(100))


def test_a_file_cut_anywhere_loses_only_the_torn_line(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever a crash cuts the file, the whole lines before it come back, and so does what is appended afterwards."""
    monkeypatch.setattr(os, "fsync", lambda file: None)  # a thousand of them, and none matters here
    whole = b"".join(to_line({"number": number}) for number in (1, 2, 3))
    line = len(whole) // 3
    for cut in range(len(whole) + 1):
        left = (cut + 1) // line  # a line that lacks nothing but its end is whole
        path.write_bytes(whole[:cut])
        spool = Spool(path)
        assert spool.pending() == Size(left, cut)
        asyncio.run(spool.append([{"number": 9}]))
        assert spool.pending() == Size(left + 1, path.stat().st_size)
        spool.close()
        assert drained(path) == ([*range(1, left + 1), 9], int(0 < cut % line < line - 1))
        path.write_bytes(whole[:cut])
        assert drained(path) == ([*range(1, left + 1)], int(0 < cut % line < line - 1))


def test_a_corrupt_line_is_passed_over_and_counted(path: Path) -> None:
    """A flipped digit, an empty line, an empty row, text of another program: each is counted once, and the rows around it come back."""
    bad = to_line(row(2)).replace(b"evt_2", b"evt_7")
    path.write_bytes(
        to_line(row(1)) + bad + b"\n" + b"hello\n" + b"\x00" * 50 + b"\n" + to_line(row(3)) + b"00000000 \n" + to_line(row(4))
    )
    assert drained(path) == ([1, 3, 4], 5)


def test_a_file_of_nothing_but_rubbish_is_removed(path: Path) -> None:
    """Nothing is handed over, the lines are counted, and the file does not stay for ever."""
    path.write_bytes(b"rubbish\nrubbish")
    assert drained(path) == ([], 2)
    assert not path.exists()


def test_a_full_spool_refuses_and_keeps_what_it_has(path: Path) -> None:
    """Beyond the limit nothing of an append is written; what fits is still taken, and after a drain there is room again."""
    line = len(to_line(row(1)))
    spool, taker = Spool(path, limit_bytes=3 * line), Taker()

    async def story() -> None:
        await spool.append(rows(1, 2))
        with pytest.raises(
            SpoolFull, match=r"vestnik\.spool: the spool has reached its limit of \d+ bytes; bring the database back$"
        ):
            await spool.append(rows(3, 4))
        await spool.append(rows(5))
        with pytest.raises(SpoolFull):
            await spool.append(rows(6))
        await spool.drain(taker)
        await spool.append(rows(7, 8))
        await spool.drain(taker)

    asyncio.run(story())
    spool.close()
    assert taker.numbers == [1, 2, 5, 7, 8]


def test_the_limit_counts_what_is_still_on_its_way(path: Path) -> None:
    """Appends at the same time cannot pass the limit together."""
    spool = Spool(path, limit_bytes=3 * len(to_line(row(1))))

    async def story() -> list[BaseException | None]:
        return await asyncio.gather(*(spool.append(rows(number)) for number in range(5)), return_exceptions=True)

    results = asyncio.run(story())
    spool.close()
    assert [type(result) for result in results] == [type(None)] * 3 + [SpoolFull] * 2
    assert drained(path) == ([0, 1, 2], 0)


def broken_disk(monkeypatch: pytest.MonkeyPatch, number: int, after: int, cut_too: bool = True) -> None:
    """Writing stops with this error after so many bytes; `cut_too`: the file can still be made shorter."""
    write, truncate = os.write, os.ftruncate
    left = after

    def os_write(file: int, data: Any) -> int:
        nonlocal left
        if left == 0:
            raise OSError(number, os.strerror(number))
        done = write(file, data[:left])
        left -= done
        return done

    def os_ftruncate(file: int, size: int) -> None:
        if not cut_too:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        truncate(file, size)

    monkeypatch.setattr(os, "write", os_write)
    monkeypatch.setattr(os, "ftruncate", os_ftruncate)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_leaves_no_half_line(spool: Spool, path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """The part that was written is cut away again, every waiter is told, and the next append works."""

    def size() -> int:
        return path.stat().st_size

    async def story() -> Sequence[BaseException | None]:
        await spool.append(rows(1))
        before = size()
        with monkeypatch.context() as patch:
            broken_disk(patch, number, after=7)
            results = await asyncio.gather(spool.append(rows(2)), spool.append(rows(3)), return_exceptions=True)
        assert size() == before == spool.pending().bytes
        await spool.append(rows(4))
        return results

    results = asyncio.run(story())
    assert [type(result) for result in results] == [SpoolFull, SpoolFull]
    assert str(results[0]) == f"{path}: {os.strerror(number)}; make room on the disk"
    spool.close()
    assert drained(path) == ([1, 4], 0)


def test_a_half_line_that_cannot_be_cut_away_gets_a_line_of_its_own(
    spool: Spool, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even then the next row starts on a new line, and is not lost with the torn one."""

    async def story() -> None:
        await spool.append(rows(1))
        with monkeypatch.context() as patch:
            broken_disk(patch, errno.ENOSPC, after=7, cut_too=False)
            with pytest.raises(SpoolFull):
                await spool.append(rows(2))
        await spool.append(rows(3))

    asyncio.run(story())
    spool.close()
    assert drained(path) == ([1, 3], 1)


def test_an_error_that_is_no_lack_of_room_is_told_as_it_is(spool: Spool, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failing fsync is no answer 200: the rows are taken back, and the error is the disk's own."""

    def fsync(file: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    async def story() -> None:
        await spool.append(rows(1))
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fsync)
            with pytest.raises(OSError, match="Input/output error"):
                await spool.append(rows(2))
        await spool.append(rows(3))

    asyncio.run(story())
    spool.close()
    assert drained(path) == ([1, 3], 0)


def test_a_row_that_is_no_json_harms_nobody_else(spool: Spool, path: Path) -> None:
    """It is refused before anything is written."""

    async def story() -> None:
        with pytest.raises(TypeError):
            await spool.append([row(1), {"number": object()}])
        await spool.append(rows(2))

    asyncio.run(story())
    spool.close()
    assert drained(path) == ([2], 0)


def test_it_is_drained_in_batches(spool: Spool) -> None:
    """At most `batch` rows are handed over at a time, in order."""
    taker = Taker()

    async def story() -> None:
        await spool.append(rows(*range(7)))
        assert await spool.drain(taker, batch=3) == 7

    asyncio.run(story())
    assert taker.batches == [[0, 1, 2], [3, 4, 5], [6]]


def test_what_arrives_during_a_drain_comes_after(spool: Spool) -> None:
    """Rows appended while others are handed over are not lost, not before their time, and leave with the same drain."""
    taker = Taker()

    async def write(batch: list[Row]) -> None:
        await taker(batch)
        if len(taker.batches) <= 2:
            await spool.append(rows(100 + len(taker.batches)))

    async def story() -> int:
        await spool.append(rows(1, 2, 3))
        return await spool.drain(write, batch=2)

    assert asyncio.run(story()) == 5
    assert taker.numbers == [1, 2, 3, 101, 102]
    assert spool.pending() == Size(0, 0)


def test_a_drain_that_fails_goes_on_where_it_was(spool: Spool) -> None:
    """The batch that was not taken is handed over again, first; what had been taken is not, and newer rows come last."""
    taker = Taker(fail_at=2)

    async def story() -> None:
        await spool.append(rows(1, 2, 3, 4, 5))
        with pytest.raises(ConnectionError):
            await spool.drain(taker, batch=2)
        assert spool.pending().count == 3
        await spool.append(rows(6))
        assert spool.pending().count == 4
        assert await spool.drain(taker, batch=2) == 4

    asyncio.run(story())
    assert taker.batches == [[1, 2], [3, 4], [5], [6]]


def test_a_crash_after_the_write_hands_over_again(spool: Spool, path: Path) -> None:
    """Between the write and the removal everything is still on disk: a new process hands all of it over, the old rows first."""
    taker = Taker(fail_at=1, taken_anyhow=True)

    async def story() -> None:
        await spool.append(rows(1, 2))
        with pytest.raises(ConnectionError):
            await spool.drain(taker)
        await spool.append(rows(3))

    asyncio.run(story())
    assert taker.numbers == [1, 2]
    assert path.with_name("vestnik.spool.draining").exists()
    spool.close()
    assert drained(path) == ([1, 2, 3], 0)


def test_two_drains_do_not_hand_over_twice(spool: Spool) -> None:
    """A drain that finds another one running waits, and then finds nothing."""
    taker = Taker()

    async def story() -> tuple[int, int]:
        await spool.append(rows(*range(10)))
        first, second = await asyncio.gather(spool.drain(taker, batch=1), spool.drain(taker, batch=1))
        return first, second

    assert asyncio.run(story()) == (10, 0)
    assert taker.numbers == list(range(10))


def test_who_stops_waiting_stops_nobody_else(spool: Spool, path: Path) -> None:
    """A request that is cancelled while its rows are written takes none of the others with it."""

    async def story() -> None:
        tasks = [asyncio.create_task(spool.append(rows(number))) for number in range(3)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.gather(tasks[0], tasks[2])

    asyncio.run(story())
    spool.close()
    assert drained(path) == ([0, 1, 2], 0)


def test_a_second_spool_on_the_same_path_is_refused(spool: Spool, path: Path) -> None:
    """Two processes would rename and remove each other's file; when the first is closed, or dead, the second may have it."""
    with pytest.raises(StoreError, match=r"vestnik\.spool: another process uses this spool; give each its own$"):
        Spool(path)
    spool.close()
    Spool(path).close()


ENDLESS = """
import asyncio, sys
from core.spool import Spool

async def main():
    spool, number = Spool(sys.argv[1]), 0
    while True:
        await asyncio.gather(*(spool.append([{"number": number + n, "payload": "x" * 3000}]) for n in range(4)))
        print(number + 3, flush=True)
        number += 4

asyncio.run(main())
"""


def test_kill_minus_nine_loses_nothing_that_was_acknowledged(path: Path) -> None:
    """A process killed in the midst of appending: every row whose append had returned is there, in order, and the lock is free."""
    command = [sys.executable, "-c", ENDLESS, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout
        told = [int(process.stdout.readline()) for _ in range(25)]
        process.send_signal(signal.SIGKILL)
        told += [int(line) for line in process.stdout if line.endswith("\n")]
    numbers, _ = drained(path)
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > told[-1]
