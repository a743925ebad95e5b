"""Programs run inside this process, as their users start them: a new one takes seconds to begin on a busy machine."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from core.cli import main


@contextlib.contextmanager
def _in(folder: Path, *words: str) -> Iterator[tuple[io.StringIO, io.StringIO]]:
    """In this folder, with these words; what is printed, and what is complained of."""
    out, err = io.StringIO(), io.StringIO()
    environment = {"COLUMNS": "300", "NO_COLOR": "1"}
    with (
        contextlib.chdir(folder),
        mock.patch.dict("os.environ", environment),
        mock.patch.object(sys, "argv", list(words)),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        yield out, err


def vestnik(folder: Path, *words: str) -> tuple[int, str, str]:
    """A command: exit code, what it printed, what it complained of."""
    with _in(folder, "vestnik", *words) as (out, err):
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
    return code, out.getvalue(), err.getvalue()


def pytest_in(folder: Path, *words: str) -> tuple[int, str]:
    """pytest on the tests of a folder, with no file of configuration: exit code, and what it printed."""
    given = [
        "-q",
        "-s",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "--import-mode=importlib",
        f"--rootdir={folder}",
        "-c",
        "/dev/null",
    ]
    with _in(folder, "pytest", *given, *words) as (out, err):
        code = pytest.main([*given, *words, str(folder)])
    return int(code), out.getvalue() + err.getvalue()
