"""The Telegram bot, beyond the recorded bodies of tests/test_contracts.py."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from core import Address, Binding, InboundMessage, Refused, Rejected, Retry, SendResult, Sent, Unclear
from plugins.send import telegram
from tests.plugins.send.asked import ADDRESS, MESSAGE, PHONE, answered, ask, posted

CONFIG = telegram.Config(base_url="https://relay.test/", token="1:t", webhook_secret="s3cret")
BOUND = msgspec.structs.replace(ADDRESS, binding="987654321")
PROOF = {"X-Telegram-Bot-Api-Secret-Token": "s3cret"}
SENDER: dict[str, Any] = {
    "from": {"id": 987654321, "is_bot": False},
    "chat": {"id": 987654321, "type": "private"},
    "date": 1790000100,
}
AT = datetime.fromtimestamp(1790000100, UTC)


def _send(status: int, body: object, address: Address = BOUND) -> tuple[SendResult, list[Any]]:
    return ask(lambda http: telegram.send(MESSAGE, address, http, CONFIG), answered(status, body))


def _error(code: object, description: str = "…", status: int = 400, **more: object) -> SendResult:
    return _send(status, {"ok": False, "error_code": code, "description": description, **more})[0]


def _read(**update: object) -> list[Any]:
    return list(telegram.callback(posted({"update_id": 1, **update}, PROOF), CONFIG))


def test_unbound_client_is_not_asked_for() -> None:
    """Who has not bound the bot cannot be reached: no request, next channel."""
    assert _send(200, {"ok": True}, ADDRESS) == (Rejected("the client has not bound the bot"), [])


def test_address() -> None:
    """The token stands in the address, below a base_url with or without its slash."""
    result, (request,) = _send(200, {"ok": True, "result": {"message_id": 7}})
    assert result == Sent("7")
    assert str(request.url) == "https://relay.test/bot1:t/sendMessage"


@pytest.mark.parametrize("words", ["can't parse entities: …", "message is too long", "message text is empty"])
def test_content(words: str) -> None:
    """A text that Telegram cannot show is wrong for everybody."""
    assert _error(400, f"Bad Request: {words}") == Rejected("Telegram does not accept the text", scope="content")


@pytest.mark.parametrize("words", ["chat not found", "user not found", "PEER_ID_INVALID", "have no rights to send a message"])
def test_recipient(words: str) -> None:
    """Any other 400 concerns this chat alone: next channel, and the binding stays."""
    result = _error(400, f"Bad Request: {words}")
    assert isinstance(result, Rejected)
    assert (result.scope, result.unbind) == ("recipient", False)


@pytest.mark.parametrize(
    "words", ["bot was blocked by the user", "user is deactivated", "bot can't initiate conversation with a user"]
)
def test_blocked_bot_is_unbound(words: str) -> None:
    """Who blocked the bot is not tried there again."""
    assert _error(403, f"Forbidden: {words}", 403) == Rejected("the client has blocked the bot, or is gone", unbind=True)


@pytest.mark.parametrize(
    ("wait", "after"),
    [
        (35, timedelta(seconds=35)),
        (None, None),
        (-1, None),
        ("35", timedelta(seconds=35)),
        ("soon", None),
        (10**12, None),
        ({}, None),
        (1.5, None),
    ],
)
def test_limit(wait: object, after: timedelta | None) -> None:
    """The whole bot waits as long as Telegram says, where it says something sensible."""
    assert _error(429, status=429, parameters={"retry_after": wait}) == Retry("too many requests", after, scope="transport")


@pytest.mark.parametrize("status", [200, 502])
def test_code_in_the_body_counts(status: int) -> None:
    """A documented failure is judged by its body, not by the HTTP status."""
    assert _error(502, "Bad Gateway", status) == Retry("Telegram is out of order")
    assert _error(401, "Unauthorized", status) == Retry("the token is not accepted", scope="transport", alert=True)


@pytest.mark.parametrize(
    ("status", "body"),
    [(502, b"<html>"), (200, {"ok": True}), (200, {"ok": False}), (500, {"ok": True, "result": {"message_id": 7}})],
)
def test_anything_else_is_unclear(status: int, body: object) -> None:
    """An answer that is not documented promises nothing."""
    assert isinstance(_send(status, body)[0], Unclear)


def test_no_callback_is_believed_without_a_secret() -> None:
    """Without webhook_secret anybody could bind a stranger's phone to his own chat, so all is refused, with a hint."""
    for config, headers in (
        (telegram.Config(), {}),
        (telegram.Config(), PROOF),
        (CONFIG, {}),
        (CONFIG, {**PROOF, next(iter(PROOF)): "S3cret"}),
    ):
        with pytest.raises(Refused, match="webhook_secret"):
            telegram.callback(posted({"update_id": 1}, headers), config)


@pytest.mark.parametrize(
    ("text", "token"), [("/start c_7f3a9b", "c_7f3a9b"), ("/start", None), ("/start   ", None), ("/start\nc_7f3a9b", "c_7f3a9b")]
)
def test_start_binds(text: str, token: str | None) -> None:
    """Starting the bot binds the chat; the link's token says whose it is."""
    assert _read(message={**SENDER, "text": text}) == [Binding("987654321", token=token)]


@pytest.mark.parametrize("text", ["/started", "hello /start x", "/stop", "СТОП"])
def test_other_words_are_words(text: str) -> None:
    """Only the command /start binds."""
    assert _read(message={**SENDER, "text": text}) == [InboundMessage(text, binding="987654321", at=AT)]


@pytest.mark.parametrize("number", ["79001234567", "+79001234567", "7 900 123-45-67"])
def test_own_contact_binds(number: str) -> None:
    """The client's own contact tells his phone, with or without its plus."""
    message = {**SENDER, "contact": {"phone_number": number, "user_id": 987654321}}
    assert _read(message=message) == [Binding("987654321", phone=PHONE)]


def test_foreign_number_keeps_its_country() -> None:
    """A number without a plus is international, not a Russian one."""
    message = {**SENDER, "contact": {"phone_number": "375291234567", "user_id": 987654321}}
    assert _read(message=message) == [Binding("987654321", phone="+375291234567")]


@pytest.mark.parametrize("contact", [{"user_id": 5}, {"user_id": None}, {"user_id": "987654321"}])
def test_somebody_elses_contact_binds_nothing(contact: dict[str, object]) -> None:
    """A contact of somebody else, or of nobody known, is worth nothing."""
    assert _read(message={**SENDER, "contact": {"phone_number": "79001234567", **contact}}) == []


def test_unreadable_number_binds_nothing() -> None:
    """A contact without a usable number is passed over."""
    assert _read(message={**SENDER, "contact": {"phone_number": "12", "user_id": 987654321}}) == []


def test_group_is_nobody() -> None:
    """What happens in a group binds and says nothing."""
    group = {**SENDER, "chat": {"id": -100, "type": "supergroup"}}
    assert _read(message={**group, "text": "/start c_7f3a9b"}) == []
    assert _read(my_chat_member={"chat": group["chat"], "new_chat_member": {"status": "kicked"}}) == []


def test_picture_is_a_message_too() -> None:
    """The client wrote, even if it is a picture; its caption is the text."""
    assert _read(message={**SENDER, "photo": [{}]}) == [InboundMessage("", binding="987654321", at=AT)]
    assert _read(message={**SENDER, "photo": [{}], "caption": "Смотрите"}) == [
        InboundMessage("Смотрите", binding="987654321", at=AT)
    ]


@pytest.mark.parametrize(
    "update",
    [
        {"my_chat_member": {"chat": SENDER["chat"], "new_chat_member": {"status": "restricted"}}},
        {"edited_message": {**SENDER, "text": "СТОП"}},
        {"brand_new": {}},
        {},
    ],
)
def test_the_rest_is_ignored(update: dict[str, object]) -> None:
    """Updates we have no use for are no error."""
    assert _read(**update) == []


def test_unblocked_is_bound_again() -> None:
    """It is the same client's chat: core knows whose."""
    back = {"chat": SENDER["chat"], "new_chat_member": {"status": "member"}}
    assert _read(my_chat_member=back) == [Binding("987654321")]


@pytest.mark.parametrize(
    ("status", "body", "wrong"),
    [
        (200, {"ok": True, "result": {"id": 1}}, None),
        (401, {"ok": False, "error_code": 401}, "HTTP 401: token or base_url is wrong"),
        (200, b"<html>", "HTTP 200: token or base_url is wrong"),
    ],
)
def test_probe(status: int, body: object, wrong: str | None) -> None:
    """The account works when the bot knows itself."""
    said, (request,) = ask(lambda http: telegram.probe(http, CONFIG), answered(status, body))
    assert said == wrong
    assert (request.method, request.url.path) == ("GET", "/bot1:t/getMe")


def test_channel() -> None:
    """Clients have to bind the bot, and nothing tells whether a message was delivered."""
    facts = telegram.channel(telegram.Config())
    assert (facts.name, facts.escape, facts.needs_binding, facts.reports_delivery, facts.length) == (
        "telegram",
        "html",
        True,
        False,
        4096,
    )
