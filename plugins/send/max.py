"""Sends messages through the salon's MAX bot to the clients who have started it.

A client binds it with a link `https://max.ru/<bot>?start=<token>` or by sharing his own contact. The webhook is `POST /subscriptions`
(url, secret, update_types message_created, message_callback, bot_started, bot_stopped, dialog_removed). https://dev.max.ru/docs-api
The API's certificate is signed by the Russian Trusted Root CA, which few systems know: name its file in `ca_file`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import httpx

from core import (
    Address,
    Binding,
    CallbackItem,
    Channel,
    Codes,
    Duration,
    Message,
    Needed,
    Rejected,
    Request,
    SendResult,
    answer,
    hookimpl,
    posted,
)
from plugins.send import _bot as bot

CODES = Codes(
    recipient={"chat.not.found dialog.not.found error.dialog.notfound": "MAX knows no dialogue with the client"},
    content={"proto.payload": "MAX does not accept the message"},
    account={"verify.token": "the token is not accepted"},
    limited={"too.many.requests": "too many requests"},
    later={"attachment.not.ready service.unavailable": "MAX is out of order for a moment"},
)
# Said of one client who has left, and of everybody while the bot is not approved.
STOPPED = Rejected("the client has stopped the bot", unbind=True, everybody="MAX has not approved the bot, or has shut it")


class Config(bot.Bot, frozen=True):
    recipient_gap: Duration = Duration("500ms")  # least time between two messages to one client; "0s": none
    base_url: str = "https://platform-api2.max.ru"  # where the bot API lives
    token: Needed = ""  # the bot's token, from the cabinet for partners
    webhook_secret: str = ""  # secret of the subscription; without it no callback is believed


@hookimpl
def channel(config: Config) -> Channel:
    return bot.facts("max", 4000, config)


@hookimpl
async def send(message: Message, address: Address, http: httpx.AsyncClient, config: Config) -> SendResult:
    if not address.binding:
        return bot.UNBOUND
    params = {"user_id": address.binding, "disable_link_preview": "true"}
    body = {"text": message.text, "format": "html", "notify": True, "attachments": None, "link": None}
    headers = {"Authorization": config.token}
    response = await http.post(f"{config.base_url.rstrip('/')}/messages", params=params, headers=headers, json=body)
    match answer(response):
        case {"message": {"body": {"mid": str(mid)}}}:
            return CODES.judge(response, None, mid)
        case {"code": str(code)} if code.lower() in ("chat.denied", "error.dialog.suspended"):
            return STOPPED
        case said:
            return CODES.judge(response, str(said.get("code")).lower())


@hookimpl
def callback(request: Request, config: Config) -> Sequence[CallbackItem]:
    bot.proven(request, "x-max-bot-api-secret", config.webhook_secret, "the secret of the subscription")
    match posted(request):
        case {"update_type": "bot_started", "user": {"user_id": int() | str() as user}} as update:
            return [Binding(str(user), token=str(update.get("payload") or "") or None)]
        case {"update_type": "bot_stopped" | "dialog_removed", "user": {"user_id": int() | str() as user}}:
            return [Binding(str(user), bound=False)]
        case {"update_type": "message_callback", "callback": {"user": {"user_id": int() | str() as user}} as press}:
            return bot.said(str(user), press.get("payload"), press.get("timestamp"))
        case {"update_type": "message_created", "message": {"recipient": {"chat_type": "dialog"}} as message}:
            return _message(message)
    return []


@hookimpl
async def probe(http: httpx.AsyncClient, config: Config) -> str | None:
    response = await http.get(f"{config.base_url.rstrip('/')}/me", headers={"Authorization": config.token})
    return bot.trouble(response, works="user_id" in answer(response))


@hookimpl
async def link(token: str, http: httpx.AsyncClient, config: Config) -> str:
    me = await http.get(f"{config.base_url.rstrip('/')}/me", headers={"Authorization": config.token})
    return bot.link("https://max.ru", token, me)


def _message(message: dict[str, Any]) -> Sequence[CallbackItem]:
    match message:
        case {"sender": {"is_bot": True}}:
            return []
        case {"sender": {"user_id": user}, "body": {"attachments": [{"type": "contact", "payload": dict(contact)}, *_]}}:
            return _contact(user, contact)
        case {"sender": {"user_id": int() | str() as user}, "body": dict(body)}:
            return bot.said(str(user), body.get("text"), message.get("timestamp"))
    return []


def _contact(user: object, contact: dict[str, Any]) -> Sequence[CallbackItem]:
    match contact:
        case {"vcf_info": str(card), "max_info": {"user_id": int() | str() as owner}}:
            found = re.search(r"^TEL[^:\n]*:\+?(.+)", card, re.MULTILINE)
            return bot.contact(str(owner), owner, user, found[1]) if found else []
    return []
