"""Statuses that YCLIENTS has not taken yet, in a file: they outlive the process. No plugin itself.

A line for each status that is owed, and one with status 0 once it is told; a file that owes nothing is gone. Each process has a file of
its own, and takes over that of a dead one: `path`, `path.1`, … is whichever nobody has locked. It holds no phone and no text.
"""

from __future__ import annotations

import fcntl
import logging
import os
from pathlib import Path

import msgspec

log = logging.getLogger("vestnik.yclients_operator")
_PROCESSES = 100  # of one folder
_LARGE = 1024 * 1024  # bytes, then it is written anew
Line = tuple[str, str, int]  # address, id, status
_lines = msgspec.json.Decoder(Line)


class Owed:
    """`add` and `done` never raise: what cannot be written is kept in memory alone, and the log says so once."""

    def __init__(self, path: Path) -> None:
        self.owed: dict[tuple[str, str], int] = {}
        self._troubled = False
        self._file: int | None = None
        self._path = path.absolute()
        try:
            self._open()
        except OSError as error:
            self._trouble(error)

    def add(self, address: str, number: str, status: int) -> None:
        if self.owed.get((address, number)) != status:
            self.owed[address, number] = status
            self._write((address, number, status))

    def done(self, address: str, number: str, status: int) -> None:
        """It was told, or given up; not where something newer is owed by now."""
        if self.owed.get((address, number)) == status:
            del self.owed[address, number]
            self._write((address, number, 0))

    def close(self) -> None:
        """Whoever comes next finds what is owed."""
        if self._file is not None:
            if not self.owed:
                self._path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = None

    def _open(self) -> None:
        for place in range(_PROCESSES):
            path = self._path if not place else self._path.with_name(f"{self._path.name}.{place}")
            file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(file), path.stat()):  # else whoever had it has just deleted it
                    self._path, self._file = path, file
                    break
            except OSError:  # another process has it
                pass
            os.close(file)
        for line in self._path.read_bytes().splitlines() if self._file is not None else ():
            try:
                address, number, status = _lines.decode(line)
            except msgspec.DecodeError:  # a kill may have torn the last one
                continue
            if status:
                self.owed[address, number] = status
            else:
                self.owed.pop((address, number), None)
        self._anew()

    def _anew(self) -> None:
        if self._file is not None:
            os.ftruncate(self._file, 0)
            os.write(self._file, b"".join(_line((*key, status)) for key, status in self.owed.items()))

    def _write(self, line: Line) -> None:
        if self._file is None:
            return
        try:
            if not self.owed or os.fstat(self._file).st_size > _LARGE:
                self._anew()
            else:
                os.write(self._file, _line(line))
        except OSError as error:
            self._trouble(error)

    def _trouble(self, error: OSError) -> None:
        if not self._troubled:
            self._troubled = True
            why = error.strerror or type(error).__name__
            log.warning("path=%s outcome=not_kept reason=%s; a kill loses statuses that are owed to YCLIENTS", self._path, why)


def _line(line: Line) -> bytes:
    return msgspec.json.encode(line) + b"\n"
