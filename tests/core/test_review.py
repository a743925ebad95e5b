"""A configuration that decodes and still cannot be meant: typos in channels stop the start, what leads nowhere is a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core import hooks as plugin_hooks
from core.app import create_app
from core.config import build
from core.errors import ConfigError
from core.review import open_transports, ways
from tests.conftest import SALON, settings

GREEN = {"base_url": "http://127.0.0.1:9", "id_instance": "1", "token": "t"}
BOT = {"token": "t", "webhook_secret": "s"}


def told(tmp_path: Path, **tables: Any) -> list[str]:
    raw = settings("sqlite:///x.db", **tables)
    found = build(raw, tmp_path / "config.toml", {})
    return [sentence.replace(str(tmp_path / "config.toml"), "config.toml") for sentence in ways(found, plugin_hooks.load(found))]


def mistake(tmp_path: Path, **tables: Any) -> str:
    with pytest.raises(ConfigError) as raised:
        told(tmp_path, **tables)
    return str(raised.value).replace(str(tmp_path / "config.toml"), "config.toml")


@pytest.mark.parametrize(
    ("tables", "sentence"),
    [
        (
            {"route": {"channels": ["whatsap", "sms"]}},
            "config.toml [route] channels: `whatsap` is no channel, did you mean `whatsapp`?",
        ),
        (
            {"route": {"channels": ["viber"]}},
            "config.toml [route] channels: `viber` is no channel; there are: max, sms, telegram, whatsapp",
        ),
        ({"route": {"transport": {"smms": "x"}}}, "config.toml [route] transport: `smms` is no channel, did you mean `sms`?"),
        (
            {"salon": {"7": {**SALON, "route": {"channels": ["telegramm"]}}}},
            "config.toml [salon.7.route] channels: `telegramm` is no channel, did you mean `telegram`?",
        ),
        (
            {"alert": {"channels": ["tg"]}},
            "config.toml [alert] channels: `tg` is no channel; there are: max, sms, telegram, whatsapp",
        ),
        (
            {"salon": {"7": {**SALON, "alert": {"channels": ["maxx"]}}}},
            "config.toml [salon.7.alert] channels: `maxx` is no channel, did you mean `max`?",
        ),
        (
            {"route": {"channels": []}},
            "config.toml [route] channels: the list is empty, so no message could leave; there are: max, sms, telegram, whatsapp",
        ),
        (
            {"salon": {"7": {**SALON, "route": {"channels": []}}}},
            "config.toml [salon.7.route] channels: the list is empty, so no message could leave; there are: max, sms, telegram, whatsapp",
        ),
    ],
)
def test_a_channel_that_is_none_stops_the_start(tmp_path: Path, tables: dict[str, Any], sentence: str) -> None:
    """A typo would send nothing for ever and say nothing: it is a mistake, wherever a channel is named."""
    assert mistake(tmp_path, **tables) == sentence


def test_the_server_does_not_start_with_it(tmp_path: Path) -> None:
    """`serve` and a reload see it, too."""
    raw = settings("sqlite:///x.db", route={"channels": ["whatsap"]})
    with pytest.raises(ConfigError, match="did you mean `whatsapp`"):
        create_app(build(raw, tmp_path / "config.toml", {}))


@pytest.mark.parametrize(
    ("tables", "sentences"),
    [
        ({"route": {"channels": ["whatsapp"]}}, []),
        ({}, []),  # the built-in list, which nobody wrote
        (
            {"route": {"channels": ["max", "whatsapp", "sms"]}},
            ["[route] channels: no transport that is on carries max, sms; such a channel is passed over"],
        ),
        (
            {"send": {"console": None, "green_api": {**GREEN, "enabled": False}}, "route": {"channels": ["whatsapp"]}},
            [
                "no plugin of `send` is switched on that has `send`, so nothing leaves; `vestnik plugins` lists what there is",
                "[route] channels: no transport that is on carries whatsapp; such a channel is passed over",
            ],
        ),
        (
            {"route": {"channels": ["whatsapp"]}, "salon": {"7": {**SALON, "route": {"channels": ["whatsapp", "sms"]}}}},
            ["[salon.7.route] channels: no transport that is on carries sms; such a channel is passed over"],
        ),
        (
            {"route": {"channels": ["whatsapp"]}, "alert": {"channels": ["sms"]}},
            ["[alert] channels: no transport that is on carries sms; such a channel is passed over"],
        ),
    ],
)
def test_a_channel_that_nothing_carries_is_said(tmp_path: Path, tables: dict[str, Any], sentences: list[str]) -> None:
    """A known channel without a transport is no mistake: one sentence for each place that names it."""
    assert told(tmp_path, **tables) == sentences


def test_a_private_transport_that_is_off_keeps_its_channel(tmp_path: Path) -> None:
    """Switched off it is not imported, so nobody knows its channel: it is passed over, and the start goes on."""
    folder = tmp_path / "private" / "send"
    folder.mkdir(parents=True)
    (folder / "viber.py").write_text("raise RuntimeError('not imported')", encoding="utf-8")
    tables = {"plugins": {"path": ["private"]}, "send": {"viber": {"enabled": False}}, "route": {"channels": ["whatsapp", "viber"]}}
    assert told(tmp_path, **tables) == ["[route] channels: no transport that is on carries viber; such a channel is passed over"]


def test_a_bot_without_its_secret_is_said(tmp_path: Path) -> None:
    """Nobody can bind it; one salon's own bot is named as such; a bot that is off is not spoken of."""
    channels = {"channels": ["whatsapp", "telegram", "max"]}
    no_secret = "webhook_secret is not set: no callback is believed, so no client can bind the bot"
    send = {"telegram": {"token": "t"}, "max": BOT}
    assert told(tmp_path, route=channels, send=send) == [f"[send.telegram] {no_secret}"]
    own = {"7": {**SALON, "send": {"max": {"webhook_secret": ""}}}}
    assert told(tmp_path, route=channels, send={"telegram": BOT, "max": BOT}, salon=own) == [f"[salon.7.send.max] {no_secret}"]
    off = {"telegram": {"enabled": False}, "max": BOT}
    assert told(tmp_path, route={"channels": ["whatsapp", "max"]}, send=off) == []


def test_an_owner_who_hears_of_one_account_over_itself_is_said(tmp_path: Path) -> None:
    """Alerts need two ways: with one, its own death is told to nobody; with none, nothing is."""
    phone, route = {"phone": "+79990000001"}, {"channels": ["whatsapp"]}
    one = "[alert] has one channel that works: when it is out of order, the owner is not told"
    assert told(tmp_path, route=route, alert=phone) == [one]
    two = {"channels": ["whatsapp", "telegram"]}
    assert told(tmp_path, route=two, alert=phone, send={"telegram": BOT}) == []
    none = "[alert] has a phone, and no transport that is on carries a channel of it: the owner is told nothing"
    assert told(tmp_path, route=route, alert={**phone, "channels": ["sms"]})[-1] == none
    below = {"7": {**SALON, "alert": phone}}
    assert told(tmp_path, route=route, salon=below) == [one.replace("[alert]", "[salon.7.alert]")]


def open_to(tmp_path: Path, **tables: Any) -> list[str]:
    found = build(settings("sqlite:///x.db", **tables), tmp_path / "config.toml", {})
    return list(open_transports(found, plugin_hooks.load(found)))


SENDS = {
    "green_api": "webhook_token",
    "green_api_max": "webhook_token",
    "waha": "webhook_hmac_key",
    "evolution": "webhook_token",
    "wazzup": "webhook_token",
    "whatsapp_cloud": "app_secret",
}


@pytest.mark.parametrize("name", SENDS)
def test_a_gateway_that_need_not_prove_its_callbacks_is_said(tmp_path: Path, name: str) -> None:
    """As a source without a secret: warned of on loopback, refused beyond it, and taken at its word where "none" is written."""
    key, tables = SENDS[name], {"route": {"transport": {"whatsapp": name}}} if name != "green_api_max" else {}
    beyond = {"server": {"host": "0.0.0.0"}}  # noqa: S104
    anybody = f"[send.{name}] has no {key}: whoever knows the address can post callbacks, and opt clients out"
    refused = (
        f"[send.{name}] {key} is not set, and [server] host 0.0.0.0 is open to the world: callbacks are refused; "
        f'set it, or write {key} = "none" if anybody may post them'
    )
    assert open_to(tmp_path, send={name: {}}, **tables) == [anybody]
    assert open_to(tmp_path, send={name: {}}, **tables, **beyond) == [refused]
    assert open_to(tmp_path, send={name: {key: "none"}}, **tables, **beyond) == [anybody]
    assert open_to(tmp_path, send={name: {key: "w0rd"}}, **tables, **beyond) == []
    below = {"7": {**SALON, "send": {name: {key: ""}}}}
    assert open_to(tmp_path, send={name: {key: "w0rd"}}, salon=below, **tables) == [anybody.replace("[", "[salon.7.", 1)]


def test_who_is_never_believed_without_a_key_is_not_spoken_of(tmp_path: Path) -> None:
    """A bot, and SMS.ru, refuse what is not proven by themselves."""
    assert open_to(tmp_path, send={"telegram": {}, "max": {}, "smsru": {}}) == []
