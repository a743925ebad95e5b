"""The shipped config.toml as a run needs it: every rule on, Green-API at our gateway instead of the terminal."""

from __future__ import annotations

import json
import tomllib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tests.bench.bookings import SECRET

SHIPPED = Path(__file__).resolve().parents[2] / "config.toml"
LISTS_EVERYBODY = "only_phones"  # the one rule that stays off: it would have to list every client of the run


def shipped(port: int, url: str, gateway: int, *, settle: bool = False, transport: str = "transport") -> str:
    """`transport` is a module of this package. The source has a secret, as one that the world can reach must have."""
    found = tomllib.loads(SHIPPED.read_text(encoding="utf-8"))
    found["server"] |= {"port": port, "token": "operators-token"}
    found["database"]["url"] = url
    found["source"]["yclients"]["secret"] = SECRET
    for name, table in found["filter"].items():
        table["enabled"] = name != LISTS_EVERYBODY and (name != "settle" or settle)
    now = datetime.now(ZoneInfo("Europe/Moscow"))
    quiet = {"from": f"{now + timedelta(hours=6):%H:%M}", "to": f"{now + timedelta(hours=7):%H:%M}"}  # on, and not now
    found["filter"]["quiet_hours"] |= quiet
    found["send"]["console"]["enabled"] = False
    ours = {"enabled": True, "module": f"tests.bench.{transport}", "base_url": f"http://127.0.0.1:{gateway}", "token": "t"}
    found["send"]["green_api"] |= ours
    return "".join(_table(name, table) for name, table in found.items())


def settle_wait() -> float:
    """Seconds that the shipped rule waits."""
    wait: str = tomllib.loads(SHIPPED.read_text(encoding="utf-8"))["filter"]["settle"]["wait"]
    assert wait.endswith("s"), wait
    return float(wait[:-1])


def _table(name: str, table: dict[str, Any]) -> str:
    own = {key: value for key, value in table.items() if not isinstance(value, dict) or "env" in value}
    below = {key: value for key, value in table.items() if key not in own}
    lines = "".join(f"{key} = {_value(value)}\n" for key, value in own.items())
    return f"[{name}]\n{lines}\n" + "".join(_table(f"{name}.{key}", value) for key, value in below.items())


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(entry)}" for key, entry in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)
