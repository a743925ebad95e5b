"""The MAX bot, beyond the recorded bodies of tests/test_contracts.py."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from core import Address, Binding, InboundMessage, Refused, Rejected, Retry, SendResult, Sent, Unclear
from plugins.send import max as max_bot
from tests.plugins.send.asked import ADDRESS, MESSAGE, PHONE, answered, ask, posted

CONFIG = max_bot.Config(base_url="https://max.test/", token="t0ken", webhook_secret="s3cret")
BOUND = msgspec.structs.replace(ADDRESS, binding="123456789")
PROOF = {"X-Max-Bot-Api-Secret": "s3cret"}
CARD = "BEGIN:VCARD\r\nVERSION:3.0\r\nTEL;TYPE=cell:79001234567\r\nFN:Анна\r\nEND:VCARD"
AT = datetime.fromtimestamp(1790000100, UTC)


def _send(status: int, body: object, address: Address = BOUND, **headers: str) -> tuple[SendResult, list[Any]]:
    return ask(lambda http: max_bot.send(MESSAGE, address, http, CONFIG), answered(status, body, **headers))


def _error(code: str, status: int = 400, **headers: str) -> SendResult:
    return _send(status, {"code": code, "message": "…"}, **headers)[0]


def _read(update_type: str, **update: object) -> list[Any]:
    return list(max_bot.callback(posted({"update_type": update_type, "timestamp": 1, **update}, PROOF), CONFIG))


def _message(body: object, sender: int = 123456789, chat_type: str = "dialog", is_bot: bool = False) -> list[Any]:
    people = {"sender": {"user_id": sender, "is_bot": is_bot}, "recipient": {"chat_id": 1, "chat_type": chat_type, "user_id": 2}}
    return _read("message_created", message={**people, "timestamp": 1790000100000, "body": body})


def _contact(card: object = CARD, owner: object = 123456789) -> list[Any]:
    return _message(
        {"text": None, "attachments": [{"type": "contact", "payload": {"vcf_info": card, "max_info": {"user_id": owner}}}]}
    )


def test_unbound_client_is_not_asked_for() -> None:
    """Who has not started the bot cannot be reached: no request, next channel."""
    assert _send(200, {}, ADDRESS) == (Rejected("the client has not bound the bot"), [])


def test_address() -> None:
    """The recipient stands in the address, the token in its header alone and without "Bearer"."""
    result, (request,) = _send(200, {"message": {"body": {"mid": "mid.1"}}})
    assert result == Sent("mid.1")
    assert str(request.url) == "https://max.test/messages?user_id=123456789&disable_link_preview=true"
    assert request.headers["authorization"] == "t0ken"


@pytest.mark.parametrize("status", [400, 403, 404])
def test_who_stopped_the_bot_is_unbound(status: int) -> None:
    """`chat.denied` is also said for everybody while the bot is not approved: of that several clients in a row are the sign."""
    meant = "MAX has not approved the bot, or has shut it"
    assert _error("chat.denied", status) == Rejected("the client has stopped the bot", unbind=True, everybody=meant)


@pytest.mark.parametrize("code", ["chat.not.found", "dialog.not.found"])
@pytest.mark.parametrize("status", [400, 404])
def test_unknown_dialogue(code: str, status: int) -> None:
    """A dialogue that MAX does not know: next channel, whichever HTTP status carries the code."""
    assert _error(code, status) == Rejected("MAX knows no dialogue with the client")


def test_limit() -> None:
    """The bot waits as long as it is told to."""
    assert _error("too.many.requests", 429, **{"retry-after": "3"}) == Retry("too many requests", timedelta(seconds=3), "transport")
    assert _error("too.many.requests", 400) == Retry("too many requests", None, "transport")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, {"code": "internal.error"}),
        (400, {"code": "brand.new"}),
        (200, {"message": {"body": {}}}),
        (404, b"<html>"),
        (200, {}),
    ],
)
def test_anything_else_is_unclear(status: int, body: object) -> None:
    """An answer that is not documented promises nothing."""
    assert isinstance(_send(status, body)[0], Unclear)


def test_no_callback_is_believed_without_a_secret() -> None:
    """Without webhook_secret anybody could have a stranger's messages sent to himself, so all is refused, with a hint."""
    for config, headers in (
        (max_bot.Config(), {}),
        (max_bot.Config(), PROOF),
        (CONFIG, {}),
        (CONFIG, {"X-Max-Bot-Api-Secret": "S3cret"}),
    ):
        with pytest.raises(Refused, match="webhook_secret"):
            max_bot.callback(posted({}, headers), config)


@pytest.mark.parametrize(("payload", "token"), [("c_7f3a9b", "c_7f3a9b"), ("", None), (None, None)])
def test_start_binds(payload: object, token: str | None) -> None:
    """Starting the bot binds the client; the link's token says who it is."""
    assert _read("bot_started", user={"user_id": 5}, payload=payload) == [Binding("5", token=token)]
    assert _read("bot_started", user={"user_id": 5}) == [Binding("5")]


@pytest.mark.parametrize(
    "card",
    [
        CARD,
        CARD.replace("79001234567", "+79001234567"),
        CARD.replace("\r\n", "\n"),
        "TEL:7 900 123-45-67",
        "TEL;TYPE=cell:79001234567",
    ],
)
def test_own_contact_binds(card: str) -> None:
    """The client's own contact tells his phone, however the card is written."""
    assert _contact(card) == [Binding("123456789", phone=PHONE)]


def test_foreign_number_keeps_its_country() -> None:
    """A number without a plus is international, not a Russian one."""
    assert _contact("TEL;TYPE=cell:375291234567") == [Binding("123456789", phone="+375291234567")]


@pytest.mark.parametrize("owner", [5, None, "123456789", {}])
def test_somebody_elses_contact_binds_nothing(owner: object) -> None:
    """A contact of somebody else, or of nobody known, is worth nothing."""
    assert _contact(owner=owner) == []


@pytest.mark.parametrize("card", ["", "FN:Анна", "TEL:12", None, 7])
def test_card_without_a_number_binds_nothing(card: object) -> None:
    """A card without a usable number is passed over."""
    assert _contact(card) == []


def test_words() -> None:
    """What a client writes is read; a picture is a message without words."""
    assert _message({"text": "СТОП", "attachments": None}) == [InboundMessage("СТОП", binding="123456789", at=AT)]
    assert _message({"text": None, "attachments": [{"type": "image"}]}) == [InboundMessage("", binding="123456789", at=AT)]


def test_groups_and_bots_are_nobody() -> None:
    """What is written in a group, or by a bot, is not a client's word."""
    assert _message({"text": "СТОП"}, chat_type="chat") == []
    assert _message({"text": "СТОП"}, is_bot=True) == []


@pytest.mark.parametrize("update_type", ["dialog_muted", "user_added", "brand_new", ""])
def test_the_rest_is_ignored(update_type: str) -> None:
    """Updates we have no use for are no error."""
    assert _read(update_type, user={"user_id": 5}) == []


@pytest.mark.parametrize(
    ("status", "body", "wrong"),
    [
        (200, {"user_id": 1, "is_bot": True}, None),
        (401, {"code": "verify.token"}, "HTTP 401: token or base_url is wrong"),
        (200, {}, "HTTP 200: token or base_url is wrong"),
    ],
)
def test_probe(status: int, body: object, wrong: str | None) -> None:
    """The account works when the bot knows itself."""
    said, (request,) = ask(lambda http: max_bot.probe(http, CONFIG), answered(status, body))
    assert said == wrong
    assert (request.method, request.url.path) == ("GET", "/me")


def test_channel() -> None:
    """Clients have to start the bot, and nothing tells whether a message was delivered."""
    facts = max_bot.channel(max_bot.Config())
    assert (facts.name, facts.escape, facts.needs_binding, facts.reports_delivery, facts.length) == (
        "max",
        "html",
        True,
        False,
        4000,
    )
