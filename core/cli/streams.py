"""A command whose reader has gone (`vestnik stats | head`), or that was started without standard streams (`vestnik serve >&-`)."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Around a command: no descriptor that a library would mistake for its own, and no traceback about a reader that went."""
    _fill()
    try:
        yield
    except BrokenPipeError:  # a plugin's own command, say; what prints by `out` ends of itself
        _ended()
    finally:
        if sys.stdout is not None:
            try:
                sys.stdout.flush()
            except BrokenPipeError:
                _ended()


def _fill() -> None:
    """Let /dev/null stand where a stream is closed: else the event loop is given its number, and is written to and closed as one."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, io.TextIOWrapper(io.FileIO(number, "w", closefd=False), "utf-8", line_buffering=True))


def _ended() -> None:
    """As click and rich end where nobody reads on: 1, and Python must not try again at its own end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    raise SystemExit(1) from None
