"""The documents that are made of code. A page holds blocks between `<!-- NAME -->` and `<!-- /NAME -->`; what stands there is made here.

    python -m core.docs      # or `make docs`: write the blocks of README.md and docs/ anew

A name may carry words: `<!-- piece source/tables.py receive -->`. A test fails while a block differs from what is made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from core.config import near
from core.docs import hooks, modules, names, tables, tutorial
from core.errors import VestnikError

ROOT = Path(__file__).parents[2]
BLOCKS: Mapping[str, Callable[..., str]] = {
    "rules": tables.rules,
    "transports": tables.transports,
    "sources": tables.sources,
    "recorders": tables.recorders,
    "commands": tables.commands,
    "hooks": hooks.index,
    "hook-reference": hooks.reference,
    "core-tables": tables.core_tables,
    "plugin-tables": tables.plugin_tables,
    "values": names.values,
    "helpers": names.helpers,
    "modules": modules.modules,
    "piece": tutorial.piece,
    "new": tutorial.written,
    "body": tutorial.body,
    "outcomes": tutorial.outcomes,
    "manifest": tutorial.manifest,
    "kit-values": tutorial.values,
    "kit-running": tutorial.running,
    "kit-suites": tutorial.suites,
}
_BLOCK = re.compile(r"^<!-- ([a-z][\w-]*)((?: \S+)*) -->\n.*?^<!-- /\1 -->$", re.M | re.S)


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def made(text: str) -> str:
    """A page with its blocks as they should be. Raises `VestnikError` for a name that nobody makes."""

    def block(match: re.Match[str]) -> str:
        name, words = match[1], match[2].split()
        if name not in BLOCKS:
            raise VestnikError(f"<!-- {name} -->: no such block{near(name, BLOCKS)}")
        return f"<!-- {name}{match[2]} -->\n{BLOCKS[name](*words).strip()}\n<!-- /{name} -->"

    return _BLOCK.sub(block, text)


def write() -> list[Path]:
    """Write every page that is stale; which those were."""
    stale = [page for page in pages() if made(text := page.read_text(encoding="utf-8")) != text]
    for page in stale:
        page.write_text(made(page.read_text(encoding="utf-8")), encoding="utf-8")
    return stale
