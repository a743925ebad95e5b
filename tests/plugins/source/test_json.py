"""`source.json`: where in a body each thing stands, and who may say so."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core import Booking, Event, Ignored, Received, Refused, Request, Salon, Service, Staff, hooks
from core import config as configuration
from core.errors import ConfigError
from core.testing import NOON, SALON
from plugins.source import _proof as proof
from plugins.source import json as source
from tests.crm import MAPPING, WHSEC, crm, signed

ZONELESS = Salon(id=962302)


def table(**keys: Any) -> source.Config:
    """The CRM's table with other keys; `None` takes one out."""
    tuples = {key: tuple(given) if isinstance(given, list) else given for key, given in {**MAPPING, **keys}.items()}
    return source.Config(**{key: given for key, given in tuples.items() if given is not None})


def taken(body: Any, config: source.Config | None = None, headers: dict[str, str] | None = None, **query: str) -> list[Received]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = Request("POST", "/webhook/crm", headers or {}, query, raw)
    return list(source.receive(request, config or table(), NOON))


def understood(body: Any, config: source.Config | None = None, salon: Salon = SALON) -> Event | Ignored:
    (item,) = taken(body, config)
    assert item.unreadable is None, item.unreadable
    return asyncio.run(source.normalize(item, salon, config or table()))


def booking(body: Any, config: source.Config | None = None, salon: Salon = SALON) -> Booking:
    event = understood(body, config, salon)
    assert isinstance(event, Event)
    assert event.booking is not None
    return event.booking


# --- what a body says


def test_a_body_is_a_booking() -> None:
    """Every key of the table reads what stands at its path."""
    (item,) = taken(crm(comment="позвонить"))
    assert (item.event_type, item.company_id, item.subject_id) == ("booking.created", 962302, "b7f1c2d0-17")
    changed = datetime(2025, 8, 20, 8, tzinfo=UTC)
    assert understood(crm(comment="позвонить")) == Event(
        "created",
        Booking(
            visit_at=datetime.fromisoformat("2025-08-21T14:30:00+03:00"),
            services=(Service("МУЖСКАЯ СТРИЖКА", None, Decimal(1000), Decimal(2000)),),
            staff=Staff("Бари"),
            branch="962302",
            client_name="Арсен",
            phone="+79000000088",
            comment="позвонить",
            changed_at=changed,
        ),
        changed_at=changed,
    )


def test_the_word_says_what_happened() -> None:
    """`created`, `updated` and `deleted` name the words; another one is set aside; without `updated` all others are changes."""
    words = ("booking.new", "booking.edited", "booking.cancelled")
    found = [understood(crm(event=word)) for word in words]
    assert [event.action for event in found if isinstance(event, Event)] == ["created", "updated", "deleted"]
    assert [event.booking.cancelled for event in found if isinstance(event, Event) and event.booking] == [False, False, True]
    (item,) = taken({"event": "client.new"})
    assert (item.event_type, item.unreadable, item.subject_id) == ("booking.client.new", None, None)
    set_aside = asyncio.run(source.normalize(item, SALON, table()))
    assert set_aside == Ignored("booking.client.new: a word that created, updated and deleted of the source's table do not have")
    passed_over = table(updated=None, ignored=["stock.moved"])
    (item,) = taken({"event": "stock.moved", "good": 5}, passed_over)
    assert (item.event_type, item.unreadable, item.subject_id) == ("booking.stock.moved", None, None)
    told = asyncio.run(source.normalize(item, SALON, passed_over))
    assert told == Ignored("booking.stock.moved: a word of `ignored` in the source's table")
    other = understood(crm(event="booking.touched"), table(updated=None))
    assert isinstance(other, Event)
    assert other.action == "updated"


def test_the_word_may_be_true() -> None:
    """A flag is a word, too: true, as JSON spells it."""
    config = table(status="booking.gone", created=["false"], updated=None, deleted=["true"])
    found = understood(crm(gone=True), config)
    assert isinstance(found, Event)
    assert found.action == "deleted"


@pytest.mark.parametrize(
    ("start", "salon", "expected"),
    [
        ("2025-08-21T14:30:00", SALON, "2025-08-21T14:30:00+03:00"),
        ("2025-08-21 14:30", SALON, "2025-08-21T14:30:00+03:00"),
        ("2025-08-21T11:30:00Z", SALON, "2025-08-21T14:30:00+03:00"),
        ("2025-08-21T18:30:00+07:00", SALON, "2025-08-21T14:30:00+03:00"),
        (1755775800, SALON, "2025-08-21T14:30:00+03:00"),
        ("1755775800", SALON, "2025-08-21T14:30:00+03:00"),
        (1755775800000, SALON, "2025-08-21T14:30:00+03:00"),
        ("2025-08-21T14:30:00", Salon(1, timezone="Asia/Novosibirsk"), "2025-08-21T14:30:00+07:00"),
        ("2025-07-21T14:30:00", Salon(1, timezone="Europe/Belgrade"), "2025-07-21T14:30:00+02:00"),
        ("2025-12-21T14:30:00", Salon(1, timezone="Europe/Belgrade"), "2025-12-21T14:30:00+01:00"),
        ("2025-08-21T18:30:00+07:00", ZONELESS, "2025-08-21T18:30:00+07:00"),
        ("2025-08-21T14:30:00", ZONELESS, "2025-08-21T14:30:00+03:00"),
        ("2025-08-21T11:30:00Z", ZONELESS, "2025-08-21T14:30:00+03:00"),
        (1755775800, ZONELESS, "2025-08-21T14:30:00+03:00"),
    ],
)
def test_times(start: Any, salon: Salon, expected: str) -> None:
    """With an offset, without one, since 1970: the digits are those of the salon's clock."""
    at = booking(crm(start=start), salon=salon).visit_at
    assert at is not None
    assert at.isoformat() == expected


def test_the_time_of_a_change_is_utc() -> None:
    """Without an offset it is on the salon's clock."""
    assert booking(crm(updated_at="2025-08-20T11:00:00")).changed_at == datetime(2025, 8, 20, 8, tzinfo=UTC)
    assert booking(crm(updated_at=1755676800)).changed_at == datetime(2025, 8, 20, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("keys", "changes", "expected"),
    [
        ({"services": "booking.items[].title"}, {}, (Service("МУЖСКАЯ СТРИЖКА"),)),
        ({"services": "booking.service"}, {"service": "Стрижка"}, (Service("Стрижка"),)),
        (
            {"services": "booking.items[].title", "cost": "booking.items[].price", "first_cost": "booking.items[].full"},
            {"items": [{"title": "А", "price": "1 000,50", "full": 2000}, {"title": "Б", "price": 500, "full": 500}]},
            (Service("А", cost=Decimal("1500.50"), first_cost=Decimal(2500)), Service("Б", cost=Decimal(0), first_cost=Decimal(0))),
        ),
        (
            {"services": "booking.items[].title", "cost": "booking.total"},
            {"total": 700},
            (Service("МУЖСКАЯ СТРИЖКА", cost=Decimal(700)),),
        ),
        (
            {"cost": "booking.total"},
            {"total": 700},
            (Service("МУЖСКАЯ СТРИЖКА", None, Decimal(1000), Decimal(2000)),),
        ),
        ({"services": "booking.items[].{title: title, id: sku}"}, {"items": [{"title": "А", "sku": 7}]}, (Service("А", "7"),)),
        (
            {"kopecks": True},
            {"items": [{"title": "А", "price": 150050, "full_price": "200000"}, {"title": "Б"}]},
            (Service("А", cost=Decimal("1500.50"), first_cost=Decimal(2000)), Service("Б")),
        ),
        (
            {"services": "booking.items[].title", "cost": "booking.total", "kopecks": True},
            {"total": 70000},
            (Service("МУЖСКАЯ СТРИЖКА", cost=Decimal(700)),),
        ),
        ({"services": "booking.nothing"}, {}, None),
        ({"services": None}, {}, None),
    ],
)
def test_services_and_prices(keys: dict[str, Any], changes: dict[str, Any], expected: tuple[Service, ...] | None) -> None:
    """Titles, or lines with prices of their own; a price of the whole stands on the first line, and never beside the lines' own."""
    assert booking(crm(**changes), table(**keys)).services == expected


def test_one_salon_and_named_branches() -> None:
    """A number is the salon of every booking; a branch with a name is the number that the table gives it."""
    assert taken(crm(), table(salon=17))[0].company_id == 17
    assert taken(crm(branch={"id": "north"}), table(salons={"north": 5}))[0].company_id == 5
    assert taken(crm(branch={"id": "south"}), table(salons={"north": 5}))[0].company_id == "south"
    assert taken(crm(branch={"id": 31}), table(salons={"31": 6}))[0].company_id == 6


def test_a_phone_that_is_not_said() -> None:
    """Nothing, or nothing that is a number: the reason stays with the booking."""
    assert booking(crm(client=None)).phone_missing == "no phone: nothing is at `booking.client.phone`"
    assert booking(crm(client={"phone": "***"})).phone_missing == "the phone is hidden by access rights"
    assert booking(crm(client={"phone": 79000000088})).phone == "+79000000088"


# --- several at once, and what cannot be read


def test_a_list_of_events() -> None:
    """A body that is a list, and one whose list stands below a key, are its events, each with its own text."""
    several = [crm(), crm("booking_moved")]
    for body, config in ((several, table()), ({"data": {"events": several}}, table(events="data.events"))):
        items = taken(body, config)
        assert [(item.event_type, json.loads(item.payload)) for item in items] == [
            ("booking.created", crm()),
            ("booking.updated", crm("booking_moved")),
        ]


def test_a_form_holds_json() -> None:
    """JSON in a form's field is read, whatever the content type says."""
    from urllib.parse import urlencode

    (item,) = taken(urlencode({"payload": json.dumps(crm())}).encode())
    assert (item.event_type, item.subject_id) == ("booking.created", "b7f1c2d0-17")


@pytest.mark.parametrize(
    ("keys", "changes", "reason"),
    [
        ({}, {"id": ["b"]}, "id `booking.id`: a number or text is expected, there is a list of text"),
        ({}, {"id": None}, "id `booking.id`: nothing is there"),
        ({}, {"id": True}, "id `booking.id`: a number or text is expected, there is true or false"),
        ({}, {"branch": {}}, "salon `branch.id`: nothing is there"),
        ({}, {"event": {"a": 1}}, "status `event`: text, a number, true or false is expected, there is an object"),
        ({}, {"start": "21 августа"}, "start `booking.start`: a time is expected, there is text"),
        ({}, {"start": "2025-08-21"}, "start `booking.start`: a time is expected, there is text"),
        ({}, {"start": "0001-01-01T00:00:00"}, "start `booking.start`: a time is expected, there is text"),
        ({}, {"start": {"at": 1}}, "start `booking.start`: a time is expected, there is an object"),
        ({}, {"start": -5}, "start `booking.start`: a time is expected, there is a number"),
        ({}, {"start": None}, "start `booking.start`: nothing is there"),
        ({"start": "booking.begins"}, {}, "start `booking.begins`: nothing is there"),
        ({"changed": "booking.changd"}, {}, "changed `booking.changd`: nothing is there"),
        ({}, {"start": ""}, "start `booking.start`: a time is expected, there is empty text"),
        ({}, {"client": {"phone": {"e164": 1}}}, "phone `booking.client.phone`: text or a number is expected, there is an object"),
        ({}, {"master": {"name": []}}, "staff `booking.master.name`: text is expected, there is an empty list"),
        (
            {"services": "booking.items"},
            {"items": [{"title": "А"}, {"name": "Б"}]},
            "services `booking.items`: a title, or a list of titles or of {title, cost, first_cost} is expected, there is a list of an object",
        ),
        (
            {"cost": "booking.items[].price"},
            {"items": [{"title": "А", "price": 5}, {"title": "А", "price": "дорого"}]},
            "cost `booking.items[].price`: an amount, or a list of them is expected, there is a list of a number and text",
        ),
        (
            {"cost": "sum(booking.items[].price)"},
            {"items": [{"title": "А", "price": "79000000088"}]},
            "cost `sum(booking.items[].price)`: a function in it meets a value of another type",
        ),
    ],
)
def test_a_value_of_the_wrong_type(keys: dict[str, Any], changes: dict[str, Any], reason: str) -> None:
    """It is kept as unreadable; the reason names the path and the type, and no value."""
    (item,) = taken(crm(**changes), table(**keys))
    assert (item.event_type, item.unreadable) == ("unreadable", reason)
    assert json.loads(item.payload) == crm(**changes)
    assert "79000000088" not in reason


@pytest.mark.parametrize(
    ("body", "keys", "reason"),
    [
        (b"", {}, "the body is empty"),
        (b"hello", {}, "the body is no JSON"),
        (b"[]", {}, "there is no event in the list"),
        (b"[7]", {}, "an event is an object, there is a number"),
        (b'{"data": 5}', {"events": "data"}, "events `data`: a list is expected, there is a number"),
        (b"{}", {"events": "data"}, "events `data`: a list is expected, there is nothing"),
        (b"[" * 5000 + b"]" * 5000, {}, "the body is no JSON"),
    ],
)
def test_a_body_that_is_no_event(body: bytes, keys: dict[str, Any], reason: str) -> None:
    """It is kept, and says why it cannot be read."""
    (item,) = taken(body, table(**keys))
    assert item.unreadable == reason


def test_one_bad_event_does_not_spoil_the_others() -> None:
    """Of a list, each event is read by itself; what is known of the bad one stays with it, so that it stands in the booking's story."""
    good, bad = taken([crm(), crm(start={})])
    assert good.unreadable is None
    assert bad.unreadable == "start `booking.start`: a time is expected, there is an object"
    assert (bad.company_id, bad.subject_id) == (962302, "b7f1c2d0-17")


# --- the same event again


def test_the_same_event_has_the_same_key() -> None:
    """With the time of the change, the content is the key; the sender's name is part of it, because two CRMs may say the same."""
    first, again, later = taken(crm())[0], taken(crm())[0], taken(crm("booking_moved"))[0]
    assert first.event_id == again.event_id != later.event_id
    request = Request("POST", "/webhook/another", {}, {}, json.dumps(crm()).encode())
    assert source.receive(request, table(), NOON)[0].event_id != first.event_id


def test_without_the_time_of_the_change_every_event_is_new() -> None:
    """There and back again looks the same twice and is not: state makes a repeat harmless."""
    config = table(changed=None)
    assert taken(crm(), config)[0].event_id != taken(crm(), config)[0].event_id


# --- who may post


def test_a_signature_is_proof() -> None:
    """Standard Webhooks, with the example that its libraries are tested with."""
    example = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    request = Request("POST", "/webhook/crm", example, {}, b'{"test": 2432232314}')
    assert proof.by_standard_webhooks(request, WHSEC, datetime.fromtimestamp(1614265330, UTC)) == example["webhook-id"]


def test_the_id_of_a_signed_delivery_is_the_key() -> None:
    """A delivery that is repeated keeps its id, which is signed: the same event, although the stamp and the signature are new."""
    config = table(secret=WHSEC, changed=None)
    first, again = (taken(RAW, config, signed(RAW, NOON + timedelta(seconds=late)))[0] for late in (0, 90))
    other = taken(RAW, config, signed(RAW, NOON, "msg_2"))[0]
    assert first.event_id == again.event_id != other.event_id
    assert first.transport_id == "msg_1"
    two = json.dumps([crm(), crm()]).encode()
    assert len({item.event_id for item in taken(two, config, signed(two, NOON))}) == 2


RAW = json.dumps(crm()).encode()


@pytest.mark.parametrize(
    "headers",
    [
        signed(RAW, NOON, before="v1,AAAA", after="v1a,BBBB"),
        signed(RAW, NOON - timedelta(seconds=300)),
        signed(RAW, NOON + timedelta(seconds=300)),
    ],
)
def test_signatures_that_are_taken(headers: dict[str, str]) -> None:
    """One of several is enough, within five minutes in either direction."""
    assert taken(RAW, table(secret=WHSEC), headers)[0].unreadable is None


@pytest.mark.parametrize(
    ("headers", "hint"),
    [
        ({}, "webhook-id or webhook-timestamp is missing"),
        ({**signed(RAW, NOON), "webhook-id": ""}, "webhook-id or webhook-timestamp is missing"),
        ({**signed(RAW, NOON), "webhook-timestamp": "soon"}, "webhook-id or webhook-timestamp is missing"),
        ({**signed(RAW, NOON), "webhook-timestamp": "²"}, "webhook-id or webhook-timestamp is missing"),
        ({**signed(RAW, NOON), "webhook-id": "msg_2"}, "no webhook-signature is made with our secret"),
        ({**signed(RAW, NOON), "webhook-signature": ""}, "no webhook-signature is made with our secret"),
        (signed(RAW + b" ", NOON), "no webhook-signature is made with our secret"),
        (signed(RAW, NOON, secret="whsec_c2VjcmV0"), "no webhook-signature is made with our secret"),
        (signed(RAW, NOON - timedelta(seconds=301)), "webhook-timestamp is more than five minutes away from our clock"),
        (signed(RAW, NOON + timedelta(seconds=301)), "webhook-timestamp is more than five minutes away from our clock"),
    ],
)
def test_signatures_that_are_refused(headers: dict[str, str], hint: str) -> None:
    """A missing, foreign, old or future one; `?secret=` is no way around it."""
    with pytest.raises(Refused) as refused:
        taken(RAW, table(secret=WHSEC), headers, secret=WHSEC)
    assert refused.value.hint == hint


def test_a_plain_secret_travels_in_the_address() -> None:
    """As with any source; "none" is open on purpose."""
    assert taken(crm(), table(secret="s"), secret="s")
    assert taken(crm(), table(secret="none"))
    for query in ({}, {"secret": "t"}):
        with pytest.raises(Refused):
            taken(crm(), table(secret="s"), **query)


# --- mistakes in the table


def start(tmp_path: Path, **keys: Any) -> None:
    """As `vestnik check` reads a table [source.crm]."""
    found = {key: given for key, given in {**MAPPING, "module": "plugins.source.json", **keys}.items() if given is not None}
    config = configuration.build({"source": {"crm": found}}, tmp_path / "config.toml", {})
    asyncio.run(hooks.start(hooks.load(config)))


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"id": "booking..id"}, "id: `booking..id` is no path: it breaks at character 9; write it as `booking.items[].title`"),
        ({"cost": "items[?a"}, "cost: `items[?a` is no path: it breaks at its end; write it as `booking.items[].title`"),
        ({"name": "first-name"}, "name: `first-name` is no path: it breaks at character 6; write it as `booking.items[].title`"),
        ({"events": "total(a)"}, "events: `total(a)` is no path: unknown function: total()"),
        ({"start": None}, 'start: missing; say where a body has the time of the visit, as start = "booking.start"'),
        (
            {"deleted": None},
            'deleted: missing; say which words of `status` mean a cancellation, as deleted = ["booking.cancelled"]',
        ),
        ({"deleted": ["booking.new"]}, "deleted: `booking.new` stands in created, too; leave it in one of them"),
        ({"ignored": ["booking.edited"]}, "ignored: `booking.edited` stands in updated, too; leave it in one of them"),
        ({"secret": "whsec_%%%"}, "secret: what follows whsec_ is no base64; copy the secret as the sender shows it"),
        ({"secret": "whsec_"}, "secret: what follows whsec_ is no base64; copy the secret as the sender shows it"),
        ({"start": 5}, "start: expected text, got a whole number"),
        ({"salon": 1.5}, "salon: expected a whole number or text, got a number"),
        ({"salons": {"north": "5"}}, "salons: expected a whole number, got text"),
    ],
)
def test_a_mistake_in_the_table(tmp_path: Path, keys: dict[str, Any], sentence: str) -> None:
    """One sentence at start, which names the table and the key."""
    with pytest.raises(ConfigError) as error:
        start(tmp_path, **keys)
    assert str(error.value) == f"{tmp_path / 'config.toml'} [source.crm] {sentence}"


def test_other_mistakes(tmp_path: Path) -> None:
    """An unknown key is a near miss of one; a table without any mapping says what comes first; a right one starts."""
    with pytest.raises(ConfigError, match=r"\[source\.crm\]: unknown key `fone`, did you mean `phone`\?$"):
        start(tmp_path, fone="x")
    with pytest.raises(ConfigError, match=r"config.toml \[source\.crm\] salon: missing; say where a body names the branch"):
        start(tmp_path, **dict.fromkeys(MAPPING))
    start(tmp_path)


@pytest.mark.parametrize("page", ["docs/sources.md", "docs/salon.ru.md", "config.toml"])
def test_the_examples_of_the_documents_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    """What people copy is a table that starts."""
    text = (Path(__file__).parents[3] / page).read_text(encoding="utf-8")
    begin, each = ("# ", r"(?:^# .*\n)+") if page == "config.toml" else ("    ", r"(?:^    .*\n)+")
    (example,) = re.findall(rf"^{begin}\[source\.json\].*\n{each}", text, re.M)
    monkeypatch.setenv("CRM_WEBHOOK_SECRET", WHSEC)
    file = tmp_path / "config.toml"
    file.write_text(re.sub(rf"^{begin}", "", example, flags=re.M), encoding="utf-8")
    found = hooks.load(configuration.load(file))
    asyncio.run(hooks.start(found))
    config = found.plugins[0].config_for(None)
    assert config.secret == WHSEC
    assert taken(crm(), msgspec.structs.replace(config, secret=None))[0].subject_id == "b7f1c2d0-17"
