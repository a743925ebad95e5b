"""The tables of plugins, keys and commands, made of `Config` structs, `channel()` facts, docstrings and the command itself."""

from __future__ import annotations

import importlib
import importlib.util
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

from msgspec import Struct

from core import config as configuration
from core.config import STAGES
from core.contract import check_module, config_class_of
from core.discovery import BUILT_IN, built_in
from core.docs.text import code, prose, sentence, spoken, table
from core.keys import Key, keys
from core.model import Channel

SHIPPED = Path(__file__).parents[2] / "config.toml"
_CORE: Mapping[str, type[Struct]] = {
    "server": configuration.Server,
    "database": configuration.Database,
    "route": configuration.Route,
    "alert": configuration.Alert,
    "plugins": configuration.Plugins,
    "salon.ID": configuration.SalonTable,
}
_WAY_OUT = ("proxy", "ca_file")  # for networks that need them


def module(stage: str, name: str) -> ModuleType:
    return importlib.import_module(f"{BUILT_IN}.{stage}.{name}")


def source_of(stage: str, name: str) -> Path:
    spec = importlib.util.find_spec(f"{BUILT_IN}.{stage}.{name}")
    assert spec is not None and spec.origin is not None, name
    return Path(spec.origin)


def _keys(stage: str, name: str) -> list[Key]:
    return keys(config_class_of(stage, name, module(stage, name)))


def _shipped() -> dict[str, dict[str, dict[str, Any]]]:
    """The tables of the shipped config.toml."""
    return tomllib.loads(SHIPPED.read_text(encoding="utf-8"))


def _state(stage: str, name: str) -> str:
    found = _shipped().get(stage, {}).get(name)
    return "no table" if found is None else "on" if found.get("enabled", True) else "off"


def rules() -> str:
    """Each rule, in the order of the shipped config.toml."""
    return _with_keys("rule", "filter")


def recorders() -> str:
    return _with_keys("recorder", "record")


def _with_keys(word: str, stage: str) -> str:
    rows = [
        (code(name), sentence(module(stage, name)), _state(stage, name), _names(key.name for key in _keys(stage, name)))
        for name in _in_order(stage)
    ]
    return table((word, "what it does", "as shipped", "keys"), rows)


def sources() -> str:
    rows = [
        (
            code(name),
            sentence(module("source", name)),
            f"`/webhook/{name}`",
            "yes" if hasattr(module("source", name), "poll") else "no",
        )
        for name in _in_order("source")
    ]
    return table(("source", "what it does", "address", "asks for what was missed"), rows)


def transports() -> str:
    """Each transport, by channel: what it must be told, how its gateway reports, and its limits."""
    order = (*configuration.Route().channels, "")
    rows = []
    for name in sorted(built_in("send")):
        facts, known = _facts(name), _keys("send", name)
        several = "channel" in [key.name for key in known]
        row = (
            code(name),
            "any, by `channel`" if several else code(facts.name),
            sentence(module("send", name)),
            _names(key.name for key in known if key.default == '""' and key.name not in _WAY_OUT),
            _reports(facts, module("send", name)),
            _formatting(facts),
            _limits(facts),
        )
        rows.append((several, order.index(facts.name if facts.name in order else ""), row))
    head = ("transport", "channel", "what it does", "to fill in", "delivery reports", "formatting", "limits")
    return table(head, [row for _, _, row in sorted(rows)])


def _facts(name: str) -> Channel:
    plugin = module("send", name)
    call = check_module("send", name, plugin)["channel"]
    found: Channel = call.function(**({"config": plugin.Config()} if "config" in call.names else {}))
    return found


def _reports(facts: Channel, plugin: ModuleType) -> str:
    if not facts.reports_delivery:
        return "none"
    return " and ".join(way for hook, way in (("callback", "by callback"), ("check", "by asking")) if hasattr(plugin, hook))


def _formatting(facts: Channel) -> str:
    if facts.short:
        return "plain, short texts"
    if facts.escape:
        return facts.escape.upper()
    return " ".join(f"`{begin}x{end}`" for begin, end in filter(None, (facts.bold, facts.strike))) or "plain"


def _limits(facts: Channel) -> str:
    found = [f"{facts.length:_} characters".replace("_", " ")]
    if facts.gap:
        found.append(_pace(facts.gap))
    if facts.recipient_gap:
        found.append(f"{_pace(facts.recipient_gap)} to one client")
    if facts.first_contacts_per_day is not None:
        found.append(f"{facts.first_contacts_per_day} new clients a day")
    if facts.needs_binding:
        found.append("only clients who started the bot")
    return ", ".join(found)


def _pace(gap: timedelta) -> str:
    return f"one message in {spoken(gap)}" if gap >= timedelta(seconds=1) else f"{timedelta(seconds=1) // gap} messages a second"


def commands() -> str:
    """Every command of `vestnik`, with its arguments and options, and the first sentence of its help."""
    import typer.main

    from core.cli import cli

    group: Any = typer.main.get_command(cli)
    rows = []
    for name, command in group.commands.items():
        words = [_argument(given) for given in command.params if given.name != "config" and not getattr(given, "hidden", False)]
        rows.append((code(" ".join(["vestnik", name, *words])), prose(command.help)[0]))
    return table(("command", "what it does"), rows)


def _argument(given: Any) -> str:
    if given.param_type_name == "argument":
        word = given.name.upper()
        return word if given.required else f"[{word}]"
    word = (given.secondary_opts or given.opts)[0] if given.is_flag and given.default else given.opts[0]
    shown = word if given.is_flag else f"{word} {given.name.rstrip('_').upper()}"
    return f"[{shown}]" + ("…" if given.multiple else "")


def core_tables() -> str:
    return "\n".join("\n\n".join([f"## [{name}]", *prose(kind), _table_of(keys(kind))]) for name, kind in _CORE.items())


def plugin_tables() -> str:
    """Every built-in plugin: what it does, and its keys."""
    parts = []
    for stage in STAGES:
        parts.append(f"## {stage}\n")
        parts += [_plugin(stage, name) for name in _in_order(stage)]
    return "\n".join(parts)


def _in_order(stage: str) -> Iterator[str]:
    """As in the shipped config.toml, then the others by name."""
    shipped = [name for name in _shipped().get(stage, {}) if name in built_in(stage)]
    yield from shipped
    yield from sorted(built_in(stage) - set(shipped))


def _plugin(stage: str, name: str) -> str:
    return "\n\n".join(
        [f"### [{stage}.{name}]", *prose(module(stage, name)), f"As shipped: {_state(stage, name)}.", _table_of(_keys(stage, name))]
    )


def _table_of(found: list[Key]) -> str:
    if not found:
        return "No keys of its own.\n"
    rows = [(code(key.name), key.kind, code(key.default) or "unset", key.comment) for key in found]
    below = [_below(key.name, inner) for key in found for inner in key.tables]
    return "\n".join([table(("key", "type", "default", ""), rows), *below])


def _below(name: str, inner: type[Struct]) -> str:
    rows = [(code(key.name), key.kind, code(key.default) or "needed", key.comment) for key in keys(inner)]
    return f"Each table in `{name}`:\n\n" + table(("key", "type", "default", ""), rows)


def _names(found: Iterable[str]) -> str:
    return ", ".join(map(code, found))
