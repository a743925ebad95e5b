"""Every built-in plugin passes the suite of its stage; a new one joins by lying in its folder.

What a transport makes of recorded answers is the suite in tests/plugins/send/test_bodies.py; here stands what holds for all of them.
"""

from __future__ import annotations

import ast
import asyncio
import importlib
import inspect
import json
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import (
    Booking,
    Case,
    Channel,
    Deferred,
    Event,
    Ignored,
    Later,
    Message,
    Outcome,
    Received,
    Refused,
    Reply,
    Request,
    Service,
    Settings,
    Staff,
    Suppressed,
)
from core.contract import check_module
from core.discovery import built_in
from core.keys import comments as key_comments
from core.testing import NOON, PHONE, SALON, SMS, TELEGRAM, WHATSAPP, a_booking, a_case, a_contact, a_notice, a_service, an_event
from tests.crm import MAPPING

STAGES = ("source", "filter", "render", "send", "record")
NAMES = [(stage, name) for stage in STAGES for name in sorted(built_in(stage))]
LIMITS = {"filter": 60, "send": 130, "source": 200, "render": 200, "record": 200}
ROOT = Path(__file__).parents[1]
PAYLOADS = Path(__file__).parent / "payloads"


class Sample(msgspec.Struct, frozen=True):
    """What a source is tried with: the keys without which it reads nothing, a body, and the same thing after a later change."""

    body: bytes
    later: bytes
    keys: dict[str, Any] = {}


def _yclients() -> Sample:
    body = (PAYLOADS / "yclients/record_create_discount50.json").read_bytes()
    later = json.loads(body)
    later["data"]["last_change_date"] = "2025-08-19T11:05:00+0300"
    return Sample(body, json.dumps(later).encode())


def _crm() -> Sample:
    keys = {key: tuple(value) if isinstance(value, list) else value for key, value in MAPPING.items()}
    return Sample(*[(PAYLOADS / f"crm/{name}.json").read_bytes() for name in ("booking_new", "booking_moved")], keys)


def _order() -> Sample:
    body = (PAYLOADS / "yclients/sms_operator_send_request.json").read_bytes()
    return Sample(body, json.dumps({**json.loads(body), "text": "другой текст"}).encode())


SAMPLES = {"yclients": _yclients(), "altegio": _yclients(), "json": _crm(), "yclients_operator": _order()}
BODY = SAMPLES["yclients"].body


def module(stage: str, name: str) -> ModuleType:
    return importlib.import_module(f"plugins.{stage}.{name}")


def config_of(plugin: ModuleType, **keys: Any) -> Any:
    return getattr(plugin, "Config", Settings)(**keys)


def call(function: Any, **values: Any) -> Any:
    """With the arguments that the hook names."""
    return function(**{name: values[name] for name in inspect.signature(function).parameters})


def of(stage: str) -> Any:
    return pytest.mark.parametrize("name", sorted(built_in(stage)))


# --- every plugin


@pytest.mark.parametrize(("stage", "name"), NAMES)
def test_fits_the_contract(stage: str, name: str) -> None:
    """Its hooks, their arguments and their kind are those of the contract, and it does something in its stage."""
    assert check_module(stage, name, module(stage, name))


@pytest.mark.parametrize(("stage", "name"), NAMES)
def test_begins_with_a_sentence_for_the_salon(stage: str, name: str) -> None:
    """The first line of the file says, in one sentence, what it does."""
    first = (inspect.getdoc(module(stage, name)) or "").partition("\n")[0]
    assert len(first) > 20
    assert first.endswith(".")


@pytest.mark.parametrize(("stage", "name"), NAMES)
def test_every_key_has_a_default_and_a_comment(stage: str, name: str) -> None:
    """The empty table works, and `vestnik plugins` can say what each key is for."""
    plugin = module(stage, name)
    config = config_of(plugin)
    comments = key_comments(type(config))
    assert [entry.name for entry in msgspec.structs.fields(type(config)) if entry.name not in comments] == []


@pytest.mark.parametrize(("stage", "name"), NAMES)
def test_is_a_page_and_knows_core_by_its_public_names(stage: str, name: str) -> None:
    """It keeps to the length of its stage, and imports nothing of core but `from core import …`."""
    source = (ROOT / "plugins" / stage / f"{name}.py").read_text(encoding="utf-8")
    assert len(source.splitlines()) <= LIMITS[stage]
    reached = [node.module for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom) and node.module]
    assert [found for found in reached if found.startswith("core.")] == []


@pytest.mark.parametrize(("stage", "most"), [("filter", 40), ("send", 100)])
def test_the_usual_plugin_is_short(stage: str, most: int) -> None:
    """Half of the rules stay under 40 lines and half of the transports under 100: what they repeat, the frame takes over."""
    lengths = [len((ROOT / "plugins" / stage / f"{name}.py").read_text(encoding="utf-8").splitlines()) for name in built_in(stage)]
    assert median(lengths) < most


# --- source


def test_every_source_has_a_sample() -> None:
    """A new source is tried with a body of its own."""
    assert set(SAMPLES) == built_in("source")


@of("source")
def test_source_gives_the_same_event_the_same_key(name: str) -> None:
    """A body sent twice is one event; a later change of it is another."""
    plugin, sample = module("source", name), SAMPLES[name]
    keys = [taken(plugin, body, config=sampled(name))[0].event_id for body in (sample.body, sample.body, sample.later)]
    assert keys[0] == keys[1] != keys[2]


@of("source")
def test_source_refuses_a_wrong_secret(name: str) -> None:
    """Once a secret is set, a missing and a wrong one are refused and the right one is not."""
    plugin, body = module("source", name), SAMPLES[name].body
    config = sampled(name, secret="right")
    for query in ({}, {"secret": "wrong"}, {"secret": ""}):
        with pytest.raises(Refused):
            taken(plugin, body, query, config)
    assert taken(plugin, body, {"secret": "right"}, config)


@of("source")
@given(body=st.binary(max_size=200) | st.sampled_from([b"", b"null", b"[]", b"{}", b"7", b'"x"', b"\xff\xfe", BODY[:300]]))
def test_source_takes_in_whatever_comes(name: str, body: bytes) -> None:
    """Any body gives at least one item with a key and text, and the item is understood or set aside, never a crash."""
    plugin = module("source", name)
    for config in (sampled(name), config_of(plugin)):
        items = taken(plugin, body, config=config)
        assert items
        for item in items:
            assert item.event_id
            assert item.event_type
            assert isinstance(item.payload, str)
            assert isinstance(understood(plugin, item, config), Event | Ignored | Later)


@of("source")
def test_source_without_keys_does_not_poll(name: str) -> None:
    """Without keys it says that it cannot ask, so nothing counts as known up to now."""
    plugin = module("source", name)
    if not hasattr(plugin, "poll"):
        return

    async def poll() -> Any:
        async with httpx.AsyncClient(transport=httpx.MockTransport(unasked)) as http:
            return await call(plugin.poll, since=None, salon=SALON, http=http, config=config_of(plugin), now=NOON)

    assert asyncio.run(poll()) is None


@of("source")
def test_source_examples_are_bodies_it_takes(name: str) -> None:
    """What it shows in the demo, it reads; the visits lie ahead."""
    plugin = module("source", name)
    for example in call(plugin.examples, now=NOON) if hasattr(plugin, "examples") else ():
        item = taken(plugin, example.body)[0]
        event = understood(plugin, item)
        assert item.unreadable is None
        assert isinstance(event, Event)
        assert event.booking is not None
        assert event.booking.visit_at is not None
        assert event.booking.visit_at > NOON


def taken(plugin: ModuleType, body: bytes, query: dict[str, str] | None = None, config: Any = None) -> list[Received]:
    request = Request("POST", "/webhook/x", {"content-type": "application/json"}, query or {}, body)
    found = call(plugin.receive, request=request, config=config or config_of(plugin), now=NOON)
    return list(found.items if isinstance(found, Reply) else found)


def sampled(name: str, **keys: Any) -> Any:
    """A source's config as its sample needs it."""
    return config_of(module("source", name), **SAMPLES[name].keys, **keys)


def understood(plugin: ModuleType, item: Received, config: Any = None) -> Any:
    async def read() -> Any:
        async with httpx.AsyncClient(transport=httpx.MockTransport(unasked)) as http:
            return await call(plugin.normalize, received=item, salon=SALON, http=http, config=config or config_of(plugin))

    return asyncio.run(read())


def unasked(request: httpx.Request) -> httpx.Response:
    raise AssertionError("nobody is asked without keys")


# --- filter

TYPES = (None, "booking_created", "booking_updated", "booking_cancelled", "message")
FIELDS = ("time", "services", "staff", "branch", "price", "phone")
SECOND = timedelta(seconds=1)
times = st.integers(-20 * 86400, 40 * 86400).map(lambda seconds: NOON + seconds * SECOND)  # of visits
past = st.integers(-20 * 86400, 0).map(lambda seconds: NOON + seconds * SECOND)  # of what has happened
moments = st.integers(0, 3 * 86400).map(lambda seconds: NOON + seconds * SECOND)  # at which a rule is asked
bookings = st.builds(
    a_booking,
    visit_at=st.none() | times,
    services=st.none() | st.just(()) | st.just((a_service(),)),
    staff=st.none() | st.sampled_from([Staff("Бари"), Staff("Лист ожидания"), Staff("")]),
    phone=st.none() | st.just(PHONE),
    attendance=st.sampled_from(["expected", "confirmed", "arrived", "no_show"]),
    paid=st.booleans(),
    cancelled=st.booleans(),
    comment=st.text(max_size=20) | st.just("Запись через AI администратора WhatsApp"),
    online=st.booleans(),
    notify=st.none() | st.booleans(),
    changed_at=st.none() | past,
)
cases = st.builds(
    a_case,
    type=st.sampled_from(TYPES),
    booking=st.none() | bookings,
    announced=st.none() | bookings,
    changed=st.frozensets(st.sampled_from(FIELDS)),
    event=st.builds(
        an_event,
        at=past,
        since=past,
        changed_at=st.none() | past,
        known_changed_at=st.none() | past,
        stale=st.booleans(),
        repeat=st.booleans(),
    ),
    contact=st.builds(
        a_contact,
        phone=st.none() | st.just(PHONE),
        wrote_at=st.none() | past,
        opted_out_at=st.none() | past,
        sent_at=st.lists(past, max_size=8).map(lambda found: tuple(sorted(found))),
    ),
    test=st.booleans(),
    seen=st.booleans(),
    note=st.sampled_from(["", "only the payment differs"]),
)


@of("filter")
@given(case=cases, now=moments)
def test_rule_is_pure(name: str, case: Case, now: datetime) -> None:
    """Any case gets a verdict or none, the same one twice; a refusal has a reason, a delay ends later than now."""
    plugin = module("filter", name)
    config = config_of(plugin)
    first, again = (call(plugin.filter, case=case, now=now, config=config) for _ in range(2))
    assert first == again
    assert first is None or isinstance(first, Suppressed | Deferred)
    if first is not None:
        assert first.reason.strip()
    if isinstance(first, Deferred):
        assert first.until > now
        assert first.until - now < timedelta(days=8)


@of("filter")
def test_rule_has_a_case_it_lets_pass(name: str) -> None:
    """A plain new booking passes each rule as shipped, but for the trial run, which lists nobody, and the wait, which is over here."""
    plugin = module("filter", name)
    keys = {"phones": (PHONE,)} if name == "only_phones" else {}
    assert call(plugin.filter, case=a_case(), now=NOON + timedelta(minutes=1), config=config_of(plugin, **keys)) is None


# --- render

notices = st.builds(
    a_notice,
    type=st.sampled_from(TYPES[1:4]),
    booking=bookings,
    announced=st.none() | bookings,
    changed=st.frozensets(st.sampled_from(FIELDS)),
)


@of("render")
@given(notice=notices, channel=st.sampled_from([WHATSAPP, SMS, TELEGRAM, Channel("plain")]))
def test_renderer_says_only_what_it_knows(name: str, notice: Any, channel: Channel) -> None:
    """Parts are texts with something in them; a message has a text, fits its channel, and has no None and no label without a word."""
    plugin = module("render", name)
    config = config_of(plugin)
    pieces = call(plugin.parts, notice=notice, channel=channel, config=config)
    assert all(isinstance(piece, str) and piece.strip() for piece in pieces.values())
    if not hasattr(plugin, "render"):
        return
    message = call(plugin.render, notice=notice, channel=channel, parts=pieces, config=config)
    assert isinstance(message, Message)
    assert message.text == message.text.strip()
    assert 0 < len(message.text) <= channel.length
    assert "None" not in message.text
    assert not [line for line in message.text.splitlines() if line.rstrip().endswith(":")]


@of("render")
def test_renderer_leaves_a_ready_text_alone(name: str) -> None:
    """A text that was rendered elsewhere leaves as it came."""
    plugin = module("render", name)
    if hasattr(plugin, "render"):
        notice = a_notice(type="message", booking=None, text="Ваш заказ готов")
        message = call(plugin.render, notice=notice, channel=SMS, parts={}, config=config_of(plugin))
        assert message.text == "Ваш заказ готов"


# --- send


@of("send")
def test_transport_states_its_facts(name: str) -> None:
    """Its channel has a name, room for a text, and at least one slot; marks come in pairs; who reports can be heard or asked."""
    plugin = module("send", name)
    facts = call(plugin.channel, config=config_of(plugin))
    assert isinstance(facts, Channel)
    assert facts.name
    assert facts.length >= 70
    assert facts.concurrency >= 1
    assert facts.reports_delivery == (name != "console" and not facts.needs_binding)
    if facts.reports_delivery:
        assert hasattr(plugin, "callback") or hasattr(plugin, "check")
    if facts.needs_binding:
        assert hasattr(plugin, "callback")


# --- record

OUTCOMES = (
    Outcome(NOON, "evt_1", "yclients", 962302, 1213336367, "processed"),
    Outcome(
        NOON,
        "evt_1",
        "yclients",
        962302,
        1213336367,
        "suppressed",
        rule="unchanged",
        reason="only the payment differs",
        seconds=0.2,
    ),
    Outcome(
        NOON,
        "evt_1",
        "yclients",
        962302,
        None,
        "sent",
        "booking_created",
        channel="sms",
        transport="smsc",
        phone="+7900…88",
        seconds=-1.0,
    ),
    Outcome(NOON, "evt_2", "tables", None, None, "unreadable", reason="x" * 5000),
)


@of("record")
@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda found: found.status)
def test_recorder_takes_every_outcome(name: str, outcome: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An outcome of any kind is noted, and nothing is answered."""
    monkeypatch.chdir(tmp_path)  # for those that keep a file
    plugin = module("record", name)
    assert asyncio.run(call(plugin.record, outcome=outcome, config=config_of(plugin))) is None


def test_the_kit_is_the_plain_booking() -> None:
    """The values that plugin tests stand on are what the README shows."""
    assert a_booking().services == (Service("МУЖСКАЯ СТРИЖКА", "18356041", Decimal(2000), Decimal(2000), Decimal(2000)),)
    assert isinstance(a_booking(), Booking)
