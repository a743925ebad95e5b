"""Finding a MAX account by phone before sending to it."""

from __future__ import annotations

import json

import httpx
import pytest

from core import Address, InboundMessage, Rejected, Retry, Sent, TransportState
from tests.plugins.send.kit import PHONE, Answered, Given, as_json, load

MAX = load("green_api_max")
LOOK_UP = Given(at="/checkAccount/")


def test_channel() -> None:
    """It is MAX, 4000 characters, plain."""
    facts = MAX.plugin.channel(MAX.plugin.Config())
    assert (facts.name, facts.length, facts.bold, facts.strike, facts.needs_binding) == ("max", 4000, None, None, False)


def test_looks_up_then_sends() -> None:
    """The phone is looked up, and the chat that is found is sent to."""
    result, calls = MAX.play(None)
    assert result == Sent("1763970000000", binding="10000000")
    assert [call.url.path.split("/")[3] for call in calls] == ["checkAccount", "sendMessage"]
    assert json.loads(calls[1].content)["chatId"] == "10000000"


def test_known_chat_is_not_looked_up() -> None:
    """Look-ups lead to restrictions: a chat that is known is sent to at once; one that is gone is forgotten."""
    result, calls = MAX.play(None, Given(address=Address(PHONE, binding="777")))
    assert result == Sent("1763970000000", binding="777")
    assert [json.loads(call.content)["chatId"] for call in calls] == ["777"]


def test_nobody_there() -> None:
    """A phone without MAX sends the message to the next channel, and nothing is sent."""
    result, calls = MAX.play(as_json(200, {"exist": False}), LOOK_UP)
    assert result == Rejected("the number is not on MAX")
    assert len(calls) == 1


@pytest.mark.parametrize("phone", ["+4915112345678", "+380501234567", "+998901234567"])
def test_foreign_number_is_not_asked_about(phone: str) -> None:
    """Only +7 and +375 can be looked up; others go to the next channel without a request."""
    result, calls = MAX.play(None, Given(address=Address(phone)))
    assert isinstance(result, Rejected)
    assert result.scope == "recipient"
    assert calls == []


def test_chat_as_a_number() -> None:
    """A `chatId` that is a number is a chat too."""
    _, calls = MAX.play(as_json(200, {"exist": True, "chatId": 10000000}), LOOK_UP)
    assert json.loads(calls[1].content)["chatId"] == "10000000"


@pytest.mark.parametrize(
    "answer",
    [Answered(500, b""), Answered(200, b""), as_json(200, {"idMessage": "1"}), as_json(400, {"message": "Validation failed"})],
)
def test_failed_look_up_is_tried_again(answer: Answered) -> None:
    """Nothing is sent before the look-up ends well, so its failures are safe to try again."""
    result, calls = MAX.play(answer, LOOK_UP)
    assert isinstance(result, Retry)
    assert (result.scope, result.alert) == ("recipient", False)
    assert len(calls) == 1


@pytest.mark.parametrize("status", [401, 403, 302, 466])
def test_refused_look_up_stops_the_account(status: int) -> None:
    """A look-up that is refused for the account's sake waits for a person."""
    result, _ = MAX.play(Answered(status, b""), LOOK_UP)
    assert isinstance(result, Retry)
    assert (result.scope, result.alert) == ("transport", True)


def test_lost_look_up() -> None:
    """A look-up without an answer leaves nothing unclear."""
    result, _ = MAX.play(httpx.ReadTimeout, LOOK_UP)
    assert isinstance(result, Retry)


@pytest.mark.parametrize(("chat", "items"), [("10000000", (InboundMessage("да", None, "10000000"),)), ("-68000000", ())])
def test_inbound(chat: str, items: tuple[object, ...]) -> None:
    """A person is known by the chat; a group (a negative number) is ignored."""
    hook = {
        "typeWebhook": "incomingMessageReceived",
        "senderData": {"chatId": chat},
        "messageData": {"textMessageData": {"textMessage": "да"}},
    }
    assert MAX.callback(json.dumps(hook).encode()) == items


def test_state_change() -> None:
    """The account's state comes as in WhatsApp."""
    hook = {"typeWebhook": "stateInstanceChanged", "stateInstance": "authorized"}
    assert MAX.callback(json.dumps(hook).encode()) == (TransportState(True),)


def test_probe_asks_v3() -> None:
    """The state is asked for below /v3."""
    result, calls = MAX.play(as_json(200, {"stateInstance": "authorized"}), Given(hook="probe"))
    assert result is None
    assert calls[0].url.path == "/v3/waInstance3100000001/getStateInstance/t0ken-of-api"
