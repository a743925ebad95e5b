"""The HTTP edge, on both databases: what is answered, what is stored, and who is let in."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import re
import socket
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from core.app import create_app, operator_token
from core.config import build
from core.endpoints import flat
from core.endpoints.words import why
from core.errors import ConfigError
from core.store.values import when
from tests.conftest import NOON, PAYLOADS, TOKEN, Clock, Driver, body, drive, settings
from tests.test_stories import CREATED

Play = Callable[..., Any]
BEARER = {"Authorization": f"Bearer {TOKEN}"}
SECRET = "a-secret"
OPEN = "0.0.0.0"  # noqa: S104  what must be refused
LATER = {"date": "2025-08-21 16:00:00", "datetime": "2025-08-21T16:00:00+03:00", "last_change_date": "2025-08-20T12:05:00+0300"}
FLAT = {
    "phone": "+79000000088",
    "eventType": "record.created",
    "service": "МУЖСКАЯ СТРИЖКА",
    "master": "Бари",
    "datetime": "2025-08-21T14:30:00+03:00",
    "cost": 1000,
    "first_cost": 2000,
    "discount": 50,
    "clientName": "Арсен",
    "comment": "",
}


def signed(content: bytes, secret: str = SECRET) -> dict[str, str]:
    return {"X-Webhook-Signature": hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()}


async def events(app: Driver) -> list[dict[str, Any]]:
    return await app.rows("SELECT * FROM webhook_events ORDER BY id")


# --- the webhook


@pytest.mark.parametrize("path", ["/webhook/yclients", "/webhook/yclients/events"])
def test_both_addresses_take_the_webhook(play: Play, path: str) -> None:
    """The predecessor's second address does the same as the first."""

    async def story(app: Driver) -> None:
        answered = await app.post(body("record_create_discount50"), path)
        key = answered.json()["eventId"]
        assert (answered.status_code, answered.json()) == (200, {"success": True, "eventId": key})
        await app.settle()
        assert [(row["event_id"], row["event_type"], row["status"]) for row in await events(app)] == [
            (key, "record.created", "processed")
        ]
        assert await app.texts() == [CREATED]

    play(story)


@pytest.mark.parametrize("path", ["/webhook/yclients/", "/webhook/yclients/events/", "//webhook//yclients"])
def test_a_slash_too_many_loses_nothing(play: Play, path: str) -> None:
    """YCLIENTS follows no redirect and sends nothing twice: the event is taken all the same, and only with the secret."""

    async def story(app: Driver) -> None:
        raw = json.dumps(body("record_create_discount50")).encode()
        url = f"http://vestnik{path}"  # whole: httpx would take "//webhook" for a host
        assert (await app.http.post(url, content=raw)).status_code == 401
        assert (await app.http.post(f"{url}?secret={SECRET}", content=raw)).status_code == 200
        await app.settle()
        assert await app.texts() == [CREATED]
        assert (await app.http.get(url)).status_code == 200

    play(story, source={"yclients": {"secret": SECRET}})


def test_an_address_that_is_none_says_so(play: Play) -> None:
    """A wrong address or method is answered with a sentence."""

    async def story(app: Driver) -> None:
        answered = await app.post({}, "/webhooks/yclients")
        sentence = "there is nothing at /webhooks/yclients; docs/http.md lists what there is"
        assert (answered.status_code, answered.json()) == (404, {"success": False, "error": sentence})
        answered = await app.http.put("/webhook/yclients")
        sentence = "/webhook/yclients takes GET, POST, not PUT"
        assert (answered.status_code, answered.json()) == (405, {"success": False, "error": sentence})
        assert set(answered.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}

    play(story)


def test_a_browser_gets_a_sentence(play: Play) -> None:
    """People open the address in a browser; nothing is stored."""

    async def story(app: Driver) -> None:
        answered = await app.http.get("/webhook/yclients")
        assert (answered.status_code, answered.text) == (
            200,
            "Vestnik listens here. Booking systems post their events to this address.\n",
        )
        asked = {"hub.mode": "subscribe", "hub.challenge": "1", "hub.verify_token": "x"}
        assert (await app.http.get("/webhook/yclients", params=asked)).text == answered.text  # no gateway asks for its word here
        assert (await app.http.head("/webhook/yclients/events")).status_code == 200
        assert (await app.http.put("/webhook/yclients")).status_code == 405
        assert await events(app) == []

    play(story)


def test_an_unknown_source_is_404(play: Play) -> None:
    """A misspelt address is seen by who sets it up; nothing is stored."""

    async def story(app: Driver) -> None:
        for path in ("/webhook/ycleints", "/webhook/ycleints/events"):
            answered = await app.post(body("record_create_admin"), path)
            assert (answered.status_code, answered.json()) == (404, {"success": False, "error": "there is no source `ycleints`"})
        assert await events(app) == []

    play(story)


def test_the_same_event_again_has_the_same_id(play: Play) -> None:
    """A repeat is counted on its row, named by `same_event`, and tells nobody anything."""

    async def story(app: Driver) -> None:
        first = await app.tell(body("record_create_discount50"))
        again = await app.tell(body("record_create_discount50"), path="/webhook/yclients/events")
        assert (again["event_id"], again["repeats"]) == (first["event_id"], 1)
        assert [line["plugin"] for line in again["journal"] if line["stage"] == "receive"] == ["same_event"]
        assert (len(await events(app)), await app.texts()) == (1, [CREATED])

    play(story)


def test_an_array_answers_its_first(play: Play) -> None:
    """An array is several events; the answer names the first."""

    async def story(app: Driver) -> None:
        answered = await app.post((PAYLOADS / "yclients" / "events_array.json").read_bytes())
        stored = await events(app)
        assert len(stored) == len(json.loads((PAYLOADS / "yclients" / "events_array.json").read_text(encoding="utf-8"))) > 1
        assert answered.json() == {"success": True, "eventId": stored[0]["event_id"]}

    play(story)


# --- the secret


def test_secret_in_the_query_or_signature_over_the_raw_bytes(play: Play) -> None:
    """Either proof is enough, also where the bytes are no canonical JSON; the signature is of the bytes, not of what they mean."""

    async def story(app: Driver) -> None:
        raw = json.dumps(body("record_create_admin"), ensure_ascii=False, indent=3).encode() + b"\r\n"
        assert (await app.post(raw, f"/webhook/yclients?secret={SECRET}")).status_code == 200
        assert (await app.post(raw, f"/webhook/yclients/events?secret={SECRET}")).status_code == 200
        assert (await app.post(raw, headers=signed(raw))).status_code == 200
        prefixed = {"X-Webhook-Signature": "sha256=" + signed(raw)["X-Webhook-Signature"].upper()}
        assert (await app.post(raw, headers=prefixed)).status_code == 200
        assert (await app.post(raw.strip(), headers=signed(raw))).status_code == 401
        assert (await app.post(raw, headers=signed(raw, "other"))).status_code == 401
        assert [row["repeats"] for row in await events(app)] == [3]

    play(story, source={"yclients": {"secret": SECRET}})


UNPROVEN = [
    ("/webhook/yclients", {}),
    ("/webhook/yclients/events", {}),
    ("/webhook/yclients?secret=", {}),
    ("/webhook/yclients?secret=a-secre", {}),
    ("/webhook/yclients?secret=%D0%B0%ff", {}),
    ("/webhook/yclients?Secret=a-secret", {}),
    ("/webhook/yclients", {"X-Webhook-Signature": ""}),
    ("/webhook/yclients", {"X-Webhook-Signature": "a-secret"}),
    ("/webhook/yclients", BEARER),
]


def test_without_proof_nothing_is_stored(play: Play) -> None:
    """401, nothing stored, and the answer does not say which proof was wrong; the operator's token is no proof."""

    async def story(app: Driver) -> None:
        for path, headers in UNPROVEN:
            answered = await app.post(body("record_create_admin"), path, headers=headers)
            assert (answered.status_code, answered.json()) == (401, {"success": False, "error": "the secret is missing or wrong"})
        assert (await events(app), await app.messages()) == ([], [])

    play(story, source={"yclients": {"secret": SECRET}})


def test_refusals_are_counted_by_source_and_hour(play: Play) -> None:
    """A refused webhook is lost for ever, so somebody must see how many there were and when."""

    async def story(app: Driver) -> None:
        for _ in range(3):
            await app.post(body("record_create_admin"))
        await app.settle(3600)
        await app.post(b"")
        rows = await app.rows("SELECT source, hour, count FROM refusals ORDER BY hour")
        assert [(row["source"], when(row["hour"]), row["count"]) for row in rows] == [
            ("yclients", NOON, 3),
            ("yclients", NOON + timedelta(hours=1), 1),
        ]

    play(story, source={"yclients": {"secret": SECRET}})


@pytest.mark.parametrize("secret", [None, ""])
@pytest.mark.parametrize("host", [OPEN, "::", "192.168.0.5", "salon.example"])
def test_no_secret_and_an_open_address_is_refused(tmp_path: Path, host: str, secret: str | None) -> None:
    """Without a secret nobody but this machine may post: the start is refused with a sentence."""
    raw = settings("sqlite:///x.db", server={"host": host}, source={"yclients": {} if secret is None else {"secret": secret}})
    with pytest.raises(ConfigError) as caught:
        create_app(build(raw, tmp_path / "config.toml", {}))
    assert str(caught.value) == (
        f"{tmp_path}/config.toml [source.yclients] secret: none is set, and [server] host {host} is open to the world; "
        'set one, or write secret = "none" if that is meant'
    )


@pytest.mark.parametrize("host", [OPEN, "127.0.0.1"])
@pytest.mark.parametrize("whole", [None, {"secret": SECRET}])
def test_a_secret_below_a_salon_is_refused(tmp_path: Path, host: str, whole: dict[str, Any] | None) -> None:
    """A webhook names no salon before it is read, so a secret in a salon's table protects nothing: who writes one is told where."""
    raw = settings("sqlite:///x.db", server={"host": host}, source={"yclients": whole})
    raw["salon"]["962302"] = {**raw["salon"]["962302"], "source": {"yclients": {"secret": "another"}}}
    with pytest.raises(ConfigError) as caught:
        create_app(build(raw, tmp_path / "config.toml", {}))
    assert str(caught.value) == (
        f"{tmp_path}/config.toml [salon.962302.source.yclients] secret: a webhook is proven before anybody knows its salon; "
        "write it under [source.yclients]"
    )


@pytest.mark.parametrize(
    ("host", "secret", "warnings"),
    [
        (OPEN, SECRET, []),
        ("127.0.0.1", SECRET, []),
        (OPEN, "none", ["[source.yclients] has no secret: whoever knows the address can post events"]),
        ("127.0.0.1", None, ["[source.yclients] has no secret: whoever knows the address can post events"]),
        ("::1", None, ["[source.yclients] has no secret: whoever knows the address can post events"]),
        ("localhost", None, ["[source.yclients] has no secret: whoever knows the address can post events"]),
    ],
)
def test_no_secret_is_said_loudly(tmp_path: Path, host: str, secret: str | None, warnings: list[str]) -> None:
    """On loopback, or with "none" written, it starts, and warns."""
    raw = settings("sqlite:///x.db", server={"host": host}, source={"yclients": {"secret": secret} if secret else {}})
    app = create_app(build(raw, tmp_path / "config.toml", {}))
    assert app.state.vestnik.warnings == warnings


def test_open_on_purpose_takes_everything(play: Play) -> None:
    """`secret = "none"` is no password: nobody has to send the word."""

    async def story(app: Driver) -> None:
        assert (await app.post(body("record_create_admin"))).status_code == 200

    play(story, server={"host": OPEN}, source={"yclients": {"secret": "none"}})


# --- what cannot be read

ODD = {
    "empty": b"",
    "spaces": b" \n",
    "binary": b"\x00\xff\xfe\x80PNG\r\n",
    "text": "привет".encode(),
    "half": b'{"company_id": 962302, "resource": "record", "data": {"id": 1',
    "null": b"null",
    "number": b"42",
    "NaN": b"NaN",
    "string": b'"record"',
    "empty array": b"[]",
    "empty object": b"{}",
    "array of others": b'[1, null, "x", []]',
    "no resource": b'{"company_id": 962302, "data": {"id": 5}}',
    "resource of another kind": b'{"company_id": 962302, "resource": ["record"], "data": {"id": 5}}',
    "form": b"a=1&b=2",
    "nested": b"[" * 50_000,
    "nested in an object": b'{"resource":' * 50_000,
    "lone surrogate": b'{"x": "\\ud800"}',
}


def test_what_cannot_be_read_is_stored_and_answered_200(play: Play) -> None:
    """It would never come again: each body is kept as unreadable, with the reason, and the next event is taken as ever."""

    async def story(app: Driver) -> None:
        for name, content in ODD.items():
            told = await app.tell(content)
            assert (told["status"], told["event_type"]) == ("unreadable", "unreadable"), name
            assert told["reason"], name
            assert told["payload"] == content.decode("utf-8", "replace").replace("\x00", ""), name
        assert (await app.tell(body("record_create_discount50")))["status"] == "processed"
        assert (len(await events(app)), await app.texts()) == (len(ODD) + 1, [CREATED])

    play(story)


def wrapped() -> dict[str, tuple[bytes, str]]:
    plain = json.dumps(body("record_create_discount50"))
    return {
        "no content type": (plain.encode(), ""),
        "labelled as text": (plain.encode(), "text/plain"),
        "labelled as a form": (plain.encode(), "application/x-www-form-urlencoded"),
        "value of a field": (b"payload=" + quote(plain).encode(), "application/x-www-form-urlencoded"),
        "second field": (b"a=1&data=" + quote(plain).encode() + b"&b=2", "application/x-www-form-urlencoded"),
        "key of a field": (quote(plain).encode() + b"=", "application/x-www-form-urlencoded"),
        "with a BOM": (b"\xef\xbb\xbf" + plain.encode(), "application/json"),
        "with NaN": (plain.replace('"cost_per_unit": 2000', '"cost_per_unit": NaN').encode(), "application/json"),
        "with a raw tab": (plain.replace('"comment": ""', '"comment": "a\tb"').encode(), "application/json"),
        "with a NUL": (plain.replace('"comment": ""', '"comment": "a\\u0000b"').encode(), "application/json"),
        "with a lone surrogate": (plain.replace('"comment": ""', '"comment": "\\ud83d"').encode(), "application/json"),
        "with a huge number": (plain.replace('"votes_count": 0', '"votes_count": 1' + "0" * 400).encode(), "application/json"),
        "in an array": (f"[{plain}]".encode(), "application/json"),
    }


@pytest.mark.parametrize("name", wrapped())
def test_however_it_is_wrapped(play: Play, name: str) -> None:
    """The same event in any wrapping ends in the same text, whatever the content type says."""

    async def story(app: Driver) -> None:
        content, kind = wrapped()[name]
        told = await app.tell(content, headers={"Content-Type": kind} if kind else {})
        assert (told["status"], await app.texts()) == ("processed", [CREATED])

    play(story)


def test_an_array_of_good_and_bad(play: Play) -> None:
    """What can be read is told; the rest of the array is kept as unreadable."""

    async def story(app: Driver) -> None:
        told = await app.tell([body("record_create_discount50"), 7, {"a": 1}])
        assert told["status"] == "processed"
        assert [(row["status"], row["payload"]) for row in (await events(app))[1:]] == [("unreadable", '[7,{"a":1}]')]
        assert await app.texts() == [CREATED]

    play(story)


LIMITED = ("/webhook/yclients", "/webhook/yclients/events", "/webhook/yclients/test", "/callback/green_api", "/activity", "/")


@pytest.mark.parametrize("chunked", [False, True])
def test_over_one_mib_is_413(play: Play, chunked: bool) -> None:
    """More than 1 MiB is refused everywhere, whether its length is told ahead or it comes in pieces; nothing is stored."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(17):
            yield b"x" * 65536

    async def story(app: Driver) -> None:
        for path in LIMITED:
            content: Any = pieces() if chunked else b"x" * (1024 * 1024 + 1)
            answered = await app.http.post(path, content=content, headers=BEARER)
            assert ("content-length" in answered.request.headers) is not chunked
            assert answered.status_code == 413, path
        assert await events(app) == []
        assert await app.rows("SELECT * FROM callbacks") == []

    play(story, send={"green_api": {}}, route={"transport": {"whatsapp": "console"}})


def test_one_mib_exactly_is_taken(play: Play) -> None:
    """The limit itself is inside."""

    async def story(app: Driver) -> None:
        plain = json.dumps(body("record_create_discount50")).encode()
        told = await app.tell(plain + b" " * (1024 * 1024 - len(plain)))
        assert told["status"] == "processed"

    play(story)


# --- what is none of our business


PAYMENT = "finances_operation: a payment changes nothing that a client must be told about the booking"


@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [
        ("finances_operation_create_2020", "finances_operation.created", PAYMENT),
        ("finances_operation_create_2026", "finances_operation.created", PAYMENT),
        ("finances_operation_delete", "finances_operation.deleted", PAYMENT),
        ("staff_update", "staff.updated", "staff: not about a booking"),
        ("schedule_update", "schedule.updated", "schedule: not about a booking"),
        ("marketplace_uninstall", "marketplace.uninstall", "marketplace `uninstall`: about the app, not about a booking"),
    ],
)
def test_other_resources_are_stored_and_ignored(play: Play, name: str, kind: str, reason: str) -> None:
    """They are kept with the reason, never dropped, and tell nobody anything."""

    async def story(app: Driver) -> None:
        raw = json.loads((PAYLOADS / "yclients" / f"{name}.json").read_text(encoding="utf-8"))
        told = await app.tell(raw)
        assert (told["event_type"], told["status"], told["rule"], told["reason"]) == (kind, "ignored", None, reason)
        assert json.loads(told["payload"]) == raw
        assert await app.messages() == []

    play(story, salon={"962302": {}, **{str(number): {} for number in (123, 28103, 122686, 798764)}})


def test_a_salon_that_is_not_listed(play: Play) -> None:
    """Once a salon is listed, the events of others are stored and ignored with that reason."""

    async def story(app: Driver) -> None:
        told = await app.tell(body("record_create_discount50", company_id=555))
        assert (told["status"], told["company_id"], told["reason"]) == ("ignored", 555, "salon 555 is not listed in config.toml")
        assert await app.messages() == []

    play(story)


# --- the test endpoint


def test_the_flat_body_sends_the_first_text(play: Play) -> None:
    """The predecessor's body goes through the whole pipeline and is answered with what became of it."""

    async def story(app: Driver) -> None:
        answered = await app.post(FLAT, "/webhook/yclients/test", headers=BEARER)
        said = answered.json()
        assert answered.status_code == 200
        assert list(said) == ["success", "eventId", "status", "message", "reason"]
        assert said == {"success": True, "eventId": said["eventId"], "status": "sent", "message": CREATED, "reason": None}
        assert said["eventId"].startswith("test_")
        told = await app.story(said["eventId"])
        assert (told["status"], told["company_id"], told["source"]) == ("processed", 962302, "yclients")
        assert told["record_id"] < 0
        assert await app.rows("SELECT * FROM appointments_cache") == []
        assert await app.rows("SELECT * FROM webhook_stats_24h") == []
        assert await app.rows("SELECT * FROM notification_stats_24h") == []
        row = (await app.messages())[0]
        assert (row["phone"], row["record_id"], row["notification_type"]) == ("+79000000088", told["record_id"], "booking_created")

    play(story)


def test_a_server_without_a_worker_decides_no_test_by_itself(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody renews the leases there, so it waits for the worker; where none comes, it says what to start."""
    monkeypatch.setattr(flat, "_WAITS", 0.05)

    async def story() -> None:
        app = create_app(build(settings(database_url), tmp_path / "config.toml", {}), with_worker=False)
        async with app.router.lifespan_context(app), httpx.AsyncClient(transport=httpx.ASGITransport(app)) as http:
            said = (await http.post("http://x/webhook/yclients/test", json=FLAT, headers=BEARER)).json()
        assert (said["success"], said["status"], said["message"]) == (False, "received", None)
        assert (
            said["reason"]
            == "no worker has taken it up within 0.05 s; start `vestnik worker`, or `vestnik serve` without --no-worker"
        )

    asyncio.run(story())


def test_each_test_is_a_new_booking(play: Play) -> None:
    """The same body again is sent again: another booking, another id."""

    async def story(app: Driver) -> None:
        said = [(await app.post(FLAT, "/webhook/yclients/test", headers=BEARER)).json() for _ in range(3)]
        assert len({entry["eventId"] for entry in said}) == 3
        assert [entry["status"] for entry in said] == ["sent"] * 3
        assert len({row["record_id"] for row in await app.messages()}) == 3

    play(story)


def test_a_test_of_the_past_is_sent(play: Play) -> None:
    """Rules that judge by the clock let a test pass: the documented body has a date of 2025."""

    async def story(app: Driver) -> None:
        await app.http.post("/activity", json={"phone": FLAT["phone"]}, headers=BEARER)
        said = (await app.post(FLAT, "/webhook/yclients/test", headers=BEARER)).json()
        assert (said["status"], said["message"]) == ("sent", CREATED)

    play(
        story,
        clock=Clock(NOON + timedelta(days=400, hours=12)),
        filter={"settle": {"wait": "20s"}, "quiet_hours": {"from": "20:00", "to": "12:00"}},
    )


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer bots"}])
def test_a_test_needs_the_operators_token(play: Play, headers: dict[str, str]) -> None:
    """Without it 401 and nothing stored; the bot's token is for /activity only."""

    async def story(app: Driver) -> None:
        answered = await app.post(FLAT, "/webhook/yclients/test", headers=headers)
        assert (answered.status_code, answered.json()) == (
            401,
            {"success": False, "error": "send the operator's token: Authorization: Bearer …"},
        )
        assert await events(app) == []

    play(story, server={"bot_token": "bots"})


def test_only_phones_holds_for_a_test(play: Play) -> None:
    """A trial run writes to nobody else, not even by the test endpoint."""

    async def story(app: Driver) -> None:
        said = (await app.post(FLAT, "/webhook/yclients/test", headers=BEARER)).json()
        assert (said["success"], said["status"], said["message"]) == (False, "withheld", CREATED)
        assert said["reason"] == "only_phones: trial run: +7900…88 is not among the listed phones (1)"
        assert await app.texts() == []

    play(story, filter={"only_phones": {"phones": ["+79111111111"]}})


def test_own_comment_answers_the_rule(play: Play) -> None:
    """A suppressed test says which rule and why."""

    async def story(app: Driver) -> None:
        said = (await app.post({**FLAT, "comment": "Запись через AI Admin"}, "/webhook/yclients/test", headers=BEARER)).json()
        assert (said["success"], said["status"], said["message"]) == (False, "suppressed", None)
        assert said["reason"].startswith("own_comment: ")

    play(story)


@pytest.mark.parametrize(
    ("change", "heading"),
    [
        ({"eventType": "record.updated"}, "📝 *Ваша запись изменена*"),
        ({"eventType": "record.deleted"}, "❌ *Ваша запись отменена*"),
        ({"eventType": None, "phone": 79000000088.0, "cost": "1 000", "first_cost": "2000,00"}, "✅ *Вы записаны!*"),
        ({"phone": 89000000088, "cost": "1000", "first_cost": "2000.0", "companyId": "962302"}, "✅ *Вы записаны!*"),
    ],
)
def test_other_tests(play: Play, change: dict[str, Any], heading: str) -> None:
    """The other types, and numbers as text."""

    async def story(app: Driver) -> None:
        said = (await app.post({**FLAT, **change}, "/webhook/yclients/test", headers=BEARER)).json()
        assert said["status"] == "sent", said
        assert said["message"].splitlines()[0] == heading
        if "cost" in change:
            assert "💰 Стоимость: ~2000 руб~ 1000 руб (скидка 50%)" in said["message"].splitlines()

    play(story)


def test_a_test_that_cannot_be_read_is_400(play: Play) -> None:
    """Whoever tries it out is told at once; nothing is stored."""

    async def story(app: Driver) -> None:
        for content in (b"", b"[]", b"{", b'{"phone": []}', b'"\xff"', b"[" * 90_000):
            answered = await app.post(content, "/webhook/yclients/test", headers=BEARER)
            assert answered.status_code == 400, content[:20]
            assert answered.json()["error"].startswith("the body cannot be read: ")
        assert await events(app) == []

    play(story)


def test_a_test_without_a_phone_is_told_so(play: Play) -> None:
    """No phone is a reason, not an error."""

    async def story(app: Driver) -> None:
        said = (await app.post({"service": "x"}, "/webhook/yclients/test", headers=BEARER)).json()
        assert (said["success"], said["status"], said["message"], said["reason"]) == (False, "suppressed", None, "no phone")

    play(story)


# --- another bot


def test_activity_feeds_recent_chat(play: Play) -> None:
    """The client is talking to the other bot, so it knows of the booking already."""

    async def story(app: Driver) -> None:
        answered = await app.http.post("/activity", json={"phone": "8 (900) 000-00-88"}, headers=BEARER)
        assert (answered.status_code, answered.json()) == (200, {"success": True})
        changed = NOON + timedelta(minutes=3)
        await app.settle(180)
        told = await app.tell(body("record_create_discount50", last_change_date=f"{changed:%Y-%m-%dT%H:%M:%S}+0000"))
        assert (told["status"], told["rule"]) == ("suppressed", "recent_chat")
        assert await app.messages() == []

    play(story)


@pytest.mark.parametrize(
    ("at", "rule"),
    [
        ("2025-08-20T08:56:00+00:00", "recent_chat"),
        ("2025-08-20T11:56:00+03:00", "recent_chat"),
        ("2025-08-20T08:54:00", None),
        ("2099-01-01T00:00:00Z", "recent_chat"),
        (1755680160, "recent_chat"),
        ("yesterday", "recent_chat"),
    ],
)
def test_activity_says_when(play: Play, at: Any, rule: str | None) -> None:
    """`at` counts where it can be read; it is never in the future, and what cannot be read is now."""

    async def story(app: Driver) -> None:
        await app.http.post("/activity", json={"phone": "+79000000088", "at": at}, headers=BEARER)
        told = await app.tell(body("record_create_discount50", last_change_date="2025-08-20T12:00:00+0300"))
        assert told["rule"] == rule

    play(story)


def test_settle_waits_once(play: Play) -> None:
    """The message leaves as soon as it is decided: 20 s after the first event, not another 20 s later."""

    async def story(app: Driver) -> None:
        await app.tell(body("record_create_discount50"))
        await app.settle(19)
        assert await app.texts() == []
        await app.settle(1)
        assert await app.texts() == [CREATED]

    play(story, filter={"settle": {"wait": "20s"}})


def test_told_after_the_webhook(play: Play) -> None:
    """The bot has told the client while the message waited: what waits is withdrawn, and later changes are compared with that."""

    async def story(app: Driver) -> None:
        key = (await app.post(body("record_create_discount50"))).json()["eventId"]
        await app.settle(1)
        answered = await app.http.post("/activity", json={"record_id": "1213336367", "told": True}, headers=BEARER)
        assert (answered.status_code, answered.json()) == (200, {"success": True})
        await app.settle(60)
        assert await app.texts() == []
        assert (await app.story(key))["status"] == "suppressed"
        await app.tell(body("record_create_discount50", status="update", **LATER))
        await app.settle(60)
        assert [text.splitlines()[0] for text in await app.texts()] == ["📝 *Ваша запись изменена*"]

    play(story, filter={"settle": {"wait": "20s"}})


def test_told_before_the_webhook(play: Play) -> None:
    """The bot is faster than YCLIENTS: the mark waits for the booking."""

    async def story(app: Driver) -> None:
        await app.http.post("/activity", json={"record_id": 1213336367, "told": True}, headers=BEARER)
        told = await app.tell(body("record_create_discount50"))
        assert (told["status"], await app.texts()) == ("suppressed", [])
        await app.tell(body("record_create_discount50", status="update", **LATER))
        assert [text.splitlines()[0] for text in await app.texts()] == ["📝 *Ваша запись изменена*"]

    play(story)


def test_told_of_whom(play: Play) -> None:
    """With several salons an unknown booking cannot be marked without its salon, and that is said, not swallowed."""

    async def story(app: Driver) -> None:
        mark = {"record_id": 1213336367, "told": True}
        answered = await app.http.post("/activity", json=mark, headers=BEARER)
        assert (answered.status_code, answered.json()["error"]) == (
            400,
            "this booking is not known yet, and several salons are served: say company_id too",
        )
        assert (await app.http.post("/activity", json={**mark, "company_id": 962302}, headers=BEARER)).status_code == 200
        assert (await app.tell(body("record_create_discount50")))["status"] == "suppressed"
        assert (await app.http.post("/activity", json=mark, headers=BEARER)).status_code == 200

    play(story, salon={"5": {}})


TWO_SOURCES: dict[str, Any] = {"source": {"altegio": {"secret": "none"}}, "salon": {"5": {}}}


async def tell_of(app: Driver, **said: Any) -> str:
    """What `/activity` answers to a bot that has told the client about this booking."""
    answered = await app.http.post("/activity", json={"record_id": 1213336367, "told": True, **said}, headers=BEARER)
    assert answered.status_code == (200 if answered.json().get("success") else 400)
    return str(answered.json().get("error", "ok"))


def test_told_of_another_source(play: Play) -> None:
    """Ids of two sources may be the same. What a bot tells a client of Altegio silences nobody of YCLIENTS."""

    async def story(app: Driver) -> None:
        await app.tell(body("record_create_discount50"))
        await app.post(body("record_create_discount50", status="update", **LATER))
        assert await tell_of(app, source="altegio", company_id=962302) == "ok"
        await app.settle(60)
        assert [text.splitlines()[0] for text in await app.texts()] == ["✅ *Вы записаны!*", "📝 *Ваша запись изменена*"]
        known = await app.rows("SELECT source, created_by_bot FROM appointments_cache ORDER BY source")
        assert [(row["source"], bool(row["created_by_bot"])) for row in known] == [("altegio", True), ("yclients", False)]
        first = await app.tell(body("record_create_discount50"), path="/webhook/altegio")
        assert (first["source"], first["status"]) == ("altegio", "suppressed")

    play(story, **TWO_SOURCES)


def test_told_of_which_of_several(play: Play) -> None:
    """Where the number is that of several bookings, or of another source's, the bot is asked for more, and nobody is silenced."""

    async def story(app: Driver) -> None:
        said = body("record_create_discount50")
        await app.tell(said, path="/webhook/altegio")
        assert await tell_of(app) == "this booking is known of altegio alone: say source too"
        assert await tell_of(app, source="crm") == "source: none of that name is switched on, only yclients, altegio"
        assert (
            await tell_of(app, source="yclients")
            == "this booking is not known yet, and several salons are served: say company_id too"
        )
        await app.tell(said)
        await app.tell({**said, "company_id": 5})
        for asked in ({}, {"source": "yclients"}, {"company_id": 962302}):
            assert await tell_of(app, **asked) == "several bookings have this record_id: say source and company_id too"
        bot = "SELECT source, company_id FROM appointments_cache WHERE created_by_bot"
        assert await app.rows(bot) == []
        assert await tell_of(app, source="altegio") == "ok"
        assert await tell_of(app, company_id=5) == "ok"
        assert sorted((row["source"], row["company_id"]) for row in await app.rows(bot)) == [("altegio", 962302), ("yclients", 5)]

    play(story, **TWO_SOURCES)


NO_ACTIVITY = [
    b"", b"[]", b"{}", b"nonsense", b'"\xff"', b'{"a":' + b"[" * 90_000, b'{"phone": null}', b'{"phone": "12"}', b'{"phone": ["+79000000088"]}',
    b'{"record_id": 5}', b'{"record_id": 5, "told": false}', b'{"record_id": "x", "told": true}', b'{"record_id": true, "told": true}',
    b'{"record_id": 99999999999999999999, "told": true}',
]  # fmt: skip


ISRAEL = {"name": "x", "timezone": "Asia/Jerusalem", "region": "IL"}


@pytest.mark.parametrize(
    ("salons", "entry", "phone"),
    [
        ({"77": ISRAEL}, {"phone": "050-123-4567", "company_id": 77}, "+972501234567"),
        ({"77": ISRAEL}, {"phone": "+79000000077", "company_id": 77}, "+79000000077"),
        ({"77": ISRAEL}, {"phone": "8 (900) 000-00-88"}, "+79000000088"),
        ({"962302": ISRAEL}, {"phone": "050-123-4567"}, "+972501234567"),
    ],
)
def test_activity_reads_a_phone_as_its_salon_does(
    play: Play, salons: dict[str, dict[str, str]], entry: dict[str, Any], phone: str
) -> None:
    """Without a country's code it is of the salon's own country; of the only salon's where none is named."""

    async def story(app: Driver) -> None:
        assert (await app.http.post("/activity", json=entry, headers=BEARER)).status_code == 200
        assert [row["phone"] for row in await app.rows("SELECT phone FROM contacts")] == [phone]

    play(story, salon=salons)


def test_activity_that_cannot_be_read_is_400(play: Play) -> None:
    """The author of the other bot is told what to send."""

    async def story(app: Driver) -> None:
        for content in NO_ACTIVITY:
            answered = await app.http.post("/activity", content=content, headers=BEARER)
            assert (answered.status_code, answered.json()["success"]) == (400, False), content[:30]

    play(story)


def test_the_bots_token_is_for_activity_only(play: Play) -> None:
    """`bot_token` opens /activity and nothing else; without a token nobody gets in."""

    async def story(app: Driver) -> None:
        bot = {"Authorization": "Bearer bots"}
        assert (await app.http.post("/activity", json={"phone": "+79000000088"}, headers=bot)).status_code == 200
        assert (await app.http.post("/activity", json={"phone": "+79000000088"}, headers=BEARER)).status_code == 200
        for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer x"}, {"Authorization": "bots2"}):
            refused = await app.http.post("/activity", json={"phone": "+79000000088"}, headers=headers)
            assert (refused.status_code, refused.json()["error"]) == (
                401,
                "send the operator's token, or [server] bot_token: Authorization: Bearer …",
            )
        assert "Последние события" not in (await app.http.get("/", headers=bot)).text

    play(story, server={"bot_token": "bots"})


# --- what gateways report


def green(name: str, **changes: Any) -> dict[str, Any]:
    return {**json.loads((PAYLOADS / "transports" / "green_api" / f"{name}.json").read_text(encoding="utf-8")), **changes}


def inbound(text: str) -> dict[str, Any]:
    found = green("webhook.inbound_text", timestamp=int(NOON.timestamp()))
    found["senderData"]["chatId"] = found["senderData"]["sender"] = "79000000088@c.us"
    found["messageData"]["textMessageData"]["textMessage"] = text
    return found


BESIDE = {"send": {"green_api": {"id_instance": "1101000001"}}, "route": {"transport": {"whatsapp": "console"}}}


def test_an_inbound_message_feeds_recent_chat(play: Play) -> None:
    """The client wrote to the salon's number: the booking that the bot makes then is known to them."""

    async def story(app: Driver) -> None:
        answered = await app.http.post("/callback/green_api", json=inbound("Запишите меня"))
        assert (answered.status_code, answered.json()) == (200, {"success": True})
        await app.settle(60)
        told = await app.tell(body("record_create_discount50", last_change_date="2025-08-20T12:01:00+0300"))
        assert (told["status"], told["rule"]) == ("suppressed", "recent_chat")

    play(story, **BESIDE)


@pytest.mark.parametrize("word", ["СТОП", "стоп", " Stop. ", "STOP!"])
def test_stop_opts_out_and_start_comes_back(play: Play, word: str) -> None:
    """СТОП, the whole message, ends messages to this phone until СТАРТ."""

    async def story(app: Driver) -> None:
        await app.http.post("/callback/green_api", json=inbound(word))
        await app.settle(3600)
        told = await app.tell(body("record_create_discount50", last_change_date="2025-08-20T13:00:00+0300"))
        assert (told["status"], told["rule"]) == ("suppressed", "opt_out")
        await app.http.post("/callback/green_api", json=inbound("Старт"))
        await app.settle(3600)
        moved = {
            "date": "2025-08-21 16:00:00",
            "datetime": "2025-08-21T16:00:00+03:00",
            "last_change_date": "2025-08-20T14:00:00+0300",
        }
        told = await app.tell(body("record_create_discount50", status="update", **moved))
        assert told["status"] == "processed"

    play(story, **BESIDE)


def test_stop_inside_a_message_is_none(play: Play) -> None:
    """A sentence that has the word in it opts nobody out."""

    async def story(app: Driver) -> None:
        await app.http.post("/callback/green_api", json=inbound("стоп, а можно на завтра?"))
        await app.settle(3600)
        assert (await app.tell(body("record_create_discount50", last_change_date="2025-08-20T13:00:00+0300")))[
            "status"
        ] == "processed"

    play(story, **BESIDE)


def test_delivered_is_noted(play: Play) -> None:
    """A status from the gateway sets `delivered_at`, then `read_at`, on the row of its message."""
    listening = socket.create_server(("127.0.0.1", 0))

    async def gateway(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        said = json.dumps(green("send.ok")).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(said), said))
        await writer.drain()
        writer.close()

    async def story(app: Driver) -> None:
        async with await asyncio.start_server(gateway, sock=listening):
            await app.tell(body("record_create_discount50"))
        row = (await app.messages())[0]
        assert (row["status"], row["transport"], row["provider_message_id"]) == ("sent", "green_api", green("send.ok")["idMessage"])
        assert (row["delivered_at"], row["read_at"]) == (None, None)
        for minutes, status in ((1, "delivered"), (2, "read")):
            at = NOON + timedelta(minutes=minutes)
            report = green(f"webhook.status_{status}", idMessage=row["provider_message_id"], timestamp=int(at.timestamp()))
            report["chatId"] = "79000000088@c.us"
            assert (await app.http.post("/callback/green_api", json=report)).status_code == 200
            await app.settle(60)
            row = (await app.messages())[0]
            assert (row["status"], when(row[f"{status}_at"])) == (status, at)

    port = listening.getsockname()[1]
    green_api = {"base_url": f"http://127.0.0.1:{port}", "id_instance": "1101000001", "token": "t"}
    play(story, send={"console": None, "green_api": green_api})


def test_a_callback_that_cannot_be_read_is_kept(play: Play) -> None:
    """A gateway that gets an error would send the same one for ever: 200, kept as unreadable."""

    async def story(app: Driver) -> None:
        for content in (b"", b"nonsense", b"[]", b"\xff\x00"):
            assert (await app.http.post("/callback/green_api", content=content)).status_code == 200
        rows = await app.rows("SELECT status, payload FROM callbacks ORDER BY id")
        assert [row["status"] for row in rows] == ["unreadable"] * 4
        assert rows[1]["payload"] == "nonsense"

    play(story, **BESIDE)


def test_a_callback_without_proof(play: Play) -> None:
    """A wrong token is 401, counted under the transport's name, and nothing is stored."""

    async def story(app: Driver) -> None:
        assert (await app.http.post("/callback/green_api", json=inbound("стоп"))).status_code == 401
        assert (
            await app.http.post("/callback/green_api", json=inbound("стоп"), headers={"Authorization": "Bearer hook"})
        ).status_code == 200
        assert len(await app.rows("SELECT * FROM callbacks")) == 1
        assert [(row["source"], row["count"]) for row in await app.rows("SELECT source, count FROM refusals")] == [("green_api", 1)]

    play(story, send={"green_api": {"webhook_token": "hook"}}, route={"transport": {"whatsapp": "console"}})


@pytest.mark.parametrize(
    ("table", "headers", "status"),
    [
        ({}, {}, 401),
        ({"webhook_token": "none"}, {}, 200),
        ({"webhook_token": "none"}, {"Authorization": "Bearer whatever"}, 200),
        ({"webhook_token": "hook"}, {"Authorization": "Bearer hook"}, 200),
        ({"webhook_token": "hook"}, {}, 401),
        ({"webhook_token": "hook"}, {"Authorization": "Bearer none"}, 401),
    ],
)
def test_an_open_address_believes_no_unproven_callback(
    play: Play, table: dict[str, str], headers: dict[str, str], status: int
) -> None:
    """Beyond loopback nobody opts a client out without the key, unless "none" says that this is meant; what is refused is counted."""

    async def story(app: Driver) -> None:
        answered = await app.http.post("/callback/green_api", json=inbound("стоп"), headers=headers)
        assert answered.status_code == status
        await app.settle()
        opted = await app.rows("SELECT phone FROM contacts WHERE opted_out_at IS NOT NULL")
        assert len(opted) == (status == 200)
        assert len(await app.rows("SELECT source FROM refusals")) == (status == 401)

    green = {"green_api": {"id_instance": "1101000001", **table}}
    play(
        story,
        server={"host": OPEN},
        source={"yclients": {"secret": SECRET}},
        send=green,
        route={"transport": {"whatsapp": "console"}},
    )


def test_meta_may_ask_for_the_verify_token_before_callbacks_are_proven(play: Play) -> None:
    """The question of the set-up bears its own word: it is answered also beyond loopback, and while `app_secret` is unset."""

    async def story(app: Driver) -> None:
        asked = {"hub.mode": "subscribe", "hub.verify_token": "w0rd", "hub.challenge": "42"}
        answered = await app.http.get("/callback/whatsapp_cloud", params=asked)
        assert (answered.status_code, answered.text) == (200, "42")
        assert (await app.http.post("/callback/whatsapp_cloud", json={"entry": []})).status_code == 401

    cloud = {"whatsapp_cloud": {"phone_number_id": "1", "verify_token": "w0rd"}}
    tables = {"server": {"host": OPEN}, "source": {"yclients": {"secret": SECRET}}, "route": {"transport": {"whatsapp": "console"}}}
    play(story, send=cloud, **tables)


def test_the_page_says_who_may_post_callbacks(play: Play) -> None:
    """The salon's console has the sentence, as `check` and the start have it."""

    async def story(app: Driver) -> None:
        text = (await app.http.get("/", headers=BEARER)).text
        assert "[send.green_api] has no webhook_token: whoever knows the address can post callbacks, and opt clients out" in text

    play(story, **BESIDE)


@pytest.mark.parametrize("name", ["console", "greenapi"])
def test_nobody_calls_back_there(play: Play, name: str) -> None:
    """A transport that is not on, or is never called back, is 404."""

    async def story(app: Driver) -> None:
        answered = await app.http.post(f"/callback/{name}", json={})
        assert (answered.status_code, answered.json()["error"]) == (404, f"there is no transport `{name}` that is called back")

    play(story)


# --- is it well


@pytest.mark.parametrize("hindrance", ["full", "folder", "disk", "read-only"])
def test_not_ready_where_no_event_can_be_kept(play: Play, monkeypatch: pytest.MonkeyPatch, hindrance: str) -> None:
    """The database is away: ready while the spool takes events; 503 once it is full, or cannot be written; ready again with the database."""

    async def story(app: Driver) -> None:
        store, spool, ping = app.vestnik.run.store, app.vestnik.spool._own, app.vestnik.run.store.ping

        async def away(*_: Any) -> None:
            raise OSError("away")

        monkeypatch.setattr(store, "ping", away)
        ready = await app.http.get("/ready")
        assert (ready.status_code, ready.json()["ready"], "spool" in ready.json()) == (200, True, False)
        if hindrance == "full":
            monkeypatch.setattr(spool, "_limit", 1000)
        elif hindrance == "folder":
            monkeypatch.setattr(spool, "_file", None)
            monkeypatch.setattr(spool, "path", spool.path.parent / "gone" / "x.spool")
        else:
            real = os.fstatvfs
            monkeypatch.setattr(os, "fstatvfs", lambda file: Disk(real(file), hindrance))
        ready = await app.http.get("/ready")
        said = {
            "full": "full",
            "folder": "cannot be written (No such file or directory)",
            "disk": "has no room on the disk",
            "read-only": "cannot be written (the disk is read-only)",
        }[hindrance]
        assert (ready.status_code, ready.json()["ready"], ready.json()["spool"]) == (503, False, said)
        monkeypatch.setattr(store, "ping", ping)
        assert (await app.http.get("/ready")).status_code == 200

    play(story)


class Disk:
    """A disk with that hindrance."""

    def __init__(self, real: os.statvfs_result, hindrance: str) -> None:
        self.f_frsize = real.f_frsize
        self.f_bavail = 0 if hindrance == "disk" else real.f_bavail
        self.f_flag = real.f_flag | (os.ST_RDONLY if hindrance == "read-only" else 0)


def test_health_ready_metrics(play: Play) -> None:
    """Alive; ready as long as an event can be kept; counters."""

    async def story(app: Driver) -> None:
        assert (await app.http.get("/health")).json() == {"status": "ok"}
        assert (await app.http.get("/ready")).json() == {
            "ready": True,
            "database": "ok",
            "config": "ok",
            "spooled": 0,
            "transports": [],
        }
        await app.tell(body("record_create_discount50"))
        metrics = await app.http.get("/metrics")
        assert metrics.status_code == 200
        assert metrics.headers["content-type"].startswith("text/plain")
        assert 'vestnik_outcomes_total{channel="",rule="",stage="decide",status="processed",transport=""}' in metrics.text
        assert {"vestnik_spooled 0.0", 'vestnik_waiting{what="events"} 0.0', 'vestnik_waiting{what="messages"} 0.0'} <= {
            *metrics.text.splitlines()
        }
        await app.post(body("record_create_admin"))  # stored, and not decided
        assert 'vestnik_waiting{what="events"} 1.0' in (await app.http.get("/metrics")).text

    play(story, record={"metrics": {}})


# --- the page


def test_the_page_wants_the_token(play: Play) -> None:
    """Nobody sees a client without signing in; a wrong token is told so."""

    async def story(app: Driver) -> None:
        await app.tell(body("record_create_discount50"))
        seen = await app.http.get("/")
        assert (seen.status_code, "МУЖСКАЯ" in seen.text, 'type="password"' in seen.text) == (200, False, True)
        for given in ("wrong", "", "%00", "%ff"):
            refused = await app.http.post("/", content=f"token={given}")
            assert (refused.status_code, "Это не тот токен." in refused.text, "set-cookie" in refused.headers) == (401, True, False)

    play(story)


def test_the_page_tells_what_became_of_each(play: Play) -> None:
    """Signed in, the operator sees the last events, the text or the reason of each, and no whole phone."""

    async def story(app: Driver) -> None:
        signed_in = await app.http.post("/", data={"token": TOKEN})
        assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/")
        cookie = signed_in.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert TOKEN not in cookie
        assert "secure" not in cookie  # this one came over plain HTTP
        assert "Событий пока нет." in (await app.http.get("/")).text
        await app.tell(body("record_create_discount50"))
        await app.tell(body("record_create_by_bot_comment"))
        await app.tell(b"nonsense")
        text = (await app.http.get("/")).text
        assert CREATED in text
        for words in (
            "отправлено (whatsapp, console)",
            "не отправлено",
            "запись сделал бот салона, он уже написал клиенту (own_comment: ",
            "не распознано",
            "the body is no JSON",
            "+7900…88",
        ):
            assert words in text
        assert "+79000000088" not in text
        assert "has no secret" in text

    play(story)


@pytest.mark.parametrize("headers", [{"X-Forwarded-Proto": "https"}, {"Origin": "https://salon.example"}])
def test_over_tls_the_cookie_travels_so_alone(play: Play, headers: dict[str, str]) -> None:
    """What stands in front says so, or the browser does."""

    async def story(app: Driver) -> None:
        signed_in = await app.http.post("/", data={"token": TOKEN}, headers=headers)
        assert "; secure" in signed_in.headers["set-cookie"].lower()

    play(story)


def test_a_session_ends(play: Play) -> None:
    """After thirty days, with another token, and where anything of the cookie is another; the token itself is no cookie."""

    async def story(app: Driver) -> None:
        signed_in = await app.http.post("/", data={"token": TOKEN})
        cookie = signed_in.cookies["vestnik"]
        until, _, seal = cookie.partition(".")

        async def seen(value: str) -> bool:
            app.http.cookies.clear()
            return "Последние события" in (await app.http.get("/", headers={"Cookie": f"vestnik={value}"})).text

        assert await seen(cookie)
        for wrong in (TOKEN, seal, f"{int(until) + 1}.{seal}", f"{until}.{seal[:-1]}", f"{until}.", ".", "", f"٣{until}.{seal}"):
            assert not await seen(quote(wrong)), wrong
        app.vestnik.token = "another-token"
        assert not await seen(cookie)
        app.vestnik.token = TOKEN
        app.clock.now += timedelta(days=30, seconds=1)
        assert not await seen(cookie)

    play(story)


def test_nothing_on_the_way_keeps_the_page(play: Play) -> None:
    """Signed in or not."""

    async def story(app: Driver) -> None:
        answers = [await app.http.get("/"), await app.http.post("/", data={"token": "x"}), await app.http.get("/", headers=BEARER)]
        answers.append(await app.http.post("/", data={"token": TOKEN}))
        assert [answer.headers["cache-control"] for answer in answers] == ["no-store"] * 4

    play(story)


def test_who_guesses_has_to_wait(play: Play) -> None:
    """Twenty different wrong tokens within a minute: then none is looked at, the right one neither; whoever is signed in goes on."""

    async def story(app: Driver) -> None:
        await app.http.post("/", data={"token": TOKEN})
        for _ in range(30):  # the same one again is no guess
            assert (await app.http.post("/", data={"token": "typo"})).status_code == 401
        for number in range(19):
            assert (await app.http.post("/", data={"token": f"guess {number}"})).status_code == 401
        for token in ("guess", TOKEN):
            refused = await app.http.post("/", data={"token": token})
            assert (refused.status_code, refused.headers["retry-after"], "Слишком много" in refused.text) == (429, "60", True)
        assert "Последние события" in (await app.http.get("/")).text
        assert (await app.http.get("/", headers=BEARER)).status_code == 200
        app.clock.now += timedelta(seconds=61)
        assert (await app.http.post("/", data={"token": TOKEN})).status_code == 303

    play(story)


def test_a_form_of_many_fields_is_400(play: Play) -> None:
    """The sign-in has one."""

    async def story(app: Driver) -> None:
        refused = await app.http.post("/", content="&".join(f"f{n}=1" for n in range(101)))
        assert (refused.status_code, refused.text) == (400, "the form has more than 100 fields")

    play(story)


def test_the_page_says_in_russian_why(play: Play) -> None:
    """Each built-in rule has its words for the salon; so have core's own reasons; another's are shown as they are."""
    rules = sorted(file.stem for file in Path("plugins/filter").glob("[a-z]*.py"))

    async def story(app: Driver) -> None:
        said = {name: why(app.vestnik.run.hooks, name, "it is so") for name in rules}
        assert [name for name in rules if not re.fullmatch(rf"[а-яё, СТОП«»]+ \({name}: it is so\)", said[name])] == []

    async def without_a_client(app: Driver) -> None:
        await app.tell(body("record_create_discount50", client=[]))
        assert "в записи нет клиента (no client belongs to the booking)" in (await app.http.get("/", headers=BEARER)).text

    play(story, filter={name: {"phones": ["+79000000088"]} if name == "only_phones" else {} for name in rules})
    play(without_a_client)


def test_the_page_escapes(play: Play) -> None:
    """A name from outside is text, never markup."""

    async def story(app: Driver) -> None:
        evil = "<script>alert(1)</script>"
        services = [{"id": 1, "title": evil, "cost": 5, "first_cost": 5, "amount": 1}]
        await app.tell(body("record_create_discount50", services=services))
        await app.tell({"company_id": 962302, "resource": evil, "resource_id": 5, "status": evil, "data": {"id": 5}})
        text = (await app.http.get("/", headers=BEARER)).text
        assert "<script>" not in text
        assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 2

    play(story)


# --- the operator's token


def test_the_token_is_made_kept_and_shown_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Made at the first start, readable by its owner alone, printed once, and the same from then on."""
    raw = settings(f"sqlite:///{tmp_path / 'vestnik.db'}")
    del raw["server"]["token"]
    seen: list[str] = []

    async def story(app: Driver) -> None:
        seen.append(app.vestnik.token)
        assert (
            await app.http.post("/activity", json={"phone": "+79000000088"}, headers={"Authorization": f"Bearer {seen[-1]}"})
        ).status_code == 200
        assert (await app.http.post("/activity", json={"phone": "+79000000088"})).status_code == 401

    drive(raw, tmp_path, story)
    file = tmp_path / "vestnik.token"
    assert capsys.readouterr().out == f"The operator's token, shown once and kept in {file}: {seen[0]}\n"
    assert (file.stat().st_mode & 0o777, file.read_text(encoding="utf-8").strip()) == (0o600, seen[0])
    assert len(seen[0]) >= 32
    drive(raw, tmp_path, story)
    assert (seen[1], capsys.readouterr().out) == (seen[0], "")


def test_an_empty_token_file_is_no_token(tmp_path: Path) -> None:
    """An empty file (a full disk, a careless hand) opens no door: a token is made."""
    raw = settings(f"sqlite:///{tmp_path / 'vestnik.db'}")
    del raw["server"]["token"]
    (tmp_path / "vestnik.token").touch(0o600)
    made = operator_token(build(raw, tmp_path / "config.toml", {}))
    assert len(made) >= 32
    assert operator_token(build(raw, tmp_path / "config.toml", {})) == made


# --- a new rule

VIP = '''"""Writes to no client whose name is on the list."""

from core import Case, Settings, Suppressed, Verdict, hookimpl


class Config(Settings, frozen=True):
    names: tuple[str, ...] = ()  # as they stand in YCLIENTS


@hookimpl
def filter(case: Case, config: Config) -> Verdict:
    name = case.booking.client_name if case.booking else None
    return Suppressed(f"{name} wants no messages") if name in config.names else None
'''
BREAKS = "from core import hookimpl\n{}\n@hookimpl\ndef filter(case):\n    raise RuntimeError('boom')\n"


def private(tmp_path: Path, name: str, text: str) -> None:
    file = tmp_path / "filter" / f"{name}.py"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")


def test_a_new_rule_is_one_file_and_one_table(play: Play, tmp_path: Path) -> None:
    """A rule of the salon's own keeps silent and names itself; two lines switch it off for one salon."""
    private(tmp_path, "vip", VIP)

    async def story(app: Driver) -> None:
        told = await app.tell(body("record_create_discount50"))
        assert (told["status"], told["rule"], told["reason"]) == ("suppressed", "vip", "Арсен wants no messages")
        other = body("record_create_discount50", company_id=5)
        other["data"]["company_id"] = 5
        assert (await app.tell(other))["status"] == "processed"
        assert [row["company_id"] for row in await app.messages()] == [5]

    play(
        story,
        plugins={"path": ["."]},
        filter={"vip": {"names": ["Арсен"]}},
        salon={"5": {"filter": {"vip": {"enabled": False}}}},
    )


def test_a_broken_rule_abstains(play: Play, tmp_path: Path) -> None:
    """A rule that breaks silences nobody, and the trace says that it broke."""
    private(tmp_path, "broken", BREAKS.format(""))

    async def story(app: Driver) -> None:
        told = await app.tell(body("record_create_discount50"))
        assert (told["status"], await app.texts()) == ("processed", [CREATED])
        details = [
            json.loads(line["detail"])["verdicts"] for line in told["journal"] if line["detail"] and "verdicts" in line["detail"]
        ]
        assert ["broken", "broken", "abstained: RuntimeError: boom in broken.py:5"] in details[0]

    play(story, plugins={"path": ["."]}, filter={"broken": {}})


def test_a_broken_safety_rule_holds(play: Play, tmp_path: Path) -> None:
    """A rule with on_error = "hold" keeps the message back; asked again and again it is parked, and an alert says so."""
    private(tmp_path, "broken", BREAKS.format('on_error = "hold"'))

    async def story(app: Driver) -> None:
        told = await app.tell(body("record_create_discount50"))
        assert (told["status"], await app.messages()) == ("deferred", [])
        assert told["reason"] == "broken is broken: RuntimeError: boom in broken.py:5"
        for _ in range(40):
            await app.settle(3600)
        told = await app.story(told["event_id"])
        assert (told["status"], await app.texts()) == ("parked", [])
        assert [row["text"] for row in await app.rows("SELECT text FROM alerts")] == [
            "Событие не обработано (broken is broken: RuntimeError: boom in broken.py:5). Исправьте причину, затем: vestnik replay "
            + told["event_id"]
        ]

    play(story, plugins={"path": ["."]}, filter={"broken": {}})
