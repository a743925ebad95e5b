"""config.toml → values. Every mistake is one sentence that names table and key, suggests the near miss, and says what to do.

This module knows the tables of core. What a plugin's table may hold, the plugin's `Config` says; `decode_settings` reads it.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta, Struct, field

from core import units
from core.errors import ConfigError
from core.log import keep_secret
from core.model import Salon
from core.units import Duration

STAGES = ("source", "filter", "render", "send", "record")

T = TypeVar("T", bound=Struct)


class Server(Struct, frozen=True, forbid_unknown_fields=True):
    """Where to listen, and whom to believe."""

    host: str = "127.0.0.1"  # where to listen; anything but loopback needs a secret for each source
    port: Annotated[int, Meta(ge=0, le=65535)] = 8080  # of webhooks, callbacks and the page
    token: str | None = None  # the operator's; made and printed at first start if unset
    bot_token: str | None = None  # for POST /activity only: the salon's other bot


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


def load(path: str | Path, environ: Mapping[str, str] | None = None) -> Configuration:
    """Read and decode the file. Raises `ConfigError`."""
    return build(read(Path(path)), Path(path), environ)


def read(path: Path) -> dict[str, Any]:
    """The file's tables, as they stand there. Raises `ConfigError`."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file; name one with --config, or copy the shipped config.toml here") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not TOML: {_lower(str(error))}; mend that line") from None


def build(raw: Mapping[str, Any], path: Path, environ: Mapping[str, str] | None = None) -> Configuration:
    """A parsed file → `Configuration`. Split from `load` so that tests and the demo can build one from a dict."""
    environ = os.environ if environ is None else environ
    known = ("server", "database", "route", "alert", "plugins", "salon", *STAGES)
    for name in raw:
        if name not in known:
            raise ConfigError(f"{path} [{name}]: unknown table{near(name, known)}")
        if not isinstance(raw[name], dict):
            raise ConfigError(f"{path} [{name}]: expected a table, got `{raw[name]!r}`")
    tables = {stage: _plugin_tables(path, stage, raw.get(stage, {}), stage) for stage in STAGES}
    salons: dict[int, Salon] = {}
    overrides: dict[int, dict[str, dict[str, dict[str, Any]]]] = {}
    routes: dict[int, Route] = {}
    alerts: dict[int, Alert] = {}
    for key, table in raw.get("salon", {}).items():
        place = f"salon.{key}"
        if not re.fullmatch(r"[1-9]\d{0,17}", key):
            raise ConfigError(f"{path} [{place}]: a salon is named by its number (company_id), such as [salon.962302]")
        if not isinstance(table, dict):
            raise ConfigError(f"{path} [{place}]: expected a table, got `{table!r}`")
        decoded = decode_settings(SalonTable, table, path, place, environ)
        _check_zone(decoded.timezone, path, place)
        _check_region(decoded.region, path, place)
        number = int(key)
        salons[number] = Salon(number, decoded.name, decoded.address, decoded.phone, decoded.timezone, decoded.region)
        overrides[number] = {stage: _plugin_tables(path, stage, getattr(decoded, stage), f"{place}.{stage}") for stage in STAGES}
        if decoded.route:
            merged = {**raw.get("route", {}), **decoded.route}
            routes[number] = decode_settings(Route, merged, path, f"{place}.route", environ)
        if decoded.alert:
            alerts[number] = _alert({**raw.get("alert", {}), **decoded.alert}, path, f"{place}.alert", environ)
    return Configuration(
        path=path,
        server=decode_settings(Server, raw.get("server", {}), path, "server", environ),
        database=decode_settings(Database, raw.get("database", {}), path, "database", environ),
        route=decode_settings(Route, raw.get("route", {}), path, "route", environ),
        alert=_alert(raw.get("alert", {}), path, "alert", environ),
        plugins=decode_settings(Plugins, raw.get("plugins", {}), path, "plugins", environ),
        tables=tables,
        salons=salons,
        overrides=overrides,
        routes=routes,
        alerts=alerts,
    )


def _alert(table: Mapping[str, Any], path: Path, place: str, environ: Mapping[str, str]) -> Alert:
    found = decode_settings(Alert, table, path, place, environ)
    if found.phone is None:
        return found
    from core.phones import parse_phone

    number, missing = parse_phone(found.phone)
    if number is None:
        raise ConfigError(f"{path} [{place}] phone: {missing}; write it as +79000000088")
    return msgspec.structs.replace(found, phone=number)


def decode_settings(kind: type[T], table: Mapping[str, Any], path: Path, place: str, environ: Mapping[str, str] | None = None) -> T:
    """A table → a struct of `kind`, with environment references resolved. Raises `ConfigError` that names table and key."""
    names = {entry.encode_name for entry in msgspec.structs.fields(kind)}
    for key in table:
        if key not in names:
            raise ConfigError(f"{path} [{place}]: unknown key `{key}`{near(key, names)}")
    resolved = {
        key: value
        for key, raw in table.items()
        if (value := resolve(raw, path, place, key, os.environ if environ is None else environ)) is not _UNSET
    }
    try:
        return _beside(msgspec.convert(resolved, kind, dec_hook=units.decode), path.resolve().parent)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path} [{place}] {_plain(str(error), kind)}") from None


def _beside(found: T, folder: Path) -> T:
    """Relative paths in the file, and in defaults, are meant from its folder."""
    values = {entry.name: getattr(found, entry.name) for entry in msgspec.structs.fields(found)}
    paths = {name: folder / value for name, value in values.items() if isinstance(value, Path)}
    return msgspec.structs.replace(found, **paths) if paths else found


_UNSET: Any = object()


def resolve(value: Any, path: Path, place: str, key: str, environ: Mapping[str, str]) -> Any:
    """`{ env = "NAME" }` → the variable's value. An optional one that is not set leaves the key at its default."""
    if isinstance(value, dict) and set(value) <= {"env", "optional"} and isinstance(value.get("env"), str):
        found = environ.get(value["env"])
        if found:
            keep_secret(found)
            return found
        if value.get("optional"):
            return _UNSET
        raise ConfigError(
            f"{path} [{place}] {key}: the environment variable {value['env']} is not set; set it, or switch the table off with `enabled = false`"
        )
    return value


def near(word: str, known: Iterable[str]) -> str:
    """`, did you mean …?`, or the list of what there is."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f", did you mean `{close[0]}`?"
    return f"; there are: {', '.join(known)}" if known else ""


def _plugin_tables(path: Path, stage: str, tables: Any, place: str) -> dict[str, dict[str, Any]]:
    if not isinstance(tables, dict):
        raise ConfigError(f"{path} [{place}]: expected tables such as [{place}.NAME]")
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise ConfigError(f"{path} [{place}]: `{name}` stands outside a table; write it below [{place}.NAME]")
        if not isinstance(table.get("enabled", True), bool):
            raise ConfigError(f"{path} [{place}.{name}] enabled: expected true or false, got `{table['enabled']!r}`")
    return tables


def _check_zone(name: str | None, path: Path, place: str) -> None:
    if name is None:
        return
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        from zoneinfo import available_timezones

        raise ConfigError(
            f"{path} [{place}] timezone: there is no time zone `{name}`{_near_zone(name, available_timezones())}"
        ) from None


def _check_region(name: str, path: Path, place: str) -> None:
    from phonenumbers import SUPPORTED_REGIONS

    if name not in SUPPORTED_REGIONS:
        raise ConfigError(
            f'{path} [{place}] region: there is no phone region `{name}`; write the two letters of the country, such as "RU" or "KZ"'
        )


def _near_zone(name: str, zones: set[str]) -> str:
    close = difflib.get_close_matches(name, zones, n=1, cutoff=0.5)
    return f", did you mean `{close[0]}`?" if close else '; write it as "Europe/Moscow"'


_KINDS = {
    "int": "a whole number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "float": "a number",
}


def _plain(text: str, settings: type[Struct]) -> str:
    """msgspec's "Expected `int`, got `str` - at `$.port`" → "port: expected a whole number, got text"."""
    message, _, at = text.partition(" - at `$")
    key = at.rstrip("`").lstrip(".").replace("[...]", "")
    if bad := re.fullmatch(r"Invalid enum value '?(.*?)'?", message):
        allowed = _words(settings, key.partition("[")[0].partition(".")[0])
        return f"{key}: `{bad[1]}` is not a choice{near(bad[1], allowed)}"
    message = re.sub(r"`([a-z]+(?: \| [a-z]+)*)`", _in_words, message)
    return f"{key}: {_lower(message)}" if key else _lower(message)


def _in_words(kinds: re.Match[str]) -> str:
    named = [_KINDS.get(kind, f"`{kind}`") for kind in kinds[1].split(" | ") if kind != "null"]
    return " or ".join(named) or kinds[0]


def _words(settings: type[Struct], key: str) -> list[str]:
    """The words that a key may hold, however deep its type says so."""
    todo = [entry.type for entry in msgspec.structs.fields(settings) if entry.encode_name == key]
    words: list[str] = []
    while todo:
        kind = todo.pop()
        if get_origin(kind) is Literal:
            words += [str(word) for word in get_args(kind)]
        else:
            todo += get_args(kind)
    return words


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
