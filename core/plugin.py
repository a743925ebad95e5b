"""What a plugin stands on: the base of its `Config`, and what every transport and source would write again."""

from __future__ import annotations

import hashlib
from typing import Any

import httpx
import msgspec
from msgspec import Struct

from core.gateway import decoded


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of a plugin's `Config`: every field has a default and a comment on its line, which `vestnik plugins` shows."""


def answer(response: httpx.Response) -> dict[str, Any]:
    """The JSON object a gateway answered; `{}` where the body is none (an HTML page of a proxy, an empty body, a list)."""
    found = decoded(response.content)
    return found if isinstance(found, dict) else {}


def digest(*parts: object) -> str:
    """A stable key of values: 32 hex digits over their canonical JSON (sorted keys, no spaces)."""
    return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()[:32]
