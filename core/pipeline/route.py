"""Which channel, and which transport carries it: the cascade of `[route] channels`, the one that last worked first."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from core.config import Configuration
from core.hooks import Hooks, Plugin
from core.model import Channel
from core.store.rows import Notification

ALERT = "alert"  # to the owner, by [alert]
OPTED_OUT, OPTED_IN = "opted_out", "opted_in"  # answers to СТОП and СТАРТ


class Hop(Struct, frozen=True):
    """One channel of the route, with the transport and the account that carry it."""

    plugin: Plugin
    channel: Channel
    account: int


def hops(hooks: Hooks, config: Configuration, company_id: int | None, won: str | None = None) -> list[Hop]:
    """The route of a salon. `won` is the channel that last reached this client."""
    route = config.route_of(company_id)
    found = [hop for name in route.channels if (hop := _carrier(hooks, name, route.transport.get(name), company_id)) is not None]
    return sorted(found, key=lambda hop: hop.channel.name != won) if won else found


def of(hooks: Hooks, config: Configuration, row: Notification, won: str | None = None) -> list[Hop]:
    """The route of one message: a client's by `[route]`, an alert by `[alert]`, an answer over what it answers on."""
    if row.ours and row.notification_type == ALERT:
        return alert(hooks, config, row.company_id, row.event_id)
    if row.ours:
        return answer(hooks, row.transport, row.company_id)
    return hops(hooks, config, row.company_id, won)


def alert(hooks: Hooks, config: Configuration, company_id: int | None, event_id: str) -> list[Hop]:
    """Over what the owner is told: not over the account that the alert is about, which stands in its `event_id`."""
    channels, chosen = config.alert_of(company_id).channels, config.route_of(company_id)
    found = [_carrier(hooks, name, chosen.transport.get(name), company_id) for name in channels or chosen.channels]
    _, kind, *about = event_id.split(" ")
    avoided = tuple(about[:2]) if kind in ("transport", "content") else ()
    return [hop for hop in found if hop is not None and (hop.plugin.short, str(hop.account)) != avoided]


def answer(hooks: Hooks, name: str | None, company_id: int | None) -> list[Hop]:
    """One transport and no other."""
    plugin = transport(hooks, name, company_id)
    return [] if plugin is None else [Hop(plugin, hooks.facts(plugin, company_id), plugin.account(company_id))]


def carried(hooks: Hooks, company_id: int | None) -> set[str]:
    """The channels that transports carry for this salon."""
    return {hop.channel.name for plugin in hooks.stage("send") for hop in answer(hooks, plugin.short, company_id)}


def bots(hooks: Hooks, company_id: int | None) -> list[Hop]:
    """The transports that clients bind by a link."""
    found = [hop for plugin in hooks.stage("send") if "link" in plugin.calls for hop in answer(hooks, plugin.short, company_id)]
    return [hop for hop in found if hop.channel.needs_binding]


def untried(route: list[Hop], row: Notification, kin: Sequence[Notification]) -> list[Hop]:
    """The channels that are left, now that this message has been on those of `kin`; one sent again by hand may go over all of them anew."""
    tried = {row.channel, *(other.channel for other in kin if other.round == row.round)}
    return [hop for hop in route if hop.channel.name not in tried]


def transport(hooks: Hooks, name: str | None, company_id: int | None) -> Plugin | None:
    """A transport by name, if it is switched on for this salon."""
    plugin = hooks.get("send", name) if name else None
    return plugin if plugin is not None and plugin.config_for(company_id) is not None else None


def _carrier(hooks: Hooks, name: str, wanted: str | None, company_id: int | None) -> Hop | None:
    for plugin in hooks.stage("send"):
        if plugin.config_for(company_id) is None or (wanted and plugin.short != wanted):
            continue
        channel = hooks.facts(plugin, company_id)
        if channel.name == name:
            return Hop(plugin, channel, plugin.account(company_id))
    return None
