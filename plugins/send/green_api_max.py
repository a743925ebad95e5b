"""Sends messages in MAX, by phone number, from the salon's own MAX account through green-api.com.

In Green-API's console set the webhook address to `https://…/callback/green_api_max`, and "yes" for incoming messages, for statuses of
sent messages and for the instance's state. https://green-api.com/v3/docs/api/
"""

from __future__ import annotations

from collections.abc import Sequence

import httpx

from core import (
    Address,
    CallbackItem,
    Channel,
    Duration,
    Message,
    Needed,
    Rejected,
    Request,
    Retry,
    SendResult,
    Sent,
    Settings,
    answer,
    hookimpl,
)
from plugins.send._green_api import judge, look_up, off, read, trouble

proven_by = "webhook_token"


class Config(Settings, frozen=True):
    base_url: str = "https://api.green-api.com"  # the instance's own apiUrl, such as https://3100.api.green-api.com
    id_instance: Needed = ""  # idInstance in the console
    token: Needed = ""  # apiTokenInstance in the console
    webhook_token: str = ""  # webhookUrlToken in the console; unset: callbacks are taken on loopback alone; "none": from anybody
    check_state: bool = False  # ask first whether the account is on: what is taken while it is off leaves hours later
    gap: Duration = Duration("500ms")  # least time between two messages, which its queue keeps to in any case; "0s": none


@hookimpl
def channel(config: Config) -> Channel:
    return Channel("max", length=4000, concurrency=2, gap=config.gap)


@hookimpl
async def send(message: Message, address: Address, http: httpx.AsyncClient, config: Config) -> SendResult:
    if config.check_state and (wrong := await off(_url(config, "getStateInstance"), http)):
        return wrong
    chat = address.binding or await _chat(address.phone, http, config)
    if not isinstance(chat, str):
        return chat
    said = judge(await http.post(_url(config, "sendMessage"), json={"chatId": chat, "message": message.text}))
    if isinstance(said, Sent):
        return Sent(said.id, chat)  # looked up once: look-ups lead to restrictions, and an inbound message names the chat alone
    lost = address.binding and isinstance(said, Rejected) and said.scope == "recipient"
    return Rejected(said.reason, unbind=True) if lost else said


async def _chat(phone: str, http: httpx.AsyncClient, config: Config) -> str | Retry | Rejected:
    """The chat of a phone, or why there is none. Nothing is sent yet, so whatever is unclear may be tried again."""
    if not phone.startswith(("+7", "+375")):
        return Rejected("MAX is found by Russian and Belarusian numbers only")
    found = await look_up(_url(config, "checkAccount"), {"phoneNumber": int(phone), "force": False}, http)
    if isinstance(found, Retry):
        return found
    match answer(found):
        case {"exist": True, "chatId": str() | int() as chat} if str(chat):
            return str(chat)
        case {"exist": False}:
            return Rejected("the number is not on MAX")
    said = judge(found)
    return said if isinstance(said, Retry) else Retry(f"HTTP {found.status_code}: the look-up of the number failed")


@hookimpl
def callback(request: Request, config: Config) -> Sequence[CallbackItem]:
    return read(request, config.webhook_token, config.id_instance)


@hookimpl
async def probe(http: httpx.AsyncClient, config: Config) -> str | None:
    return trouble(await http.get(_url(config, "getStateInstance")))


def _url(config: Config, method: str) -> str:
    return f"{config.base_url.rstrip('/')}/v3/waInstance{config.id_instance}/{method}/{config.token}"
