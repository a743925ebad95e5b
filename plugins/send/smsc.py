"""Sends SMS through smsc.ru.

SMSC is asked for statuses: its callbacks have no documented proof. https://smsc.ru/api/http/
"""

from __future__ import annotations

import httpx

from core import Address, Attempt, Channel, DeliveryStatus, Message, Needed, SendResult, Settings, answer, digest, hookimpl
from plugins.send._smsc import CODES, STATES


class Config(Settings, frozen=True):
    base_url: str = "https://smsc.ru"  # or the spare host, https://www2.smsc.ru
    login: Needed = ""  # the account's login
    password: Needed = ""  # its password, or the one for the API
    sender: str = ""  # the sender's name, once SMSC has approved it; empty: the account's usual one


@hookimpl
def channel() -> Channel:
    return Channel("sms", short=True, length=1000, concurrency=4)


@hookimpl
async def send(message: Message, address: Address, http: httpx.AsyncClient, config: Config) -> SendResult:
    form = {"phones": address.phone.removeprefix("+"), "mes": message.text, "id": _own_id(address.reference), "cost": "3"}
    if config.sender:
        form["sender"] = config.sender
    response = await _ask(http, config, "send", form)
    said = answer(response)
    number, wrong = str(said.get("id")), said.get("error") or said.get("error_code")
    return CODES.judge(response, said.get("error_code"), number if number.isdecimal() and not wrong else None)


@hookimpl
async def check(attempt: Attempt, http: httpx.AsyncClient, config: Config) -> DeliveryStatus | None:
    number = attempt.id or _own_id(attempt.reference)
    response = await _ask(http, config, "status", {"phone": attempt.phone.removeprefix("+"), "id": number})
    said = answer(response)
    if not response.is_success or said.get("error") or said.get("error_code"):
        return None
    if str(said.get("status")) == "-3" and attempt.id is None:
        return DeliveryStatus("failed", number, reason="SMSC never got the message")
    return STATES.report(said.get("status"), number, at=said.get("last_timestamp"))


@hookimpl
async def probe(http: httpx.AsyncClient, config: Config) -> str | None:
    response = await _ask(http, config, "balance", {})
    said = answer(response)
    if response.is_success and "balance" in said:
        return None
    return CODES.reason(said.get("error_code"), f"HTTP {response.status_code} when asked for the balance")


async def _ask(http: httpx.AsyncClient, config: Config, what: str, form: dict[str, str]) -> httpx.Response:
    account = {"login": config.login, "psw": config.password, "fmt": "3", "charset": "utf-8"}
    return await http.post(f"{config.base_url.rstrip('/')}/sys/{what}.php", data={**account, **form})


def _own_id(reference: str) -> str:
    """Our id of the message for SMSC, 1 to 2147483647: the same for every try."""
    return str(int(digest(reference), 16) % 2_147_483_647 + 1)
