"""What holds for a plugin of any stage, and how a check fails: one sentence, with the mend."""

from __future__ import annotations

import ast
import inspect
import re
import traceback
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, NoReturn

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from msgspec import Struct

import core
from core.config import STAGES, decode_settings, near
from core.contract import STAGE_HOOKS, check_module, config_class_of
from core.errors import ConfigError, PluginError
from core.keys import keys

# One suite runs for many plugins, each with a class of its own; how long an example takes is not what is tested.
# The sentence shows the smallest case that fails; what else could vary in it (the phase `explain`) nobody reads, and it takes seconds.
tried = settings(
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
    phases=[phase for phase in Phase if phase is not Phase.explain],
)
# Letters of several kinds, digits that are none to `int` or only to it, marks of JSON, HTML and formats, blanks, controls, emoji. Hypothesis'
# own text would first list all of Unicode, seconds in each new folder, and hardly ever come to these.
text = st.text(alphabet="aZяЁßıé中ا\u0301059٣１²½ \t\n\r\u00a0\u2028\u202e\x00\x7f'\"\\/{}[]<>&%$+-_.,:;*~#?😀", max_size=20)
_CLOCKS = {
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
    ("time", "time"),
    ("time", "localtime"),
}


class Subject:
    """The plugin under test, with the keys of its table."""

    def __init__(self, stage: str, module: ModuleType, config: Mapping[str, Any]) -> None:
        self.stage, self.module, self.keys = stage, module, config
        self.short = module.__name__.rpartition(".")[2]
        self.name = f"{stage}.{self.short}"

    def has(self, hook: str) -> bool:
        return hasattr(getattr(self.module, hook, None), "vestnik_impl")

    def config(self, folder: Path | None = None, **more: Any) -> Any:
        """Its `Config` as core decodes it: from keys as config.toml has them, or from finished values."""
        kind = config_class_of(self.stage, self.short, self.module)
        try:
            return decode_settings(kind, {**self.keys, **more}, (folder or Path()) / "config.toml", self.name, {})
        except ConfigError as error:
            self.wrong("Config", str(error), "mend the keys that the suite is given")

    def call(self, hook: str, **values: Any) -> Any:
        """As core calls it: with the arguments that it names. What it raises is raised."""
        function = getattr(self.module, hook)
        if unknown := [name for name in _arguments(function) if name not in values]:
            self.wrong(hook, f"unknown argument `{unknown[0]}`{near(unknown[0], values)}", "the reference of the hook lists them")
        return function(**{name: values[name] for name in _arguments(function)})

    def asked(self, hook: str, **values: Any) -> Any:
        """Call a hook that must not raise here."""
        try:
            return self.call(hook, **values)
        except Exception as error:
            # Any other is no matter of what is known; nor is a call with too few arguments, or one that would change what it was given.
            gap = isinstance(error, AttributeError | LookupError | TypeError) and not re.search("argument|immutable", str(error))
            mend = "not everything is always known: look before you take" if gap else "mend that line"
            self.wrong(hook, self.raised(error), f"{mend}; it was given {_shown(values)}")

    def wrong(self, place: str, what: str, mend: str) -> NoReturn:
        """Fail with "filter.vip.filter: WHAT; MEND"."""
        raise pytest.fail.Exception(f"{self.name}.{place}: {what}; {mend}", pytrace=False) from None

    def raised(self, error: Exception) -> str:
        """ "raised KeyError: 'id' in line 12": the deepest line of its own file."""
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == self.module.__file__]
        return f"raised {type(error).__name__}: {error}" + (f" in line {lines[-1]}" if lines else "")

    def demand(self, holds: object, place: str, what: str, mend: str) -> None:
        if not holds:
            self.wrong(place, what, mend)

    @property
    def tree(self) -> ast.Module:
        return ast.parse(inspect.getsource(self.module))


@cache
def _arguments(function: Callable[..., Any]) -> tuple[str, ...]:
    return tuple(inspect.signature(function).parameters)


def spelled(value: Any) -> str:
    """A value as its author would write it: of ours only what differs from the defaults."""
    if isinstance(value, tuple | list):
        inner = ", ".join(map(spelled, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{',' if len(value) == 1 else ''})"
    if not isinstance(value, Struct):
        return repr(value)
    given = [(entry, getattr(value, entry.name)) for entry in msgspec.structs.fields(value)]
    named = [
        f"{entry.name}={spelled(found)}" for entry, found in given if entry.default is msgspec.NODEFAULT or found != entry.default
    ]
    return f"{type(value).__name__}({', '.join(named)})"


def _shown(values: Mapping[str, Any]) -> str:
    text = ", ".join(f"{name}={spelled(value)}" for name, value in values.items() if name not in ("config", "http", "now"))
    return text if len(text) < 1000 else f"{text[:1000]}…"


class Contract:
    """The checks of every stage."""

    subject: ClassVar[Subject]

    def test_fits_the_hooks(self) -> None:
        """Its hooks, their arguments and their kind are those of the reference, and it has what its stage needs."""
        try:
            check_module(self.subject.stage, self.subject.short, self.subject.module)
            config_class_of(self.subject.stage, self.subject.short, self.subject.module)
        except PluginError as error:
            pytest.fail(str(error), pytrace=False)

    def test_begins_with_a_sentence(self) -> None:
        """The first line of the file says to a salon's owner, in one sentence, what it does."""
        first = (inspect.getdoc(self.subject.module) or "").partition("\n")[0]
        if len(first) <= 20 or not first.endswith("."):
            pytest.fail(
                f"{self.subject.name}: the file does not begin with a sentence; write as its first line, in quotes and with a full stop, "
                "what it does for a salon",
                pytrace=False,
            )

    def test_every_key_has_a_comment(self) -> None:
        """`vestnik plugins` can say what each key is for."""
        kind = config_class_of(self.subject.stage, self.subject.short, self.subject.module)
        for key in keys(kind):
            self.subject.demand(
                key.comment, f"Config.{key.name}", "has no comment", "write on its line, behind `  # `, what the key is for"
            )

    def test_the_empty_table_works(self) -> None:
        """`[stage.name]` with nothing below it is a configuration."""
        config_class_of(self.subject.stage, self.subject.short, self.subject.module)()

    def test_knows_core_by_its_public_names(self) -> None:
        """Of Vestnik it imports nothing but names that `from core import …` gives."""
        for node in ast.walk(self.subject.tree):
            if isinstance(node, ast.Import):
                reached = [entry.name for entry in node.names if entry.name.partition(".")[0] == "core"]
                unknown = reached[0] if reached else ""
            elif isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").partition(".")[0] == "core":
                unknown = next((entry.name for entry in node.names if entry.name not in core.__all__), "")
                unknown = node.module or "" if node.module != "core" else unknown
            else:
                continue
            if unknown:
                guess = near(unknown, core.__all__)
                pytest.fail(
                    f"{self.subject.name} line {node.lineno}: `{unknown}` is no public name of core{guess if 'did you mean' in guess else ''}; "
                    "write `from core import …` with a name of docs/names.md",
                    pytrace=False,
                )

    def test_asks_no_clock(self) -> None:
        """Time is an argument, so that a test is a call, and a replay answers the same."""
        for node in ast.walk(self.subject.tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name | ast.Attribute)
            ):
                owner = node.func.value.id if isinstance(node.func.value, ast.Name) else node.func.value.attr
                if (owner, node.func.attr) in _CLOCKS:
                    pytest.fail(
                        f"{self.subject.name} line {node.lineno}: asks the clock by {owner}.{node.func.attr}; take `now` as an argument "
                        "of the hook (a recorder: `outcome.at`)",
                        pytrace=False,
                    )


def suite(base: type[Contract], stage: str, module: ModuleType, config: Mapping[str, Any], **more: Any) -> type[Contract]:
    """A class for pytest to collect; a test that is `None` in `more` is left out."""
    assert stage in STAGES
    assert stage in STAGE_HOOKS
    return type(base.__name__, (base,), {"subject": Subject(stage, module, config), **more})
