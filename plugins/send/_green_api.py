"""What Green-API answers and posts, for WhatsApp and MAX alike. https://green-api.com/docs/api/common-errors/"""

from __future__ import annotations

from collections.abc import Sequence

import httpx

from core import (
    CallbackItem,
    DeliveryStatus,
    Refused,
    Request,
    Retry,
    SendResult,
    Sent,
    Statuses,
    TransportState,
    answer,
    down,
    moment,
    posted,
    prove,
)
from plugins.send._whatsapp import by_status, inbound, lid_of, phone_of

_STATES = {
    "notAuthorized": "the instance is not authorized: scan its QR code",
    "blocked": "the number is banned",
    "sleepMode": "the phone is off",
    "starting": "the instance is starting",
    "yellowCard": "the number is restricted: messages are taken and not delivered",
    "suspended": "the number is suspended",
}
_STATUSES = Statuses(
    sent="sent",
    delivered="delivered",
    read="read",
    failed={
        "failed": "it was not delivered",
        "noAccount": "the number has no account",
        "notInGroup": "the chat is closed to us",
        "yellowCard": _STATES["yellowCard"],
    },
)


async def look_up(url: str, question: dict[str, object] | None, http: httpx.AsyncClient) -> httpx.Response | Retry:
    """Ask about a number (`None`: about the instance). Nothing is sent yet, which core cannot know: a lost answer is no reason for `Unclear`."""
    try:
        return await (http.post(url, json=question) if question else http.get(url))
    except (httpx.ReadTimeout, httpx.ReadError, httpx.RemoteProtocolError):
        return Retry(
            "the look-up of the number got no answer" if question else "the question for the instance's state got no answer"
        )


async def off(url: str, http: httpx.AsyncClient) -> Retry | None:
    """Why nothing may be handed over now: Green-API takes it, and it leaves once the phone is back, hours later."""
    found = await look_up(url, None, http)
    if isinstance(found, Retry):
        return found
    if found.status_code == 429 or not (wrong := trouble(found)):  # one question a second is answered
        return None
    return Retry(wrong) if found.is_server_error else down(wrong)


def judge(response: httpx.Response) -> SendResult:
    """What an answer to `sendMessage` means. The envelope of a 400 is not documented, its sentences are."""
    sent, text = answer(response).get("idMessage"), response.text.lower()
    text = "" if text.lstrip().startswith("<") else text  # a proxy's page says many things
    if response.is_success and isinstance(sent, str | int) and sent:
        return Sent(str(sent))
    if "in starting process" in text:
        return Retry("the instance is starting")
    if any(words in text for words in ("not authorized", "is expired", "is deleted")):
        return down("the instance is out of order or not paid for: see its console")
    if response.status_code == 466 or "quote_exceeded" in text:
        return down("the tariff's quota is used up")
    return by_status(response, "base_url, id_instance or token")


def trouble(response: httpx.Response) -> str | None:
    """What an answer to `getStateInstance` says is wrong."""
    if not response.is_success:
        return f"HTTP {response.status_code} when asked for the instance's state"
    return _state(answer(response).get("stateInstance")).reason or None


def _state(name: object) -> TransportState:
    return (
        TransportState(True)
        if name == "authorized"
        else TransportState(False, _STATES.get(str(name), "the instance's state is unknown"))
    )


def read(request: Request, webhook_token: str, id_instance: str) -> Sequence[CallbackItem]:
    """The items of one notification. Another instance's is `Refused`: core asks the next account."""
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    if webhook_token:
        prove(rest if scheme.lower() in ("bearer", "basic") else scheme, webhook_token)
    hook = posted(request)
    at = moment(hook.get("timestamp"))
    match hook:
        case {"instanceData": {"idInstance": other}} if id_instance and str(other) != id_instance:
            raise Refused("a callback of another instance")
        case {"typeWebhook": "outgoingMessageStatus", "idMessage": str() | int() as sent, "status": str(name)}:
            chat = hook.get("chatId")
            found = _STATUSES.reports(name, str(sent), phone=phone_of(chat), at=at, binding=lid_of(chat))
            return (*found, _state(name)) if name == "yellowCard" else found
        case {"typeWebhook": "outgoingAPIMessageReceived", "idMessage": str() | int() as sent, "senderData": {"chatId": chat}}:
            phone, text = phone_of(chat), _text(hook.get("messageData"))
            return (DeliveryStatus("sent", str(sent), phone=phone, at=at, text=text),) if phone and text else ()
        case {"typeWebhook": "incomingMessageReceived", "senderData": {"chatId": str() | int() as chat}}:
            return inbound(str(chat), _text(hook.get("messageData")), at)
        case {"typeWebhook": "stateInstanceChanged", "stateInstance": name}:
            return (_state(name),)
        case {"typeWebhook": "quotaExceeded"}:
            return (TransportState(False, "the tariff's quota is used up"),)
    return ()  # what was sent by hand, calls, devices


def _text(content: object) -> str:
    match content:
        case {"textMessageData": {"textMessage": str(text)}} | {"extendedTextMessageData": {"text": str(text)}}:
            return text
    return ""  # a picture, a voice message: the client wrote all the same
