"""SMS.ru, beyond the recorded bodies of tests/test_contracts.py."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest

from core import Attempt, DeliveryStatus, Refused, Rejected, Reply, Request, Retry, SendResult, Sent, Unclear
from plugins.send import smsru
from tests.plugins.send.asked import ADDRESS, MESSAGE, PHONE, answered, ask, posted

CONFIG = smsru.Config(base_url="https://sms.test/", api_id="test_api_id")
ID = "000000-10000000"
AT = datetime.fromtimestamp(1790000005, UTC)
KNOWN = Attempt(ID, ADDRESS.reference, PHONE, AT)


def _send(status: int, body: object, config: smsru.Config = CONFIG) -> tuple[SendResult, list[Any]]:
    return ask(lambda http: smsru.send(MESSAGE, ADDRESS, http, config), answered(status, body))


def _of_number(entry: object, number: str = "79001234567") -> dict[str, object]:
    return {"status": "OK", "status_code": 100, "sms": {number: entry}, "balance": 4122.56}


def _code(code: object) -> SendResult:
    """What a code means; it must mean the same said of the request and of its one number."""
    whole = _send(200, {"status": "ERROR", "status_code": code, "status_text": "…"})[0]
    assert _send(200, _of_number({"status": "ERROR", "status_code": code, "status_text": "…"}))[0] == whole
    return whole


def _form(lines: list[str], api_id: str = "test_api_id") -> dict[str, str]:
    fields = {f"data[{number}]": line for number, line in enumerate(lines)}
    return {**fields, "hash": hashlib.sha256((api_id + "".join(lines)).encode()).hexdigest()}


def _call(fields: dict[str, str], config: smsru.Config = CONFIG) -> Reply:
    return smsru.callback(posted(urlencode(fields).encode()), config)


def test_request() -> None:
    """One form, with api_id in its body alone, and without a sender where none is set."""
    result, (request,) = _send(200, _of_number({"status": "OK", "status_code": 100, "sms_id": ID}))
    assert result == Sent(ID)
    assert (request.method, str(request.url)) == ("POST", "https://sms.test/sms/send")
    fields = dict(parse_qsl(request.content.decode(), strict_parsing=True))
    assert fields == {"api_id": "test_api_id", "to": "79001234567", "msg": "Вы записаны", "json": "1"}


def test_sender() -> None:
    """The sender's name is given where one is set."""
    _, (request,) = _send(200, {}, smsru.Config(sender="SALON"))
    assert ("from", "SALON") in parse_qsl(request.content.decode())


def test_number_may_be_spelt_otherwise() -> None:
    """The one number that was asked for is the one that is answered, however it is spelt."""
    assert _send(200, _of_number({"status": "OK", "sms_id": ID}, "+7 900 123-45-67"))[0] == Sent(ID)


@pytest.mark.parametrize("code", [200, 300, 301, 302, 201, 206])
def test_account(code: int) -> None:
    """What a person has to mend stops the transport."""
    result = _code(code)
    assert isinstance(result, Retry)
    assert (result.scope, result.alert) == ("transport", True)


@pytest.mark.parametrize("code", [202, 207, 209, 214])
def test_recipient(code: int) -> None:
    """A number that cannot be reached."""
    assert _code(code) == Rejected("no SMS can reach the number, or it is on the stop list")


@pytest.mark.parametrize("code", [203, 204, 205, 212, 216])
def test_content(code: int) -> None:
    """A text or sender that is wrong for everybody."""
    result = _code(code)
    assert isinstance(result, Rejected)
    assert result.scope == "content"


@pytest.mark.parametrize("code", [220, 500, 230, 233])
def test_later(code: int) -> None:
    """What holds up this one message for a while."""
    result = _code(code)
    assert isinstance(result, Retry)
    assert (result.scope, result.alert) == ("recipient", False)


@pytest.mark.parametrize("code", [231, 232])
def test_same_text_was_taken_before(code: int) -> None:
    """The limit of identical texts may be this very message, taken before: it is not repeated."""
    assert isinstance(_code(code), Unclear)


def test_code_as_text() -> None:
    """Codes count the same as numbers and as texts."""
    assert _code("201") == _code(201)


@pytest.mark.parametrize(
    "body",
    [
        {"status": "ERROR", "status_code": 999},
        {"status": "OK", "sms": {}},
        {"status": "OK", "sms": {"1": {"status": "OK", "sms_id": "a"}, "2": {"status": "OK", "sms_id": "b"}}},
        {"status": "OK", "sms": {"79001234567": {"status": "OK"}}},
        {"status": "OK", "sms": ["OK"]},
    ],
)
def test_anything_else_is_unclear(body: object) -> None:
    """An answer that is not documented promises nothing."""
    assert isinstance(_send(200, body)[0], Unclear)


def test_callback_is_answered_100() -> None:
    """Statuses are read, other entries passed over, and the answer is the plain text that SMS.ru waits for."""
    lines = [
        f"sms_status\n{ID}\n103\n1790000005",
        "callcheck_status\n201737-542\n401\n1790000005",
        "test\n1790000007",
        f"sms_status\n{ID}\n999\n1790000005",
        "sms_status\n1\n103",
        "",
    ]
    assert _call(_form(lines)) == Reply((DeliveryStatus("delivered", ID, at=AT),), "100", "text/plain", 200)


def test_hash_is_over_the_entries_in_their_order() -> None:
    """data[10] comes after data[2], wherever the fields stand in the body."""
    fields = _form([f"sms_status\nid-{number}\n102\n1790000005" for number in range(12)])
    shuffled = dict(sorted(fields.items(), reverse=True))
    assert [item.id for item in _call(shuffled).items if isinstance(item, DeliveryStatus)] == [
        f"id-{number}" for number in range(12)
    ]


def test_form_in_parts() -> None:
    """A multipart form is as good as a urlencoded one."""
    part = 'Content-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    fields = _form([f"sms_status\n{ID}\n103\n1790000005"])
    body = "".join(f"--x\r\n{part.format(*field)}" for field in fields.items()) + "--x--\r\n"
    request = Request("POST", "/callback/smsru", {"content-type": "multipart/form-data; boundary=x"}, {}, body.encode())
    assert smsru.callback(request, CONFIG).items == (DeliveryStatus("delivered", ID, at=AT),)


def test_wrong_hash_is_refused() -> None:
    """A hash over other entries, of another account, or none at all, proves nothing."""
    good = _form([f"sms_status\n{ID}\n103\n1790000005"])
    more = {"data[1]": f"sms_status\n{ID}\n104\n1790000006"}
    other = _form([f"sms_status\n{ID}\n103\n1790000005"], "another")
    for fields in ({**good, **more}, other, {**good, "hash": ""}, {"data[0]": good["data[0]"]}, {}):
        with pytest.raises(Refused):
            _call(fields)


def test_no_callback_is_believed_without_api_id() -> None:
    """Without api_id anybody could make the hash."""
    with pytest.raises(Refused):
        _call(_form([], ""), smsru.Config())


@pytest.mark.parametrize(
    ("code", "status"),
    [(100, "sent"), (101, "sent"), (102, "sent"), (103, "delivered")]
    + [(code, "failed") for code in (104, 105, 106, 107, 108, 150)],
)
def test_check(code: int, status: str) -> None:
    """Every documented status; a failure says why."""
    body = {"status": "OK", "status_code": 100, "sms": {ID: {"status": "OK", "status_code": code}}}
    said, (request,) = ask(lambda http: smsru.check(KNOWN, http, CONFIG), answered(200, body))
    assert (said.status, said.id, bool(said.reason)) == (status, ID, status == "failed")
    assert (request.method, str(request.url)) == ("GET", f"https://sms.test/sms/status?api_id=test_api_id&sms_id={ID}&json=1")


def test_message_without_id_cannot_be_asked_about() -> None:
    """SMS.ru knows messages by its own id alone."""
    unknown = Attempt(None, ADDRESS.reference, PHONE, AT)
    assert ask(lambda http: smsru.check(unknown, http, CONFIG), answered(200)) == (None, [])


@pytest.mark.parametrize("entry", [{"status": "ERROR", "status_code": -1}, {"status": "OK", "status_code": 999}, {}])
def test_no_status_yet(entry: object) -> None:
    """An id that SMS.ru does not find, or a code it does not document, is no failure."""
    assert ask(lambda http: smsru.check(KNOWN, http, CONFIG), answered(200, {"status": "OK", "sms": {ID: entry}}))[0] is None


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"status": "OK", "status_code": 100}, None),
        ({"status": "ERROR", "status_code": 302}, "api_id is not accepted, or the account not confirmed"),
        (b"<html>", "HTTP 200 when asked for the account"),
    ],
)
def test_probe(body: object, wrong: str | None) -> None:
    """The account works when SMS.ru accepts its api_id."""
    said, (request,) = ask(lambda http: smsru.probe(http, CONFIG), answered(200, body))
    assert said == wrong
    assert str(request.url) == "https://sms.test/auth/check"


def test_channel() -> None:
    """SMS are short: eight parts at most."""
    facts = smsru.channel()
    assert (facts.name, facts.short, facts.length, facts.reports_delivery) == ("sms", True, 536, True)
