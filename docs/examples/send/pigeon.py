"""Sends SMS through Pigeon, a gateway of our own."""

from __future__ import annotations

from collections.abc import Sequence

import httpx

from core import (
    Address,
    Attempt,
    CallbackItem,
    Channel,
    Codes,
    DeliveryStatus,
    Message,
    Request,
    SendResult,
    Settings,
    Statuses,
    answer,
    hookimpl,
    posted,
    prove,
)

CODES = Codes(
    recipient={"unknown_number blocked": "the number cannot be reached"},
    content={"bad_text": "Pigeon does not accept the text"},
    account={"no_money": "no money left"},
    limited={"slow_down": "too many requests"},
)
STATES = Statuses(sent="queued sent", delivered="delivered", read="read", failed={"lost": "the pigeon did not arrive"})


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
    said = answer(response)
    return CODES.judge(response, said.get("error"), said.get("id"))


@hookimpl
def callback(request: Request, config: Config) -> Sequence[CallbackItem]:
    prove(request.headers.get("x-token"), config.webhook_token)
    match posted(request):
        case {"id": str(number), "state": state}:
            return STATES.reports(state, number)
    return ()


@hookimpl
async def check(attempt: Attempt, http: httpx.AsyncClient, config: Config) -> DeliveryStatus | None:
    url = f"{config.base_url}/messages/{attempt.id or attempt.reference}"
    response = await http.get(url, headers={"authorization": f"Bearer {config.token}"})
    state = answer(response).get("state") if response.is_success else None
    return STATES.report(state, attempt.id, reference=attempt.reference)


@hookimpl
async def probe(http: httpx.AsyncClient, config: Config) -> str | None:
    response = await http.get(f"{config.base_url}/account", headers={"authorization": f"Bearer {config.token}"})
    return None if response.is_success else f"HTTP {response.status_code} when asked for the account"
