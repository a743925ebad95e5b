"""The documented bodies in `bodies/NAME/`, filled with a message's own id, phone, reference and the present time."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

PHONE = "79001234567"  # whom the recorded bodies speak of
TEXT = "Да, приду"  # and what she writes
REFERENCE = "ntf:01J8Z3K8Q2N7"


@cache
def bodies(*folders: str) -> Mapping[str, str]:
    """Body by name, without ".json"; a later folder adds to an earlier one."""
    found = [file for folder in folders for file in (files("stand_ins") / "bodies" / folder).iterdir()]
    return {file.name.removesuffix(".json"): file.read_text(encoding="utf-8") for file in found if not file.name.startswith("_")}


@cache
def http_status(file: str, *folders: str) -> int:
    manifests = [json.loads((files("stand_ins") / "bodies" / folder / "_manifest.json").read_text("utf-8")) for folder in folders]
    entries = {name: entry for manifest in manifests for name, entry in manifest["files"].items()}
    return int(entries.get(f"{file}.json", {}).get("http_status", 200))


def filled(raw: str, now: datetime, instead: Mapping[str, str], text: str = "") -> Any:
    """The body with `instead` in the places of the recorded values. All recorded times begin with 1790000 or 2026-07-20T1."""
    raw = re.sub(r"\b1790000\d{6}\b", str(int(now.timestamp() * 1000)), raw)
    raw = re.sub(r"\b1790000\d{3}\b", str(int(now.timestamp())), raw)
    raw = re.sub(r"2026-07-20T1\d:\d\d:\d\d\.\d{3}Z", f"{now:%Y-%m-%dT%H:%M:%S}.000Z", raw)
    for recorded, own in instead.items():
        raw = raw.replace(recorded, own)
    return json.loads(raw.replace(f'"{TEXT}"', json.dumps(text)))
