"""The keys of a `Config`, as people read them: name, kind in words, default as config.toml spells it, comment."""

from __future__ import annotations

import inspect
import json
import re
import types
from collections.abc import Mapping
from datetime import time, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from core.units import UNITS, Duration, WallTime

_FIELD = re.compile(r"\s+(\w+): .*?  # (.+)")
_PLAIN: Mapping[Any, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Duration: "duration",
    WallTime: "time of day",
    Path: "path",
    Any: "anything",
}


class Key(Struct, frozen=True):
    """One key. `tables` are the structs that its value holds, whose keys are another list."""

    name: str
    kind: str
    default: str
    comment: str
    tables: tuple[type[Struct], ...] = ()


def keys(config: type[Struct]) -> list[Key]:
    """The keys of a table, in the order of its `Config`."""
    said = comments(config)
    return [
        Key(entry.encode_name, in_words(entry.type), _default(entry), said.get(entry.name, ""), tuple(_structs(entry.type)))
        for entry in msgspec.structs.fields(config)
    ]


def table(stage: str, name: str, config: type[Struct], *path: str) -> list[str]:
    """The lines of config.toml that switch a plugin on, each key with its default and comment; with a `path`, its folder as well."""
    rows = [(f"{key.name} = {key.default}" if key.default else f'# {key.name} = "…"', key.comment) for key in keys(config)]
    width = max((len(row) for row, _ in rows), default=0)
    return [
        *(["[plugins]", f"path = {spell(path)}", ""] if path else []),
        f"[{stage}.{name}]",
        *(f"{row:<{width}}  # {comment}" for row, comment in rows),
    ]


def comments(config: type[Any]) -> dict[str, str]:
    """The comment on the line of each field, those of the structs it stands on included."""
    found: dict[str, str] = {}
    for base in reversed(config.__mro__[:-1]):
        if base.__module__.partition(".")[0] != "msgspec":
            found.update(_own_comments(base))
    return found


def _own_comments(config: type[Any]) -> dict[str, str]:
    try:
        lines = inspect.getsource(config).splitlines()
    except (OSError, TypeError):
        return {}
    return {match[1]: match[2].strip() for line in lines if (match := _FIELD.match(line))}


def in_words(kind: Any) -> str:
    """A type as a salon reads it: "duration", "list of texts", "whole number, 1 to 24"."""
    if kind in _PLAIN:
        return _PLAIN[kind]
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return in_words(inner[0]) + _bounds(inner[1])
    if origin is Literal:
        return _either([f'"{word}"' for word in inner])
    if origin in (Union, types.UnionType):
        return _either([in_words(part) for part in inner if part is not type(None)])
    if origin in (tuple, list):
        return f"list of {_several(in_words(inner[0]))}"
    if origin is dict and inner[1] is not Any:
        return f"table of {_several(in_words(inner[1]))}"
    return "table"


def _either(words: list[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _several(words: str) -> str:
    return re.sub(r"^(text|table|list|whole number|number|duration)\b", r"\1s", words)


def _bounds(limits: Meta) -> str:
    least, most = limits.ge, limits.le
    if least is not None and most is not None:
        return f", {least:g} to {most:g}"
    return f", at least {least:g}" if least is not None else f", at most {most:g}" if most is not None else ""


def _structs(kind: Any) -> list[type[Struct]]:
    if inspect.isclass(kind) and issubclass(kind, Struct):
        return [kind]
    return [found for part in get_args(kind) for found in _structs(part)]


def _default(entry: Any) -> str:
    if entry.default is not msgspec.NODEFAULT:
        return spell(entry.default)
    return "" if entry.default_factory is msgspec.NODEFAULT else spell(entry.default_factory())


def spell(value: Any) -> str:
    """A value as config.toml spells it; empty text for `None`, which TOML cannot say."""
    if value is None:
        return ""
    if isinstance(value, timedelta):
        return f'"{length(value)}"'
    if isinstance(value, time):
        return f'"{value:%H:%M}"'
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {spell(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(spell, value))}]"
    return json.dumps(value, ensure_ascii=False)


def length(value: timedelta) -> str:
    """A length of time as `Duration` reads it, in the largest unit that fits: "20s", "90m", "90d"."""
    whole = round(value / timedelta(milliseconds=1))
    return next(f"{whole // size}{unit}" for unit, size in _SIZES if whole % size == 0) if whole else "0s"


_SIZES = [(unit, round(UNITS[unit] * 1000)) for unit in ("d", "h", "m", "s", "ms")]
