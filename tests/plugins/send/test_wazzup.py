"""Wazzup24, beyond the recorded bodies of tests/test_contracts.py."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core import (
    Address,
    DeliveryStatus,
    InboundMessage,
    Refused,
    Rejected,
    Retry,
    SendResult,
    Sent,
    TransportState,
    Unclear,
)
from plugins.send import wazzup
from tests.plugins.send.asked import ADDRESS, MESSAGE, PHONE, answered, ask, posted

CHANNEL = "0a7d1f2e-0000-4000-8000-000000000001"
CONFIG = wazzup.Config(base_url="https://wazzup.test/", channel_id=CHANNEL, api_key="key")


def _send(status: int, body: object, address: Address = ADDRESS) -> tuple[SendResult, list[Any]]:
    return ask(lambda http: wazzup.send(MESSAGE, address, http, CONFIG), answered(status, body))


def _code(code: str, status: int = 400) -> SendResult:
    return _send(status, {"status": status, "requestId": "1", "error": code, "description": "…"})[0]


def test_request() -> None:
    """One request, under the base_url with or without its slash, with our reference as crmMessageId."""
    result, (request,) = _send(201, {"messageId": "m1", "chatId": "79001234567"})
    assert result == Sent("m1")
    assert (request.method, str(request.url)) == ("POST", "https://wazzup.test/v3/message")
    assert json.loads(request.content) == {
        "channelId": CHANNEL,
        "chatType": "whatsapp",
        "chatId": "79001234567",
        "text": "Вы записаны",
        "crmMessageId": "3eb0a1b2c3d4e5f60718",
    }


def test_no_reference_is_not_sent_as_an_empty_one() -> None:
    """Without a reference there is no crmMessageId: two empty ones would be repeats of each other, and the second never sent."""
    _, (request,) = _send(201, {"messageId": "m1"}, Address(PHONE))
    assert "crmMessageId" not in json.loads(request.content)


@pytest.mark.parametrize("code", ["REPEATED_CRM_MESSAGE_ID", "repeatedCrmMessageId", "RepeatedCrmMessageId"])
def test_repeat_is_sent_already(code: str) -> None:
    """A repeat of a crmMessageId was accepted before, under an id we do not know."""
    assert _code(code) == Sent(None)


@pytest.mark.parametrize("code", ["BAD_CONTACT", "CHAT_NO_ACCESS", "MESSAGES_NOT_TEXT_FIRST"])
def test_recipient(code: str) -> None:
    """What only concerns this client lets the next channel try."""
    result = _code(code)
    assert isinstance(result, Rejected)
    assert result.scope == "recipient"


@pytest.mark.parametrize(
    "code",
    [
        "INVALID_MESSAGE_DATA",
        "WRONG_TRANSPORT",
        "VALIDATION_ERROR",
        "MESSAGE_TEXT_TOO_LONG",
        "MESSAGES_TOO_LONG_WABA",
        "MESSAGES_TOO_LONG_WABA_TEMPLATE",
        "MESSAGES_IS_SPAM",
        "TEMPLATE_REJECTED",
    ],
)
def test_content(code: str) -> None:
    """What is wrong with the message is wrong for every client."""
    result = _code(code)
    assert isinstance(result, Rejected)
    assert result.scope == "content"


@pytest.mark.parametrize(
    "code",
    [
        "CHANNEL_NOT_FOUND",
        "INVALID_API_KEY",
        "CHANNEL_BLOCKED",
        "CHANNEL_WAPI_REJECTED",
        "CHANNEL_NO_MONEY",
        "BALANCE_IS_EMPTY",
        "CHANNEL_LIMIT_EXCEEDED",
    ],
)
@pytest.mark.parametrize("status", [200, 400, 401, 500])
def test_account(code: str, status: int) -> None:
    """What a person has to mend stops the transport, whatever the HTTP status says."""
    result = _code(code, status)
    assert isinstance(result, Retry)
    assert (result.scope, result.alert) == ("transport", True)


@pytest.mark.parametrize("code", ["UNKNOWN_ERROR", "UNKNOWN_ERROR_WITH_TRACE_ID"])
def test_unknown_error_is_tried_again_while_a_repeat_is_known(code: str) -> None:
    """Wazzup knows a repeat for 60 s: the next try comes well within them."""
    assert _code(code, 500) == Retry("Wazzup failed", after=timedelta(seconds=10), within=timedelta(seconds=50))


def test_channel_away_for_a_moment() -> None:
    """A channel that is away for a moment only holds up this message."""
    assert _code("MESSAGE_CHANNEL_UNAVAILABLE") == Retry("the channel is away for a moment")


@pytest.mark.parametrize(("status", "body"), [(400, {"error": "BRAND_NEW"}), (201, {"chatId": "7"}), (500, {"messageId": "m1"})])
def test_anything_else_is_unclear(status: int, body: object) -> None:
    """An answer that is not documented promises nothing."""
    assert isinstance(_send(status, body)[0], Unclear)


OURS = {"channelId": CHANNEL, "chatType": "whatsapp", "status": "inbound"}


def test_one_body_mixes_arrays() -> None:
    """Statuses, messages and channels in one body are all read; what is none of ours is passed over."""
    body = {
        "statuses": [
            {"messageId": "m1", "status": "delivered", "timestamp": "2026-07-20T13:00:03+03:00"},
            {"messageId": "m2", "status": "edited", "timestamp": "2026-07-20T10:00:03.000Z"},
            {"messageId": "m3", "status": "error", "error": {"error": "BRAND_NEW", "description": "79001234567"}},
            {"status": "read"},
            "text",
        ],
        "messages": [
            {**OURS, "chatId": "375291234567", "type": "image", "dateTime": "not a time"},
            {**OURS, "chatType": "telegram", "chatId": "79001234567", "text": "Да"},
            {**OURS, "chatId": "79001234567", "text": "Да", "isEcho": True},
            {**OURS, "chatId": "group", "text": "Да"},
            {**OURS, "channelId": "another", "chatId": "79001234567", "text": "Да"},
        ],
        "channelsUpdates": [
            {"channelId": "another", "state": "qr"},
            {"channelId": CHANNEL, "state": "active", "timestamp": 1790000200000},
        ],
        "contacts": [{}],
    }
    assert wazzup.callback(posted(body), CONFIG) == [
        DeliveryStatus("delivered", "m1", at=datetime(2026, 7, 20, 10, 0, 3, tzinfo=UTC)),
        DeliveryStatus("failed", "m3", reason="Wazzup could not deliver it"),
        InboundMessage("", "+375291234567"),
        TransportState(True),
    ]


def test_status_tells_why_in_the_words_of_send() -> None:
    """An error code means the same in a status as in an answer, however it is spelt."""
    body = {"statuses": [{"messageId": "m1", "status": "error", "error": {"error": "SPAM"}}]}
    assert wazzup.callback(posted(body), CONFIG) == [
        DeliveryStatus("failed", "m1", reason="Wazzup takes the text for spam", scope="content")
    ]


def test_token_is_asked_for_once_it_is_set() -> None:
    """With webhook_token the callback must carry it as a bearer; without it none is asked for."""
    config = wazzup.Config(webhook_token="t0ken")
    assert wazzup.callback(posted({"test": True}, {"Authorization": "Bearer t0ken"}), config) == []
    for headers in ({}, {"Authorization": "t0ken"}, {"Authorization": "Bearer T0ken"}, {"Authorization": "Bearer "}):
        with pytest.raises(Refused):
            wazzup.callback(posted({"test": True}, headers), config)
    assert wazzup.callback(posted({"test": True}), CONFIG) == []


@pytest.mark.parametrize(
    ("status", "body", "wrong"),
    [
        (200, [{"channelId": "another", "state": "qr"}, {"channelId": CHANNEL, "state": "active"}], None),
        (200, [{"channelId": CHANNEL, "state": "qr"}], "the channel wants its QR code scanned"),
        (200, [{"channelId": CHANNEL, "state": "brand new"}], "the channel is out of order"),
        (200, [{"channelId": "another", "state": "active"}], "HTTP 200 and no channel with this channel_id"),
        (401, {"error": "INVALID_API_KEY"}, "HTTP 401 and no channel with this channel_id"),
    ],
)
def test_probe(status: int, body: object, wrong: str | None) -> None:
    """The account works when our channel is active."""
    said, (request,) = ask(lambda http: wazzup.probe(http, CONFIG), answered(status, body))
    assert said == wrong
    assert (request.method, request.url.path, request.headers["authorization"]) == ("GET", "/v3/channels", "Bearer key")
