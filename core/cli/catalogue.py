"""What `vestnik plugins` tells: every plugin there is, switched on or not, its keys, and how often each rule said no."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from core import discovery
from core.config import STAGES, Configuration, near
from core.contract import check_module, config_class_of
from core.errors import VestnikError
from core.hooks import Hooks, Plugin
from core.keys import keys, spell, table
from core.store.look import Look

_SECRETS = ("token", "key", "secret", "password", "proxy", "api_id")


class Said(Struct, frozen=True):
    """What the last 24 hours know of plugins: `rules`: rule → "no" or "later" → events; `broken`: "stage.name" → a row of `Look.broken`."""

    rules: Mapping[str, Mapping[str, int]]
    broken: Mapping[str, Mapping[str, Any]]


def overview(found: Hooks, config: Configuration, said: Said, console: Console) -> None:
    """All that are on, in the order in which they are asked; then those that are off, and those that have no table."""
    for stage in STAGES:
        console.print(f"[bold]{stage}[/]")
        for plugin in found.stage(stage):
            console.print(f"  [bold]{plugin.name}[/]: {plugin.origin}; {_state(plugin)}; {', '.join(plugin.calls)}")
            lines = [Text(line) for line in (_first(plugin.module), *_said(plugin, said))]
            console.print(Padding(Group(*lines, *_grid(plugin)), (0, 0, 0, 4)), soft_wrap=False)
    on = {plugin.name for plugin in found.plugins}
    off, absent = [], []
    for stage in STAGES:
        tables = dict.fromkeys(
            [*config.tables.get(stage, ()), *(name for below in config.overrides.values() for name in below[stage])]
        )
        off += [f"{stage}.{name}" for name in tables if f"{stage}.{name}" not in on]
        absent += [f"{stage}.{name}" for name in sorted(discovery.known(stage, config) - set(tables))]
    if off:
        console.print(f"off: {', '.join(off)}")
    if absent:
        console.print(f"no table in {config.path.name}: {', '.join(absent)}")
    if forgotten := [os.path.relpath(file) for file in discovery.forgotten(config)]:
        console.print(f"not under [plugins] path in {config.path.name}: {', '.join(forgotten)}", markup=False)
    console.print("`vestnik plugins NAME` shows one in full, switched on or not.")


def _grid(plugin: Plugin) -> list[Table]:
    """The keys, one on a line."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    for key in keys(plugin.config_class):
        grid.add_row(*map(Text, (key.name, f"{key.kind}; {key.default or 'unset'}", key.comment)))
    return [grid] if grid.rows else []


def _said(plugin: Plugin, said: Said) -> list[str]:
    """How often a rule said no; how often anything broke, and the last time in words."""
    counts, broke = said.rules.get(plugin.short, {}), said.broken.get(plugin.name)
    no, later = counts.get("no", 0), counts.get("later", 0)
    lines = [f"In the last 24 hours: said no {_times(no)}, later {_times(later)}."] if plugin.stage == "filter" else []
    if broke is not None:
        last = f"last at {broke['last_at']:%Y-%m-%d %H:%M:%S} UTC: {broke['reason']}"
        event = f" (vestnik trace {broke['event_id']})" if broke["event_id"] else ""  # a probe is about none
        lines.append(f"In the last 24 hours: broke {_times(broke['times'])}, {last}{event}.")
    return lines


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def named(name: str, found: Hooks, config: Configuration) -> list[Plugin]:
    """The plugins of a name, such as `filter.own` or `own`; one that is off is imported to be shown. Raises `VestnikError`."""
    on = [plugin for plugin in found.plugins if name in (plugin.name, plugin.short)]
    off = [_off(stage, short, config) for stage, short in _all(config) if name in (f"{stage}.{short}", short)]
    off += [
        _off(*_named(file), config, file) for file in discovery.forgotten(config) if name in (".".join(_named(file)), file.stem)
    ]
    wanted = on + [plugin for plugin in off if plugin.name not in [entry.name for entry in on]]
    if not wanted:
        there = sorted({f"{stage}.{short}" for stage, short in _all(config)} | {plugin.name for plugin in found.plugins})
        raise VestnikError(f"{name}: there is no such plugin{near(name, there)}")
    return wanted


def _all(config: Configuration) -> list[tuple[str, str]]:
    tables = [(stage, name) for stage in STAGES for name in config.tables.get(stage, {})]
    return list(dict.fromkeys([*tables, *((stage, name) for stage in STAGES for name in sorted(discovery.known(stage, config)))]))


def _named(file: Path) -> tuple[str, str]:
    """Stage and name of a plugin by where it lies."""
    return file.parent.name, file.stem


def _off(stage: str, short: str, config: Configuration, file: Path | None = None) -> Plugin:
    keyed = config.tables.get(stage, {}).get(short) or {}
    named = {key: value for key, value in keyed.items() if key == "module"}
    if file is not None:  # in a folder that nobody has named yet
        module, origin = discovery.import_file(file, f"vestnik_private.{stage}.{short}", os.path.relpath(file)), str(file)
    else:
        module, origin = discovery.find(stage, short, named, config)
    calls, config_class = check_module(stage, short, module), config_class_of(stage, short, module)
    return Plugin(stage, short, module, origin, calls, "abstain", config_class, {})


def in_full(plugin: Plugin, config: Configuration, said: Said, console: Console) -> None:
    """One plugin: what it does, its hooks, its keys with what they are now; of one that is off, what switches it on."""
    console.print(f"[bold]{plugin.name}[/] ({plugin.origin}; {_state(plugin)})")
    console.print(Text(f"{inspect.getdoc(plugin.module) or ''}\n"))
    console.print(f"file: {_place(plugin)}")
    console.print(f"hooks: {', '.join(plugin.calls)}")
    if plugin.stage == "filter":
        console.print(f"if it breaks: {'the message is held' if plugin.on_error == 'hold' else 'it is left out'}")
    for sentence in _said(plugin, said):
        console.print(sentence)
    _keys(plugin, console)
    if not plugin.configs:
        console.print("\n".join(_switch(plugin, config)), markup=False)


def _keys(plugin: Plugin, console: Console) -> None:
    known = keys(plugin.config_class)
    if not known:
        console.print("It has no keys of its own.")
        return
    set_for = {company: config for company, config in plugin.configs.items() if config is not None}
    grid = Table(header_style="bold")
    for name in ("key", "type", "default", *(f"now ({company})" if company else "now" for company in set_for), "comment"):
        grid.add_column(name)
    for key, entry in zip(known, msgspec.structs.fields(plugin.config_class), strict=True):
        now = [_now(key.name, getattr(config, entry.name)) for config in set_for.values()]
        grid.add_row(*map(Text, (key.name, key.kind, key.default or "unset", *now, key.comment)))
    console.print(grid, soft_wrap=False)


def _switch(plugin: Plugin, config: Configuration) -> list[str]:
    """What to change in the file to switch it on, as lines."""
    file, tables = config.path.name, [config.tables, *config.overrides.values()]
    if any(plugin.short in stages.get(plugin.stage, {}) for stages in tables):
        return [f"To switch it on, take `enabled = false` out of [{plugin.name}] in {file}."]
    above: list[str] = []
    if any(plugin.origin == str(path) for path in discovery.forgotten(config)):
        above = [*config.plugins.path, Path(os.path.relpath(Path(plugin.origin).parents[1], config.folder)).as_posix()]
    place = " (instead of the `path` that stands there)" if above and config.plugins.path else ""
    return [
        f"To switch it on, write into {file}{place}:",
        *(f"  {line}".rstrip() for line in table(plugin.stage, plugin.short, plugin.config_class, *above)),
    ]


def _now(name: str, value: Any) -> str:
    if any(word in name for word in _SECRETS):
        return "set" if value else "unset"
    return spell(value) or "unset"


def _state(plugin: Plugin) -> str:
    return f"on for {on_for(plugin)}" if plugin.configs else "off"


def on_for(plugin: Plugin) -> str:
    """ "all", "all but 962302", "962302": whom a plugin works for."""
    off = [str(company) for company, config in plugin.configs.items() if company and config is None]
    on = [str(company) for company, config in plugin.configs.items() if company and config is not None]
    if plugin.configs.get(0) is not None:
        return "all" + (f" but {', '.join(off)}" if off else "") + (f" (own keys: {', '.join(on)})" if on else "")
    return ", ".join(on) or "nobody"


def _first(module: Any) -> str:
    return (inspect.getdoc(module) or "").partition("\n")[0]


def _place(plugin: Plugin) -> str:
    file = getattr(plugin.module, "__file__", None)
    return os.path.relpath(file) if file else "none"


async def counted(look: Look, now: datetime) -> Said:
    """What the store knows of the last 24 hours."""
    found: dict[str, dict[str, int]] = {}
    for row in await look.ask("rule_verdicts"):
        found.setdefault(row["rule"], {})[row["verdict"]] = row["times"]
    return Said(found, {f"{row['stage']}.{row['plugin']}": row for row in await look.broken(now - timedelta(days=1))})
