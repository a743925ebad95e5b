"""Takes the salon's bookings from YCLIENTS: by webhook, and by asking what changed where a webhook did not arrive.

YCLIENTS sends each webhook once, signs nothing and promises no order. The way in: `?secret=…` in the webhook's address, or, where a
proxy can sign, an HMAC-SHA256 of the body in `X-Webhook-Signature`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import httpx

from core import Event, Example, Ignored, Later, Received, Request, Salon, hookimpl
from plugins.source import _yclients_api as api
from plugins.source import _yclients_wire as wire
from plugins.source._yclients_examples import one_day

NAME = "yclients"


class Config(api.Access, frozen=True):
    api_url: str = "https://api.yclients.com"  # where to ask


@hookimpl
def receive(request: Request, config: Config) -> Sequence[Received]:
    return wire.receive(NAME, request, config.secret)


@hookimpl
async def poll(
    since: datetime | None, salon: Salon, http: httpx.AsyncClient, config: Config, now: datetime
) -> Sequence[Received] | None:
    return await api.poll(NAME, since, salon, http, config, now)


@hookimpl
async def normalize(received: Received, salon: Salon, http: httpx.AsyncClient, config: Config) -> Event | Ignored | Later:
    return await api.normalize(received, salon, http, config, trust_offset=True)


@hookimpl
def examples(now: datetime) -> Sequence[Example]:
    return one_day(now)
