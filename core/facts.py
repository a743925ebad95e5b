"""Whether the facts that a transport states can be worked with: a `Channel` is built without a check, and a sender would stumble over it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from core import discovery
from core.model import Channel


def _is(kind: type) -> Callable[[Any], bool]:
    return lambda value: type(value) is kind


def _count(value: Any) -> bool:
    return type(value) is int and value >= 1


def _length(value: Any) -> bool:
    return isinstance(value, timedelta) and value >= timedelta(0)


def _marks(value: Any) -> bool:
    return value is None or (isinstance(value, tuple) and len(value) == 2 and all(isinstance(mark, str) for mark in value))


_FITS: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("name", lambda value: isinstance(value, str) and bool(value.strip()), f"say which channel it carries: {', '.join(discovery.channels())}, or one of your own"),
    ("bold", _marks, 'give the two marks around bold text, ("*", "*"), or None'),
    ("strike", _marks, 'give the two marks around struck text, ("~", "~"), or None'),
    ("length", _count, "say how many characters one message may have, a whole number of 1 and more"),
    ("escape", lambda value: value in (None, "html"), 'only "html" is known; leave it out for plain text'),
    ("short", _is(bool), "write True or False"),
    ("reports_delivery", _is(bool), "write True or False"),
    ("concurrency", _count, "say how many requests may be open at once, a whole number of 1 and more"),
    ("gap", _length, "give a timedelta of 0 and more: timedelta(milliseconds=100), or a key `gap: Duration` of Config"),
    ("recipient_gap", _length, "give a timedelta of 0 and more: timedelta(seconds=1), or a key of Config that is a Duration"),
    ("first_contacts_per_day", lambda value: value is None or (type(value) is int and value >= 0), "give a whole number, or None for no limit"),
    ("repeats", _length, "give a timedelta of 0 and more: for how long a repeat is known as one"),
    ("needs_binding", _is(bool), "write True or False"),
)  # fmt: skip


def wrong(facts: object) -> str | None:
    """What is wrong with an answer of `channel`, and its mend, in one sentence; `None` if nothing is."""
    if not isinstance(facts, Channel):
        return f"answered {type(facts).__name__}; return a Channel(name=…)"
    for name, fits, mend in _FITS:
        if not fits(value := getattr(facts, name)):
            return f"{name} is {value!r}; {mend}"
    return None
