"""Sends SMS through sms.ru.

In SMS.ru's cabinet: callback address `https://…/callback/smsru`. https://sms.ru/api/send
"""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from typing import Any, Literal

import httpx

from core import (
    Address,
    Attempt,
    Channel,
    DeliveryStatus,
    Message,
    Refused,
    Rejected,
    Reply,
    Request,
    Retry,
    SendResult,
    Sent,
    Settings,
    Unclear,
    answer,
    form,
    hookimpl,
    moment,
    otherwise,
    same_secret,
)

_MEANINGS: tuple[tuple[str, SendResult], ...] = (
    ("200 300 301 302", Retry("api_id is not accepted, or the account not confirmed", scope="transport", alert=True)),
    ("201", Retry("no money left", scope="transport", alert=True)),
    ("202 207 209 214", Rejected("no SMS can reach the number, or it is on the stop list")),
    ("203 205 212 216", Rejected("SMS.ru does not accept the text", scope="content")),
    ("204", Rejected("the sender's name is not approved", scope="content")),
    ("206", Retry("the account's daily limit is reached", timedelta(hours=1), scope="transport", alert=True)),
    ("230 233", Retry("the number's daily limit is reached", timedelta(hours=1))),
    ("231 232", Unclear("SMS.ru has taken the same text for this number already")),
    ("220 500", Retry("SMS.ru is out of order")),
)
_CODES = {code: result for codes, result in _MEANINGS for code in codes.split()}
_STATES: dict[str, Literal["sent", "delivered"]] = {"100": "sent", "101": "sent", "102": "sent", "103": "delivered"}
_FAILURES = {
    "104": "not delivered in time",
    **dict.fromkeys(("105", "106", "107", "108"), "the phone or its operator did not take it"),
    "150": "no route to the number",
}


class Config(Settings, frozen=True):
    base_url: str = "https://sms.ru"  # where the API lives
    api_id: str = ""  # api_id of the cabinet; callbacks are proven with it, too
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
    if said.get("status") == "OK":  # of the request as a whole; each number has its own
        said = _only(said.get("sms"))
    match said:
        case {"status": "OK", "sms_id": str(sms_id)} if sms_id and response.is_success:
            return Sent(sms_id)
        case {"status": "ERROR", "status_code": code}:
            return _CODES.get(str(code)) or otherwise(response)
    return otherwise(response)


@hookimpl
def callback(request: Request, config: Config) -> Reply:
    fields = form(request)
    names = sorted((name for name in fields if re.fullmatch(r"data\[\d{1,4}\]", name)), key=lambda name: int(name[5:-1]))
    proof = hashlib.sha256((config.api_id + "".join(fields[name] for name in names)).encode()).hexdigest()
    if not config.api_id or not same_secret(fields.get("hash"), proof):
        raise Refused("the callback's hash is not made with api_id of send.smsru")
    entries = [fields[name].split("\n") for name in names]
    items = [_status(entry[1], entry[2], entry[3]) for entry in entries if entry[0] == "sms_status" and len(entry) == 4]
    return Reply(tuple(filter(None, items)), body="100", content_type="text/plain")  # anything else is posted again


@hookimpl
async def check(attempt: Attempt, http: httpx.AsyncClient, config: Config) -> DeliveryStatus | None:
    if attempt.id is None:
        return None
    params = {"api_id": config.api_id, "sms_id": attempt.id, "json": "1"}
    response = await http.get(f"{config.base_url.rstrip('/')}/sms/status", params=params)
    code = _only(answer(response).get("sms")).get("status_code")
    return _status(attempt.id, str(code), None) if response.is_success else None


@hookimpl
async def probe(http: httpx.AsyncClient, config: Config) -> str | None:
    response = await http.post(f"{config.base_url.rstrip('/')}/auth/check", data={"api_id": config.api_id, "json": "1"})
    said = answer(response)
    works = response.is_success and said.get("status") == "OK"
    why = f"HTTP {response.status_code} when asked for the account"
    return None if works else getattr(_CODES.get(str(said.get("status_code"))), "reason", why)


def _only(numbers: object) -> dict[str, Any]:
    """What is said of the one number (or id) that was asked about, however SMS.ru spells it."""
    entries = [entry for entry in numbers.values() if isinstance(entry, dict)] if isinstance(numbers, dict) else []
    return entries[0] if len(entries) == 1 else {}


def _status(sms_id: str, code: str, at: str | None) -> DeliveryStatus | None:
    if code in _STATES:
        return DeliveryStatus(_STATES[code], sms_id, at=moment(at))
    return DeliveryStatus("failed", sms_id, at=moment(at), reason=_FAILURES[code]) if code in _FAILURES else None
