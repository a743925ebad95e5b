"""The file → `Configuration`: which tables there may be, what they mean together, and what each salon has of its own."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from core.config.mends import mend
from core.config.settings import decode_settings, lower, near
from core.config.tables import STAGES, UNUSABLE, Alert, Configuration, Database, Plugins, Route, SalonTable, Server, usable
from core.errors import ConfigError
from core.model import Salon
from core.phones import parse_phone


def load(path: str | Path, environ: Mapping[str, str] | None = None) -> Configuration:
    """Read and decode the file. Raises `ConfigError`."""
    return build(read(Path(path)), Path(path), environ)


def read(path: Path) -> dict[str, Any]:
    """The file's tables, as they stand there. Raises `ConfigError`."""
    text = ""
    try:
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")  # Windows writes a mark in front
        return tomllib.loads(text)
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file; name one with --config, or copy the shipped config.toml here") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}: cannot be read (line {line} is not UTF-8); save the file as UTF-8 in your editor") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not TOML: {lower(str(error))}; {mend(text, str(error))}") from None


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
            raise ConfigError(
                f"{path} [{place}]: a salon is named by its number (company_id), such as [salon.962302]; "
                "where its sender has a text, let the source's table give it a number of yours"
            )
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
        server=_server(raw.get("server", {}), path, environ),
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


def _server(table: Mapping[str, Any], path: Path, environ: Mapping[str, str]) -> Server:
    found = decode_settings(Server, table, path, "server", environ)
    for key in ("token", "bot_token"):
        if (token := getattr(found, key)) and not usable(token):
            raise ConfigError(f"{path} [server] {key}: {UNUSABLE}")
    return found


def _alert(table: Mapping[str, Any], path: Path, place: str, environ: Mapping[str, str]) -> Alert:
    found = decode_settings(Alert, table, path, place, environ)
    if found.phone is None:
        return found
    number, missing = parse_phone(found.phone)
    if number is None:
        raise ConfigError(f"{path} [{place}] phone: {missing}; write it as +79000000088")
    return msgspec.structs.replace(found, phone=number)


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
    """By the whole name or the city alone. "MSK" and "UTC+3" are near to zones that are none of theirs."""
    cities = {zone if "/" in name else zone.rpartition("/")[2]: zone for zone in sorted(zones, reverse=True) if "/" in zone}
    vague = name.isupper() or any(letter.isdigit() for letter in name)
    close = [] if vague else difflib.get_close_matches(name, cities, n=1, cutoff=0.7)
    return f", did you mean `{cities[close[0]]}`?" if close else '; write it as "Europe/Moscow"'
