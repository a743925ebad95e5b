"""SMSC, beyond the recorded bodies of tests/test_contracts.py."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import Address, Attempt, DeliveryStatus, Rejected, Retry, SendResult, Sent, Unclear
from plugins.send import smsc
from tests.plugins.send.asked import ADDRESS, MESSAGE, PHONE, answered, ask

CONFIG = smsc.Config(base_url="https://smsc.test/", login="salon", password="pass")
AT = datetime.fromtimestamp(1790000005, UTC)
KNOWN = Attempt("1790001", ADDRESS.reference, PHONE, AT)
UNCLEAR = Attempt(None, ADDRESS.reference, PHONE, AT)


def _send(status: int, body: object, config: smsc.Config = CONFIG, address: Address = ADDRESS) -> tuple[SendResult, list[Any]]:
    return ask(lambda http: smsc.send(MESSAGE, address, http, config), answered(status, body))


def _check(body: object, attempt: Attempt = KNOWN, status: int = 200) -> tuple[DeliveryStatus | None, list[Any]]:
    return ask(lambda http: smsc.check(attempt, http, CONFIG), answered(status, body))


def _fields(request: Any) -> dict[str, str]:
    return dict(parse_qsl(request.content.decode(), strict_parsing=True))


def test_request() -> None:
    """One form, with the password in its body alone, and without a sender where none is set."""
    result, (request,) = _send(200, {"id": 5, "cnt": 1})
    assert result == Sent("5")
    assert (request.method, str(request.url)) == ("POST", "https://smsc.test/sys/send.php")
    assert _fields(request) == {
        "login": "salon",
        "psw": "pass",
        "fmt": "3",
        "charset": "utf-8",
        "phones": "79001234567",
        "mes": "Вы записаны",
        "id": "1745236061",
        "cost": "3",
    }


def test_sender() -> None:
    """The sender's name is given where one is set."""
    _, (request,) = _send(200, {"id": 5, "cnt": 1}, smsc.Config(sender="SALON"))
    assert _fields(request)["sender"] == "SALON"


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789", max_size=32))
def test_own_id_is_the_same_for_every_try(reference: str) -> None:
    """SMSC takes ids from 1 to 2147483647; ours follows from the reference alone."""
    address = Address(PHONE, reference=reference)
    ids = {_fields(_send(200, {}, address=address)[1][0])["id"] for _ in range(2)}
    assert len(ids) == 1
    assert 1 <= int(ids.pop()) <= 2_147_483_647


@pytest.mark.parametrize("number", [5, "5"])
def test_number_or_text(number: object) -> None:
    """Ids and codes count the same as numbers and as texts."""
    assert _send(200, {"id": number, "cnt": "1"})[0] == Sent("5")
    assert _send(200, {"error": "…", "error_code": str(7)})[0] == Rejected("the number is wrong")


def test_repeat_may_have_been_taken() -> None:
    """Error 9 follows a request whose answer was lost, or too many at once: only `check` can tell."""
    assert isinstance(_send(200, {"error": "duplicate request", "error_code": 9})[0], Unclear)


def test_blocked_address_is_left_alone_for_a_while() -> None:
    """Error 4 stops the account: a person has to look."""
    result = _send(200, {"error": "ip temporary blocked", "error_code": 4})[0]
    assert result == Retry("our IP address is blocked for too many errors", timedelta(minutes=10), "transport", alert=True)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"error": "new", "error_code": 99}),
        (200, {"error": "new", "id": 5}),
        (200, {"id": True}),
        (200, {"id": -5}),
        (500, {"id": 5}),
    ],
)
def test_anything_else_is_unclear(status: int, body: object) -> None:
    """An answer that is not documented promises nothing."""
    assert isinstance(_send(status, body)[0], Unclear)


def test_check_asks_by_phone_and_id() -> None:
    """A message whose id is unknown is asked for by the id that `send` chose for it."""
    for attempt, number in ((KNOWN, "1790001"), (UNCLEAR, "1745236061")):
        said, (request,) = _check({"status": 1, "last_timestamp": 1790000005}, attempt)
        assert said == DeliveryStatus("delivered", number, at=AT)
        assert (request.method, str(request.url)) == ("POST", "https://smsc.test/sys/status.php")
        assert {name: _fields(request)[name] for name in ("phone", "id")} == {"phone": "79001234567", "id": number}


@pytest.mark.parametrize(
    ("code", "status"),
    [(-1, "sent"), (0, "sent"), (1, "delivered"), (2, "read")]
    + [(code, "failed") for code in (3, 20, 22, 23, 24, 25)]
    + [("1", "delivered"), ("-1", "sent")],
)
def test_statuses(code: object, status: str) -> None:
    """Every documented status, as a number or a text; a failure says why."""
    said, _ = _check({"status": code, "last_timestamp": 1790000005})
    assert said is not None
    assert (said.status, said.id, said.at, bool(said.reason)) == (status, "1790001", AT, status == "failed")


def test_message_that_smsc_never_got() -> None:
    """Status -3 settles what was unclear; of a message that SMSC had taken it says nothing yet."""
    assert _check({"status": -3}, UNCLEAR)[0] == DeliveryStatus("failed", "1745236061", reason="SMSC never got the message")
    assert _check({"status": -3}, KNOWN)[0] is None


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, {"error": "…", "error_code": 4, "status": 20}), (502, {"status": 20}), (200, b"<html>"), (200, {"status": 99})],
)
def test_no_status_yet(status: int, body: object) -> None:
    """An error of the question is not a failure of the message."""
    assert _check(body, status=status)[0] is None


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"balance": "812.4"}, None),
        ({"error": "authorise error", "error_code": 2}, "login, password or our IP address is not accepted"),
        (b"<html>", "HTTP 200 when asked for the balance"),
    ],
)
def test_probe(body: object, wrong: str | None) -> None:
    """The account works when it tells its balance."""
    said, (request,) = ask(lambda http: smsc.probe(http, CONFIG), answered(200, body))
    assert said == wrong
    assert str(request.url) == "https://smsc.test/sys/balance.php"


def test_channel() -> None:
    """SMS are short, and delivery is reported to who asks."""
    facts = smsc.channel()
    assert (facts.name, facts.short, facts.length, facts.reports_delivery) == ("sms", True, 1000, True)
