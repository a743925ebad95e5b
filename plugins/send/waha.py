"""Sends WhatsApp messages through WAHA, a gateway on the salon's own server with the salon's own number.

In the session's webhooks set `https://…/callback/waha`, the events `message`, `message.ack`, `session.status` and an HMAC key.
https://waha.devlike.pro/docs/how-to/send-messages/
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx

from core import (
    Address,
    CallbackItem,
    Channel,
    Message,
    Refused,
    Request,
    SendResult,
    Sent,
    Statuses,
    TransportState,
    answer,
    down,
    hookimpl,
    moment,
    posted,
    prove_hmac,
)
from plugins.send import _whatsapp as wa

ACKS = Statuses(sent="1", delivered="2", read="3 4", failed={"-1": ""})
proven_by = "webhook_hmac_key"


class Config(wa.OwnNumber, frozen=True):
    base_url: str = "http://127.0.0.1:3000"  # where WAHA listens
    session: str = "default"  # name of the session
    api_key: str = ""  # WAHA_API_KEY
    webhook_hmac_key: str = ""  # hmac.key of its webhook; unset: callbacks are taken on loopback alone; "none": from anybody
    own_ids: bool = True  # name the message ourselves, so that a lost answer is found again; false before WAHA 2026.4.3


@hookimpl
def channel(config: Config) -> Channel:
    return wa.facts(config)


@hookimpl
async def send(message: Message, address: Address, http: httpx.AsyncClient, config: Config) -> SendResult:
    to = {"session": config.session, "chatId": wa.chat_of(address.phone)}
    own = {"id": address.reference.upper()} if config.own_ids and address.reference else {}
    response = await _call(http, config, "POST", "sendText", json={**to, "text": message.text, "linkPreview": False, **own})
    body = answer(response)
    if response.is_success and (sent := _last_part(body)):
        return Sent(sent)
    if "expected" in body:
        return down(_state(body.get("status")).reason or "the session is out of order")
    if response.status_code == 422 and "session" in str(body.get("message")).lower():
        return down("HTTP 422: session is wrong")
    if response.is_server_error and _lacks_lid(body) and await _absent(address.phone, http, config):
        return wa.ABSENT
    return wa.by_status(response, "base_url, session or api_key")


def _last_part(body: dict[str, Any]) -> str:
    """ "true_79001234567@c.us_3EB0A1…" → "3EB0A1…", however the engine wraps it; the part before may become a @lid."""
    match body:
        case {"id": str(whole)} | {"id": {"_serialized": str(whole)}} | {"key": {"id": str(whole)}}:
            return whole.rpartition("_")[2]
    return ""


def _lacks_lid(body: dict[str, Any]) -> bool:
    match body:
        case {"exception": {"message": str(text)}} | {"message": str(text)}:
            return "no lid" in text.lower() or "lid is missing" in text.lower()
    return False


async def _absent(phone: str, http: httpx.AsyncClient, config: Config) -> bool:
    """Whether the number is surely not on WhatsApp. The message may have left, so an error here must not look like one of `send`."""
    query = {"phone": phone.removeprefix("+"), "session": config.session}
    try:
        return answer(await _call(http, config, "GET", "contacts/check-exists", params=query)).get("numberExists") is False
    except httpx.HTTPError:
        return False


async def _call(http: httpx.AsyncClient, config: Config, method: str, path: str, **more: Any) -> httpx.Response:
    return await http.request(method, f"{config.base_url.rstrip('/')}/api/{path}", headers={"X-Api-Key": config.api_key}, **more)


@hookimpl
async def probe(http: httpx.AsyncClient, config: Config) -> str | None:
    found = await _call(http, config, "GET", f"sessions/{config.session}")
    wrong = _state(answer(found).get("status")).reason or None
    return wrong if found.is_success else f"HTTP {found.status_code} when asked for the session"


def _state(status: object) -> TransportState:
    reason = "the session wants its QR code scanned" if status == "SCAN_QR_CODE" else "the session is not working"
    return TransportState(status == "WORKING", "" if status == "WORKING" else reason)


def _theirs(event: str, said: dict[Any, Any]) -> bool:
    return not said.get("fromMe", event == "message.any")  # the one event is of what clients write, the other of our own words, too


@hookimpl
def callback(request: Request, config: Config) -> Sequence[CallbackItem]:
    if config.webhook_hmac_key:
        prove_hmac(config.webhook_hmac_key, request.body, request.headers.get("x-webhook-hmac"), "sha512")
    match posted(request):
        case {"session": other} if other not in (config.session, None):
            raise Refused("a callback of another session")
        case {"event": "message.ack", "payload": {"id": str(whole) | {"_serialized": str(whole)}, "ack": ack, **of}, **hook} if (
            of.get("fromMe") is not False
        ):
            chat, sent = whole.split("_")[-2:][0], whole.rpartition("_")[2]
            phone, lid = wa.phone_of(chat), wa.lid_of(chat)
            return ACKS.reports(ack, sent, reference=sent.lower(), phone=phone, at=hook.get("timestamp"), binding=lid)
        case {"event": "message" | "message.any" as event, "payload": {"from": str(chat), **said}} if _theirs(event, said):
            return wa.inbound(chat, wa.text_of(said.get("body")), moment(said.get("timestamp")))
        case {"event": "session.status", "payload": {"status": status}}:
            return (_state(status),)
    return ()  # calls, presence, our own messages
