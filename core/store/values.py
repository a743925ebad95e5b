"""Times, strings and batches of rows, as both databases take and give them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def when(value: Any) -> datetime | None:
    """A time as the driver gives it → aware UTC."""
    if value is None:
        return None
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def time_of(value: Any) -> datetime:
    """The same, of a column that is never empty."""
    found = when(value)
    assert found is not None
    return found


@lru_cache(maxsize=4096)  # a batch names the same moments again and again
def stamp(value: datetime) -> str:
    """A time as text: UTC, always with microseconds, so that text sorts as time."""
    return value.astimezone(UTC).isoformat(" ", "microseconds")[:26]


def storable(value: Any) -> Any:
    """Without NUL and lone surrogates, which no column takes."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {storable(key): storable(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [storable(entry) for entry in value]
    return value


def pack(rows: Sequence[Mapping[str, Any]], times: Sequence[str]) -> str:
    """Rows → the JSON list that `@rows` reads. `times` names the columns that hold times."""
    plain = (
        [{**row, **{name: stamp(value) for name in times if (value := row.get(name)) is not None}} for row in rows]
        if times
        else rows
    )
    try:
        packed = msgspec.json.encode(plain).decode()
    except UnicodeEncodeError:
        return msgspec.json.encode(storable(plain)).decode()
    return msgspec.json.encode(storable(plain)).decode() if "\\u0000" in packed else packed
