"""What `from core import …` gives: values with their fields, and helpers with their arguments."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, get_args

import msgspec
from msgspec import Struct

import core
from core import model
from core.docs.text import code, kind, prose, table
from core.keys import comments
from core.model import booking, case, edge, sending

_ROOMS = (booking, case, sending, edge)
_FIRST = ("hookimpl", "Settings", "Refused")


def values() -> str:
    """Every public value, by the module of core/model that holds it: its docstring, and a table of its fields."""
    parts = []
    for module in _ROOMS:
        structs = [
            found for name in core.__all__ if _is_value(found := getattr(core, name)) and found.__module__ == module.__name__
        ]
        title, _, rest = prose(module)[0].partition(": ")
        parts += [
            f"## {title}\n\n{rest[:1].upper()}{rest[1:]}\n",
            *map(_value, sorted(structs, key=lambda found: inspect.getsourcelines(found)[1])),
        ]
    return "\n".join([*parts, "## One of several\n", *map(_union, filter(_is_union, core.__all__))])


def _is_value(found: Any) -> bool:
    return inspect.isclass(found) and issubclass(found, Struct) and found is not core.Settings


def _is_union(name: str) -> bool:
    return bool(get_args(getattr(core, name)))


def _value(found: type[Struct]) -> str:
    said = comments(found)
    rows = [
        (code(entry.name), code(_field_type(found, entry)), code(_default(entry)), said.get(entry.name, ""))
        for entry in msgspec.structs.fields(found)
    ]
    fields = table(("field", "type", "default", ""), rows)
    return "\n\n".join([f"### {found.__name__}", *prose(found), fields])


def _field_type(found: type[Struct], entry: Any) -> str:
    """As its author wrote it; a name that is not public is replaced by what it stands for."""
    written = found.__annotations__.get(entry.name, entry.type)
    return kind(entry.type if written in model.__all__ and written not in core.__all__ else written)


def _default(entry: Any) -> str:
    if entry.default is msgspec.NODEFAULT:
        return "" if entry.default_factory is msgspec.NODEFAULT else repr(entry.default_factory())
    return repr(entry.default).removeprefix("datetime.")


def _union(name: str) -> str:
    if name == "Needed":
        return f'### {name}\n\n`str` that must not be left out or empty while the plugin is on: `token: Needed = ""`; `check` and the start refuse.\n'
    return f"### {name}\n\nOne of: {', '.join(code(kind(part)) for part in get_args(getattr(core, name)))}.\n"


def helpers() -> str:
    """Every public function and the few classes that are no values: signature and docstring."""
    found = [name for name in core.__all__ if not _is_value(getattr(core, name)) and not _is_union(name)]
    ordered = [*_FIRST, *(name for name in found if name not in _FIRST)]
    return "\n".join(map(_helper, ordered))


def _helper(name: str) -> str:
    found = getattr(core, name)
    methods = _methods(found)
    shown = [signature(name, found.__init__ if methods else found) if methods or inspect.isfunction(found) else name]
    shown += [signature(f"{name}.{method.__name__}", method) for method in methods]
    text = ["Put `@hookimpl` above each hook."] if name == "hookimpl" else prose(found)
    text += [f"`{method.__name__}`: {' '.join(prose(method))}" for method in methods]
    return "\n\n".join([f"### {name}", "```python\n" + "\n".join(shown) + "\n```", *text]) + "\n"


def _methods(found: Any) -> list[Any]:
    if not inspect.isclass(found) or found.__module__ != core.Codes.__module__:
        return []  # a base or a mark: its author needs its name alone
    return [method for name, method in vars(found).items() if name[0] != "_" and inspect.isfunction(method)]


def signature(name: str, function: Any) -> str:
    """A call as it is written, with types and defaults."""
    found = inspect.signature(function)
    given, starred = [], False
    for argument in found.parameters.values():
        if argument.name == "self":
            continue
        if argument.kind is argument.KEYWORD_ONLY and not starred:
            starred = True
            given.append("*")
        given.append(_argument(argument))
    answer = found.return_annotation
    return f"{name}({', '.join(given)})" + ("" if answer == "None" and function.__name__ == "__init__" else f" -> {answer}")


def _argument(given: inspect.Parameter) -> str:
    star = "*" if given.kind is given.VAR_POSITIONAL else "**" if given.kind is given.VAR_KEYWORD else ""
    default = "" if given.default is given.empty else f" = {_spelled(given.default)}"
    return f"{star}{given.name}: {given.annotation}{default}"


def _spelled(default: object) -> str:
    text = "{}" if isinstance(default, Mapping) else repr(default)
    return text if len(text) <= 30 else "…"
