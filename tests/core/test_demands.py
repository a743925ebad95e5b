"""What a plugin's keys must say before a server starts with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core import demands
from core import hooks as plugin_hooks
from core.config import build
from core.errors import ConfigError

GREEN = {"id_instance": "1101000001", "token": "d75b3a66374942c5b3c019c698abc2067e151558acbd412345"}


def refused(**tables: Any) -> str | None:
    """The sentence for a configuration, `None` where it is right."""
    config = build(tables, Path("config.toml"), {})
    try:
        demands.check(config, plugin_hooks.load(config))
    except ConfigError as error:
        return str(error)
    return None


MISSING = 'missing; write it in, as token = { env = "NAME" } if it is secret, or switch the table off with `enabled = false`'
PLACEHOLDER = "a placeholder is left in it; put the real one in its place"
COPIED = "holds a blank, a line's end or letters that are not Latin; copy it once more"


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({}, None),
        ({"token": ""}, f"token: {MISSING}"),
        ({"token": "ВАШ_ТОКЕН"}, f"token: {PLACEHOLDER}"),
        ({"token": "<apiTokenInstance>"}, f"token: {PLACEHOLDER}"),
        ({"token": "your-token-here"}, f"token: {PLACEHOLDER}"),
        ({"token": "..."}, f"token: {PLACEHOLDER}"),
        ({"token": "abc\n"}, f"token: {COPIED}"),
        ({"token": "абв"}, f"token: {COPIED}"),
        ({"base_url": "api.green-api.com"}, 'base_url: `api.green-api.com` is no address; write it with its "https://"'),
    ],
)
def test_keys_of_a_transport(keys: dict[str, str], problem: str | None) -> None:
    """Each would be found out by the first client who gets no message; the sentence shows no secret."""
    said = refused(send={"green_api": {**GREEN, **keys}})
    assert said == (problem and f"config.toml [send.green_api] {problem}")


def test_a_table_without_its_token() -> None:
    """Left out is as empty; a table that is off needs nothing."""
    assert refused(send={"telegram": {}}) == f"config.toml [send.telegram] token: {MISSING}"
    assert refused(send={"telegram": {"enabled": False}}) is None


def test_salons_with_accounts_of_their_own() -> None:
    """The table for all may say no token where each salon says its own; whose is missing is named."""
    own = {"1": {"send": {"telegram": {"token": "1:a"}}}, "2": {"send": {"telegram": {"token": "2:b"}}}}
    assert refused(send={"telegram": {}}, salon=own) is None
    without = {**own, "2": {"send": {"telegram": {"gap": "1s"}}}}
    assert refused(send={"telegram": {}}, salon=without) == f"config.toml [salon.2.send.telegram] token: {MISSING}"
    assert refused(send={"telegram": {}}, salon={**own, "3": {}}) == f"config.toml [send.telegram] token: {MISSING}"
