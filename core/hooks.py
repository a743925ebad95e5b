"""Load the plugins, check them, start and stop them. How they are called is in `core.calls`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Literal

import msgspec
import pluggy

from core import discovery, hookspecs
from core.calls import Answer, Hooks, Plugin, facts
from core.config import STAGES, Configuration, decode_settings, near
from core.contract import check_keys, check_module, config_class_of, own_keys, proven_by
from core.errors import ConfigError, PluginError, in_words
from core.http import check_way_out

__all__ = ["Answer", "Hooks", "Plugin", "facts", "load", "start", "start_one", "stop", "stop_one"]


def load(config: Configuration, running: Hooks | None = None) -> Hooks:
    """Import and check every plugin that is switched on. Raises `PluginError` or `ConfigError`, one sentence each.

    Beside a `running` set: a plugin about which nothing has changed is the same object again, and no code is read a second time.
    """
    discovery.folders(config)
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    plugins = []
    for stage, name in _tables_in_order(config):
        if (plugin := _load_one(stage, name, config, running)) is not None:
            plugins.append(plugin)
            if not manager.is_registered(plugin.module):  # one module may stand behind several tables
                manager.register(plugin.module, name=plugin.name)
    _check_clashes(plugins, config)
    return Hooks(plugins, manager, path=config.path)


def _tables_in_order(config: Configuration) -> Iterator[tuple[str, str]]:
    """Every plugin table: the file's own order first, then those that stand only below a salon."""
    for stage in STAGES:
        names = dict.fromkeys(config.tables.get(stage, {}))
        for override in config.overrides.values():
            names.update(dict.fromkeys(override.get(stage, {})))
        yield from ((stage, name) for name in names)


def _load_one(stage: str, name: str, config: Configuration, running: Hooks | None) -> Plugin | None:
    before = running.get(stage, name) if running else None
    table = config.tables.get(stage, {}).get(name)
    below = {company: tables[stage][name] for company, tables in config.overrides.items() if name in tables.get(stage, {})}
    on_globally = table is not None and table.get("enabled", True)
    on_somewhere = on_globally or any(entry.get("enabled", True) for entry in below.values())
    if not on_somewhere:
        if name not in discovery.known(stage, config) and not any("module" in entry for entry in (table or {}, *below.values())):
            raise PluginError(
                f"{config.path} [{stage}.{name}]: there is no such plugin{near(name, discovery.known(stage, config))}"
            )
        return None
    named = {**(table or {}), **{k: v for e in below.values() for k, v in e.items() if k == "module"}}
    module, origin = discovery.find(stage, name, named, config, (before.module, before.origin) if before else None)
    place = f"{config.path} [{stage}.{name}]"
    calls = check_module(stage, name, module)
    config_class = config_class_of(stage, name, module)
    configs: dict[int, Any] = {}
    if on_globally:
        configs[0] = decode_settings(config_class, own_keys(table or {}), config.path, f"{stage}.{name}")
    elif table is not None:
        check_keys(config_class, own_keys(table), place)
    for company, entry in below.items():
        enabled = entry.get("enabled", True if table is None or "enabled" in entry else table.get("enabled", True))
        merged = {**own_keys(table or {}), **own_keys(entry)}
        configs[company] = (
            decode_settings(config_class, merged, config.path, f"salon.{company}.{stage}.{name}") if enabled else None
        )
    for company, found in configs.items():
        _check_way_out(found, f"{config.path} [{f'salon.{company}.' if company else ''}{stage}.{name}]")
    key = proven_by(stage, name, module, config_class)
    anybody = frozenset(company for company, found in configs.items() if key and getattr(found, key, None) == "none")
    configs |= {company: msgspec.structs.replace(configs[company], **{key: ""}) for company in anybody}
    on_error = getattr(module, "on_error", "abstain")
    if on_error not in ("abstain", "hold"):
        raise PluginError(f'{stage}.{name}: on_error is {on_error!r}; write "abstain" or "hold"')
    if before is not None and before.module is module:
        if before.configs == configs and before.open_to_all == anybody:
            return before
        if "shutdown" in calls:  # calls that are under way keep what `startup` took for them: new settings, a new module
            module = discovery.anew(module, place)
            calls = check_module(stage, name, module)
    held: Literal["abstain", "hold"] = "hold" if on_error == "hold" else "abstain"
    return Plugin(stage, name, module, origin, calls, held, config_class, configs, key, anybody)


def _check_way_out(settings: Any, place: str) -> None:
    """The keys `proxy` and `ca_file`, which core reads: a mistake there would be seen at the first message only."""
    try:
        check_way_out(getattr(settings, "proxy", None), getattr(settings, "ca_file", None))
    except ConfigError as error:
        raise ConfigError(f"{place} {error}") from None


def _check_clashes(plugins: list[Plugin], config: Configuration) -> None:
    """Two transports for one channel need a word from the salon; a broken `channel()` refuses the start."""
    carriers: dict[str, list[Plugin]] = {}
    for plugin in plugins:
        if plugin.stage == "send":
            carriers.setdefault(facts(plugin).name, []).append(plugin)
            for company in filter(None, plugin.configs):
                facts(plugin, company)
    routes = {0: config.route, **config.routes}
    for name, several in carriers.items():
        for company, route in routes.items():
            usable = [plugin for plugin in several if plugin.config_for(company) is not None]
            if name in route.transport and route.transport[name] not in [plugin.short for plugin in usable]:
                known = ", ".join(plugin.short for plugin in usable) or "none"
                raise PluginError(
                    f"{config.path} [route] transport.{name}: `{route.transport[name]}` is not switched on; there are: {known}"
                )
            if len(usable) > 1 and name not in route.transport and name in route.channels:
                pair = " and ".join(f"[send.{plugin.short}]" for plugin in usable[:2])
                raise PluginError(
                    f'{config.path}: {pair} both carry {name}; say which one under [route]: transport.{name} = "{usable[0].short}", or switch one off'
                )


async def start(hooks: Hooks) -> None:
    """Call `startup` of every plugin. Raises `PluginError` naming the one that failed."""
    for plugin in hooks.plugins:
        await start_one(hooks, plugin)


async def start_one(hooks: Hooks, plugin: Plugin) -> None:
    """`startup` with each of its settings: the table's, and every salon's own. Raises `PluginError`."""
    for company in _settings(plugin, "startup"):
        try:
            await hooks.ask_async("startup", plugin, company)
        except ValueError as error:  # the plugin's own sentence about its table
            raise PluginError(f"{hooks.path} [{f'salon.{company}.' if company else ''}{plugin.name}] {error}") from error
        except Exception as error:
            raise PluginError(f"{plugin.name}.startup: {in_words(error)}; mend it, or switch the plugin off") from error


async def stop(hooks: Hooks) -> None:
    for plugin in reversed(hooks.plugins):
        await stop_one(hooks, plugin)


async def stop_one(hooks: Hooks, plugin: Plugin) -> None:
    """`shutdown` with each of its settings, in the other order. Never raises."""
    for company in reversed(_settings(plugin, "shutdown")):
        with contextlib.suppress(Exception):
            await hooks.ask_async("shutdown", plugin, company)


def _settings(plugin: Plugin, hook: str) -> list[int]:
    """A company for each setting that differs; one, where the hook does not look at it."""
    if hook not in plugin.calls:
        return []
    different: list[int] = []
    for company, config in plugin.configs.items():
        if config is not None and all(plugin.configs[other] != config for other in different):
            different.append(company)
    return different if "config" in plugin.calls[hook].names else different[:1]
