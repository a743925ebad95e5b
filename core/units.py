"""Values that config.toml writes as text: durations ("10m"), wall-clock times ("22:00"), and paths, which are seen from it."""

from __future__ import annotations

import re
from datetime import date, time, timedelta
from pathlib import Path
from typing import Annotated, Any, Self

from msgspec import Meta

UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_LONGEST = 100 * 365.25 * 86400  # seconds: what is counted from now must still be a date
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)\s*")


# A key that must not be left out or empty while the plugin is on: `token: Needed = ""`. It is text; `check` and the start refuse.
Needed = Annotated[str, Meta(extra={"needed": True})]


class Duration(timedelta):
    """A length of time written as "20s", "10m", "24h", "90d" (or together: "1h30m"). Never negative.

    It is a `datetime.timedelta`. A default: `wait: Duration = Duration("10m")`.
    """

    def __new__(cls, text: str) -> Self:
        seconds, at = 0.0, 0
        while found := _DURATION.match(text, at):
            seconds, at = seconds + float(found[1]) * UNITS[found[2]], found.end()
        if not text.strip() or at != len(text):
            raise ValueError(f'`{text}` is not a duration: write it as "20s", "10m", "24h" or "90d"')
        if seconds > _LONGEST:
            raise ValueError(f"`{text}` is longer than a hundred years; write a shorter one")
        return super().__new__(cls, seconds=seconds)

    def __reduce__(self) -> tuple[Any, ...]:
        return (timedelta, (self.days, self.seconds, self.microseconds))


class WallTime(time):
    """A time of day on the salon's clock, written as "22:00".

    It is a `datetime.time` without a zone. A default: `opens: WallTime = WallTime("10:00")`.
    """

    def __new__(cls, text: str) -> Self:
        found = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", text.strip())
        if not found:
            raise ValueError(f'`{text}` is not a time of day: write it as "22:00"')
        return super().__new__(cls, int(found[1]), int(found[2]))

    def __reduce__(self) -> tuple[Any, ...]:
        return (time, (self.hour, self.minute))


def decode(kind: type[Any], value: Any) -> Any:
    """The `dec_hook` of msgspec for these types. Raises ValueError with a sentence a person can act on."""
    if kind in (Duration, WallTime, Path) and isinstance(value, kind):  # a finished one, from a test
        return value
    if (kind in (Duration, WallTime) or (kind is Path and value)) and isinstance(value, str):
        return kind(value)
    examples: dict[type[Any], str] = {Duration: '"10m"', WallTime: '"22:00"', Path: '"outcomes.jsonl"'}
    wanted = examples.get(kind, kind.__name__)
    if isinstance(value, time) and kind is WallTime:
        raise ValueError(f'write it in quotes: "{value:%H:%M}"')
    if isinstance(value, date | time):  # TOML has them bare
        raise ValueError(f"expected text such as {wanted}, got {value}; put it in quotes")
    raise ValueError(f"expected text such as {wanted}, got `{value!r}`")
