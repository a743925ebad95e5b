"""The keys of a `Config` in words: what config.toml may say, and how a person reads it."""

from __future__ import annotations

import inspect
import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

import core
from core import Duration, Settings, WallTime
from core.keys import Key, comments, in_words, keys, length, spell


class Inner(Struct, frozen=True):
    name: str  # of the inner one


class Base(Settings, frozen=True):
    base_url: str = "https://example.test"  # where it lives
    plain: int = 1


class Full(Base, frozen=True):
    wait: Duration = Duration("20s")  # how long; "0s": not at all
    from_: WallTime = msgspec.field(default=WallTime("22:00"), name="from")  # on the clock
    secret: str | None = None  # empty: none
    inner: dict[str, tuple[Inner, ...]] = msgspec.field(default_factory=dict)  # by name


def test_keys() -> None:
    """Name, kind, default and comment of each field, those of the base included, and the structs in it."""
    assert keys(Full) == [
        Key("base_url", "text", '"https://example.test"', "where it lives"),
        Key("plain", "whole number", "1", ""),
        Key("wait", "duration", '"20s"', 'how long; "0s": not at all'),
        Key("from", "time of day", '"22:00"', "on the clock"),
        Key("secret", "text", "", "empty: none"),
        Key("inner", "table of lists of tables", "{}", "by name", (Inner,)),
    ]
    assert keys(Inner) == [Key("name", "text", "", "of the inner one")]


def test_comments_of_a_struct_without_source() -> None:
    """A struct made at run time has keys and no comments."""
    assert comments(msgspec.defstruct("Made", [("key", int, 1)])) == {}


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (str, "text"),
        (Path, "path"),
        (bool, "true or false"),
        (int | None, "whole number"),
        (Annotated[int, Meta(ge=1)], "whole number, at least 1"),
        (Annotated[int, Meta(le=9)], "whole number, at most 9"),
        (Annotated[int, Meta(ge=1, le=24)], "whole number, 1 to 24"),
        (tuple[str, ...], "list of texts"),
        (tuple[Duration, ...], "list of durations"),
        (dict[str, str], "table of texts"),
        (dict[str, Any], "table"),
        (Literal["a", "b", "c"], '"a", "b" or "c"'),
        (str | int, "text or whole number"),
        (Inner, "table"),
    ],
)
def test_in_words(kind: Any, words: str) -> None:
    """A type as a salon reads it."""
    assert in_words(kind) == words


@given(st.integers(0, 10**10).map(lambda count: timedelta(milliseconds=count)))
def test_length_reads_back(value: timedelta) -> None:
    """What is written is what `Duration` reads."""
    assert Duration(length(value)) == value


_VALUES = st.recursive(
    st.booleans() | st.integers(-(2**60), 2**60) | st.text(st.characters(codec="utf-8", exclude_categories=["Cc"])),
    lambda inner: st.lists(inner, max_size=3),
)


@given(_VALUES)
def test_spelled_is_toml(value: Any) -> None:
    """A default stands as config.toml would have it."""
    assert tomllib.loads(f"key = {spell(value)}")["key"] == value


def test_no_comment_of_a_public_value_is_lost() -> None:
    """A formatter moves one that is too long away from its field, and then the page of names has a blank in its place."""
    for found in (getattr(core, name) for name in core.__all__):
        if inspect.isclass(found) and issubclass(found, Struct):
            written = {
                line.strip().split(":")[0] for line in inspect.getsource(found).splitlines() if re.match(r"    \w+: .*[(\[]$", line)
            }
            assert written <= set(comments(found)), f"{found.__name__}: {sorted(written - set(comments(found)))}"
