"""A plugin that a test writes, for the suites to find fault with."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from types import ModuleType

import pytest

import core
from core.testing import load
from tests.core.testing.odd import Write


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """`write("filter", code)`: the plugin `odd` of that stage, with all names of core; `head` stands instead of its first line."""

    def written(stage: str, code: str, head: str = '"""Is written to be wrong in one way."""') -> ModuleType:
        folder = tmp_path / stage
        folder.mkdir(exist_ok=True)
        imports = f"import httpx\nfrom datetime import datetime, timedelta, UTC\nfrom core import {', '.join(core.__all__)}\n"
        (folder / "odd.py").write_text(f"{head}\n{imports}{dedent(code)}", encoding="utf-8")
        return load(folder / "odd.py")

    return written
