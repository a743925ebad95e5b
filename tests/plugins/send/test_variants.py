"""Answers and callbacks beside the recorded ones: another HTTP status, a field that is missing or null, a list where an object stood."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core import DeliveryStatus, InboundMessage, Refused, Rejected, Retry, Sent, Unclear
from tests.plugins.send import kit

ANSWERS: list[tuple[str, int, Any, type, dict[str, Any]]] = [
    ("green_api", 500, {"message": "Instance in starting process try later"}, Retry, {"scope": "recipient"}),
    ("green_api", 200, {"message": "Instance is starting or not authorized"}, Retry, {"scope": "transport", "alert": True}),
    (
        "waha",
        500,
        {"error": "Session status is not as expected", "status": "FAILED", "expected": ["WORKING"]},
        Retry,
        {"alert": True},
    ),
    ("evolution", 400, {"response": {"message": [["Error: Connection Closed"]]}}, Retry, {"scope": "transport", "alert": True}),
    ("evolution", 400, {"status": 401, "response": {"message": "Unauthorized"}}, Retry, {"scope": "transport", "alert": True}),
    ("telegram", 403, {"ok": False, "description": "Forbidden: bot was blocked by the user"}, Rejected, {"unbind": True}),
    ("telegram", 400, {"ok": False, "description": "Bad Request: chat not found"}, Rejected, {"scope": "recipient"}),
    ("telegram", 400, {"ok": False, "description": "Bad Request: can't parse entities"}, Rejected, {"scope": "content"}),
    ("smsc", 200, {"id": 7, "cnt": 1, "error": None, "error_code": None}, Sent, {"id": "7"}),
    ("smsc", 200, {"id": 7, "error": "something new"}, Unclear, {}),
    ("whatsapp_cloud", 503, {"error": {"code": "999999"}}, Retry, {"scope": "recipient"}),
    ("whatsapp_cloud", 400, {"error": {"code": 999999, "is_transient": True}}, Retry, {"scope": "recipient"}),
]


@pytest.mark.parametrize(("name", "status", "body", "kind", "facts"), ANSWERS)
def test_what_the_body_says_counts(name: str, status: int, body: Any, kind: type, facts: dict[str, Any]) -> None:
    """The class of an answer is that of its body, whatever HTTP status it comes with."""
    said, _ = kit.load(name).play(kit.as_json(status, body))
    assert type(said) is kind
    assert {fact: getattr(said, fact) for fact in facts} == facts


def heard(name: str, file: str, change: Any) -> tuple[Any, ...]:
    transport = kit.load(name)
    body = json.loads(transport.body(file))
    change(body)
    return transport.callback(json.dumps(body).encode())


def test_green_api_counts_its_chats_and_messages() -> None:
    """MAX's ids are numbers, and may travel as such."""
    (status,) = heard("green_api", "webhook.status_delivered.json", lambda body: body.update(idMessage=17))
    assert (status.status, status.id) == ("delivered", "17")
    (item,) = heard("green_api", "webhook.inbound_text.json", lambda body: body["senderData"].update(chatId=10))
    assert item.binding == "10"


def test_meta_writes_a_phone_as_a_number() -> None:
    """The client is known all the same."""

    def number(body: Any) -> None:
        body["entry"][0]["changes"][0]["value"]["messages"][0]["from"] = 79001234567

    (item,) = heard("whatsapp_cloud", "webhook.inbound_text.json", number)
    assert isinstance(item, InboundMessage)
    assert item.phone == kit.PHONE


def test_wazzup_leaves_the_channel_out() -> None:
    """A message that names no channel and no messenger is taken for ours; one of another channel is not."""

    def bare(body: Any) -> None:
        del body["messages"][0]["channelId"], body["messages"][0]["chatType"]

    assert [item.phone for item in heard("wazzup", "webhook.inbound_text.json", bare)] == [kit.PHONE]
    assert heard("wazzup", "webhook.inbound_text.json", lambda body: body["messages"][0].update(channelId="another")) == ()
    (status,) = heard("wazzup", "webhook.status_sent.json", lambda body: body["statuses"][0].update(messageId=17))
    assert status == DeliveryStatus("sent", "17", at=status.at)


def test_an_echo_without_text_is_none_of_ours() -> None:
    """A picture that was sent by hand finds no message of ours; a text tells whose it is."""
    assert heard("evolution", "webhook.send_message_echo.json", lambda body: body["data"].update(message=None)) == ()
    assert len(heard("evolution", "webhook.send_message_echo.json", lambda body: None)) == 1


def test_waha_leaves_out_whose_message_it_is() -> None:
    """`message` is of what clients write, `message.any` of our own words, too; an id comes as text or as an object."""

    def any_of(body: Any) -> None:
        body["event"] = "message.any"
        del body["payload"]["fromMe"]

    assert len(heard("waha", "webhook.inbound_text.json", lambda body: body["payload"].pop("fromMe"))) == 1
    assert heard("waha", "webhook.inbound_text.json", any_of) == ()
    assert heard("waha", "webhook.inbound_text.json", lambda body: body["payload"].update(fromMe=True)) == ()

    def whole(body: Any) -> None:
        body["payload"].update(id={"_serialized": body["payload"]["id"]}, fromMe=None)

    (status,) = heard("waha", "webhook.ack_device.json", whole)
    assert (status.status, status.id) == ("delivered", "3EB0A1B2C3D4E5F60718")


def test_evolution_names_no_instance() -> None:
    """An instance that is not named is taken for ours; another one's is refused."""
    assert len(heard("evolution", "webhook.messages_update_read.json", lambda body: body.update(instance=None))) == 1
    with pytest.raises(Refused):
        heard("evolution", "webhook.messages_update_read.json", lambda body: body.update(instance="another"))
