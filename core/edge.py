"""What uvicorn leaves open: a deadline for a head and for a body, the length of a head, the number of connections.

A deadline runs from the first moment; bytes that drip in do not put it off. It rests while we are the ones who do not read.
How long a body may be, the app says.
"""

from __future__ import annotations

import asyncio
import resource
from typing import Any

import uvicorn
from msgspec import Struct
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

KEEP_ALIVE = 65  # seconds; proxies in front keep a connection for 60, so they hang up first
GRACE = 8  # seconds for requests under way when we stop; docker kills after 10


class Limits(Struct, frozen=True):
    """How much patience there is. `spare` connections beyond the limit get a 503; more are dropped without a word."""

    head_within: float = 15.0  # seconds
    body_within: float = 20.0
    full_within: float = 1.0  # to be told 503
    head_bytes: int = 16 * 1024
    connections: int = 1000
    spare: int = 100


def make_server(app: Any, host: str = "127.0.0.1", port: int = 8080, limits: Limits | None = None) -> uvicorn.Server:
    """A server for an app with a lifespan. `serve(sockets=…)` takes sockets that are open already."""
    limits = limits or Limits()
    _raise_file_limit(limits)
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            http=type("LimitedProtocol", (LimitedProtocol,), {"limits": limits}),  # uvicorn hands no settings of ours through
            ws="none",
            loop="auto",
            lifespan="on",
            log_config=None,
            access_log=False,  # it prints the query, where the secret is
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=GRACE,
        )
    )


class TooLong(Exception):  # noqa: N818
    """Raised into the parser, so that it reads no further."""


class LimitedProtocol(HttpToolsProtocol):
    """One connection. `_part` is what the peer is in the midst of sending: "head", "body", or "" between requests."""

    limits = Limits()

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._part = ""
        self._heads = 0  # how many have begun
        self._head_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._within = 0.0
        self._full = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        beyond = len(self.connections) - self.limits.connections
        self._full = beyond > 0
        if beyond > self.limits.spare:
            transport.abort()
        else:
            self._expect_within(self.limits.full_within if self._full else self.limits.head_within)

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_nothing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._full:
            self.logger.warning("A request was refused: %d connections are open.", len(self.connections))
            self._refuse(503)  # only now: closing with something unread would take the answer away
            return
        part, heads = self._part, self._heads
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._part == "head":
            self._head_bytes += len(data) if part == "head" and heads == self._heads else 0  # what began in it is counted piece by piece
        if max(self._head_bytes, self._head_pieces) > self.limits.head_bytes: ...
