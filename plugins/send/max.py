"""Sends messages through the salon's MAX bot to the clients who have started it.

A client binds it with a link `https://max.ru/<bot>?start=<token>` or by sharing his own contact. The webhook is `POST /subscriptions`
(url, secret, update_types message_created, message_callback, bot_started, bot_stopped, dialog_removed). https://dev.max.ru/docs-api
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import httpx

from core import (
    Address,
    Binding,
    CallbackItem,
    Channel,
    InboundMessage,
    Message,
    Refused,
    Rejected,
    Request,
    Retry,
    SendResult,
    Sent,
    Settings,
    answer,
    hookimpl,
    moment,
    otherwise,
    parse_phone,
    posted,
    retry_after,
    same_secret,
)


class Config(Settings, frozen=True):
    base_url: str = "https://platform-api2.max.ru"  # where the bot API lives
    token: str = ""  # the bot's token, from the cabinet for partners
    webhook_secret: str = ""  # secret of the subscription; without it no callback is believed
    proxy: str = ""  # a way out, such as "http://user:password@host:3128"
    ca_file: str = ""  # a PEM file with the Russian Trusted Root CA, which signs the API's certificate and few systems know


@hookimpl
def channel() -> Channel:
    gap, pair = timedelta(milliseconds=34), timedelta(milliseconds=500)  # 30 a second, two a second to a dialogue
    tags = ("<b>", "</b>"), ("<s>", "</s>")
    return Channel("max", *tags, 4000, "html", reports_delivery=False, gap=gap, recipient_gap=pair, needs_binding=True)


@hookimpl
async def send(message: Message, address: Address, http: httpx.AsyncClient, config: Config) -> SendResult:
    if not address.binding:
        return Rejected("the client has not started the bot")
    params = {"user_id": address.binding, "disable_link_preview": "true"}
    body = {"text": message.text, "format": "html", "notify": True, "attachments": None, "link": None}
    response = await http.post(_url(config, "messages"), params=params, headers={"Authorization": config.token}, json=body)
    match answer(response):
        case {"message": {"body": {"mid": str(mid)}}} if mid and response.is_success:
            return Sent(mid)
        case {"code": "too.many.requests"}:
            return Retry("too many requests", retry_after(response), scope="transport")
        case {"code": str(code)}:
            return _CODES.get(code) or otherwise(response)
    return otherwise(response)


@hookimpl
def callback(request: Request, config: Config) -> Sequence[CallbackItem]:
    # Whoever could post here could have a stranger's messages sent to himself.
    if not config.webhook_secret or not same_secret(request.headers.get("x-max-bot-api-secret"), config.webhook_secret):
        raise Refused("webhook_secret of send.max is not the secret of the subscription, or not set")
    match posted(request):
        case {"update_type": "bot_started", "user": {"user_id": int(user)}} as update:
            return [Binding(str(user), token=str(update.get("payload") or "") or None)]
        case {"update_type": "bot_stopped" | "dialog_removed", "user": {"user_id": int(user)}}:
            return [Binding(str(user), bound=False)]
        case {"update_type": "message_callback", "callback": {"user": {"user_id": int(user)}} as press}:
            return [InboundMessage(str(press.get("payload") or ""), binding=str(user), at=moment(press.get("timestamp")))]
        case {"update_type": "message_created", "message": {"recipient": {"chat_type": "dialog"}} as message}:
            return _message(message)
    return []


@hookimpl
async def probe(http: httpx.AsyncClient, config: Config) -> str | None:
    response = await http.get(_url(config, "me"), headers={"Authorization": config.token})
    works = response.is_success and "user_id" in answer(response)
    return None if works else f"HTTP {response.status_code}: token or base_url is wrong"


def _url(config: Config, method: str) -> str:
    return f"{config.base_url.rstrip('/')}/{method}"


_CODES: dict[str, SendResult] = {
    # Said of everybody while the bot is not approved, so it unbinds nobody: `bot_stopped` does, where a client has left.
    "chat.denied": Rejected("the client has stopped the bot, or MAX has not approved the bot yet"),
    **dict.fromkeys(("chat.not.found", "dialog.not.found"), Rejected("MAX knows no dialogue with the client")),
    "proto.payload": Rejected("MAX does not accept the message", scope="content"),
    "verify.token": Retry("the token is not accepted", scope="transport", alert=True),
    **dict.fromkeys(("attachment.not.ready", "service.unavailable"), Retry("MAX is out of order for a moment")),
}


def _message(message: dict[str, Any]) -> list[CallbackItem]:
    match message:
        case {"sender": {"is_bot": True}}:
            return []
        case {"sender": {"user_id": user}, "body": {"attachments": [{"type": "contact", "payload": dict(contact)}, *_]}}:
            return _contact(user, contact)
        case {"sender": {"user_id": int(user)}, "body": dict(body)}:
            return [InboundMessage(str(body.get("text") or ""), binding=str(user), at=moment(message.get("timestamp")))]
    return []


def _contact(user: object, contact: dict[str, Any]) -> list[CallbackItem]:
    match contact:
        case {"vcf_info": str(card), "max_info": {"user_id": int(owner)}} if owner == user:  # anybody can share somebody else's
            found = re.search(r"^TEL[^:\n]*:\+?(.+)", card, re.MULTILINE)
            phone, _ = parse_phone(f"+{found[1]}" if found else None)
            return [Binding(str(owner), phone=phone)] if phone else []
    return []
