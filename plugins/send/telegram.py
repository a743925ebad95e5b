"""Sends messages through the salon's Telegram bot to the clients who have bound it.

A client binds it with a link `https://t.me/<bot>?start=<token>` or by sharing his own contact. Set the webhook with `setWebhook`,
`secret_token` and `allowed_updates = ["message", "my_chat_member"]`. https://core.telegram.org/bots/api
"""

from __future__ import annotations

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
    same_secret,
)


class Config(Settings, frozen=True):
    base_url: str = "https://api.telegram.org"  # where the Bot API lives; a relay, where a network does not reach it
    token: str = ""  # the bot's token, from @BotFather
    webhook_secret: str = ""  # secret_token of setWebhook; without it no callback is believed
    proxy: str = ""  # a way out, such as "http://user:password@host:3128"
    ca_file: str = ""  # a PEM file, where a relay has its own authority


@hookimpl
def channel() -> Channel:
    gap, pair = timedelta(milliseconds=34), timedelta(seconds=1)  # 30 a second, one a second to a chat
    tags = ("<b>", "</b>"), ("<s>", "</s>")
    return Channel("telegram", *tags, 4096, "html", reports_delivery=False, gap=gap, recipient_gap=pair, needs_binding=True)


@hookimpl
async def send(message: Message, address: Address, http: httpx.AsyncClient, config: Config) -> SendResult:
    if not address.binding:
        return Rejected("the client has not bound the bot")
    chat = int(address.binding) if address.binding.removeprefix("-").isdecimal() else address.binding
    body = {"chat_id": chat, "text": message.text, "parse_mode": "HTML", "link_preview_options": {"is_disabled": True}}
    response = await http.post(_url(config, "sendMessage"), json=body)
    match answer(response):
        case {"ok": True, "result": {"message_id": int(number)}} if response.is_success:
            return Sent(str(number))
        case {"ok": False, "error_code": code} as said:
            return _refusal(code, str(said.get("description")).lower(), said.get("parameters")) or otherwise(response)
    return otherwise(response)


@hookimpl
def callback(request: Request, config: Config) -> Sequence[CallbackItem]:
    # Whoever could post here could have a stranger's messages sent to his own chat.
    if not config.webhook_secret or not same_secret(request.headers.get("x-telegram-bot-api-secret-token"), config.webhook_secret):
        raise Refused("webhook_secret of send.telegram is not the secret_token of setWebhook, or not set")
    match posted(request):
        case {"message": {"chat": {"id": int(chat), "type": "private"}, "from": {"id": int(sender)}} as message}:
            return _message(str(chat), sender, message)
        case {"my_chat_member": {"chat": {"id": int(chat), "type": "private"}, "new_chat_member": {"status": "kicked"}}}:
            return [Binding(str(chat), bound=False)]
    return []


@hookimpl
async def probe(http: httpx.AsyncClient, config: Config) -> str | None:
    response = await http.get(_url(config, "getMe"))
    return (
        None
        if response.is_success and answer(response).get("ok") is True
        else f"HTTP {response.status_code}: token or base_url is wrong"
    )


def _url(config: Config, method: str) -> str:
    return f"{config.base_url.rstrip('/')}/bot{config.token}/{method}"


def _refusal(code: object, description: str, parameters: object) -> SendResult | None:
    match code:
        case 400 if any(piece in description for piece in ("can't parse", "too long", "text is empty")):
            return Rejected("Telegram does not accept the text", scope="content")
        case 400:
            return Rejected(
                "Telegram knows no such chat" if "not found" in description else "Telegram refuses to write to this chat"
            )
        case 401 | 404:
            return Retry("the token is not accepted", scope="transport", alert=True)
        case 403:
            return Rejected("the client has blocked the bot, or is gone", unbind=True)
        case 429 if isinstance(parameters, dict) and isinstance(wait := parameters.get("retry_after"), int) and 0 < wait < 86_400:
            return Retry("too many requests", timedelta(seconds=wait), scope="transport")
        case 429:
            return Retry("too many requests", scope="transport")
        case int(number) if number >= 500:
            return Retry("Telegram is out of order")
    return None


def _message(chat: str, sender: int, message: dict[str, Any]) -> list[CallbackItem]:
    match message:
        case {"contact": {"user_id": user, "phone_number": str(number)}}:
            phone, _ = parse_phone(f"+{number.removeprefix('+')}")
            return [Binding(chat, phone=phone)] if phone and user == sender else []  # anybody can share somebody else's
        case {"text": str(text)} if text.split(maxsplit=1)[:1] == ["/start"]:
            return [Binding(chat, token=text.removeprefix("/start").strip() or None)]
    said = message.get("text") or message.get("caption") or ""  # neither: a picture, a voice
    return [InboundMessage(str(said), binding=chat, at=moment(message.get("date")))]
