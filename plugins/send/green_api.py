"""Sends WhatsApp messages from the salon's own number through green-api.com.

In Green-API's console set the webhook address to `https://…/callback/green_api`, and "yes" for incoming messages, for messages sent through
the API, for statuses of sent messages and for the instance's state. https://green-api.com/docs/api/sending/SendMessage/
"""

from __future__ import annotations

from collections.abc import Sequence

import httpx

from core import Address, CallbackItem, Channel, Message, Needed, Request, Retry, SendResult, answer, hookimpl
from plugins.send._green_api import judge, look_up, off, read, trouble
from plugins.send._whatsapp import ABSENT, OwnNumber, chat_of, facts

proven_by = "webhook_token"


class Config(OwnNumber, frozen=True):
    base_url: str = "https://api.green-api.com"  # the instance's own apiUrl, such as https://1103.api.green-api.com
    id_instance: Needed = ""  # idInstance in the console
    token: Needed = ""  # apiTokenInstance in the console
    webhook_token: str = ""  # webhookUrlToken in the console; unset: callbacks are taken on loopback alone; "none": from anybody
    check_state: bool = False  # ask first whether the phone is on: what is taken while it is off leaves hours later
    check_number: bool = False  # ask first whether the number is on WhatsApp; each question counts against the tariff


@hookimpl
def channel(config: Config) -> Channel:
    return facts(config, 20_000)


@hookimpl
async def send(message: Message, address: Address, http: httpx.AsyncClient, config: Config) -> SendResult:
    if config.check_state and (wrong := await off(_url(config, "getStateInstance"), http)):
        return wrong
    if config.check_number:
        found = await look_up(_url(config, "checkWhatsapp"), {"phoneNumber": int(address.phone)}, http)
        if isinstance(found, Retry):
            return found
        if answer(found).get("existsWhatsapp") is False:
            return ABSENT
    body = {"chatId": chat_of(address.phone), "message": message.text, "linkPreview": False}
    return judge(await http.post(_url(config, "sendMessage"), json=body))


@hookimpl
def callback(request: Request, config: Config) -> Sequence[CallbackItem]:
    return read(request, config.webhook_token, config.id_instance)


@hookimpl
async def probe(http: httpx.AsyncClient, config: Config) -> str | None:
    return trouble(await http.get(_url(config, "getStateInstance")))


def _url(config: Config, method: str) -> str:
    return f"{config.base_url.rstrip('/')}/waInstance{config.id_instance}/{method}/{config.token}"
