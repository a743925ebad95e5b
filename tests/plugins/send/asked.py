"""Call a hook of a transport against one answer, and keep what was asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx

from core import Address, Message, Request

PHONE = "+79001234567"
ADDRESS = Address(PHONE, reference="3eb0a1b2c3d4e5f60718")
MESSAGE = Message("Вы записаны", type="booking_created")


def answered(status: int, body: object = b"", **headers: str) -> httpx.Response:
    """An answer of a gateway; anything but bytes is sent as JSON."""
    return httpx.Response(status, content=body if isinstance(body, bytes) else json.dumps(body).encode(), headers=headers)


def ask(call: Callable[[httpx.AsyncClient], Awaitable[Any]], answer: httpx.Response) -> tuple[Any, list[httpx.Request]]:
    """What the hook said, and the requests it made."""
    requests: list[httpx.Request] = []

    def gateway(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return answer

    async def run() -> Any:
        async with httpx.AsyncClient(transport=httpx.MockTransport(gateway)) as http:
            return await call(http)

    return asyncio.run(run()), requests


def posted(body: object, headers: Mapping[str, str] | None = None) -> Request:
    """A callback as core hands it over; anything but bytes is JSON."""
    lower = {name.lower(): value for name, value in (headers or {}).items()}
    return Request("POST", "/callback/any", lower, {}, body if isinstance(body, bytes) else json.dumps(body).encode())
