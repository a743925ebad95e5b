"""`source.yclients`: each recorded body → the exact event, each oddity survived, and a body that proves nothing refused."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import Booking, Event, Ignored, Later, Received, Refused, Request, Salon, Service, Staff
from core.testing import SALON
from plugins.source import yclients
from plugins.source.yclients import Config, normalize, receive

PAYLOADS = Path(__file__).parents[2] / "payloads" / "yclients"
FILES = sorted(path.stem for path in PAYLOADS.glob("*.json"))
MOSCOW = timezone(timedelta(hours=3))
MADE = datetime(2025, 8, 19, 8, 2, 31, tzinfo=UTC)
NOWHERE = httpx.AsyncClient(transport=httpx.MockTransport(lambda request: pytest.fail(f"asked {request.url}")))


def body_of(name: str) -> bytes:
    return (PAYLOADS / f"{name}.json").read_bytes()


def a_request(body: bytes | str, headers: dict[str, str] | None = None, **query: str) -> Request:
    return Request("POST", "/webhook/yclients", headers or {}, query, body if isinstance(body, bytes) else body.encode())


def one(body: bytes | str, headers: dict[str, str] | None = None) -> Received:
    """The only item of a body."""
    (item,) = receive(a_request(body, headers), Config())
    return item


def understood(body: bytes | str, salon: Salon = SALON) -> Event | Ignored | Later:
    """What a body means, in a salon without tokens: nothing may be asked."""
    return asyncio.run(normalize(one(body), salon, NOWHERE, Config()))


def changed(data: dict[str, Any] | None = None, *, without: tuple[str, ...] = (), **envelope: Any) -> str:
    """The plain recorded body with what you name instead."""
    event = json.loads(body_of("record_create_admin"))
    event["data"].update(data or {})
    for key in without:
        del event["data"][key]
    return json.dumps({**event, **envelope})


def booked(data: dict[str, Any] | None = None, salon: Salon = SALON, *, without: tuple[str, ...] = ()) -> Booking:
    found = understood(changed(data, without=without), salon)
    assert isinstance(found, Event)
    assert found.booking is not None
    return found.booking


def a_client(**fields: Any) -> dict[str, Any]:
    return {"client": {"id": 255174501, "name": "Арсен", "phone": "+79000000088", **fields}}


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


# --- each recorded body, the exact event ---------------------------------------------------------------------------

CUT = Service("МУЖСКАЯ СТРИЖКА", "18356041", Decimal(2000), Decimal(2000), Decimal(2000))
EXTRA = {
    "visit_id": 1099887766,
    "activity_id": 0,
    "clients_count": 1,
    "short_link": "https://yclients.com/c/AAAA/BBBB/",
    "api_id": "",
    "custom_fields": [],
    "comer": None,
    "comer_person_info": None,
}
PLAIN = Booking(
    visit_at=datetime(2025, 8, 21, 14, 30, tzinfo=MOSCOW),
    services=(CUT,),
    staff=Staff("Бари", "2895125"),
    branch="962302",
    client_name="Арсен",
    phone="+79000000088",
    notify=True,
    created_at=MADE,
    changed_at=MADE,
    extra=EXTRA,
)
NOBODY = {"client_name": None, "phone": None, "phone_missing": "no client belongs to the booking"}
BY_BOT = "Запись через AI администратора WhatsApp"
BOTOX = Service("Ботулинотерапия 1 ед.", "10371262", Decimal(11100), Decimal(11100), Decimal(0))
FREE = Service("КОНСУЛЬТАЦИЯ", "18356041", Decimal(0), Decimal(0), Decimal(0))

# name: (action, last_change_date where it is not the plain one, what else differs from the plain booking)
RECORDS: dict[str, tuple[str, str | None, dict[str, Any]]] = {
    "record_create_admin": ("created", None, {}),
    "record_create_amount30_abonement": ("created", None, {"services": (BOTOX,)}),
    "record_create_by_bot_comment": ("created", None, {"comment": BY_BOT, "extra": {**EXTRA, "api_id": "ai-admin:5f2c"}}),
    "record_create_client_empty_array": ("created", None, NOBODY),
    "record_create_client_key_missing": ("created", None, {**NOBODY, "phone_missing": "no phone"}),
    "record_create_client_null_break": (
        "created",
        None,
        {**NOBODY, "services": (), "comment": "не записывать", "extra": {**EXTRA, "visit_id": 0}},
    ),
    "record_create_cost_zero": ("created", None, {"services": (FREE,)}),
    "record_create_discount50": (
        "created",
        None,
        {"services": (Service("МУЖСКАЯ СТРИЖКА", "18356041", Decimal(1000), Decimal(2000), Decimal(1000)),)},
    ),
    "record_create_group_activity": ("created", None, {"extra": {**EXTRA, "activity_id": 9901234, "clients_count": 3}}),
    "record_create_online_night": (
        "created",
        "2025-08-19T23:41:07+03:00",
        {"online": True, "created_at": utc("2025-08-19T23:41:07+03:00")},
    ),
    "record_create_phone_10digits": ("created", None, {}),
    "record_create_phone_8": ("created", None, {}),
    "record_create_phone_empty": (
        "created",
        None,
        {"client_name": "Клиент без телефона", "phone": None, "phone_missing": "no phone"},
    ),
    "record_create_phone_kz": ("created", None, {"phone": "+77770000006"}),
    "record_create_phone_masked": ("created", None, {"phone": None, "phone_missing": "the phone is hidden by access rights"}),
    "record_create_phone_number": ("created", None, {}),
    "record_create_services_empty": ("created", None, {"services": ()}),
    "record_delete_full": ("deleted", "2025-08-20T18:00:03+03:00", {"cancelled": True}),
    "record_update_attended_1": ("updated", "2025-08-21T15:40:00+03:00", {"attendance": "arrived"}),
    "record_update_comment_only": ("updated", "2025-08-20T13:00:00+03:00", {"comment": "клиент просил кофе, писать в WhatsApp"}),
    "record_update_confirmed_2": ("updated", "2025-08-20T19:07:11+03:00", {"attendance": "confirmed"}),
    "record_update_deleted_true": ("deleted", "2025-08-20T18:00:03+03:00", {"cancelled": True}),
    "record_update_discount_2020": (
        "updated",
        "2020-11-17T13:58:19+03:00",
        {
            "visit_at": datetime(2020, 11, 21, 16, tzinfo=MOSCOW),
            "services": (Service("Окрашивание 2 (до 120 гр красителя) (Стилист)", "6137968", Decimal(5900), Decimal(8900)),),
            "staff": Staff("Петрова Анна", "1072559"),
            "branch": "358944",
            "client_name": "Олеся",
            "phone": "+79990000014",
            "comment": "скидка по квиз 3000 рублей",
            "notify": False,
            "created_at": utc("2020-10-29T13:34:26+03:00"),
            "extra": {
                "visit_id": 198814560,
                "activity_id": 0,
                "clients_count": 1,
                "api_id": "",
                "custom_fields": {"salesap_id": 1786534},
                "comer": None,
            },
        },
    ),
    "record_update_noshow": ("updated", "2025-08-21T15:00:00+03:00", {"attendance": "no_show"}),
    "record_update_paid": ("updated", "2025-08-21T15:41:12+03:00", {"attendance": "arrived", "paid": True}),
    "record_update_past_visit": ("updated", "2025-08-20T18:05:00+03:00", {"visit_at": datetime(2024, 2, 1, 10, tzinfo=MOSCOW)}),
    "record_update_reschedule": ("updated", "2025-08-20T12:15:24+03:00", {"visit_at": datetime(2025, 8, 21, 16, tzinfo=MOSCOW)}),
    "record_update_staff_changed": ("updated", "2025-08-20T12:16:02+03:00", {"staff": Staff("Сергей", "2895999")}),
}
PAYMENT = "finances_operation: a payment changes nothing that a client must be told about the booking"
OTHERS: dict[str, tuple[str, Event | Ignored]] = {
    "record_delete_data_empty": ("record.deleted", Event("deleted")),
    "finances_operation_create_2020": ("finances_operation.created", Ignored(PAYMENT)),
    "finances_operation_create_2026": ("finances_operation.created", Ignored(PAYMENT)),
    "finances_operation_delete": ("finances_operation.deleted", Ignored(PAYMENT)),
    "schedule_update": ("schedule.updated", Ignored("schedule: not about a booking")),
    "staff_update": ("staff.updated", Ignored("staff: not about a booking")),
    "marketplace_uninstall": ("marketplace.uninstall", Ignored("marketplace `uninstall`: about the app, not about a booking")),
}
NO_EVENTS = ("hooks_settings_get_response", "sms_operator_send_request", "sms_operator_status_callback")


@pytest.mark.parametrize("name", RECORDS)
def test_each_recorded_booking_becomes_exactly_this_event(name: str) -> None:
    """A recorded body means one exact event; whatever is not named in the table is as in the plain booking."""
    action, changed_at, differs = RECORDS[name]
    at = utc(changed_at) if changed_at else MADE
    expected = msgspec.structs.replace(PLAIN, **{"changed_at": at, **differs})
    found = understood(body_of(name))
    assert found == Event(action, expected, changed_at=at)  # type: ignore[arg-type]
    assert isinstance(found, Event)
    assert found.booking is not None
    assert found.booking.visit_at is not None
    assert expected.visit_at is not None
    assert found.booking.visit_at.isoformat() == expected.visit_at.isoformat()  # `==` on times would not see another offset


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_booking_is_named_and_left_alone(name: str) -> None:
    """Other resources are stored under their own type and ignored with a reason; a bare deletion is a deletion without a booking."""
    event_type, expected = OTHERS[name]
    assert one(body_of(name)).event_type == event_type
    assert understood(body_of(name)) == expected


@pytest.mark.parametrize("name", NO_EVENTS)
def test_what_is_no_event_is_kept_as_unreadable(name: str) -> None:
    """JSON that is no event is stored whole, with the reason; to understand it again gives that reason."""
    item = one(body_of(name))
    assert (item.event_type, item.payload) == ("unreadable", body_of(name).decode())
    assert item.unreadable == "the body is JSON, but no event: it names no `resource`"
    assert understood(body_of(name)) == Ignored(f"cannot be read: {item.unreadable}")


def test_no_recorded_body_is_left_out() -> None:
    """Every file in the folder stands in one of the tables."""
    assert sorted([*RECORDS, *OTHERS, *NO_EVENTS, "events_array"]) == FILES


# --- receive: the item that is stored ------------------------------------------------------------------------------


def test_a_webhook_is_stored_as_it_came() -> None:
    """The item has the type, the ids, the delivery id, and the very text that was sent."""
    item = one(body_of("record_create_admin"), {"x-hook-id": "5b1c"})
    assert item.event_type == "record.created"
    assert (item.company_id, item.subject_id, item.transport_id) == (962302, 1213336367, "5b1c")
    assert item.payload == body_of("record_create_admin").decode()
    assert item.unreadable is None


def test_a_delivery_id_is_fit_for_a_column() -> None:
    """A header is text of anybody's: cleaned, and cut."""
    assert one(BODY, {"x-hook-id": "a\x00b\ud800"}).transport_id == "ab"
    assert one(BODY, {"x-hook-id": "a" * 5000}).transport_id == "a" * 255
    assert one(BODY, {"x-hook-id": ""}).transport_id is None


def test_the_same_event_twice_has_the_same_id() -> None:
    """Spaces, escapes and the order of keys are no difference; another state, status or branch is."""
    body = json.loads(body_of("record_create_admin"))
    ids = {
        one(text).event_id
        for text in (json.dumps(body), json.dumps(body, ensure_ascii=False, indent=4), json.dumps(body, sort_keys=True))
    }
    assert len(ids) == 1
    assert ids.pop().startswith("evt_")
    others = [
        changed(),
        changed(status="update"),
        changed(company_id=1),
        changed({"comment": "x"}),
        changed({"last_change_date": "2025-08-20"}),
    ]
    assert len({one(text).event_id for text in others}) == len(others)


def test_ids_are_in_the_order_of_the_changes() -> None:
    """Ids of one hour lie together in an index, whatever form the time has."""
    dates = ["2025-08-19T11:02:31+0300", "2025-08-19 11:02:32", "2025-09-01T00:00:00+0300", "2026-01-01T00:00:00+0300"]
    ids = [one(changed({"last_change_date": date})).event_id for date in dates]
    assert ids == sorted(ids)
    assert {len(found) for found in ids} == {len("evt_") + 32}


def test_the_source_is_part_of_the_id() -> None:
    """Ids of YCLIENTS and Altegio overlap, so the same body from the other one is another event."""
    from plugins.source import altegio

    (other,) = altegio.receive(a_request(body_of("record_create_admin")), altegio.Config())
    assert other.event_id != one(body_of("record_create_admin")).event_id


@pytest.mark.parametrize(
    "body", [body_of("record_delete_data_empty"), body_of("schedule_update"), changed(without=("last_change_date",)).encode()]
)
def test_without_a_change_date_every_event_is_its_own(body: bytes) -> None:
    """Two saves that look the same may be two saves, where nothing tells them apart."""
    assert one(body).event_id != one(body).event_id


def test_the_digest_is_of_the_data_alone() -> None:
    """The same data under another status has the same digest, other data has another, no data has none."""
    assert one(changed()).digest == one(changed(status="update", resource_id=5)).digest
    assert one(changed()).digest != one(changed({"comment": "x"})).digest
    assert one(body_of("record_delete_data_empty")).digest is None


def test_an_array_is_one_item_for_each_event() -> None:
    """Each event of an array is an item of its own, in order, with its own text and the id it has alone."""
    items = receive(a_request(body_of("events_array")), Config())
    assert [(item.event_type, item.subject_id) for item in items] == [
        ("record.created", 1213336367),
        ("record.updated", 1213336367),
    ]
    assert items[0].event_id == one(body_of("record_create_admin")).event_id
    assert items[1].event_id == one(body_of("record_update_reschedule")).event_id
    assert json.loads(items[1].payload) == json.loads(body_of("record_update_reschedule"))


def test_what_is_no_event_in_an_array_is_kept_beside_the_events() -> None:
    """Nothing of an array is dropped: what is no event becomes one unreadable item, after the events."""
    items = receive(a_request(f"[7, {changed()}, null, [1]]"), Config())
    assert [item.event_type for item in items] == ["record.created", "unreadable"]
    assert items[1].payload == "[7,null,[1]]"


@pytest.mark.parametrize("status", ["archive", "restore"])
def test_an_unknown_status_keeps_its_name_and_the_state_decides(status: str) -> None:
    """A status nobody has seen yet is stored under its own name, and understood as a change."""
    assert one(changed(status=status)).event_type == f"record.{status}"
    assert understood(changed(status=status)) == Event("updated", PLAIN, changed_at=MADE)


def test_an_event_without_status_is_unknown() -> None:
    """No status, or one that is no text, is "unknown"."""
    assert one('{"resource": "good", "company_id": 1}').event_type == "good.unknown"
    assert one('{"resource": "good", "status": [1]}').event_type == "good.unknown"


IDS: list[tuple[object, object]] = [
    (962302, 962302),
    ("962302", 962302),
    (962302.0, 962302),
    (2**40, 2**40),
    (2**70, str(2**70)),
    ("salon-A", "salon-A"),
    (-7, -7),
    (True, None),
    (None, None),
    ([], None),
    ({}, None),
    ("", None),
    ("a\x00b", "ab"),
]


@pytest.mark.parametrize(("given_id", "expected"), IDS)
def test_ids_of_any_kind(given_id: object, expected: object) -> None:
    """An id is a number where it is one, else text; what is neither is none. Nothing overflows."""
    item = one(json.dumps({"company_id": given_id, "resource": "record", "resource_id": given_id, "status": "update", "data": []}))
    assert (item.company_id, item.subject_id) == (expected, expected)


def test_the_id_in_the_data_goes_first() -> None:
    """`data.id`, else `resource_id`; only a record is a subject: a staff member's id is no booking."""
    assert one(changed({"id": 5}, resource_id=6)).subject_id == 5
    assert one(changed(without=("id",), resource_id=6)).subject_id == 6
    assert one(body_of("staff_update")).subject_id is None
    assert one(json.dumps({"resource": "record", "data": {"company_id": 9}})).company_id == 9


# --- receive: bodies of any make -----------------------------------------------------------------------------------

TEXT = changed({"comment": "a=b&c +7 50% мир"})
WRAPPED = {
    "json": TEXT,
    "byte order mark": "\ufeff" + TEXT,
    "blanks": f"\r\n\t {TEXT} \n",
    "value of a field": urlencode({"payload": TEXT}),
    "value of the second field": urlencode({"v": "1", "payload": TEXT}),
    "key of a field": urlencode({TEXT: ""}),
    "all of the form": quote_plus(TEXT),
    "percent-encoded spaces": quote(TEXT),
    "raw value": f"payload={TEXT}",
    "raw key": f"{TEXT}=",
    "other json first": "meta=[]&data=" + quote_plus(TEXT),
    "multipart": f'--x\r\nContent-Disposition: form-data; name="payload"\r\n\r\n{TEXT}\r\n--x--\r\n',
    "text of a text": json.dumps(TEXT),
}


@pytest.mark.parametrize("label", ["application/json", "application/x-www-form-urlencoded", "text/plain", "application/pdf", ""])
@pytest.mark.parametrize("wrap", WRAPPED)
def test_the_event_is_found_however_it_is_wrapped(wrap: str, label: str) -> None:
    """The content type decides nothing; the event, its id and its meaning are the same."""
    item = one(WRAPPED[wrap], {"content-type": label})
    assert item.event_id == one(TEXT).event_id
    assert json.loads(item.payload.strip().lstrip("\ufeff")) == json.loads(TEXT) or wrap == "text of a text"
    assert understood(WRAPPED[wrap]) == understood(TEXT)


RAW = json.dumps(json.loads(changed({"comment": "Ёлка"})), ensure_ascii=False)  # letters as they are, not \\u escapes
ENCODED = {
    "utf-16": RAW.encode("utf-16"),
    "utf-16 without a mark": RAW.encode("utf-16-le"),
    "utf-16, the other way round": b"\xfe\xff" + RAW.encode("utf-16-be"),
    "utf-32": RAW.encode("utf-32"),
    "windows-1251": RAW.encode("cp1251"),
    "gzip": gzip.compress(RAW.encode()),
    "gzip of windows-1251": gzip.compress(RAW.encode("cp1251")),
}


@pytest.mark.parametrize("encoding", ENCODED)
def test_the_event_is_read_whatever_it_is_written_in(encoding: str) -> None:
    """A bridge may write otherwise than YCLIENTS; the event, its id and its meaning are the same, and its text is kept as text."""
    item = one(ENCODED[encoding])
    assert (item.event_id, item.payload) == (one(RAW).event_id, RAW)
    assert understood(ENCODED[encoding]) == understood(RAW)


def test_utf8_with_a_scratch_stays_utf8() -> None:
    """A name that PHP has cut in the middle of a letter: the other letters are not taken for those of Windows."""
    cut = RAW.encode().replace("Ёлка".encode(), "Ёлка".encode()[:-1])
    found = understood(cut)
    assert isinstance(found, Event)
    assert found.booking is not None
    assert (found.booking.comment, found.booking.client_name) == ("Ёлк\ufffd", "Арсен")


def test_a_bomb_is_not_unpacked_whole() -> None:
    """A kilobyte may hold a gigabyte: what is unpacked has an end, and is kept as unreadable."""
    item = one(gzip.compress(b"[" + b" " * 20_000_000))
    assert (item.unreadable, len(item.payload) <= 8 * 1024 * 1024) == ("the body is no JSON", True)


@pytest.mark.parametrize(
    ("status", "action"),
    [("CREATE", "created"), ("created", "created"), ("Update", "updated"), ("updated", "updated"), ("deleted", "deleted")],
)
def test_a_status_in_another_form(status: str, action: str) -> None:
    """What is called `record.deleted` in our table is never told as a change."""
    found = understood(changed(status=status))
    assert isinstance(found, Event)
    assert found.booking is not None
    assert (one(changed(status=status)).event_type, found.action) == (f"record.{action}", action)
    assert found.booking.cancelled == (action == "deleted")
    assert one(changed(status=status, resource="Record")).event_type == f"record.{action}"


def test_the_text_that_is_stored_is_json_alone() -> None:
    """Neither the byte order mark nor the form around it is kept with the event."""
    for wrap in ("byte order mark", "value of the second field", "raw key", "multipart"):
        assert one(WRAPPED[wrap]).payload == TEXT


def test_php_escapes_are_read() -> None:
    """`\\u041c` and `\\/` are how PHP writes, and mean what they say."""
    body = changed({"comment": "м"}).replace("https://", "https:\\/\\/")
    assert "\\u043c" in body
    assert understood(body) == understood(changed({"comment": "м"}).encode())
    assert one(body).event_id == one(json.dumps(json.loads(body), ensure_ascii=False)).event_id


UNREADABLE = {
    b"": "the body is empty",
    b" \n": "the body is empty",
    b"hello": "the body is no JSON",
    b"{": "the body is no JSON",
    b'{"resource": "record"': "the body is no JSON",
    b"\xff\xfe\x00\x01": "the body is no JSON",
    b"a=1&b=2": "the body is no JSON",
    b"\n" * 50_000: "the body is empty",
    b"=[" * 50_000: "the body is no JSON",
    b"[" * 100_000: "the body is no JSON",
    b"1" * 10_000: "the body is no JSON",
    b"7": "the body is JSON, but no event: it names no `resource`",
    b"null": "the body is JSON, but no event: it names no `resource`",
    b'"text"': "the body is JSON, but no event: it names no `resource`",
    b"[]": "the body is JSON, but no event: it names no `resource`",
    b"[[1], 2]": "the body is JSON, but no event: it names no `resource`",
    b"{}": "the body is JSON, but no event: it names no `resource`",
    b'{"resource": 5}': "the body is JSON, but no event: it names no `resource`",
    b'{"event": "uninstall"}': "the body is JSON, but no event: it names no `resource`",
}


@pytest.mark.parametrize("body", UNREADABLE, ids=lambda body: repr(body[:20]))
def test_what_cannot_be_read_is_kept_with_the_reason(body: bytes) -> None:
    """It would never come again, so it is stored; the reason says what is wrong, and its id is its own."""
    item = one(body)
    assert item.event_type == "unreadable"
    assert item.unreadable == UNREADABLE[body]
    assert "\x00" not in item.payload
    assert item.event_id != one(body).event_id


def test_the_last_step_of_the_recursion_is_no_crash() -> None:
    """There is a depth that is just read, and whose digest goes a step too far: it is kept with the reason."""
    reasons = {one(changed({"documents": "@"}).replace('"@"', "[" * depth + "]" * depth)).unreadable for depth in range(700, 1000)}
    assert reasons == {None, "it is nested without end", "the body is no JSON"}


@pytest.mark.parametrize("place", ["custom_fields", "documents"])
@pytest.mark.parametrize("wrap", ["@", "[@]", "payload=@"])
@pytest.mark.parametrize("depth", range(100, 1100, 17))
def test_an_event_nested_without_end_is_no_crash(depth: int, wrap: str, place: str) -> None:
    """Wherever the recursion ends, in the reading, the digest or the booking: the body is stored, and understood or not."""
    nested = changed({place: "@"}).replace('"@"', "[" * depth + "]" * depth)
    item = one(wrap.replace("@", nested))
    assert (item.event_type, bool(item.unreadable)) in (("record.created", False), ("unreadable", True))
    found = asyncio.run(normalize(item, SALON, NOWHERE, Config()))
    assert isinstance(found, Event | Ignored)
    msgspec.json.encode(found)


@pytest.mark.parametrize(
    "value",
    [
        "NaN",
        "Infinity",
        "-Infinity",
        "1e400",
        "1" * 3000,
        "1" * 6000,
        '"\\ud800"',
        '"\\udc00x"',
        '"a\\u0000b"',
        '"a\x00b"',
        '"a\nb"',
    ],
)
def test_what_strict_json_forbids_does_not_cost_the_event(value: str) -> None:
    """NaN, endless numbers, lone surrogates and NUL in any field: the booking is understood all the same, or kept as unreadable."""
    body = changed().replace('"length": 3600', f'"length": {value}')
    item = one(body)
    if len(value) > 4300:  # more digits than Python reads
        assert item.unreadable == "the body is no JSON"
    else:
        assert understood(body) == Event("created", PLAIN, changed_at=MADE)
    assert "\x00" not in item.payload


def test_bad_bytes_are_replaced() -> None:
    """A body cut in the middle of a letter is read, with a mark where the letter was."""
    body = changed({"comment": "QQ"}).encode().replace(b"QQ", b"\xd0")
    assert one(body).event_type == "record.created"
    found = understood(body)
    assert isinstance(found, Event)
    assert found.booking is not None
    assert found.booking.comment == "\ufffd"


# --- receive: proof ------------------------------------------------------------------------------------------------

BODY = body_of("record_create_admin")
SESAME = "s3cret"
SIGNED = hmac.new(b"s3cret", BODY, hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({}, {"secret": "s3cret"}),
        ({"x-webhook-signature": SIGNED}, {}),
        ({"x-webhook-signature": f"sha256={SIGNED.upper()}"}, {}),
        ({"x-webhook-signature": SIGNED}, {"secret": "wrong"}),
    ],
)
def test_either_proof_is_enough(headers: dict[str, str], query: dict[str, str]) -> None:
    """The secret in the address, or a signature over the raw bytes with the same secret."""
    assert receive(a_request(BODY, headers, **query), Config(secret=SESAME))[0].event_type == "record.created"


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({}, {}),
        ({}, {"secret": ""}),
        ({}, {"secret": "S3cret"}),
        ({}, {"secret": "s3cret "}),
        ({}, {"secret": "ы\ud800"}),
        ({"x-webhook-signature": ""}, {}),
        ({"x-webhook-signature": "s3cret"}, {}),
        ({"x-webhook-signature": hmac.new(b"s3cret", BODY + b" ", hashlib.sha256).hexdigest()}, {}),
        ({"x-webhook-signature": hmac.new(b"none", BODY, hashlib.sha256).hexdigest()}, {}),
    ],
)
def test_a_missing_or_wrong_proof_is_refused(headers: dict[str, str], query: dict[str, str]) -> None:
    """Once the secret is set it is mandatory, however good the body is."""
    with pytest.raises(Refused):
        receive(a_request(BODY, headers, **query), Config(secret=SESAME))


@pytest.mark.parametrize("secret", [None, "none"])
def test_without_a_secret_the_door_is_open(secret: str | None) -> None:
    """Unset, or open on purpose: anybody may post, and a secret that is sent all the same does no harm."""
    assert len(receive(a_request(BODY), Config(secret=secret))) == 1
    assert len(receive(a_request(BODY, secret="x"), Config(secret=secret))) == 1


# --- normalize: the client -----------------------------------------------------------------------------------------

PHONES: list[tuple[object, str | None]] = [
    ("+7 (900) 000-00-88", "+79000000088"),
    ("8 900 000 00 88", "+79000000088"),
    ("79000000088", "+79000000088"),
    (79000000088, "+79000000088"),
    (9000000088, "+79000000088"),
    ("+381601234567", "+381601234567"),
    ("+79000000088, +79000000099", "+79000000088"),
    ("\x00+79000000088\ud800", "+79000000088"),
    ("", None),
    (None, None),
    ("+7900*****88", None),
    ("нет", None),
    ([], None),
    ({"a": 1}, None),
    (True, None),
    (7.5, None),
    (10**400, None),
    (79000000088.0, "+79000000088"),
    ("+8 900 000-00-88", "+79000000088"),  # a plus too many
    ("+9000000088", "+79000000088"),  # ... and it is no number of Turkey
    ("+960 7712345", "+9607712345"),  # which is one of the Maldives
    ("+84 28 1234567", "+84281234567"),  # and of Vietnam
    ("+7900000008", None),  # a digit too few is nobody's number
    ("0049 151 23456789", "+4915123456789"),
    ("+79000000088 +79000000099", "+79000000088"),
    ("89000000088 89000000099", "+79000000088"),
    ("+7 9000000088 (WhatsApp)", "+79000000088"),
]


@pytest.mark.parametrize(("raw", "expected"), PHONES)
def test_phones_as_people_and_apis_write_them(raw: object, expected: str | None) -> None:
    """Any way of writing gives E.164, or none and a reason."""
    found = booked(a_client(phone=raw))
    assert found.phone == expected
    assert bool(found.phone_missing) == (expected is None)


@pytest.mark.parametrize("client", [None, [], {}, "", 0])
def test_a_booking_without_client_says_so(client: object) -> None:
    """A break or a walk-in: no name, no phone, and the reason is not a hidden phone."""
    found = booked({"client": client})
    assert (found.client_name, found.phone, found.phone_missing) == (None, None, "no client belongs to the booking")


def test_a_client_that_is_not_named_may_be_known_from_before() -> None:
    """A partial body, or a client of an odd kind: the phone is not said, which is not the same as nobody."""
    for found in (booked(without=("client",)), booked({"client": "Арсен"}), booked({"client": [5]})):
        assert (found.client_name, found.phone, found.phone_missing) == (None, None, "no phone")


def test_the_name_is_the_clients_else_the_display_name() -> None:
    """An empty name falls back; strings lose NUL and lone surrogates."""
    assert booked(a_client(name="", display_name="Арсен К.")).client_name == "Арсен К."
    assert booked(a_client(name="Ар\x00сен\ud800")).client_name == "Арсен"
    assert booked(a_client(name=None)).client_name is None


def test_who_comes_instead_is_kept_but_not_addressed() -> None:
    """Another person comes: kept in `extra`; name and phone stay the client's."""
    found = booked({"comer": {"name": "Сын", "phone": "+79000000077"}})
    assert (found.client_name, found.phone) == ("Арсен", "+79000000088")
    assert found.extra["comer"] == {"name": "Сын", "phone": "+79000000077"}


# --- normalize: services and money ---------------------------------------------------------------------------------

SERVICES: list[tuple[object, tuple[Service, ...] | None]] = [
    ([], ()),
    ({}, ()),
    (None, None),
    ("стрижка", None),
    ([7, None, "x"], None),
    ([{"id": 1}], None),
    ([{"id": "1", "title": " А\x00 "}, 5], (Service("А", "1"),)),
    ({"0": {"id": 1, "title": "А"}, "2": {"id": 2, "title": "Б"}}, (Service("А", "1"), Service("Б", "2"))),
    ([{"title": 5, "cost": "1 250,50"}], (Service("5", cost=Decimal("1250.5")),)),
]


@pytest.mark.parametrize(("raw", "expected"), SERVICES)
def test_services_of_odd_types(raw: object, expected: tuple[Service, ...] | None) -> None:
    """`[]` is no service, unreadable is "not said", a PHP object is a list."""
    assert booked({"services": raw}).services == expected


def test_services_keep_the_order_they_came_in() -> None:
    """Reordered is reordered: core compares them as a set."""
    lines = [{"id": n, "title": f"№{n}"} for n in (2, 3, 1)]
    assert [service.id for service in booked({"services": lines}).services or ()] == ["2", "3", "1"]


MONEY: list[tuple[str, Decimal | None]] = [
    ("2000", Decimal(2000)),
    ("1250.5", Decimal("1250.5")),
    ("0.1", Decimal("0.1")),
    ("33.710000000000001", Decimal("33.71")),
    ("1999.9999999999998", Decimal(2000)),
    ("2000.0", Decimal(2000)),
    ("1e3", Decimal(1000)),
    ('"1250.50"', Decimal("1250.5")),
    ("-100", Decimal(-100)),
    ('""', None),
    ('"даром"', None),
    ('"NaN"', None),
    ('"sNaN"', None),
    ('"1e999999999999999999999"', None),
    ("null", None),
    ("true", None),
    ("[]", None),
    ("NaN", None),
    ("1e400", None),
    ("1e300", None),
    ("1e29", None),
    ("999999999999.99", Decimal("999999999999.99")),
    ("9" * 500, None),
]


@pytest.mark.parametrize(("raw", "expected"), MONEY)
def test_money_is_exact(raw: str, expected: Decimal | None) -> None:
    """Money never shows how a float is stored, and what is no amount is none."""
    body = changed({"services": [{"id": 1, "title": "А", "cost": "@"}]}).replace('"@"', raw)
    found = understood(body)
    assert isinstance(found, Event)
    assert found.booking is not None
    assert found.booking.services == (Service("А", "1", cost=expected),)


def test_a_fractional_percent_changes_nothing() -> None:
    """The raw 33.710000000000001 of a real body leaves the totals alone: the percent is not read."""
    raw = body_of("record_update_discount_2020").replace(b"33.71", b"33.710000000000001")
    assert understood(raw) == understood(body_of("record_update_discount_2020"))


@pytest.mark.parametrize(
    ("raw", "expected"),
    [(None, None), ([], None), ("Бари", None), ({"id": 7}, None), ({"id": 7, "name": "Бари", "position": []}, Staff("Бари", "7"))],
)
def test_staff_may_be_missing(raw: object, expected: Staff | None) -> None:
    """Nobody, `[]`, or a staff member without a position."""
    assert booked({"staff": raw}).staff == expected


# --- normalize: times ----------------------------------------------------------------------------------------------

NO_ZONE = Salon(id=962302)
VLADIVOSTOK = Salon(id=962302, timezone="Asia/Vladivostok")
BERLIN = Salon(id=962302, timezone="Europe/Berlin")
VISITS: list[tuple[Salon, object, object, str | None]] = [
    (SALON, "2025-08-21 14:30:00", "2025-08-21T14:30:00+03:00", "2025-08-21T14:30:00+03:00"),
    (VLADIVOSTOK, "2025-08-21 14:30:00", "2025-08-21T14:30:00+03:00", "2025-08-21T14:30:00+10:00"),
    (BERLIN, "2025-08-21 14:30:00", "2025-08-21T14:30:00+01:00", "2025-08-21T14:30:00+02:00"),
    (BERLIN, "2025-12-21 14:30:00", None, "2025-12-21T14:30:00+01:00"),
    (NO_ZONE, "2025-08-21 14:30:00", "2025-08-21T14:30:00+07:00", "2025-08-21T14:30:00+07:00"),
    (NO_ZONE, "2025-08-21 14:30:00", "2025-08-21T14:30:00.000+0700", "2025-08-21T14:30:00+07:00"),
    (NO_ZONE, "2025-08-21 14:30:00", "2025-08-21T14:30:00", "2025-08-21T14:30:00+03:00"),
    (NO_ZONE, "2025-08-21 14:30:00", None, "2025-08-21T14:30:00+03:00"),
    (SALON, None, "2025-08-21T14:30:00.000+03:00", "2025-08-21T14:30:00+03:00"),
    (SALON, "2025-08-21", "2025-08-21T14:30:00+0300", "2025-08-21T14:30:00+03:00"),
    (SALON, "0000-00-00 00:00:00", "2025-08-21T14:30:00Z", "2025-08-21T14:30:00+03:00"),
    (SALON, "21.08.2025 14:30", None, None),
    (SALON, 1755775800, [], None),
    (SALON, "0001-01-01 00:00:00", "9999-12-31T23:59:59-23:59", None),
]


@pytest.mark.parametrize(("salon", "date", "stamp", "expected"), VISITS)
def test_a_visit_is_at_the_salons_wall_clock(salon: Salon, date: object, stamp: object, expected: str | None) -> None:
    """The digits of `date` on the salon's clock; without a zone, the offset of `datetime`; without that, Moscow."""
    found = booked({"date": date, "datetime": stamp}, salon).visit_at
    assert (found.isoformat() if found else None) == expected


STAMPS: list[tuple[object, str | None]] = [
    ("2019-07-21T12:27:06+0300", "2019-07-21T09:27:06+00:00"),
    ("2019-07-21T12:27:06+03:00", "2019-07-21T09:27:06+00:00"),
    ("2019-07-21T12:27:06.000+03:00", "2019-07-21T09:27:06+00:00"),
    ("2019-07-21 12:27:06", "2019-07-21T09:27:06+00:00"),
    ("", None),
    (None, None),
    (5, None),
    ("0000-00-00 00:00:00", None),
    ("вчера", None),
]


@pytest.mark.parametrize(("raw", "expected"), STAMPS)
def test_stamps_with_and_without_colon(raw: object, expected: str | None) -> None:
    """Changed and created become UTC; without an offset the salon's clock is meant."""
    found = booked({"last_change_date": raw, "create_date": raw})
    assert [at.isoformat() if at else None for at in (found.changed_at, found.created_at)] == [expected, expected]


# --- normalize: flags ----------------------------------------------------------------------------------------------

FLAGS: list[tuple[dict[str, Any], str, object]] = [
    ({"attendance": -1}, "attendance", "no_show"),
    ({"attendance": "-1"}, "attendance", "no_show"),
    ({"attendance": 0, "visit_attendance": 1}, "attendance", "expected"),
    ({"attendance": None, "visit_attendance": 1}, "attendance", "arrived"),
    ({"attendance": 9}, "attendance", "expected"),
    ({"attendance": []}, "attendance", "expected"),
    ({"paid_full": 1}, "paid", True),
    ({"paid_full": "1"}, "paid", True),
    ({"paid_full": 0, "payment_status": 1}, "paid", False),
    ({"paid_full": None, "payment_status": 1}, "paid", True),
    ({"online": True}, "online", True),
    ({"online": 1}, "online", True),
    ({"online": "true"}, "online", True),
    ({"online": "false"}, "online", False),
    ({"sms_now": 0}, "notify", False),
    ({"sms_now": False}, "notify", False),
    ({"sms_now": 1}, "notify", True),
    ({"sms_now": None}, "notify", None),
    ({"deleted": True}, "cancelled", True),
    ({"deleted": 1}, "cancelled", True),
    ({"deleted": "0"}, "cancelled", False),
    ({"deleted": []}, "cancelled", False),
    ({"comment": None}, "comment", ""),
    ({"comment": ["x"]}, "comment", ""),
    ({"comment": "a\ud800\x00b"}, "comment", "ab"),
]


@pytest.mark.parametrize(("data", "field", "expected"), FLAGS)
def test_flags_of_any_make(data: dict[str, Any], field: str, expected: object) -> None:
    """Numbers, text and booleans mean the same; what is none of them is no."""
    assert getattr(booked(data), field) == expected


def test_what_is_absent_is_not_said() -> None:
    """A partial body leaves gaps that core fills from what it knows, instead of emptying the booking."""
    gone = ("date", "datetime", "services", "staff", "attendance", "paid_full", "sms_now", "visit_id", "custom_fields")
    found = booked({"visit_attendance": 2, "payment_status": 1}, without=gone)
    assert (found.visit_at, found.services, found.staff, found.notify) == (None, None, None, None)
    assert (found.attendance, found.paid) == ("confirmed", True)
    assert "visit_id" not in found.extra


def test_what_is_kept_beside_the_booking_is_fit_for_a_snapshot() -> None:
    """No NaN, no NUL, no lone surrogate, no number beyond 64 bits."""
    raw = {"a\x00": [float("nan"), float("-inf"), 0.5], "b": 2**70, "c": "x\ud800\x00", "d": {"e": True, "f": None}}
    kept = {"a": [None, None, 0.5], "b": str(2**70), "c": "x", "d": {"e": True, "f": None}}
    assert booked({"custom_fields": raw}).extra["custom_fields"] == kept


def test_a_visit_id_is_a_number_also_where_it_comes_as_text() -> None:
    """The documentation shows it as text; the column is a number."""
    assert booked({"visit_id": "8262996"}).extra["visit_id"] == 8262996


@pytest.mark.parametrize("data", ["[]", "null", "{}", '{"id": 5}', '{"id": 5, "deleted": true}', "7"])
def test_a_deletion_that_says_no_more_than_the_id_has_no_booking(data: str) -> None:
    """What the client knew stands in the store; the deletion does not overwrite it with nothing."""
    body = f'{{"company_id": 1, "resource": "record", "resource_id": 5, "status": "delete", "data": {data}}}'
    assert understood(body) == Event("deleted")


def test_a_short_deletion_keeps_its_date() -> None:
    """The order of changes is known even where nothing else is."""
    body = '{"resource": "record", "status": "delete", "data": {"id": 5, "last_change_date": "2025-08-20T18:00:03+0300"}}'
    assert understood(body) == Event("deleted", changed_at=utc("2025-08-20T18:00:03+03:00"))


@pytest.mark.parametrize("status", ["create", "update"])
def test_a_record_without_data_cannot_be_told(status: str) -> None:
    """No data and no tokens to read it again: ignored, and the reason says so."""
    body = f'{{"company_id": 1, "resource": "record", "resource_id": 5, "status": "{status}", "data": []}}'
    assert understood(body) == Ignored("says nothing of the booking, and it could not be read again")


# --- anything at all -----------------------------------------------------------------------------------------------

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None, exclude_categories=())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
FIELDS = sorted({*json.loads(body_of("record_create_admin"))["data"]})
ODD_DATA = st.dictionaries(st.sampled_from(FIELDS), ANY_JSON, max_size=8)
ODD_EVENTS = st.fixed_dictionaries(
    {"resource": st.sampled_from(["record", "staff"]) | ANY_JSON, "data": ODD_DATA | ANY_JSON},
    optional={
        "company_id": ANY_JSON,
        "resource_id": ANY_JSON,
        "status": st.sampled_from(["create", "update", "delete"]) | ANY_JSON,
    },
)


def survives(body: bytes) -> None:
    items = receive(a_request(body), Config())
    assert items
    for item in items:
        stored = msgspec.json.decode(msgspec.json.encode(item), type=Received)  # fit for a column: UTF-8, no NUL
        assert stored == item
        assert "\x00" not in "".join(
            text for text in (item.payload, item.event_type, item.company_id, item.subject_id) if isinstance(text, str)
        )
        found = asyncio.run(normalize(item, SALON, NOWHERE, Config()))
        assert isinstance(found, Event | Ignored)
        msgspec.json.encode(found)  # a snapshot can be made of it


@given(st.binary(max_size=200))
def test_any_bytes_give_items(body: bytes) -> None:
    """Whatever arrives is stored and understood, or kept with a reason; nothing raises."""
    survives(body)


@given(ANY_JSON)
def test_any_json_gives_items(value: Any) -> None:
    """Any JSON, NaN and lone surrogates included."""
    survives(json.dumps(value).encode())


@given(st.lists(ODD_EVENTS, max_size=2) | ODD_EVENTS)
def test_any_event_gives_items(value: Any) -> None:
    """The right envelope around anything."""
    survives(json.dumps(value).encode())


@given(ODD_DATA)
def test_any_value_in_any_field_leaves_an_event(data: dict[str, Any]) -> None:
    """A recorded booking with anything in any field is still an event about a booking."""
    found = understood(changed(data))
    assert isinstance(found, Event)
    assert found.booking is not None


def test_the_module_is_a_source() -> None:
    """It passes the loader's check, and polls as often as it says."""
    from core.contract import check_module

    assert set(check_module("source", "yclients", yclients)) >= {"receive", "poll", "normalize"}
    assert Config().poll_every == timedelta(minutes=5)
