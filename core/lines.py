"""Lines that prove themselves: the CRC-32 of a row as eight hex digits, a blank, the row as JSON."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

Row = dict[str, Any]

_ENOUGH = 8 * 1024 * 1024  # bytes read at once


class Size(Struct, frozen=True):
    """How much there is, or was."""

    count: int = 0  # rows
    bytes: int = 0

    def __add__(self, other: Size) -> Size:
        return Size(self.count + other.count, self.bytes + other.bytes)

    def __sub__(self, other: Size) -> Size:
        return Size(self.count - other.count, self.bytes - other.bytes)


def to_line(row: Mapping[str, Any]) -> bytes:
    return _proven(msgspec.json.encode(dict(row))) + b"\n"


def read(path: Path, at: int, most: int) -> tuple[list[Row], Size, int]:
    """At most so many rows from a place on, how far they reach, and how many lines were torn or did not fit their sum."""
    rows: list[Row] = []
    length = corrupt = 0
    for line, body in _lines(path, at):
        length += len(line)
        if body is None:
            corrupt += 1
        else:
            rows.append(msgspec.json.decode(body))
        if len(rows) >= most or length >= _ENOUGH:
            break
    return rows, Size(len(rows), length), corrupt


def measure(path: Path) -> Size:
    """The rows that can be read, and the bytes of the file; nothing if there is none."""
    if not path.exists():
        return Size()
    return Size(sum(body is not None for _, body in _lines(path, 0)), path.stat().st_size)


def _lines(path: Path, at: int) -> Iterator[tuple[bytes, bytes | None]]:
    with path.open("rb") as file:
        file.seek(at)
        for line in file:
            bare = line.removesuffix(b"\n")  # a crash may have cut off nothing but the line's end
            body = bare[9:]
            yield line, body if body.startswith(b"{") and bare == _proven(body) else None


def _proven(body: bytes) -> bytes:
    return b"%08x %s" % (zlib.crc32(body), body)
