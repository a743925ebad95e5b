"""Sends SMS through sms.ru.

In SMS.ru's cabinet: callback address `https://…/callback/smsru`. https://sms.ru/api/send
"""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from typing import Any

import httpx

from core import (
    Address,
    Attempt,
    Channel,
    Codes,
    DeliveryStatus,
    Message,
    Needed,
    Reply,
    Request,
    SendResult,
    Settings,
    Statuses,
    answer,
    form,
    hookimpl,
    prove,
)

CODES = Codes(
    recipient={"202 207 209 214": "no SMS can reach the number, or it is on the stop list"},
    content={"203 205 212 216": "SMS.ru does not accept the text", "204": "the sender's name is not approved"},
    account={
        "200 300 301 302": "api_id is not accepted, or the account not confirmed",
        "201": "no money left",
        "206": "the account's daily limit is reached",
    },
    later={"220 500": "SMS.ru is out of order", "230 233": "the number's daily limit is reached"},
    unclear={"231 232": "SMS.ru has taken the same text for this number already"},
    after={"206 230 233": timedelta(hours=1)},
)
STATES = Statuses(
    sent="100 101 102",
    delivered="103",
    failed={
        "104": "not delivered in time",
        "105 106 107 108": "the phone or its operator did not take it",
        "150": "no route to the number",
    },
)


class Config(Settings, frozen=True):
    base_url: str = "https://sms.ru"  # where the API lives
    api_id: Needed = ""  # api_id of the cabinet; callbacks are proven with it, too
    sender: str = ""  # the sender's name, once SMS.ru has approved it; empty: the account's usual one


@hookimpl
def channel() -> Channel:
    return Channel("sms", short=True, length=536)  # eight parts of 67 letters


@hookimpl
async def send(message: Message, address: Address, http: httpx.AsyncClient, config: Config) -> SendResult:
    fields = {"api_id": config.api_id, "to": address.phone.removeprefix("+"), "msg": message.text, "json": "1"}
    if config.sender:
        fields["from"] = config.sender
    response = await http.post(f"{config.base_url.rstrip('/')}/sms/send", data=fields)
    said = answer(response)
    if _works(said):  # of the request as a whole; each number has its own
        said = _only(said.get("sms"))
    works = _works(said)
    return CODES.judge(response, None if works else said.get("status_code"), said.get("sms_id") if works else None)


@hookimpl
def callback(request: Request, config: Config) -> Reply:
    fields = form(request)
    names = sorted((name for name in fields if re.fullmatch(r"data\[\d{1,4}\]", name)), key=lambda name: int(name[5:-1]))
    proof = hashlib.sha256((config.api_id + "".join(fields[name] for name in names)).encode()).hexdigest()
    prove(fields.get("hash"), config.api_id and proof, "the callback's hash is not made with api_id of send.smsru")
    entries = [fields[name].splitlines() or [""] for name in names]
    items = [STATES.report(entry[2], entry[1], at=entry[3]) for entry in entries if entry[0] == "sms_status" and len(entry) > 3]
    return Reply(tuple(filter(None, items)), body="100", content_type="text/plain")  # anything else is posted again


@hookimpl
async def check(attempt: Attempt, http: httpx.AsyncClient, config: Config) -> DeliveryStatus | None:
    if attempt.id is None:
        return None
    params = {"api_id": config.api_id, "sms_id": attempt.id, "json": "1"}
    response = await http.get(f"{config.base_url.rstrip('/')}/sms/status", params=params)
    code = _only(answer(response).get("sms")).get("status_code")
    return STATES.report(code, attempt.id) if response.is_success else None


@hookimpl
async def probe(http: httpx.AsyncClient, config: Config) -> str | None:
    response = await http.post(f"{config.base_url.rstrip('/')}/auth/check", data={"api_id": config.api_id, "json": "1"})
    said = answer(response)
    if response.is_success and _works(said):
        return None
    return CODES.reason(said.get("status_code"), f"HTTP {response.status_code} when asked for the account")


def _works(said: dict[str, Any]) -> bool:
    return str(said.get("status")).upper() == "OK"


def _only(numbers: object) -> dict[str, Any]:
    """What is said of the one number (or id) that was asked about, however SMS.ru spells it."""
    entries = [entry for entry in numbers.values() if isinstance(entry, dict)] if isinstance(numbers, dict) else []
    return entries[0] if len(entries) == 1 else {}
