"""What Green-API's recorded bodies cannot say: the other sentences, states, forms of proof, and kinds of messages."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from core import Channel, DeliveryStatus, Duration, InboundMessage, Refused, Rejected, Retry, Sent, TransportState, Unclear
from tests.plugins.send.kit import Answered, Given, as_json, load

GREEN = load("green_api")
AT = datetime.fromtimestamp(1790000100, UTC)
CHECKED = Given(config={"check_number": True}, answers={"/checkWhatsapp/": "check_whatsapp.ok_exists.json"})


def _hook(file: str, **changes: Any) -> dict[str, Any]:
    return {**json.loads(GREEN.body(file)), **changes}


def _read(hook: object, headers: dict[str, str] | None = None) -> tuple[object, ...]:
    return GREEN.callback(json.dumps(hook).encode(), headers)


def test_channel() -> None:
    """It is WhatsApp, with a gap and the vendor's advice on new recipients; both can be switched off."""
    facts = GREEN.plugin.channel(GREEN.plugin.Config())
    assert facts == Channel("whatsapp", ("*", "*"), ("~", "~"), 20_000, concurrency=2, gap=facts.gap, first_contacts_per_day=20)
    assert facts.gap.total_seconds() == 2
    free = GREEN.plugin.channel(GREEN.plugin.Config(gap=Duration("0s"), first_contacts=0))
    assert (bool(free.gap), free.first_contacts_per_day) == (False, None)


@pytest.mark.parametrize("sentence", ["Instance account is expired. Please pay", "Instance is deleted"])
@pytest.mark.parametrize("quoted", [True, False])
def test_sentence_is_known_in_any_envelope(sentence: str, quoted: bool) -> None:
    """The documented sentences of a 400 are understood as JSON and as plain text."""
    body = json.dumps({"message": sentence}).encode() if quoted else sentence.encode()
    result, _ = GREEN.play(Answered(400, body))
    assert isinstance(result, Retry)
    assert (result.scope, result.alert) == ("transport", True)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Rejected),
        (413, Rejected),
        (403, Retry),
        (404, Retry),
        (429, Retry),
        (466, Retry),
        (499, Unclear),
        (500, Unclear),
        (502, Unclear),
    ],
)
def test_bare_status(status: int, kind: type) -> None:
    """Without a body the status is judged alone; what may be queued already is never tried again."""
    result, _ = GREEN.play(Answered(status, b""))
    assert isinstance(result, kind)


def test_words_on_an_error_page_are_no_sentence() -> None:
    """A proxy's 502 page that happens to say "is expired" does not stop the transport."""
    result, _ = GREEN.play(Answered(502, b"<html>The certificate is expired, not authorized, try in starting process</html>"))
    assert result == Unclear("HTTP 502: it may have been taken")


def test_number_is_not_checked_unless_asked() -> None:
    """By default one request is made: a check counts against the tariff."""
    _, calls = GREEN.play(None)
    assert [call.url.path for call in calls] == ["/waInstance1101000001/sendMessage/t0ken-of-api"]


def test_checked_number_is_sent_to() -> None:
    """With `check_number` a known number is asked about, then sent to."""
    result, calls = GREEN.play(None, CHECKED)
    assert result == Sent("3EB0C767D097B7C7C030")
    assert [call.url.path.split("/")[2] for call in calls] == ["checkWhatsapp", "sendMessage"]


@pytest.mark.parametrize("failure", [httpx.ReadTimeout, httpx.ReadError, httpx.RemoteProtocolError])
def test_lost_check_is_tried_again(failure: type[httpx.TransportError]) -> None:
    """If the answer to the check is lost nothing was sent, so it is no `Unclear`."""
    result, calls = GREEN.play(failure, Given(config={"check_number": True}, at="/checkWhatsapp/"))
    assert result == Retry("the look-up of the number got no answer")
    assert len(calls) == 1


def test_used_up_checks_do_not_hinder() -> None:
    """If the quota of checks is used up the message is sent unchecked."""
    result, _ = GREEN.play(as_json(466, {"invokeStatus": {}}), Given(config={"check_number": True}, at="/checkWhatsapp/"))
    assert result == Sent("3EB0C767D097B7C7C030")


@pytest.mark.parametrize("name", ["green_api", "green_api_max"])
@pytest.mark.parametrize(
    ("status", "body", "meant"),
    [
        (200, {"stateInstance": "authorized"}, Sent),
        (
            200,
            {"stateInstance": "notAuthorized"},
            Retry("the instance is not authorized: scan its QR code", scope="transport", alert=True),
        ),
        (200, {"stateInstance": "sleepMode"}, Retry("the phone is off", scope="transport", alert=True)),
        (429, {}, Sent),
        (401, {}, Retry("HTTP 401 when asked for the instance's state", scope="transport", alert=True)),
        (502, {}, Retry("HTTP 502 when asked for the instance's state")),
    ],
)
def test_the_state_is_asked_first(name: str, status: int, body: object, meant: Any) -> None:
    """With `check_state` nothing is handed over while the phone is off: Green-API would take it, and send it hours later."""
    transport = load(name)
    given = Given(config={"check_state": True}, at="/getStateInstance/")
    said, calls = transport.play(as_json(status, body), given)
    assert (type(said) if meant is Sent else said) == meant
    assert any("/sendMessage/" in call.url.path for call in calls) is (meant is Sent)


def test_a_lost_answer_about_the_state_is_tried_again() -> None:
    """Nothing was sent yet, so it is no `Unclear`."""
    result, calls = GREEN.play(httpx.ReadTimeout, Given(config={"check_state": True}, at="/getStateInstance/"))
    assert result == Retry("the question for the instance's state got no answer")
    assert len(calls) == 1


@pytest.mark.parametrize("header", ["Bearer t0ken-of-hook", "Basic t0ken-of-hook", "bearer t0ken-of-hook", "t0ken-of-hook"])
def test_forms_of_proof(header: str) -> None:
    """The webhook token is known with "Bearer", with "Basic" and bare."""
    assert len(_read(_hook("webhook.status_sent.json"), {"Authorization": header})) == 1


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Digest t0ken-of-hook", "Bearer t0ken-of-hoo", "t0ken-of-hook2", "Bearer té"]
)
def test_wrong_proof(header: str) -> None:
    """Anything else is refused."""
    with pytest.raises(Refused):
        _read(_hook("webhook.status_sent.json"), {"Authorization": header})


def test_no_token_set() -> None:
    """Without `webhook_token` callbacks are taken as they come."""
    assert len(GREEN.callback(GREEN.body("webhook.status_sent.json"), {}, webhook_token="")) == 1


@pytest.mark.parametrize("other", [1101000002, "1101000002", 1])
def test_other_instance_is_refused(other: object) -> None:
    """A callback of another instance is refused, so that core can try the account whose it is."""
    with pytest.raises(Refused, match="another instance"):
        _read(_hook("webhook.status_sent.json", instanceData={"idInstance": other}))


@pytest.mark.parametrize("ours", [{"idInstance": "1101000001"}, {}])
def test_own_instance_as_text_or_unsaid(ours: dict[str, str]) -> None:
    """The instance may come as text, or not be said."""
    assert len(_read(_hook("webhook.status_sent.json", instanceData=ours))) == 1


def test_yellow_card_fails_the_message_and_stops_the_account() -> None:
    """A status `yellowCard` says two things: this one is not delivered, and the next will not be either."""
    reason = "the number is restricted: messages are taken and not delivered"
    message, account = _read(_hook("webhook.status_sent.json", status="yellowCard"))
    assert isinstance(message, DeliveryStatus)
    assert (message.status, message.reason) == ("failed", reason)
    assert account == TransportState(False, reason)


def test_not_in_group_is_a_failure() -> None:
    """A status `notInGroup` is a failure."""
    (item,) = _read(_hook("webhook.status_sent.json", status="notInGroup"))
    assert isinstance(item, DeliveryStatus)
    assert item.status == "failed"


def test_unknown_status_is_no_item() -> None:
    """A status of tomorrow's API says nothing."""
    assert _read(_hook("webhook.status_sent.json", status="pondered")) == ()


@pytest.mark.parametrize("file", ["webhook.status_failed.json", "webhook.status_noAccount.json"])
def test_description_is_not_quoted(file: str) -> None:
    """The gateway's own description may quote the client; our reason does not."""
    (item,) = _read(_hook(file, description="79001234567 said no"))
    assert isinstance(item, DeliveryStatus)
    assert "79001234567" not in str(item.reason)


TEXTS = [
    ({"typeMessage": "textMessage", "textMessageData": {"textMessage": "СТОП"}}, "СТОП"),
    ({"typeMessage": "extendedTextMessage", "extendedTextMessageData": {"text": "https://x.test"}}, "https://x.test"),
    ({"typeMessage": "quotedMessage", "extendedTextMessageData": {"text": "да"}, "quotedMessage": {"stanzaId": "1"}}, "да"),
    ({"typeMessage": "imageMessage", "fileMessageData": {"downloadUrl": "https://x.test/1.jpg"}}, ""),
    ({"typeMessage": "stickerMessage"}, ""),
    ({}, ""),
    (None, ""),
]


@pytest.mark.parametrize(("content", "text"), TEXTS)
def test_inbound_kinds(content: object, text: str) -> None:
    """Every kind of message counts as "the client wrote"; a kind without text has the text ""."""
    assert _read(_hook("webhook.inbound_text.json", messageData=content)) == (InboundMessage(text, "+79001234567", at=AT),)


def test_inbound_of_a_hidden_number() -> None:
    """A @lid is no phone: it is kept as the binding."""
    hook = _hook("webhook.inbound_text.json", senderData={"chatId": "123123@lid"})
    assert _read(hook) == (InboundMessage("Да, приду", None, "123123@lid", AT),)


@pytest.mark.parametrize("chat", ["79001234567-1581234048@g.us", "120363043968066561@g.us", "status@broadcast", "1@newsletter", ""])
def test_crowds_are_ignored(chat: str) -> None:
    """What is said in groups and channels is nobody's message to the salon."""
    assert _read(_hook("webhook.inbound_text.json", senderData={"chatId": chat})) == ()


@pytest.mark.parametrize("kind", ["outgoingMessageReceived", "incomingCall", "deviceInfo", "somethingNew"])
def test_other_kinds_are_ignored(kind: str) -> None:
    """The administrator's own messages, calls and unknown kinds are no items."""
    assert _read(_hook("webhook.inbound_text.json", typeWebhook=kind)) == ()


@pytest.mark.parametrize(
    ("state", "working"),
    [("authorized", True), ("notAuthorized", False), ("blocked", False), ("sleepMode", False), ("starting", False), ("?", False)],
)
def test_states(state: str, working: bool) -> None:
    """Only `authorized` works; every other state has a sentence, in the callback and in the probe."""
    (item,) = _read(_hook("webhook.state_changed.json", stateInstance=state))
    probed, _ = GREEN.play(as_json(200, {"stateInstance": state}), Given(hook="probe"))
    assert isinstance(item, TransportState)
    assert item.working is working
    assert (item.reason or None) == probed


@pytest.mark.parametrize("at", ["soon", 99_999_999_999_999, -1, [], "2026-07-20T10:00:03Z"])
def test_a_report_without_a_readable_time(at: object) -> None:
    """A delivery counts, whatever stands there as its time."""
    (item,) = _read(_hook("webhook.status_delivered.json", timestamp=at))
    assert isinstance(item, DeliveryStatus)
    assert (item.status, item.at) == (
        "delivered",
        datetime(2026, 7, 20, 10, 0, 3, tzinfo=UTC) if isinstance(at, str) and at != "soon" else None,
    )


@pytest.mark.parametrize("body", [b"", b"[]", b"not json", b'"text"'])
def test_unreadable_callback(body: bytes) -> None:
    """What is no notification raises a ValueError, and core keeps it as unreadable."""
    with pytest.raises(ValueError, match=r"."):
        GREEN.callback(body)
