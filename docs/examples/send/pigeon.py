"""Sends SMS through Pigeon, a gateway of our own."""

from __future__ import annotations

from collections.abc import Sequence

import httpx

from core import (
    Address,
    Attempt,
    CallbackItem,
    Channel,
    DeliveryStatus,
    Message,
    Refused,
    Rejected,
    Request,
    SendResult,
    Sent,
    Settings,
    answer,
    hookimpl,
    otherwise,
    posted,
    same_secret,
)


class Config(Settings, frozen=True):
    base_url: str = "https://pigeon.example"  # where the API lives
    token: str = ""  # of our account
    webhook_token: str = ""  # the gateway's callbacks carry it; without it none is believed


@hookimpl
def channel() -> Channel:
    return Channel("sms", short=True, length=536)


@hookimpl
async def send(message: Message, address: Address, http: httpx.AsyncClient, config: Config) -> SendResult:
    body = {"to": address.phone, "text": message.text, "reference": address.reference}
    response = await http.post(f"{config.base_url}/messages", json=body, headers={"authorization": f"Bearer {config.token}"})
    match answer(response):
        case {"id": str(number)} if response.is_success:
            return Sent(number)
        case {"error": "unknown_number"}:
            return Rejected("the number cannot be reached")
    return otherwise(response)


@hookimpl
def callback(request: Request, config: Config) -> Sequence[CallbackItem]:
    if not config.webhook_token or not same_secret(request.headers.get("x-token"), config.webhook_token):
        raise Refused
    match posted(request):
        case {"id": str(number), "state": "delivered" | "read" | "failed" as state}:
            return [DeliveryStatus(state, number)]
    return []


@hookimpl
async def check(attempt: Attempt, http: httpx.AsyncClient, config: Config) -> DeliveryStatus | None:
    url = f"{config.base_url}/messages/{attempt.id or attempt.reference}"
    response = await http.get(url, headers={"authorization": f"Bearer {config.token}"})
    match answer(response):
        case {"state": "delivered" | "read" | "failed" as state} if response.is_success:
            return DeliveryStatus(state, attempt.id, attempt.reference)
    return None


@hookimpl
async def probe(http: httpx.AsyncClient, config: Config) -> str | None:
    response = await http.get(f"{config.base_url}/account", headers={"authorization": f"Bearer {config.token}"})
    return None if response.is_success else f"HTTP {response.status_code} when asked for the account"
