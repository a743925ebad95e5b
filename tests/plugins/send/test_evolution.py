"""What Evolution's recorded bodies cannot say: errors after the send, JWTs, and phones behind a @lid."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core import Channel, DeliveryStatus, Duration, InboundMessage, Refused, Rejected, Request, Retry, TransportState, Unclear
from tests.plugins.send.kit import PHONE, Answered, Given, as_json, load

EVOLUTION = load("evolution")
JWT = EVOLUTION.manifest["webhook_auth"]["jwt"]
AT = datetime(2026, 9, 21, 14, 15, tzinfo=UTC)


def _hook(file: str, **data: Any) -> dict[str, Any]:
    hook = json.loads(EVOLUTION.body(file))
    return {**hook, "data": {**hook["data"], **data}}


def _read(hook: object) -> tuple[Any, ...]:
    return EVOLUTION.callback(json.dumps(hook).encode())


def _refused(status: int, message: object) -> Answered:
    return as_json(status, {"status": status, "error": "…", "response": {"message": message}})


def test_channel() -> None:
    """It is WhatsApp at the pace that the config says."""
    facts = EVOLUTION.plugin.channel(EVOLUTION.plugin.Config(gap=Duration("45s")))
    assert facts == Channel("whatsapp", ("*", "*"), ("~", "~"), concurrency=2, gap=timedelta(seconds=45), first_contacts_per_day=20)


def test_no_typing() -> None:
    """`typing = "0s"` leaves the delay out."""
    _, calls = EVOLUTION.play(None, Given(config={"typing": Duration("0s")}))
    assert "delay" not in json.loads(calls[0].content)


@pytest.mark.parametrize("message", [["PrismaClientKnownRequestError: …"], "Internal error", [], {}, None, [None], [[]], [[{}]]])
def test_other_400_is_unclear(message: object) -> None:
    """A 400 may come from the database, after the message left: any text we do not know leaves it open."""
    result, _ = EVOLUTION.play(_refused(400, message))
    assert isinstance(result, Unclear)


@pytest.mark.parametrize("message", [[{"jid": "…", "exists": False}], [[{"jid": "…", "exists": False, "number": "…"}]]])
def test_nobody_there(message: object) -> None:
    """A number that is not on WhatsApp is known in a list and in a list of lists."""
    assert EVOLUTION.play(_refused(400, message))[0] == Rejected("the number is not on WhatsApp")


@pytest.mark.parametrize("status", [400, 500])
@pytest.mark.parametrize("message", [["Error: Connection Closed"], "Connection Closed", ["connection closed"]])
def test_closed_session(status: int, message: object) -> None:
    """ "Connection Closed" stops the account, whatever wraps it."""
    assert EVOLUTION.play(_refused(status, message))[0] == Retry(
        "the session is closed: scan its QR code", scope="transport", alert=True
    )


@pytest.mark.parametrize(
    ("status", "kind"), [(400, Unclear), (403, Retry), (404, Retry), (429, Retry), (500, Unclear), (502, Unclear)]
)
def test_bare_status(status: int, kind: type) -> None:
    """Without a body the status is judged alone."""
    assert isinstance(EVOLUTION.play(Answered(status, b""))[0], kind)


# --- callbacks


def _with_jwt(value: str, now: datetime, key: str = JWT["key"]) -> tuple[Any, ...]:
    request = Request(
        "POST", "/callback/evolution", {"authorization": value}, {}, EVOLUTION.body("webhook.messages_update_read.json")
    )
    return tuple(EVOLUTION.plugin.callback(request, EVOLUTION.config(webhook_token=key), now))


def test_jwt() -> None:
    """A JWT that Evolution signs with our token as `jwt_key` is accepted until it runs out."""
    expires = datetime.fromtimestamp(JWT["claims"]["exp"], UTC)
    assert len(_with_jwt(JWT["value"], expires - timedelta(seconds=1))) == 1
    with pytest.raises(Refused):
        _with_jwt(JWT["value"], expires)


def test_forged_jwt() -> None:
    """A JWT under another key, with other claims, or unsigned is refused."""
    now = datetime.fromtimestamp(JWT["claims"]["iat"], UTC)
    head, claims, proof = JWT["value"].split(".")
    for forged in (
        f"{head}.{claims}.{proof[:-4]}AAAA",
        f"{head}.{claims}x.{proof}",
        f"{head}.{claims}.",
        f"{head}..{proof}",
        "a.b.c",
        ".",
        "ы.ы.ы",
    ):
        with pytest.raises(Refused):
            _with_jwt(forged, now)
    with pytest.raises(Refused):
        _with_jwt(JWT["value"], now, "another-key")


def test_token_with_dots() -> None:
    """A plain token may look like a JWT."""
    assert len(_with_jwt("Bearer a.b.c", AT, "a.b.c")) == 1


def test_no_token_set() -> None:
    """Without `webhook_token` callbacks are taken as they come."""
    assert len(EVOLUTION.callback(EVOLUTION.body("webhook.messages_update_read.json"), {}, webhook_token="")) == 1


def test_other_instance_is_refused() -> None:
    """A callback of another instance is refused, so that core can try the account whose it is."""
    with pytest.raises(Refused, match="another instance"):
        EVOLUTION.callback(EVOLUTION.body("webhook.messages_update_read.json"), instance="barber2")


@pytest.mark.parametrize("status", ["PENDING", "DELETED", "SOMETHING"])
def test_other_statuses_say_nothing(status: str) -> None:
    """Statuses that are no news for us are no items."""
    assert _read(_hook("webhook.messages_update_read.json", status=status)) == ()


def test_played_is_read() -> None:
    """A voice message that was played was read; the database's id may be absent."""
    hook = _hook("webhook.messages_update_read.json", status="PLAYED")
    del hook["data"]["messageId"]
    assert _read(hook) == (DeliveryStatus("read", "3EB0F1E2D3C4B5A69788", phone=PHONE),)


def test_their_messages_updates_are_ignored() -> None:
    """A status of a message of the client's is none of ours."""
    assert _read(_hook("webhook.messages_update_read.json", fromMe=False)) == ()


@pytest.mark.parametrize(
    ("key", "items"),
    [
        ({"remoteJid": "5566@lid"}, (InboundMessage("Да, приду", None, "5566@lid", AT),)),
        ({"remoteJid": "5566@lid", "remoteJidAlt": "79001234567@s.whatsapp.net"}, (InboundMessage("Да, приду", PHONE, at=AT),)),
        ({"remoteJid": "5566@lid", "senderPn": "79001234567@s.whatsapp.net"}, (InboundMessage("Да, приду", PHONE, at=AT),)),
        ({"remoteJid": "79001234567:12@s.whatsapp.net"}, (InboundMessage("Да, приду", PHONE, at=AT),)),
        ({"remoteJid": "120363043968066561@g.us"}, ()),
        ({"remoteJid": "status@broadcast"}, ()),
    ],
)
def test_inbound_senders(key: dict[str, str], items: tuple[object, ...]) -> None:
    """A @lid is resolved where the gateway names the phone beside it; groups and broadcasts are ignored."""
    assert _read(_hook("webhook.messages_upsert_inbound.json", key={"fromMe": False, "id": "1", **key})) == items


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"extendedTextMessage": {"text": "СТОП"}}, "СТОП"),
        ({"imageMessage": {"caption": "вот"}}, ""),
        (None, ""),
        ({"conversation": None}, ""),
    ],
)
def test_inbound_kinds(message: object, text: str) -> None:
    """Plain and extended texts are read; other kinds have the text ""."""
    (item,) = _read(_hook("webhook.messages_upsert_inbound.json", message=message, messageTimestamp="1790000100"))
    assert item == InboundMessage(text, PHONE, at=AT)


def test_own_messages_are_ignored() -> None:
    """What was sent from the phone or by us is no inbound message."""
    key = {"remoteJid": "79001234567@s.whatsapp.net", "fromMe": True, "id": "1"}
    assert _read(_hook("webhook.messages_upsert_inbound.json", key=key)) == ()


@pytest.mark.parametrize(("state", "items"), [("open", (TransportState(True),)), ("connecting", ())])
def test_connection(state: str, items: tuple[object, ...]) -> None:
    """An open connection works again; one that is being made says nothing yet."""
    assert _read(_hook("webhook.connection_update_close.json", state=state)) == items


def test_probe_of_a_missing_instance() -> None:
    """An instance that is not there has a sentence."""
    result, _ = EVOLUTION.play(EVOLUTION.answered("error.404_instance.json"), Given(hook="probe"))
    assert result == "the session is not open (HTTP 404)"


def test_unreadable_callback() -> None:
    """What is no object raises a ValueError, and core keeps it as unreadable."""
    with pytest.raises(ValueError, match="the body is not a JSON object"):
        _read([])
