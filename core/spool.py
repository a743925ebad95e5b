"""The file that takes events while the database cannot: what was appended is on disk, and is handed over later, in order.

While it is drained, `x.spool` is renamed `x.spool.draining`, so that what arrives meanwhile comes after it. A row is handed over at
least once, and more than once after a crash: whoever takes it must know it again by its id.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from core.errors import StoreError
from core.lines import Row, Size, measure, read, to_line

_MiB = 1024 * 1024
_ONE = 64 * 1024  # bytes that an event may have, as a rule
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class SpoolFull(StoreError):
    """No room for another event, in the file or on the disk."""


class Spool:
    """One per path, across all processes. Rows are made of JSON types. `corrupt` counts the lines that were passed over."""

    def __init__(self, path: str | Path, limit_bytes: int = 256 * _MiB) -> None:
        self.path = Path(path)
        self._draining = self.path.with_name(self.path.name + ".draining")
        self._limit = limit_bytes
        self._guard = _alone(self.path.with_name(self.path.name + ".lock"))
        self._file: int | None = None
        self._torn = False  # the file ends within a line
        self._waiting: list[tuple[bytes, int, asyncio.Future[None]]] = []
        self._promised = 0  # bytes of appends that are not on disk yet
        self._flusher: asyncio.Task[None] | None = None
        self._disk = asyncio.Lock()  # held by whoever writes or renames the file
        self._drain = asyncio.Lock()
        self._new = measure(self.path)
        self._old = measure(self._draining)
        self._taken = Size()  # of the old
        self.corrupt = 0

    def pending(self) -> Size:
        """What waits to be handed over."""
        return self._new + self._old - self._taken

    async def problem(self) -> str | None:
        """Why another event would not be taken, as far as can be seen without one; `None` if it would."""
        if self._new.bytes + self._old.bytes + self._promised + _ONE > self._limit:
            return "full"
        async with self._disk:
            try:
                return await asyncio.to_thread(self._hindered)
            except OSError as error:
                return f"cannot be written ({error.strerror})"

    async def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Return when the rows are on disk. Raises `SpoolFull`, or `OSError`; then they need not be."""
        if not rows:
            return
        data = b"".join(map(to_line, rows))
        if self._new.bytes + self._old.bytes + self._promised + len(data) > self._limit:
            raise SpoolFull(f"{self.path}: the spool has reached its limit of {self._limit} bytes; bring the database back")
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((data, len(rows), written))
        self._promised += len(data)
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.create_task(self._flush())
        await written

    async def drain(self, write: Callable[[list[Row]], Awaitable[object]], batch: int = 500) -> int:
        """Hand over all rows, oldest first, until none waits; say how many. If `write` raises, what it did not take waits on."""
        count = 0
        async with self._drain:
            while await self._turn():
                while self._taken.bytes < self._old.bytes:
                    rows, size, corrupt = await asyncio.to_thread(read, self._draining, self._taken.bytes, batch)
                    if rows:
                        await write(rows)
                    self._taken, self.corrupt, count = self._taken + size, self.corrupt + corrupt, count + len(rows)
                    if not size.bytes:  # somebody has cut the file
                        break
                await asyncio.to_thread(_remove, self._draining)
                self._old = self._taken = Size()
        return count

    def take(self, owner: str) -> str:
        """Sign with the name of this process; the name of the one that had the path before, "" for none. It is dead: the lock is ours."""
        assert self._guard is not None
        before = os.pread(self._guard, 100, 0).decode(errors="replace")
        with suppress(OSError):  # on a full disk nobody can sign
            os.ftruncate(self._guard, 0)
            os.pwrite(self._guard, owner.encode(), 0)
        return before

    def close(self) -> None:
        """Let another take over the path. Not while something runs."""
        for file in (self._file, self._guard):
            if file is not None:
                os.close(file)
        self._file = self._guard = None

    async def _flush(self) -> None:
        """Whatever waits goes to disk together; what comes meanwhile waits for the next time."""
        while self._waiting:
            async with self._disk:
                batch, self._waiting = self._waiting, []
                failure: Exception | None = None
                try:
                    size = await asyncio.to_thread(self._write, b"".join(data for data, _, _ in batch))
                    self._new = Size(self._new.count + sum(count for _, count, _ in batch), size)
                except Exception as error:
                    failure = self._plain(error)
                self._promised -= sum(len(data) for data, _, _ in batch)
            for _, _, written in batch:
                if not written.done():  # who waited may have been cancelled
                    written.set_exception(failure) if failure else written.set_result(None)

    def _plain(self, error: Exception) -> Exception:
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            return SpoolFull(f"{self.path}: {error.strerror}; make room on the disk")
        return error

    def _hindered(self) -> str | None:
        """Runs in a thread. Raises OSError where the file cannot be opened."""
        disk = os.fstatvfs(self._opened())
        if disk.f_flag & os.ST_RDONLY:
            return "cannot be written (the disk is read-only)"
        return "has no room on the disk" if disk.f_bavail * disk.f_frsize < _ONE else None

    def _write(self, data: bytes) -> int:
        """Runs in a thread. The file has the size it returns, or, if it raises, the size it had."""
        file = self._opened()
        size, torn = os.fstat(file).st_size, self._torn
        left = memoryview(b"\n" + data if torn else data)
        self._torn = True
        try:
            while left:
                left = left[os.write(file, left) :]
            os.fsync(file)
        except OSError:
            with suppress(OSError):
                os.ftruncate(file, size)
                self._torn = torn
            raise
        self._torn = False
        return os.fstat(file).st_size

    def _opened(self) -> int:
        if self._file is None:
            file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.fchmod(file, 0o600)
                size = os.fstat(file).st_size
                self._torn = size > 0 and os.pread(file, 1, size - 1) != b"\n"
                _sync_folder(self.path)  # else a power cut may take the name away, and the rows with it
            except OSError:
                os.close(file)
                raise
            self._file = file
        return self._file

    async def _turn(self) -> bool:
        """Have a file to drain: the one that a crash or an error left, else the current one. `False`: nothing waits."""
        async with self._disk:
            if not self._old.bytes:
                if not self._new.bytes:
                    return False
                await asyncio.to_thread(self._rename)
                self._old, self._new = self._new, Size()
        return True

    def _rename(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
        self.path.replace(self._draining)
        _sync_folder(self.path)


def _remove(path: Path) -> None:
    path.unlink()
    _sync_folder(path)


def _sync_folder(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _alone(path: Path) -> int | None:
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        raise StoreError(f"{path.with_suffix('')}: another process uses this spool; give each its own") from None
    return file
