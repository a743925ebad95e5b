"""Markdown, and what Python says of itself: tables, docstrings, types."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, Literal, Union, get_args, get_origin


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines) + "\n"


def code(text: str) -> str:
    """`text` as code, empty where there is none."""
    return f"`{text}`" if text else ""


def prose(thing: Any) -> list[str]:
    """The paragraphs of a docstring, each on one line."""
    text = thing if isinstance(thing, str) else inspect.getdoc(thing) or ""
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text.strip())]


def sentence(thing: Any) -> str:
    """The first sentence of a docstring."""
    first = prose(thing)[0]
    found = re.match(r".+?[.!?](?=\s|$)", first)
    return found.group() if found else first


def kind(of: Any) -> str:
    """A type as its author wrote it, without the modules: `Sequence[Received] | Reply`."""
    if of is None or of is type(None):
        return "None"
    if isinstance(of, str):
        return of
    origin, inner = get_origin(of), get_args(of)
    if origin in (Union, types.UnionType):
        return " | ".join(map(kind, inner))
    if origin is Literal:
        return " | ".join(f'"{word}"' for word in inner)
    if origin is not None:
        return f"{getattr(origin, '__name__', origin)}[{', '.join('…' if part is Ellipsis else kind(part) for part in inner)}]"
    return str(getattr(of, "__name__", of))


def spoken(length: timedelta) -> str:
    """A length of time in a sentence: "1 s", "0.5 s", "5 min"."""
    seconds = length.total_seconds()
    return f"{seconds / 60:g} min" if seconds >= 60 else f"{seconds:g} s"
