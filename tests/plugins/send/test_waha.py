"""What WAHA's recorded bodies cannot say: numbers without a LID, our own ids, other engines."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest

from core import Address, Channel, DeliveryStatus, Duration, InboundMessage, Refused, Rejected, Retry, Sent, TransportState, Unclear
from tests.plugins.send.kit import PHONE, Answered, Given, as_json, load

WAHA = load("waha")
NO_LID = {"statusCode": 500, "exception": {"message": "No LID for user", "name": "Error"}, "request": {"body": {"text": "…"}}}


def _hook(file: str, **payload: Any) -> tuple[object, ...]:
    hook = json.loads(WAHA.body(file))
    return WAHA.callback(json.dumps({**hook, "payload": {**hook["payload"], **payload}}).encode())


def test_channel() -> None:
    """It is WhatsApp at the pace that the config says."""
    gap = Duration("30s")
    assert WAHA.plugin.channel(WAHA.plugin.Config(gap=gap)) == Channel(
        "whatsapp", ("*", "*"), ("~", "~"), concurrency=2, gap=timedelta(seconds=30), first_contacts_per_day=20
    )


@pytest.mark.parametrize("text", ["No LID for user", "Lid is missing in chat table", "no LID found"])
@pytest.mark.parametrize("wrapped", [True, False])
def test_no_lid_and_no_account(text: str, wrapped: bool) -> None:
    """A 500 for want of a LID, where the number is not on WhatsApp, goes to the next channel."""
    body = {"exception": {"message": text}} if wrapped else {"message": text}
    result, calls = WAHA.play(as_json(500, body), Given(answers={"/check-exists": "check_exists.absent.json"}))
    assert result == Rejected("the number is not on WhatsApp")
    assert str(calls[1].url) == "http://waha.test:3000/api/contacts/check-exists?phone=79001234567&session=default"
    assert calls[1].headers["X-Api-Key"] == "k3y-of-api"


def test_no_lid_but_an_account() -> None:
    """A 500 for want of a LID, where the number is on WhatsApp, stays unclear."""
    result, _ = WAHA.play(as_json(500, NO_LID), Given(answers={"/check-exists": "check_exists.ok.json"}))
    assert result == Unclear("HTTP 500: it may have been taken")


def test_other_500_is_not_asked_about() -> None:
    """Any other 500 is unclear, even if the echoed text speaks of a LID."""
    body = {"exception": {"message": "Target closed"}, "request": {"body": {"text": "no LID found"}}}
    result, calls = WAHA.play(as_json(500, body))
    assert isinstance(result, Unclear)
    assert len(calls) == 1


@pytest.mark.parametrize("failure", [httpx.ConnectError, httpx.PoolTimeout, httpx.ReadTimeout, httpx.DecodingError])
def test_broken_check_never_looks_like_an_unsent_message(failure: type[httpx.RequestError]) -> None:
    """A connect error in the check that follows the send must not reach core, which would send again."""

    def gateway(request: httpx.Request) -> httpx.Response:
        if "check-exists" in request.url.path:
            raise failure("broken", request=request)
        return httpx.Response(500, json=NO_LID)

    assert isinstance(WAHA.run(httpx.MockTransport(gateway)), Unclear)


def test_own_id_is_the_reference() -> None:
    """Our reference travels as the message's id, and comes back with the receipt, so a lost answer is found again."""
    _, calls = WAHA.play(None, Given(address=Address(PHONE, reference="00ff")))
    assert json.loads(calls[0].content)["id"] == "00FF"
    (item,) = _hook("webhook.ack_server.json", id="true_79001234567@c.us_00FF")
    assert isinstance(item, DeliveryStatus)
    assert (item.id, item.reference) == ("00FF", "00ff")


@pytest.mark.parametrize("case", [Given(config={"own_ids": False}), Given(address=Address(PHONE))])
def test_no_own_id(case: Given) -> None:
    """`own_ids = false`, for older servers, and a message without a reference leave the id out."""
    _, calls = WAHA.play(None, case)
    assert "id" not in json.loads(calls[0].content)


@pytest.mark.parametrize(
    "body",
    [
        {"id": {"fromMe": True, "remote": "79001234567@c.us", "id": "AB", "_serialized": "true_79001234567@c.us_AB"}},
        {"id": "true_5566@lid_AB"},
        {"id": "AB"},
        {"key": {"id": "AB"}},
    ],
)
def test_engines_wrap_the_id(body: dict[str, Any]) -> None:
    """However the engine wraps the id, its last part is what receipts carry."""
    assert WAHA.play(as_json(201, body))[0] == Sent("AB")


@pytest.mark.parametrize(
    ("status", "body", "scope"),
    [
        (404, {"message": "Session not found", "statusCode": 404}, "transport"),
        (422, {"message": 'Session "salon" does not exist'}, "transport"),
        (422, {"error": "…", "status": "STOPPED", "expected": ["WORKING"]}, "transport"),
        (422, {"message": ["text must be a string"], "statusCode": 422}, "content"),
        (400, {"message": "chatId is required"}, "content"),
    ],
)
def test_refusals(status: int, body: dict[str, Any], scope: str) -> None:
    """What concerns the session stops the account; what concerns the request is the message's own fault."""
    result, _ = WAHA.play(as_json(status, body))
    assert isinstance(result, Retry if scope == "transport" else Rejected)
    assert result.scope == scope


def test_qr_code_is_named() -> None:
    """A session that waits for its QR code says so."""
    result, _ = WAHA.play(WAHA.answered("error.422_session_not_working.json"))
    assert result == Retry("the session wants its QR code scanned", scope="transport", alert=True)


@pytest.mark.parametrize("ack", [0, 5, -2])
def test_other_acks_say_nothing(ack: int) -> None:
    """`PENDING` and unknown receipts are no status."""
    assert _hook("webhook.ack_read.json", ack=ack) == ()


def test_played_is_read() -> None:
    """A voice message that was played was read."""
    (item,) = _hook("webhook.ack_read.json", ack=4)
    assert isinstance(item, DeliveryStatus)
    assert item.status == "read"


def test_receipts_of_their_messages_are_ignored() -> None:
    """A receipt of a message of the client's is none of ours."""
    assert _hook("webhook.ack_read.json", fromMe=False) == ()


def test_receipt_of_a_hidden_number() -> None:
    """A receipt whose chat is a @lid is still known by the last part of its id."""
    (item,) = _hook("webhook.ack_read.json", id="true_5566@lid_3EB0A1B2C3D4E5F60718")
    assert isinstance(item, DeliveryStatus)
    assert (item.id, item.phone) == ("3EB0A1B2C3D4E5F60718", None)


def test_own_messages_are_ignored() -> None:
    """`message.any` brings our own messages too; they are no inbound ones."""
    hook = {**json.loads(WAHA.body("webhook.inbound_text.json")), "event": "message.any"}
    hook["payload"]["fromMe"] = True
    assert WAHA.callback(json.dumps(hook).encode()) == ()


@pytest.mark.parametrize(
    ("sender", "items"),
    [
        ("5566@lid", (InboundMessage("Да, приду", None, "5566@lid", WAHA.account.items["webhook.inbound_text.json"][0].at),)),
        ("120363043968066561@g.us", ()),
        ("status@broadcast", ()),
    ],
)
def test_inbound_senders(sender: str, items: tuple[object, ...]) -> None:
    """A hidden number is kept as binding; groups and broadcasts are ignored."""
    assert _hook("webhook.inbound_text.json", **{"from": sender}) == items


def test_inbound_without_text() -> None:
    """A picture without words is a message with the text ""."""
    (item,) = _hook("webhook.inbound_text.json", body=None, hasMedia=True)
    assert isinstance(item, InboundMessage)
    assert item.text == ""


def test_working_session() -> None:
    """A session that works again is reported as working."""
    assert _hook("webhook.session_failed.json", status="WORKING") == (TransportState(True),)


def test_other_session_is_refused() -> None:
    """A callback of another session is refused, so that core can try the account whose it is."""
    with pytest.raises(Refused, match="another session"):
        WAHA.callback(WAHA.body("webhook.ack_read.json"), session="barber2")


def test_no_key_set() -> None:
    """Without `webhook_hmac_key` callbacks are taken as they come."""
    assert len(WAHA.callback(WAHA.body("webhook.ack_read.json"), {}, webhook_hmac_key="")) == 1


def test_changed_body_is_refused() -> None:
    """The proof covers the body: one byte changed, and it is refused."""
    body = WAHA.body("webhook.ack_read.json")
    assert WAHA.account.sign is not None
    with pytest.raises(Refused):
        WAHA.callback(body + b" ", WAHA.account.sign(body))


def test_probe_of_a_missing_session() -> None:
    """A session that is not there has a sentence."""
    assert WAHA.play(Answered(404, b""), Given(hook="probe"))[0] == "HTTP 404 when asked for the session"
