"""One table → one struct, core's or a plugin's: environment references resolved, paths seen from the file, mistakes in our own words."""

from __future__ import annotations

import difflib
import os
import re
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec
from msgspec import Struct

from core import units
from core.config.tables import STAGES
from core.errors import ConfigError, in_words
from core.log import keep_password, keep_secret

T = TypeVar("T", bound=Struct)
_SECRET = re.compile(r"(?:^|_)(?:secret|token|password|key|api_id)$")


def decode_settings(kind: type[T], table: Mapping[str, Any], path: Path, place: str, environ: Mapping[str, str] | None = None) -> T:
    """A table → a struct of `kind`, with environment references resolved. Raises `ConfigError` that names table and key."""
    types = {entry.encode_name: entry.type for entry in msgspec.structs.fields(kind)}
    for key in table:
        if key not in types:
            raise ConfigError(f"{path} [{place}]: unknown key `{key}`{near(key, types)}")
    resolved = {
        key: value
        for key, raw in table.items()
        if (value := _resolve(raw, path, place, key, os.environ if environ is None else environ)) is not _UNSET
        and not (value == "" and types[key] == Path | None)  # an empty path is one that is left out
    }
    for key, value in resolved.items():
        if isinstance(value, str):
            _keep(key, value)
    try:
        return _beside(msgspec.convert(resolved, kind, dec_hook=units.decode), path.resolve().parent)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path} [{place}] {plain(str(error), kind)}") from None
    except Exception as error:  # of a `__post_init__`; a ValueError of it is a ValidationError by now
        at = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(at.filename).name}:{at.lineno}"
        raise ConfigError(
            f"{path} [{place}]: its Config raised {in_words(error)} in {where}; raise a ValueError with a sentence for the salon there"
        ) from error


def _keep(key: str, value: str) -> None:
    """A secret that is written there is one all the same: by the name of its key, and in an address."""
    if _SECRET.search(key):
        keep_secret(value)
    if "@" in value and "://" in value:
        keep_password(value)


def _beside(found: T, folder: Path) -> T:
    """Relative paths in the file, and in defaults, are meant from its folder."""
    values = {entry.name: getattr(found, entry.name) for entry in msgspec.structs.fields(found)}
    paths = {name: folder / value for name, value in values.items() if isinstance(value, Path)}
    return msgspec.structs.replace(found, **paths) if paths else found


_UNSET: Any = object()
_REFERENCE = re.compile(r"\$\{?([A-Z_][A-Z0-9_]*)\}?|%([A-Z_][A-Z0-9_]*)%")  # as shells and other programs write it
_LEAVE_OUT = "add `optional = true` to leave the key at its default"


def _is_plugins(place: str) -> bool:
    """Whether the table is a plugin's: "filter.vip", "salon.5.filter.vip"."""
    return re.sub(r"^salon\.\d+\.", "", place).partition(".")[0] in STAGES


def _resolve(value: Any, path: Path, place: str, key: str, environ: Mapping[str, str]) -> Any:
    """`{ env = "NAME" }` → the variable's value. An optional one that is not set leaves the key at its default."""
    if isinstance(value, str) and (wanted := _REFERENCE.fullmatch(value)):
        raise ConfigError(
            f'{path} [{place}] {key}: `{value}` is not replaced by anything; write {{ env = "{wanted[1] or wanted[2]}" }}'
        )
    if isinstance(value, dict) and set(value) <= {"env", "optional"} and isinstance(value.get("env"), str):
        if not isinstance(value.get("optional", False), bool):
            raise ConfigError(f"{path} [{place}] {key}: `optional` is true or false, without quotes")
        found = environ.get(value["env"])
        if found:
            keep_secret(found)
            return found
        if value.get("optional"):
            return _UNSET
        way = "switch the table off with `enabled = false`" if _is_plugins(place) else _LEAVE_OUT
        raise ConfigError(f"{path} [{place}] {key}: the environment variable {value['env']} is not set; set it, or {way}")
    return value


def near(word: str, known: Iterable[str]) -> str:
    """`, did you mean …?`, or the list of what there is."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f", did you mean `{close[0]}`?"
    return f"; there are: {', '.join(known)}" if known else ""


_KINDS = {
    "int": "a whole number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "float": "a number",
    "date": "a date",
    "time": "a time of day",
    "datetime": "a date and time",
}


def plain(text: str, settings: type[Struct]) -> str:
    """msgspec's "Expected `int`, got `str` - at `$.port`" → "port: expected a whole number, got text"."""
    message, _, at = text.partition(" - at `$")
    key = at.rstrip("`").lstrip(".").replace("[...]", "")
    if bad := re.fullmatch(r"Invalid enum value '?(.*?)'?", message):
        allowed = _words(settings, key.partition("[")[0].partition(".")[0])
        return f"{key and f'{key}: '}`{bad[1]}` is not a choice{near(bad[1], allowed)}"
    if re.match(r"Expected `str\b.*, got `(date|time|datetime)`", message):  # TOML has them bare
        message += "; put it in quotes"
    if re.match(r"Expected `str\b.*, got `object`", message):
        message += '; a variable is named as { env = "NAME" }'
    message = re.sub(r"`([a-z]+(?: \| [a-z]+)*)`", _in_words, message)
    return f"{key}: {lower(message)}" if key else lower(message)


def _in_words(kinds: re.Match[str]) -> str:
    named = [_KINDS.get(kind, f"`{kind}`") for kind in kinds[1].split(" | ") if kind != "null"]
    return " or ".join(named) or kinds[0]


def _words(settings: type[Struct], key: str) -> list[str]:
    """The words that a key may hold, however deep its type says so."""
    todo = [entry.type for entry in msgspec.structs.fields(settings) if entry.encode_name == key]
    words: list[str] = []
    while todo:
        kind = todo.pop()
        if get_origin(kind) is Literal:
            words += [str(word) for word in get_args(kind)]
        else:
            todo += get_args(kind)
    return words


def lower(text: str) -> str:
    return text[:1].lower() + text[1:]
