"""Sends WhatsApp messages through Evolution API, a gateway on the salon's own server with the salon's own number.

Set the instance's own webhook to `https://…/callback/evolution` with the header `Authorization: Bearer <webhook_token>` (or `jwt_key`
with that token) and the events MESSAGES_UPDATE, MESSAGES_UPSERT, SEND_MESSAGE and CONNECTION_UPDATE; leave `webhookByEvents` off. The
global webhook sends no headers at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import httpx

from core import (
    Address,
    CallbackItem,
    Channel,
    DeliveryStatus,
    Duration,
    Message,
    Needed,
    Refused,
    Request,
    SendResult,
    Sent,
    Statuses,
    TransportState,
    Unclear,
    answer,
    down,
    hookimpl,
    moment,
    posted,
    same_jwt,
    same_secret,
)
from plugins.send import _whatsapp as wa

STATES = Statuses(sent="SERVER_ACK", delivered="DELIVERY_ACK", read="READ PLAYED", failed={"ERROR": ""})
proven_by = "webhook_token"


class Config(wa.OwnNumber, frozen=True):
    base_url: str = "http://127.0.0.1:8080"  # where Evolution API listens
    instance: Needed = ""  # name of the instance
    api_key: Needed = ""  # of the instance, or the global one
    webhook_token: str = ""  # proves callbacks; unset: callbacks are taken on loopback alone; "none": from anybody
    typing: Duration = Duration("1200ms")  # how long the client sees "typing…" first; the call lasts that much longer


@hookimpl
def channel(config: Config) -> Channel:
    return wa.facts(config)


@hookimpl
async def send(message: Message, address: Address, http: httpx.AsyncClient, config: Config) -> SendResult:
    body = {"number": address.phone.removeprefix("+"), "text": message.text, "linkPreview": False}
    typing = {"delay": round(config.typing.total_seconds() * 1000)} if config.typing else {}
    url = f"{config.base_url.rstrip('/')}/message/sendText/{config.instance}"
    return _judge(await http.post(url, headers={"apikey": config.api_key}, json={**body, **typing}))


def _judge(response: httpx.Response) -> SendResult:
    """A 400 may come from a step after the send (its database), so an unknown one is `Unclear`."""
    match answer(response):
        case {"response": {"message": [{"exists": False}, *_] | [[{"exists": False}, *_], *_]}}:
            return wa.ABSENT
        case {"response": {"message": str(text) | [str(text), *_] | [[str(text), *_], *_]}} if "connection closed" in text.lower():
            return down("the session is closed: scan its QR code")
        case {"response": {"message": [[str(), *_], *_]}}:
            return wa.INVALID
        case {"key": {"id": str(sent)}} if response.is_success and sent:
            return Sent(sent)
    if response.status_code == 400 and str(answer(response).get("status", 400)) == "400":
        return Unclear("HTTP 400 for a reason that may come after the send")
    return wa.by_status(response, "base_url, instance or api_key")


@hookimpl
async def probe(http: httpx.AsyncClient, config: Config) -> str | None:
    url = f"{config.base_url.rstrip('/')}/instance/connectionState/{config.instance}"
    response = await http.get(url, headers={"apikey": config.api_key})
    match answer(response):
        case {"instance": {"state": "open"}} if response.is_success:
            return None
    return f"the session is not open (HTTP {response.status_code})"


@hookimpl
def callback(request: Request, config: Config, now: datetime) -> Sequence[CallbackItem]:
    key, given = config.webhook_token, request.headers.get("authorization", "").removeprefix("Bearer ")
    if key and not same_secret(given, key) and not same_jwt(key, given, now):
        raise Refused
    hook = posted(request)
    if config.instance and (hook.get("instance") or config.instance) != config.instance:
        raise Refused("a callback of another instance")
    match hook:
        case {"event": "messages.update", "data": {"keyId": str(sent), "status": str(name), **to}} if to.get("fromMe") is not False:
            return STATES.reports(name, sent, phone=wa.phone_of(to.get("remoteJid")), binding=wa.lid_of(to.get("remoteJid")))
        case {"event": "send.message", "data": {"key": {"remoteJid": chat, "id": str(sent)}, "message": content, **said}}:
            phone, text = wa.phone_of(chat), _text(content)  # it finds the message whose answer was lost
            at = moment(said.get("messageTimestamp"))
            return (DeliveryStatus("sent", sent, phone=phone, at=at, text=text),) if phone and text else ()
        case {"event": "messages.upsert", "data": {"key": {"remoteJid": str(chat), "fromMe": False, **names}, **said}}:
            known = [
                jid for jid in (names.get("remoteJidAlt"), names.get("senderPn")) if wa.phone_of(jid)
            ]  # the phone behind a @lid
            return wa.inbound(str([*known, chat][0]), _text(said.get("message")), moment(said.get("messageTimestamp")))
        case {"event": "connection.update", "data": {"state": "open" | "close" as state}}:
            return (TransportState(state == "open", "" if state == "open" else "the session is closed"),)
        case {"event": "status.instance", "data": {"status": "closed"}}:
            return (TransportState(False, "the session is closed"),)
    return ()  # what was sent by hand, reconnecting, contacts


def _text(content: object) -> str:
    match content:
        case {"conversation": str(text)} | {"extendedTextMessage": {"text": str(text)}}:
            return text
    return ""
