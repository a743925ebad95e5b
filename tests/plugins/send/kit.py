"""Our transports as the contract suite plays them: each with its `accounts/NAME.py` and its folder in tests/payloads/transports."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

from msgspec.structs import replace

from core.testing.player import Transport
from core.testing.recorded import NOW, PHONE, TEXT, Account, Answered, Given, as_json

BODIES = Path(__file__).parents[2] / "payloads" / "transports"
__all__ = ["BODIES", "NOW", "PHONE", "TEXT", "Account", "Answered", "Given", "Transport", "account", "as_json", "load", "names"]


def names() -> list[str]:
    """Every folder of bodies that has a plugin of its name."""
    return sorted(folder.name for folder in BODIES.iterdir() if importlib.util.find_spec(f"plugins.send.{folder.name}"))


def account(name: str) -> Account:
    found: Account = importlib.import_module(f"tests.plugins.send.accounts.{name}").account
    return replace(found, bodies=BODIES / name)


def load(name: str) -> Transport:
    """One transport, for tests of what its bodies cannot say."""
    return Transport(importlib.import_module(f"plugins.send.{name}"), account(name))
