"""Whether a configuration and its plugins make sense together: a mistake stops the start, what is odd is a sentence each."""

from __future__ import annotations

from collections.abc import Iterator

from core import discovery
from core.config import Configuration, Route, near
from core.errors import ConfigError
from core.hooks import Hooks
from core.pipeline import route

_WORK = (
    ("source", "normalize", "nothing arrives"),
    ("render", "render", "no text is written"),
    ("send", "send", "nothing leaves"),
)
_WISHED = Route().channels


def review(config: Configuration, hooks: Hooks) -> list[str]:
    """What a person should know before the start. Raises `ConfigError` for what cannot be meant."""
    return [*open_sources(config, hooks), *open_transports(config, hooks), *ways(config, hooks)]


def ways(config: Configuration, hooks: Hooks) -> list[str]:
    """The part of it that concerns whoever sends."""
    return [*_idle(hooks), *_channels(config, hooks), *_bots(hooks), *_alerts(config, hooks)]


def open_sources(config: Configuration, hooks: Hooks) -> list[str]:
    """A sentence for each source without a secret. Raises `ConfigError` where such a one would listen to the whole world."""
    sentences = []
    for company, tables in config.overrides.items():
        for name, entry in tables.get("source", {}).items():
            if "secret" in entry:
                raise ConfigError(
                    f"{config.path} [salon.{company}.source.{name}] secret: a webhook is proven before anybody knows its salon; "
                    f"write it under [source.{name}]"
                )
    for plugin in hooks.stage("source"):
        found = plugin.config_for(None) or plugin.config_class()  # a webhook names no salon before it is read
        if not hasattr(found, "secret") or (found.secret and found.secret != "none"):  # noqa: S105
            continue
        if not found.secret and not config.server.loopback:
            raise ConfigError(
                f"{config.path} [source.{plugin.short}] secret: none is set, and [server] host {config.server.host} is open to the world; "
                f'set one, or write secret = "none" if that is meant'
            )
        sentences.append(f"[source.{plugin.short}] has no secret: whoever knows the address can post events")
    return sentences


def _idle(hooks: Hooks) -> Iterator[str]:
    """A stage without a plugin: it starts, and nobody is told anything."""
    for stage, hook, lack in _WORK:
        if not any(hook in plugin.calls for plugin in hooks.stage(stage)):
            yield f"no plugin of `{stage}` is switched on that has `{hook}`, so {lack}; `vestnik plugins` lists what there is"


def open_transports(config: Configuration, hooks: Hooks) -> Iterator[str]:
    """A sentence for each account whose gateway need not prove its callbacks. Beyond loopback they are refused (`pipeline.callback`)."""
    for plugin in hooks.stage("send"):
        for company, settings in plugin.configs.items():
            if settings is None or plugin.proven(company):
                continue
            place = f"[{f'salon.{company}.' if company else ''}send.{plugin.short}]"
            if plugin.believes(company, loopback=config.server.loopback):
                yield f"{place} has no {plugin.proven_by}: whoever knows the address can post callbacks, and opt clients out"
            else:
                yield (
                    f"{place} {plugin.proven_by} is not set, and [server] host {config.server.host} is open to the world: callbacks are "
                    f'refused; set it, or write {plugin.proven_by} = "none" if anybody may post them'
                )


def _channels(config: Configuration, hooks: Hooks) -> Iterator[str]:
    """A name that is no channel is a mistake; a channel that nothing carries is passed over."""
    known = {*discovery.channels()} | {name for company in _companies(config) for name in route.carried(hooks, company)}
    for place, company, names in _named(config):
        if not names and place.endswith("route] channels"):
            raise ConfigError(
                f"{config.path} {place}: the list is empty, so no message could leave; there are: {', '.join(sorted(known))}"
            )
        unknown = [name for name in names if name not in known]
        if unknown and not _private_off(config):
            raise ConfigError(f"{config.path} {place}: `{unknown[0]}` is no channel{near(unknown[0], known)}")
        carried = route.carried(hooks, company)
        if missing := [name for name in names if name not in carried]:
            yield f"{place}: no transport that is on carries {', '.join(missing)}; such a channel is passed over"


def _named(config: Configuration) -> Iterator[tuple[str, int | None, tuple[str, ...]]]:
    """Every place that names channels: (place, salon, names). The built-in list is a wish, and named by nobody."""
    for company in _companies(config):
        below = f"salon.{company}." if company else ""
        if company is None or company in config.routes:
            chosen = config.route_of(company)
            if chosen.channels is not _WISHED:
                yield f"[{below}route] channels", company, chosen.channels
            yield f"[{below}route] transport", company, tuple(chosen.transport)
        if company is None or company in config.alerts:
            yield f"[{below}alert] channels", company, config.alert_of(company).channels


def _companies(config: Configuration) -> list[int | None]:
    return [None, *config.salons]


def _private_off(config: Configuration) -> bool:
    """A transport that is off and not built in is not imported, so nobody knows which channel it would carry."""
    tables = [config.tables, *config.overrides.values()]
    named = {(name, table.get("enabled", True)) for entry in tables for name, table in entry.get("send", {}).items()}
    return any(not on and name not in discovery.built_in("send") for name, on in named)


def _bots(hooks: Hooks) -> Iterator[str]:
    """A bot that believes no callback is never bound, and reaches nobody."""
    for plugin in hooks.stage("send"):
        for company, settings in plugin.configs.items():
            secret = getattr(settings, "webhook_secret", None)
            if settings is not None and secret == "" and hooks.facts(plugin, company or None).needs_binding:
                below = f"salon.{company}." if company else ""
                yield f"[{below}send.{plugin.short}] webhook_secret is not set: no callback is believed, so no client can bind the bot"


def _alerts(config: Configuration, hooks: Hooks) -> Iterator[str]:
    """An owner who is told over one account alone does not hear when that one is out of order."""
    for company in _companies(config):
        if config.alert_of(company).phone is None or (company is not None and company not in config.alerts):
            continue
        place = f"[salon.{company}.alert]" if company else "[alert]"
        ways = {(hop.plugin.short, hop.account) for hop in route.alert(hooks, config, company, "alert silent")}
        if not ways:
            yield f"{place} has a phone, and no transport that is on carries a channel of it: the owner is told nothing"
        elif len(ways) == 1:
            yield f"{place} has one channel that works: when it is out of order, the owner is not told"
