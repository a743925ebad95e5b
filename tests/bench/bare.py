"""What we are measured against: the same framework and libraries without a database, queue, rules or memory.

`python -m tests.bench.bare PORT GATEWAY_PORT`: POST /webhook/{source} reads the body and answers; POST /relay/{source} also has it
posted on, by 32 tasks that take from a queue in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from core.http import make_client

TASKS = 32


class Client(msgspec.Struct):
    phone: str
    name: str


class Data(msgspec.Struct):
    id: int
    datetime: str
    client: Client


class Hook(msgspec.Struct):
    company_id: int
    resource: str
    status: str
    data: Data


def app(gateway: int) -> Starlette:
    queue: asyncio.Queue[Hook] = asyncio.Queue()

    async def receive(request: Request) -> JSONResponse:
        hook = msgspec.json.decode(await request.body(), type=Hook)
        return JSONResponse({"success": True, "eventId": f"evt_{hook.data.id}"})

    async def relay(request: Request) -> JSONResponse:
        hook = msgspec.json.decode(await request.body(), type=Hook)
        queue.put_nowait(hook)
        return JSONResponse({"success": True, "eventId": f"evt_{hook.data.id}"})

    async def post(http: Any) -> None:
        while True:
            hook = await queue.get()
            body = {
                "chatId": f"{hook.data.client.phone.lstrip('+')}@c.us",
                "message": f"{hook.data.client.name}, {hook.data.datetime}",
            }
            answered = await http.post(f"http://127.0.0.1:{gateway}/waInstance1/sendMessage/t", json=body)
            answered.json()

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with make_client() as http:
            tasks = [asyncio.create_task(post(http)) for _ in range(TASKS)]
            yield
            for task in tasks:
                task.cancel()

    routes = [Route("/webhook/{source}", receive, methods=["POST"]), Route("/relay/{source}", relay, methods=["POST"])]
    return Starlette(routes=routes, lifespan=lifespan)


if __name__ == "__main__":
    uvicorn.run(app(int(sys.argv[2])), port=int(sys.argv[1]), access_log=False, log_level="warning")
