"""The map of core: each module with the first sentence of its docstring."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from core.docs.text import code, sentence, table

CORE = Path(__file__).parents[1]


def modules() -> str:
    """A table for core itself, and one for each package in it."""
    parts = []
    for folder in (CORE, *_packages()):
        name = folder.relative_to(CORE.parent).as_posix()
        rows = [(code(file.name), said(file)) for file in sorted(folder.glob("*.py")) if not file.name.startswith("__")]
        known = table(("module", "what it is for"), rows) if rows else ""
        parts.append(f"### {name}/\n\n{said(folder / '__init__.py')}\n\n{known}")
    return "\n".join(parts)


def said(file: Path) -> str:
    """The first sentence of a module's docstring; "" where it has none. Nothing is imported."""
    found = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    return sentence(found) if found else ""


def _packages() -> Iterator[Path]:
    """In the order of an event's way: what takes it in, what decides, what keeps it; then what stands around."""
    first = ("model", "config", "endpoints", "pipeline", "store")
    found = sorted(file.parent for file in CORE.rglob("__init__.py") if file.parent != CORE)
    yield from sorted(found, key=lambda folder: (_place(folder.relative_to(CORE).parts[0], first), folder))


def _place(name: str, order: tuple[str, ...]) -> int:
    return order.index(name) if name in order else len(order)
