"""Where a CRM's JSON says what: paths → values, each of the type it must have. No plugin itself.

A path is JMESPath (https://jmespath.org), which for the usual case is `booking.client.phone` or `booking.items[].title`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import jmespath
from jmespath.exceptions import ArityError, EmptyExpressionError, JMESPathError, ParseError, UnknownFunctionError

from core import Salon, Service, moment
from plugins.source._yclients_json import clean, identity, money, word

_BARE_DAY = 10  # characters: 2025-08-21 says no time


class Misfit(ValueError):
    """A path that does not lead to what it should. The text names the path and the type of the value, never the value."""


@lru_cache(maxsize=512)
def compiled(path: str) -> Any:
    """A path, ready to search. Raises ValueError with a sentence."""
    try:
        found = jmespath.compile(path)
    except EmptyExpressionError:
        raise ValueError("the path is empty") from None
    except ParseError as error:
        at = f"character {error.lex_position + 1}" if error.lex_position < len(path) else "its end"
        raise ValueError(f"`{path}` is no path: it breaks at {at}; write it as `booking.items[].title`") from None
    except JMESPathError:
        raise ValueError(f"`{path}` is no path; write it as `booking.items[].title`") from None
    try:
        found.search({})
    except (UnknownFunctionError, ArityError) as error:
        raise ValueError(f"`{path}` is no path: {str(error)[:1].lower()}{str(error)[1:]}") from None
    except JMESPathError:  # a function that meets nothing in nothing
        pass
    return found


def usable(key: str, check: Callable[[str], object], given: str) -> None:
    """Raises ValueError that names the key where `check` refuses what the table gives."""
    try:
        check(given)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None


def value(key: str, path: str, event: Any) -> Any:
    """What stands at the path, of the type that `key` needs; `None` where nothing stands there. Raises `Misfit`."""
    if not path:
        return None
    try:
        found = compiled(path).search(event)
    except JMESPathError:  # its text holds the value
        raise Misfit(f"{key} `{path}`: a function in it meets a value of another type") from None
    if found is None:
        return None
    expected, read = _READERS[key]
    try:
        return read(found)
    except ValueError:
        raise Misfit(f"{key} `{path}`: {expected} is expected, there is {kind(found)}") from None


def needed(key: str, path: str, event: Any) -> Any:
    """As `value`, and something must stand there."""
    found = value(key, path, event)
    if found is None:
        raise Misfit(f"{key} `{path}`: nothing is there")
    return found


def _identity(found: Any) -> int | str | None:
    if isinstance(found, list | dict | bool):
        raise ValueError
    return identity(found)


def _word(found: Any) -> str:
    if isinstance(found, bool):
        return "true" if found else "false"
    return word(_text(found))


def _text(found: Any) -> str | None:
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        raise ValueError
    return clean(str(identity(found)) if isinstance(found, float) else str(found)).strip() or None


def _time(found: Any) -> datetime:
    """With an offset where it has one. Seconds and milliseconds since 1970 are UTC."""
    if isinstance(found, str) and not found.strip().isdecimal():
        at = datetime.fromisoformat(found.strip()) if len(found.strip()) > _BARE_DAY else None
        if at and 1970 < at.year < 9999:
            return at
    elif not isinstance(found, dict | list) and (at := moment(found.strip() if isinstance(found, str) else found)):
        return at
    raise ValueError


def _money(found: Any) -> Decimal:
    """An amount, or the sum of several."""
    amounts = [money(entry) for entry in found] if isinstance(found, list) else [money(found)]
    if None in amounts:
        raise ValueError
    return sum((amount for amount in amounts if amount is not None), Decimal(0))


def _services(found: Any) -> tuple[Service, ...]:
    return tuple(map(_service, found if isinstance(found, list) else [found]))


def _service(entry: Any) -> Service:
    if not isinstance(entry, dict):
        entry = {"title": entry}
    title, number = _text(entry.get("title")), identity(entry.get("id"))
    if title is None:
        raise ValueError
    return Service(title, None if number is None else str(number), money(entry.get("cost")), money(entry.get("first_cost")))


_READERS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "salon": ("a number or text", _identity),
    "id": ("a number or text", _identity),
    "status": ("text, a number, true or false", _word),
    "start": ("a time", _time),
    "changed": ("a time", _time),
    "phone": ("text or a number", _text),
    "name": ("text", _text),
    "staff": ("text", _text),
    "comment": ("text", _text),
    "services": ("a title, or a list of titles or of {title, cost, first_cost}", _services),
    "cost": ("an amount, or a list of them", _money),
    "first_cost": ("an amount, or a list of them", _money),
}


def kind(found: Any) -> str:
    """The type of a value in words, without the value."""
    if isinstance(found, list):
        inner = list(dict.fromkeys(map(kind, found)))
        return f"a list of {' and '.join(inner)}" if inner else "an empty list"
    if isinstance(found, dict):
        return "an object"
    if isinstance(found, str):
        return "text" if found.strip() else "empty text"
    return "nothing" if found is None else "true or false" if isinstance(found, bool) else "a number"


def wall_clock(at: datetime | None, salon: Salon) -> datetime | None:
    """A time as the salon's clock shows it. One without an offset is that already.

    Without `timezone` the offset that was said is the salon's, but for UTC: that is how computers say a time, so it is Moscow.
    """
    if at is None:
        return None
    if at.tzinfo is None:
        shown = at.replace(tzinfo=_zone(salon))
    else:
        shown = at.astimezone(_zone(salon)) if salon.timezone or not at.utcoffset() else at
    return shown.replace(tzinfo=timezone(shown.utcoffset() or timedelta()))


def instant(at: datetime | None, salon: Salon) -> datetime | None:
    """A time in UTC; one without an offset is on the salon's clock."""
    return None if at is None else (at if at.tzinfo else at.replace(tzinfo=_zone(salon))).astimezone(UTC)


def _zone(salon: Salon) -> tzinfo:
    return ZoneInfo(salon.timezone or "Europe/Moscow")
