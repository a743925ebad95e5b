"""The code of the tutorials: pieces of files that the tests run, what `vestnik new` writes, and the test kit's own names."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from importlib.resources import files
from itertools import pairwise
from typing import Any

from msgspec import Struct

from core import testing
from core.docs.hooks import EXAMPLES
from core.docs.names import signature
from core.docs.text import code, prose, table
from core.errors import VestnikError
from core.testing import recorded

TOP = "top"  # of a file: its docstring and imports


def piece(place: str, *names: str) -> str:
    """These top-level names of one file of docs/examples, in this order; a blank line, or two around functions, between them."""
    text = (EXAMPLES / place).read_text(encoding="utf-8")
    return f"```python\n{_joined([_found(place, text, name) for name in names])}\n```\n"


def _joined(parts: list[str]) -> str:
    whole = parts[0]
    for before, part in pairwise(parts):
        gap = "\n\n\n" if _tall(before) or _tall(part) else "\n\n" if before.startswith('"""') else "\n"
        whole += gap + part
    return whole


def _tall(part: str) -> bool:
    return part.startswith(("def ", "async def ", "class ", "@"))


def _found(place: str, text: str, name: str) -> str:
    nodes = ast.parse(text).body
    if name == TOP:
        last = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)][-1]
        return "\n".join(text.splitlines()[: last.end_lineno])
    for node in nodes:
        if name in _named(node):
            decorators = getattr(node, "decorator_list", [])
            return "\n".join(text.splitlines()[(decorators[0] if decorators else node).lineno - 1 : node.end_lineno])
    raise VestnikError(f"docs/examples/{place}: there is no `{name}` at the top level")


def _named(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    return [target.id for target in node.targets if isinstance(target, ast.Name)] if isinstance(node, ast.Assign) else []


def written(stage: str, name: str) -> str:
    """What `vestnik new STAGE NAME` writes as the plugin."""
    text = (files("core") / "templates" / stage / "plugin.py.tmpl").read_text(encoding="utf-8").replace("{{name}}", name)
    return f"```python\n{text}```\n"


def body(place: str) -> str:
    """One recorded body, or a manifest."""
    return f"```json\n{(EXAMPLES / 'tests' / 'bodies' / place).read_text(encoding='utf-8').strip()}\n```\n"


def outcomes() -> str:
    """The classes of a manifest, and what each means."""
    rows = []
    for name, (kind, fields) in recorded.MEANS.items():
        told = {field: value for field, value in fields.items() if value is not None}
        said = ", ".join(f"{field}={'…' if value is ... else repr(value)}" for field, value in told.items())
        rows.append((code(name), code(f"{kind.__name__}({said})" if said else kind.__name__)))
    return table(("`outcome`", "the transport answers"), rows)


def manifest() -> str:
    """The keys of `_manifest.json`, as core.testing.recorded says them."""
    text = inspect.getdoc(recorded) or ""
    return text[text.index("| key |") :]


def values() -> str:
    """The values and constants of the kit."""
    constants = [name for name in testing.__all__ if name.isupper()]
    said = ", ".join(f"`{name}`" for name in constants)
    return "\n".join(
        [
            *map(_function, [name for name in testing.__all__ if name.startswith(("a_", "an_")) and name not in _RUN]),
            f"Constants: {said}.\n",
        ]
    )


_RUN = ("an_app", "a_gateway")


def running() -> str:
    """What runs plugins: the app, the gateway, and what they hand out."""
    return "\n".join(
        [*map(_function, ("load", *_RUN)), *map(_class, (testing.App, testing.Told, testing.Row, testing.Gateway, testing.Asked))]
    )


def suites() -> str:
    """The contract suites, and what a transport is played with."""
    from core.testing import contracts

    found = [name for name in contracts.__all__ if not inspect.isclass(getattr(contracts, name))]
    return "\n".join(
        [
            *(_function(name, f"contracts.{name}", getattr(contracts, name)) for name in found),
            _class(contracts.Account),
            _class(contracts.Given),
        ]
    )


def _function(name: str, shown: str = "", function: Callable[..., Any] | None = None) -> str:
    found = inspect.unwrap(function or getattr(testing, name))
    return "\n\n".join([f"### {shown or name}", f"```python\n{signature(shown or name, found)}\n```", *prose(found)]) + "\n"


def _class(found: type[Any]) -> str:
    """A class: its docstring, and its fields or methods."""
    members = [(name, member) for name, member in vars(found).items() if name[0] != "_" and _shown(member)]
    rows = [
        (code(_spelled(name, member)), " ".join(prose(_inner(member))))
        for name, member in members
        if inspect.getdoc(_inner(member))
    ]
    text = [f"### {found.__name__}", *prose(found)]
    if issubclass(found, Struct):
        text.append(f"Fields: {', '.join(map(code, found.__struct_fields__))}.")
    return "\n\n".join([*text, table(("beside", ""), rows)] if rows else text) + "\n"


def _shown(member: Any) -> bool:
    return isinstance(member, property) or inspect.isfunction(member)


def _inner(member: Any) -> Any:
    return member.fget if isinstance(member, property) else member


def _spelled(name: str, member: Any) -> str:
    return name if isinstance(member, property) else signature(name, member).partition(" -> None")[0]
