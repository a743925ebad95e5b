"""`VESTNIK_TRACE=1`: each hook call as one line on stderr, with its answer and its time. No text, no phone, no payload."""

from __future__ import annotations

import os
import sys
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from core.log import masked
from core.model import Deferred, Sent


def wanted() -> bool:
    return bool(os.environ.get("VESTNIK_TRACE"))


def line(plugin: str, hook: str, value: Any, error: Exception | None, seconds: float) -> None:
    """ "filter.settle.filter → Deferred until 14:30:05 UTC: waits 20 s for further edits (0.01 ms)" """
    said = raised(error) if error is not None else shown(value)
    sys.stderr.write(masked(f"{plugin}.{hook} → {said} ({seconds * 1e3:.2f} ms)") + "\n")


def shown(value: Any) -> str:
    """An answer in a few words: a result with its reason, items by their number, pieces by their names."""
    match value:
        case None:
            return "None"
        case str():
            return value
        case Deferred(until, reason):
            return f"Deferred until {until:%H:%M:%S} UTC: {reason}"
        case Sent(number):
            return f"Sent {number or 'before'}"
        case Struct():
            return _struct(value)
        case Mapping():
            return ", ".join(map(str, value)) or "nothing"
        case Sequence():
            counts = Counter(type(item).__name__ for item in value)
            return ", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing"
    return type(value).__name__


def _struct(value: Struct) -> str:
    name, reason = type(value).__name__, getattr(value, "reason", None)
    flags = [
        f"{flag}" if said is True else str(said)
        for flag in ("scope", "alert", "unbind", "client_knows", "withheld", "status", "action")
        if (said := getattr(value, flag, None)) and not (flag == "scope" and getattr(value, "status", "failed") != "failed")
    ]
    return name + (f" ({', '.join(flags)})" if flags else "") + (f": {reason}" if reason else "")


def raised(error: Exception) -> str:
    """Which exception, and where; its words may quote what nobody should read."""
    frames = traceback.extract_tb(error.__traceback__)
    at = f" at {frames[-1].filename.rpartition('/')[2]} line {frames[-1].lineno}" if frames else ""
    return f"raised {type(error).__name__}{at}"
