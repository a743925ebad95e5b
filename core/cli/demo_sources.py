"""What `vestnik demo` posts: the examples of the sources, and the salons that they are about."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from core.hooks import Hooks, Plugin
from core.ids import number_of
from core.model import Example, Received, Reply, Request


def examples(hooks: Hooks, only: set[str], now: datetime) -> list[tuple[Plugin, Example]]:
    """The examples of these sources, or of all, in the order in which they came."""
    sources = [plugin for plugin in hooks.stage("source") if "examples" in plugin.calls and (plugin.short in only or not only)]
    return [(plugin, example) for plugin in sources for example in hooks.ask("examples", plugin, now=now)]


def salons(hooks: Hooks, shown: Sequence[tuple[Plugin, Example]], now: datetime) -> set[int]:
    """The salons that they name: in the demo each of them is listed."""
    found: set[int] = set()
    for plugin, example in shown:
        request = Request("POST", f"/webhook/{plugin.short}", {"content-type": "application/json"}, {}, example.body)
        with contextlib.suppress(Exception):  # it is told when it is posted
            said = hooks.ask("receive", plugin, request=request, now=now)
            items = said.items if isinstance(said, Reply) else said
            found |= {number for item in items if isinstance(item, Received) and (number := number_of(item.company_id)[0])}
    return found


def unproven(table: dict[str, Any]) -> dict[str, Any]:
    """A table without its secret, for the examples prove nothing, and without what the environment knows, for nothing leaves here."""
    return {key: value for key, value in table.items() if key != "secret" and not (isinstance(value, dict) and "env" in value)}
