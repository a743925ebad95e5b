"""Whether a plugin's keys say what they must: nothing needed is left empty, no placeholder is left in, an address is one.

What is needed stands in its `Config`: `token: Needed = ""`.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import Struct

from core.config import Configuration
from core.errors import ConfigError
from core.hooks import Hooks
from core.units import Needed

_SECRET = re.compile(r"(?:^|_)(token|api_key|api_id|password)$")
_PLACEHOLDER = re.compile(r"(?i)<.*>|[.…]{3,}|…|(?:your|insert|paste|change_?me|ваш|встав|замен|сюда|укаж).*|токен|пароль")


def check(config: Configuration, hooks: Hooks) -> None:
    """Every plugin, with the keys of each salon that is served. Raises `ConfigError`."""
    for plugin in hooks.plugins:
        for company in config.salons or (None,):
            found = plugin.config_for(company)
            if not isinstance(found, Struct):
                continue
            own = company is not None and plugin.short in config.overrides[company][plugin.stage]
            place = f"{f'salon.{company}.' if own else ''}{plugin.name}"
            for entry in msgspec.structs.fields(found):
                if problem := _wrong(entry.encode_name, entry.type, getattr(found, entry.name)):
                    raise ConfigError(f"{config.path} [{place}] {entry.encode_name}: {problem}")


def _wrong(key: str, kind: Any, value: Any) -> str | None:
    """Never with the value of a secret in it."""
    if value == "" and kind is Needed:
        return (
            f'missing; write it in, as {key} = {{ env = "NAME" }} if it is secret, or switch the table off with `enabled = false`'
        )
    if not isinstance(value, str) or not value:
        return None
    if _SECRET.search(key):
        if _PLACEHOLDER.fullmatch(value.strip()):
            return "a placeholder is left in it; put the real one in its place"
        if not key.endswith("password") and not (value.isascii() and value.isprintable() and " " not in value):
            return "holds a blank, a line's end or letters that are not Latin; copy it once more"
    if key.endswith("_url") and not re.match(r"https?://[^/\s]", value):
        return f'`{value}` is no address; write it with its "https://"'
    return None
