"""Whether an answer of a plugin is what its hook promises: the annotations of `core.hookspecs`, down to each field of a value.

A `Struct` is built without a check, so a text where a time is wanted would be met far from the plugin that gave it: while a batch is
decided, or after a gateway has taken the message. A misfit is said in one sentence, and counts as raising. No value is quoted, but
for a word where another one was wanted: a value may be a phone.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from core import hookspecs
from core.errors import Misfit
from core.model import CallbackItem, Received, Reply

_LARGEST = 30  # digits of a sum; beyond it a decimal has no end to reckon with
_ITEMS: dict[str, Any] = {"receive": Received, "callback": CallbackItem}  # what a `Reply` of these hooks may hold
_TIME = "a datetime with an offset: .replace(tzinfo=…)"


class Wrong(Struct, frozen=True):
    """What is wrong with a value: `path` names the field ("Booking.visit_at"), "" is the value itself."""

    what: str
    wanted: str
    path: str = ""


class Want(Struct, frozen=True):
    """What a value must be: one of these types, and what else is asked of it."""

    words: str
    kinds: tuple[type, ...]
    inside: Callable[[Any], Wrong | None] | None = None

    def wrong(self, value: Any) -> Wrong | None:
        if not isinstance(value, self.kinds):
            return Wrong(type(value).__name__, self.words)
        return self.inside(value) if self.inside else None


def checked(hook: str, value: Any) -> Any:
    """The answer, if it fits. Raises `Misfit`: hook, field, what it is and what is wanted."""
    want = _of(hook)
    if want is None or want.wrong(value) is None:
        return value
    value = _eased(value, _kind(hook))
    if (wrong := want.wrong(value)) is None:
        return value
    said = f": {wrong.path} is {wrong.what}; give" if wrong.path else f" answered {wrong.what}; return"
    raise Misfit(f"{hook}{said} {wrong.wanted}")


@lru_cache
def _of(hook: str) -> Want | None:
    """`None` for hooks that answer nothing."""
    kind = _kind(hook)
    return None if kind is types.NoneType else _want(kind, _ITEMS.get(hook))


def _kind(hook: str) -> Any:
    return get_type_hints(getattr(hookspecs, hook))["return"]


def _eased(value: Any, kind: Any, *, an_id: bool = False) -> Any:
    """What can be meant in one way alone: a number that is an id or a piece of text, a float that is a sum. JSON has them so."""
    kinds = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    if isinstance(value, Struct):
        fields = {entry.name: (getattr(value, entry.name), entry.type) for entry in msgspec.structs.fields(value)}
        changed = {
            name: new for name, (old, of) in fields.items() if (new := _eased(old, of, an_id=name.endswith("id"))) is not old
        }
        return msgspec.structs.replace(value, **changed) if changed else value
    if isinstance(value, list | tuple):
        eased = [_eased(entry, object) for entry in value]
        return value if all(new is old for new, old in zip(eased, value, strict=True)) else tuple(eased)
    if isinstance(value, dict) and dict[str, str] in kinds:
        return {name: _eased(entry, str, an_id=True) for name, entry in value.items()}
    if an_id and isinstance(value, int) and not isinstance(value, bool) and str in kinds and int not in kinds:
        return str(value)
    if isinstance(value, float) and Decimal in kinds:
        return Decimal(str(value))
    return value


@lru_cache
def _want(kind: Any, items: Any = None) -> Want:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _union(kind, items)
    if origin is Literal:
        return _words(get_args(kind))
    if origin in (tuple, list, Sequence):
        return _list(_want(get_args(kind)[0], items))
    if origin is frozenset:
        return Want("a frozenset of texts", (frozenset, set), lambda value: _each(value, _want(str), "a set"))
    if origin is dict:
        return _dict(get_args(kind)[1])
    if isinstance(kind, type) and issubclass(kind, Struct):
        return _struct(kind, items)
    return _PLAIN.get(kind) or Want("anything", (object,))


def _union(kind: Any, items: Any) -> Want:
    wants = [_want(member, items) for member in get_args(kind) if member is not types.NoneType]
    silent: tuple[type, ...] = (types.NoneType,) if types.NoneType in get_args(kind) else ()
    words = [want.words for want in wants] + (["None"] if silent else [])

    def inside(value: Any) -> Wrong | None:
        for want in wants:
            if isinstance(value, want.kinds):
                return want.inside(value) if want.inside else None
        return None

    if len(wants) == 1 and wants[0].inside is None:
        return Want(_either(words), (*wants[0].kinds, *silent))
    return Want(_either(words), sum((want.kinds for want in wants), silent), inside)


def _struct(kind: type[Struct], items: Any) -> Want:
    wants = {entry.name: (entry.default, _want(entry.type)) for entry in msgspec.structs.fields(kind)}
    if kind is Reply and items:
        wants["items"] = ((), _want(tuple[items, ...]))
    fields = [(name, default, want.kinds, want.inside, want.words) for name, (default, want) in wants.items()]

    def inside(value: Any) -> Wrong | None:
        for name, default, kinds, further, words in fields:
            found = getattr(value, name)
            if found is default:
                continue
            wrong = Wrong(type(found).__name__, words) if not isinstance(found, kinds) else further(found) if further else None
            if wrong is not None:
                wanted = wrong.wanted.removesuffix(" or None")
                return Wrong(wrong.what, wanted, wrong.path or f"{kind.__name__}.{name}")
        return None

    return Want(kind.__name__, (kind,), inside)


def _list(item: Want) -> Want:
    return Want(f"a list of {item.words}", (list, tuple), lambda value: _each(value, item, "a list"))


def _each(value: Any, item: Want, whole: str) -> Wrong | None:
    for entry in value:
        if (wrong := item.wrong(entry)) is not None:
            return wrong if wrong.path else Wrong(f"{whole} with {wrong.what} in it", f"{whole} of {_many(item.words)}")
    return None


def _many(words: str) -> str:
    return f"{words.removeprefix('a ')}s" if words.startswith("a ") else words


def _dict(kind: Any) -> Want:
    if kind is Any:
        return Want("a dict that JSON can hold", (dict,), _encodable)
    return Want("a dict of texts", (dict,), lambda value: _each([*value, *value.values()], _want(kind), "a dict"))


def _encodable(value: Any) -> Wrong | None:
    try:
        msgspec.json.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return Wrong("a dict that JSON cannot hold", "texts, numbers, lists and dicts")
    return None


def _words(known: Sequence[Any]) -> Want:
    wanted = _either([f'"{word}"' for word in known])

    def inside(value: Any) -> Wrong | None:
        if value in known:
            return None
        return Wrong(f"`{value}`" if re.fullmatch(r"[A-Za-z_]{0,30}", value) else "another text", wanted)

    return Want(wanted, (str,), inside)


def _aware(value: datetime) -> Wrong | None:
    if value.tzinfo is None or value.utcoffset() is None:
        return Wrong("a datetime without an offset", _TIME)
    try:
        value.astimezone(UTC)
    except OverflowError:
        return Wrong("a datetime at the end of all time", "one that can be told in UTC")
    return None


def _finite(value: Decimal | int) -> Wrong | None:
    found = Decimal(value)
    return None if found.is_finite() and found.adjusted() < _LARGEST else Wrong("no sum of money", "a finite Decimal")


def _either(words: Sequence[str]) -> str:
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


_PLAIN: dict[Any, Want] = {
    str: Want("a text", (str,)),
    bool: Want("True or False", (bool,)),
    int: Want("a whole number", (int,)),
    bytes: Want("bytes", (bytes,)),
    Decimal: Want("a Decimal", (Decimal, int), _finite),
    datetime: Want(_TIME, (datetime,), _aware),
    timedelta: Want("a timedelta or a number of seconds", (timedelta,)),
}
