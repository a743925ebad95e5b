"""Sends SMS through smsc.ru.

SMSC is asked for statuses: its callbacks have no documented proof. https://smsc.ru/api/http/
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import httpx

from core import (
    Address,
    Attempt,
    Channel,
    DeliveryStatus,
    Message,
    Rejected,
    Retry,
    SendResult,
    Sent,
    Settings,
    Unclear,
    answer,
    digest,
    hookimpl,
    moment,
    otherwise,
)

_ERRORS: dict[str, SendResult] = {
    "1": Rejected("SMSC finds a parameter wrong", scope="content"),
    "2": Retry("login, password or our IP address is not accepted", scope="transport", alert=True),
    "3": Retry("no money left", scope="transport", alert=True),
    "4": Retry("our IP address is blocked for too many errors", timedelta(minutes=10), scope="transport", alert=True),
    "5": Rejected("SMSC finds the date wrong", scope="content"),
    "6": Rejected("the text or the sender's name is forbidden", scope="content"),
    "7": Rejected("the number is wrong"),
    "8": Rejected("no SMS can reach the number"),
    # The same request within a minute, or too many at once: it may be the one whose answer we never saw. `check` knows it by our id.
    "9": Unclear("SMSC may have this very message already"),
}
_STATES: dict[str, Literal["sent", "delivered", "read"]] = {"-1": "sent", "0": "sent", "1": "delivered", "2": "read"}
_FAILURES = {
    "3": "not delivered in time",
    "20": "no SMS can reach the number",
    "22": "the number is wrong",
    "23": "forbidden",
    "24": "no money left",
    "25": "the number cannot be reached",
}


class Config(Settings, frozen=True):
    base_url: str = "https://smsc.ru"  # or the spare host, https://www2.smsc.ru
    login: str = ""  # the account's login
    password: str = ""  # its password, or the one for the API
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
    if known := _ERRORS.get(str(said.get("error_code"))):
        return known
    accepted = str(said.get("id"))
    return Sent(accepted) if response.is_success and "error" not in said and accepted.isdecimal() else otherwise(response)


@hookimpl
async def check(attempt: Attempt, http: httpx.AsyncClient, config: Config) -> DeliveryStatus | None:
    number = attempt.id or _own_id(attempt.reference)
    response = await _ask(http, config, "status", {"phone": attempt.phone.removeprefix("+"), "id": number})
    said = answer(response)
    if not response.is_success or "error" in said:
        return None
    code, at = str(said.get("status")), moment(said.get("last_timestamp"))
    if code in _STATES:
        return DeliveryStatus(_STATES[code], number, at=at)
    if code == "-3" and attempt.id is None:
        return DeliveryStatus("failed", number, reason="SMSC never got the message")
    return DeliveryStatus("failed", number, at=at, reason=_FAILURES[code]) if code in _FAILURES else None


@hookimpl
async def probe(http: httpx.AsyncClient, config: Config) -> str | None:
    response = await _ask(http, config, "balance", {})
    said = answer(response)
    if response.is_success and "balance" in said:
        return None
    return getattr(_ERRORS.get(str(said.get("error_code"))), "reason", f"HTTP {response.status_code} when asked for the balance")


async def _ask(http: httpx.AsyncClient, config: Config, what: str, form: dict[str, str]) -> httpx.Response:
    account = {"login": config.login, "psw": config.password, "fmt": "3", "charset": "utf-8"}
    return await http.post(f"{config.base_url.rstrip('/')}/sys/{what}.php", data={**account, **form})


def _own_id(reference: str) -> str:
    """Our id of the message for SMSC, 1 to 2147483647: the same for every try."""
    return str(int(digest(reference), 16) % 2_147_483_647 + 1)
