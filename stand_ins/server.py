"""Serve a stand-in on a socket of this process, for a test or for `python -m stand_ins`."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import uvicorn

from stand_ins import control
from stand_ins.base import StandIn


@contextlib.asynccontextmanager
async def serving(stand_in: StandIn, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve it in this process for a while, and what a person may ask of it (`control`); the address."""
    stand_in.app.router.routes[:0] = control.routes(stand_in)
    config = uvicorn.Config(stand_in.app, log_config=None, log_level="critical", lifespan="off")
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    listening = socket.create_server((host, port))
    await server.startup(sockets=[listening])  # without its main loop, which minds signals and limits
    try:
        yield f"http://{host}:{listening.getsockname()[1]}"
    finally:
        for listener in server.servers:
            listener.close()
        for task in server.server_state.tasks:
            task.cancel()
        for connection in list(server.server_state.connections):
            connection.shutdown()
        await asyncio.sleep(0)
