"""The tables of core as values: their keys, types, defaults and comments. docs/config.md is made of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct, field

from core.model import Salon
from core.units import Duration

STAGES = ("source", "filter", "render", "send", "record")


class Server(Struct, frozen=True, forbid_unknown_fields=True):
    """Where to listen, and whom to believe."""

    host: str = "127.0.0.1"  # where to listen; anything but loopback needs a secret for each source, and for callbacks
    port: Annotated[int, Meta(ge=0, le=65535)] = 8080  # of webhooks, callbacks and the page
    token: str | None = None  # the operator's; made and printed at first start if unset
    bot_token: str | None = None  # for POST /activity only: the salon's other bot

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host in ("127.0.0.1", "::1", "localhost")


UNUSABLE = "it travels in a header, so it can have Latin letters, digits and signs alone, and no blank; write another"


def usable(token: str) -> bool:
    """Whether a token can travel in a header."""
    return re.fullmatch(r"[!-~]+", token) is not None


class Database(Struct, frozen=True, forbid_unknown_fields=True):
    """Where everything is kept, and for how long."""

    url: str = "sqlite:///vestnik.db"  # seen from config.toml; or postgresql://user@host/db for several nodes
    keep: Duration = Duration("90d")  # then events and messages are deleted
    keep_bodies: Duration = Duration("30d")  # and raw bodies already now


class Route(Struct, frozen=True, forbid_unknown_fields=True):
    """Over which channels a message goes, one after another until it arrives."""

    channels: tuple[str, ...] = ("whatsapp", "max", "sms")  # tried in this order
    fallback_after: Duration = Duration("10m")  # accepted or unclear, and not delivered; sooner when the visit is near
    transport: dict[str, str] = {}  # which transport carries a channel, where two could


class Alert(Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to tell when a person is needed."""

    phone: str | None = None  # the owner's; unset: alerts stand in `stats` and the log alone
    channels: tuple[str, ...] = ()  # tried in this order, never over the account that the alert is about; empty: those of [route]
    every: Duration = Duration("1h")  # what is over and comes back is told at most so often


class Plugins(Struct, frozen=True, forbid_unknown_fields=True):
    """Where private plugins lie."""

    path: tuple[str, ...] = ()  # folders seen from config.toml; a plugin is STAGE/NAME.py in one of them


class SalonTable(Struct, frozen=True, forbid_unknown_fields=True):
    """One branch, by its number. While none is listed every salon is served; once one is, only the listed."""

    name: str = ""  # as clients know it
    address: str = ""  # for the texts; empty: the line is left out
    phone: str = ""  # for the texts
    timezone: str | None = None  # such as "Europe/Moscow"; unset: the offset that the source gives
    region: str = "RU"  # of phone numbers without a country code
    route: dict[str, Any] = {}  # [salon.ID.route]: keys of [route] that differ here
    alert: dict[str, Any] = {}  # [salon.ID.alert]: keys of [alert] that differ here
    source: dict[str, Any] = {}  # [salon.ID.source.NAME]: keys of a plugin that differ here; so with the other stages
    filter: dict[str, Any] = {}  # [salon.ID.filter.NAME]
    render: dict[str, Any] = {}  # [salon.ID.render.NAME]
    send: dict[str, Any] = {}  # [salon.ID.send.NAME]: an account of the salon's own
    record: dict[str, Any] = {}  # [salon.ID.record.NAME]


class Configuration(Struct, frozen=True):
    """The whole file, decoded as far as core knows it. `tables[stage][name]` are the plugins' own, in the order of the file."""

    path: Path
    server: Server = Server()
    database: Database = Database()
    route: Route = Route()
    alert: Alert = Alert()
    plugins: Plugins = Plugins()
    tables: Mapping[str, Mapping[str, dict[str, Any]]] = {}
    salons: Mapping[int, Salon] = {}
    overrides: Mapping[int, Mapping[str, Mapping[str, dict[str, Any]]]] = {}  # salon → stage → name → keys
    routes: Mapping[int, Route] = field(default_factory=dict)
    alerts: Mapping[int, Alert] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Relative paths in the file are meant from here."""
        return self.path.resolve().parent

    def route_of(self, company_id: int | None) -> Route:
        return self.routes.get(company_id or 0, self.route)

    def alert_of(self, company_id: int | None) -> Alert:
        return self.alerts.get(company_id or 0, self.alert)

    def salon_of(self, company_id: int | None) -> Salon:
        return self.salons.get(company_id or 0) or Salon(id=company_id or 0)

    def serves(self, company_id: int | None) -> bool:
        """While no salon is listed every salon is served; once one is, only the listed."""
        return not self.salons or company_id in self.salons
