"""Every built-in plugin passes the suite of its stage, the one that is shipped; a new one joins by lying in its folder.

A transport brings a folder of recorded bodies in tests/payloads/transports and one `accounts/NAME.py`, a source its line in `SOURCES`.
"""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import Booking, Channel, Event, Ignored, Later, Reply, Service
from core.discovery import built_in
from core.plugin import Settings
from core.testing import NOON, PHONE, SALON, a_booking, a_request, contracts
from core.testing.recorded import Account
from tests.crm import MAPPING
from tests.plugins.send import kit

LIMITS = {"filter": 60, "send": 130, "source": 200, "render": 200, "record": 200}
NAMES = [(stage, name) for stage in LIMITS for name in sorted(built_in(stage))]
ROOT = Path(__file__).parents[1]
PAYLOADS = Path(__file__).parent / "payloads"


def bodies(folder: str, *names: str) -> dict[str, bytes]:
    return {name: (PAYLOADS / folder / f"{name}.json").read_bytes() for name in names}


YCLIENTS = bodies("yclients", "record_create_discount50", "record_update_reschedule", "record_delete_full", "record_update_noshow")
CRM = {"bodies": bodies("crm", "booking_new", "booking_moved", "booking_cancelled"), "config": MAPPING}
ORDER = bodies("yclients", "sms_operator_send_request")["sms_operator_send_request"]
ORDERS = {"first": ORDER, "other": json.dumps({**json.loads(ORDER), "text": "другой текст"}).encode()}
SOURCES: Mapping[str, Mapping[str, Any]] = {
    "yclients": {"bodies": YCLIENTS},
    "altegio": {"bodies": YCLIENTS},
    "json": CRM,
    "yclients_operator": {"bodies": ORDERS},
}
RULES: Mapping[str, Mapping[str, Any]] = {"only_phones": {"config": {"phones": [PHONE]}}}  # it lists nobody as shipped


def module(stage: str, name: str) -> ModuleType:
    return importlib.import_module(f"plugins.{stage}.{name}")


def config_of(plugin: ModuleType, **keys: Any) -> Any:
    return getattr(plugin, "Config", Settings)(**keys)


SUITES: Mapping[str, Callable[[str, ModuleType], type]] = {
    "source": lambda name, plugin: contracts.source(plugin, **SOURCES.get(name, {})),
    "filter": lambda name, plugin: contracts.rule(plugin, **RULES.get(name, {})),
    "render": lambda name, plugin: contracts.renderer(plugin),
    "send": lambda name, plugin: contracts.transport(plugin, kit.account(name) if name in kit.names() else Account()),
    "record": lambda name, plugin: contracts.recorder(plugin),
}
for stage, name in NAMES:
    globals()[f"Test_{stage}_{name}"] = SUITES[stage](name, module(stage, name))


@pytest.mark.parametrize(("stage", "name"), NAMES)
def test_is_a_page(stage: str, name: str) -> None:
    """It keeps to the length of its stage."""
    assert len((ROOT / "plugins" / stage / f"{name}.py").read_text(encoding="utf-8").splitlines()) <= LIMITS[stage]


@pytest.mark.parametrize("file", sorted((ROOT / "plugins").rglob("*.py")), ids=lambda file: f"{file.parent.name}.{file.stem}")
def test_no_helper_is_longer_than_a_plugin(file: Path) -> None:
    """What stands beside the plugins keeps to 200 lines, too."""
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 200


@pytest.mark.parametrize(("stage", "most"), [("filter", 40), ("send", 100)])
def test_the_usual_plugin_is_short(stage: str, most: int) -> None:
    """Half of the rules stay under 40 lines and half of the transports under 100: what they repeat, the frame takes over."""
    lengths = [len((ROOT / "plugins" / stage / f"{name}.py").read_text(encoding="utf-8").splitlines()) for name in built_in(stage)]
    assert median(lengths) < most


@pytest.mark.parametrize("name", sorted(built_in("send")))
def test_a_gateway_reports_or_binds(name: str) -> None:
    """Every transport but the console reports delivery, unless it reaches only who bound the bot; its channel is one that salons have."""
    plugin = module("send", name)
    facts = plugin.channel(*[config_of(plugin)] * plugin.channel.__code__.co_argcount)
    assert isinstance(facts, Channel)
    assert facts.name in ("whatsapp", "max", "telegram", "sms")
    assert facts.reports_delivery == (name != "console" and not facts.needs_binding)


def test_every_transport_has_its_bodies() -> None:
    """Only the console is not tried with recorded ones."""
    assert built_in("send") - set(kit.names()) == {"console"}


def test_every_source_has_its_bodies() -> None:
    """A new source is tried with what its own sender posts."""
    assert set(SOURCES) == built_in("source")


@pytest.mark.parametrize("name", sorted(built_in("source")))
@given(
    body=st.binary(max_size=200)
    | st.sampled_from([b"", b"null", b"[]", b"{}", b"7", b'"x"', b"\xff\xfe", YCLIENTS["record_delete_full"][:300]])
)
def test_a_source_of_ours_takes_in_whatever_comes(name: str, body: bytes) -> None:
    """Stricter than the contract: any body gives at least one item with a key and text, and it is understood or set aside, never a crash."""
    plugin = module("source", name)
    keys = {key: tuple(value) if isinstance(value, list) else value for key, value in SOURCES[name].get("config", {}).items()}
    for config in (config_of(plugin, **keys), config_of(plugin)):
        said = call(plugin.receive, request=a_request(body), config=config, now=NOON)
        items = list(said.items if isinstance(said, Reply) else said)
        assert items
        for item in items:
            assert item.event_id
            assert item.event_type
            assert isinstance(item.payload, str)
            assert isinstance(asyncio.run(understood(plugin, item, config)), Event | Ignored | Later)


def call(function: Any, **values: Any) -> Any:
    """With the arguments that the hook names."""
    return function(**{name: values[name] for name in function.__code__.co_varnames[: function.__code__.co_argcount]})


async def understood(plugin: ModuleType, item: Any, config: Any) -> Any:
    async with httpx.AsyncClient(transport=httpx.MockTransport(unasked)) as http:
        return await call(plugin.normalize, received=item, salon=SALON, http=http, config=config)


def unasked(request: httpx.Request) -> httpx.Response:
    raise AssertionError("nobody is asked without keys")


def test_the_kit_is_the_plain_booking() -> None:
    """The values that plugin tests stand on are what the README shows."""
    service = json.loads('{"title": "МУЖСКАЯ СТРИЖКА", "id": "18356041"}')
    assert [(found.title, found.id, found.cost) for found in a_booking().services or ()] == [
        (service["title"], service["id"], 2000)
    ]
    assert isinstance(a_booking(), Booking)
    assert isinstance((a_booking().services or ())[0], Service)
