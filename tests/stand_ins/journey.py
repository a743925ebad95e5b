"""A stand-in on a real socket, the real plugin on the other side, and an ear for the callbacks."""

from __future__ import annotations

import asyncio
import importlib
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import httpx
import msgspec
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from core import Address, Attempt, CallbackItem, Message, Reply, Request, SendResult, units
from core.http import make_client
from stand_ins import ALL, Accepted, StandIn, serving

PHONE, OTHER = "+79000000088", "+79000000099"
TEXT = "✅ *Вы записаны!*\n\n📅 21 августа в 14:30"
REFERENCE = "3eb0a1b2c3d4e5f60718"
NAMES = sorted(ALL)


class Journey:
    """What a test does: send through the plugin, and hear what the plugin makes of the callbacks."""

    def __init__(self, stand_in: StandIn, plugin: ModuleType, config: Any, http: httpx.AsyncClient, url: str) -> None:
        self.stand_in, self.plugin, self.config, self.http, self.url = stand_in, plugin, config, http, url
        self.heard: asyncio.Queue[Request] = asyncio.Queue()
        stand_in.callback = f"{url}/_ear"
        stand_in.app.router.routes.append(Route("/_ear", self._hears, methods=["POST"]))

    async def _hears(self, request: HttpRequest) -> Response:
        """A callback arrives: kept as core would hand it to the plugin."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.heard.put_nowait(Request("POST", "/callback/any", headers, dict(request.query_params), await request.body()))
        return Response("100", media_type="text/plain")

    async def send(self, phone: str = PHONE, text: str = TEXT, reference: str = REFERENCE, **config: Any) -> SendResult:
        now = datetime.now(UTC)
        binding = phone.removeprefix("+") if facts(self.plugin, self.config).needs_binding else None
        address = Address(phone, binding=binding, reference=reference, wrote_at=now)  # who wrote lately needs no template of Meta
        mine = made(self.plugin, {**self.stand_in.settings(self.url), **config})
        result: SendResult = await _named(
            self.plugin.send, message=Message(text), address=address, http=self.http, config=mine, now=now
        )
        return result

    async def check(self, accepted: Accepted, known: bool = True) -> Any:
        attempt = Attempt(accepted.id if known else None, accepted.reference or REFERENCE, accepted.phone, accepted.at)
        return await _named(self.plugin.check, attempt=attempt, http=self.http, config=self.config)

    async def probe(self) -> str | None:
        wrong: str | None = await _named(self.plugin.probe, http=self.http, config=self.config)
        return wrong

    async def link(self, token: str) -> str:
        address: str = await _named(self.plugin.link, token=token, http=self.http, config=self.config)
        return address

    async def hear(self) -> list[CallbackItem]:
        """What the plugin reads from the next callback that arrives; it must prove itself."""
        request = await asyncio.wait_for(self.heard.get(), 10)
        said = _named(self.plugin.callback, request=request, config=self.config, now=datetime.now(UTC))
        return list(said.items if isinstance(said, Reply) else said)

    async def control(self, path: str, body: object) -> httpx.Response:
        return await self.http.post(f"{self.url}/{path}", json=body)


def made(plugin: ModuleType, table: dict[str, Any]) -> Any:
    """The `Config` of a table, as config.toml would have it."""
    return msgspec.convert(table, plugin.Config, dec_hook=units.decode)


def facts(plugin: ModuleType, config: Any) -> Any:
    return _named(plugin.channel, config=config)


def _named(function: Callable[..., Any], **values: Any) -> Any:
    return function(**{name: values[name] for name in inspect.signature(function).parameters})


@asynccontextmanager
async def _journey(name: str, clock: Callable[[], datetime] | None) -> AsyncIterator[Journey]:
    plugin = importlib.import_module(f"plugins.send.{name}")
    async with make_client() as http:
        stand_in = ALL[name](http=http, clock=clock)
        async with serving(stand_in) as url:
            yield Journey(stand_in, plugin, made(plugin, stand_in.settings(url)), http, url)


def travel(name: str, story: Callable[[Journey], Awaitable[None]], clock: Callable[[], datetime] | None = None) -> None:
    """Run one story against one stand-in."""

    async def run() -> None:
        async with _journey(name, clock) as journey:
            await story(journey)

    asyncio.run(run())
