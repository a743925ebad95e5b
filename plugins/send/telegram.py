"""Sends messages through the salon's Telegram bot to the clients who have bound it.

A client binds it with a link `https://t.me/<bot>?start=<token>` or by sharing his own contact. Set the webhook with `setWebhook`,
`secret_token` and `allowed_updates = ["message", "my_chat_member"]`. https://core.telegram.org/bots/api
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx

from core import Address, Binding, CallbackItem, Channel, Codes, Message, Needed, Request, SendResult, answer, hookimpl, posted
from plugins.send import _bot as bot

CODES = Codes(
    recipient={"unknown": "Telegram knows no such chat", "400": "Telegram refuses to write to this chat"},
    content={"text": "Telegram does not accept the text"},
    account={"401 404": "the token is not accepted"},
    limited={"429": "too many requests"},
    later={"away": "Telegram is out of order"},
)


class Config(bot.Bot, frozen=True):
    base_url: str = "https://api.telegram.org"  # where the Bot API lives; a relay, where a network does not reach it
    token: Needed = ""  # the bot's token, from @BotFather
    webhook_secret: str = ""  # secret_token of setWebhook; without it no callback is believed


@hookimpl
def channel(config: Config) -> Channel:
    return bot.facts("telegram", 4096, config)


@hookimpl
async def send(message: Message, address: Address, http: httpx.AsyncClient, config: Config) -> SendResult:
    if not address.binding:
        return bot.UNBOUND
    chat = int(address.binding) if address.binding.removeprefix("-").isdecimal() else address.binding
    body = {"chat_id": chat, "text": message.text, "parse_mode": "HTML", "link_preview_options": {"is_disabled": True}}
    response = await http.post(_url(config, "sendMessage"), json=body)
    match answer(response):
        case {"ok": True, "result": {"message_id": int() | str() as number}}:
            return CODES.judge(response, None, number)
        case {"ok": False, **said} if str(said.get("error_code", response.status_code)) == "403":
            return bot.GONE
        case {"ok": False, "error_code": code, "parameters": {"retry_after": wait}}:
            return CODES.judge(response, code, after=wait)
        case {"ok": False, **said}:
            return CODES.judge(response, _cause(said.get("error_code", response.status_code), str(said.get("description")).lower()))
    return CODES.judge(response, None)


@hookimpl
def callback(request: Request, config: Config) -> Sequence[CallbackItem]:
    bot.proven(request, "x-telegram-bot-api-secret-token", config.webhook_secret, "the secret_token of setWebhook")
    match posted(request):
        case {"message": {"chat": {"id": int() | str() as to, "type": "private"}, "from": {"id": int() | str() as by}} as said}:
            return _message(str(to), by, said)
        case {"my_chat_member": {"chat": {"id": int() | str() as to, "type": "private"}, "new_chat_member": {"status": str(now)}}}:
            return [Binding(str(to), bound=now == "member")] if now in ("member", "kicked") else []
    return []


@hookimpl
async def probe(http: httpx.AsyncClient, config: Config) -> str | None:
    response = await http.get(_url(config, "getMe"))
    return bot.trouble(response, works=answer(response).get("ok") is True)


@hookimpl
async def link(token: str, http: httpx.AsyncClient, config: Config) -> str:
    return bot.link("https://t.me", token, await http.get(_url(config, "getMe")))


def _url(config: Config, method: str) -> str:
    return f"{config.base_url.rstrip('/')}/bot{config.token}/{method}"


def _cause(code: object, description: str) -> object:
    """Telegram's code, told apart by its words where it means several things."""
    number = str(code)
    if number == "400" and any(words in description for words in ("can't parse", "too long", "text is empty")):
        return "text"
    if number == "400" and "not found" in description:
        return "unknown"
    return "away" if number.startswith("5") and len(number) == 3 else code


def _message(chat: str, sender: int | str, message: dict[str, Any]) -> Sequence[CallbackItem]:
    match message:
        case {"contact": {"user_id": owner, "phone_number": str(number)}}:
            return bot.contact(chat, owner, sender, number)
        case {"text": str(text)} if text.split(maxsplit=1)[:1] == ["/start"]:
            return [Binding(chat, token=text.removeprefix("/start").strip() or None)]
    return bot.said(chat, message.get("text") or message.get("caption"), message.get("date"))
