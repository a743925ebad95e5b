"""Takes the salon's bookings from Altegio, the international sister of YCLIENTS; give each salon its `timezone`.

The wire is that of YCLIENTS, with one difference: the offset of `datetime` is wrong in zones with summer time (Belgrade in July says
+01:00), so it is never used. The time of a visit is the digits of `date` on the salon's configured clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import httpx

from core import Event, Ignored, Later, Received, Request, Salon, hookimpl
from plugins.source import _yclients_api as api
from plugins.source import _yclients_wire as wire

NAME = "altegio"


class Config(api.Access, frozen=True):
    api_url: str = "https://api.alteg.io"  # where to ask


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
    return await api.normalize(received, salon, http, config, trust_offset=False)
