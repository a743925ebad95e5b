"""What uvicorn leaves open: a deadline for a head and for a body, the length of a head, the number of connections.

A deadline runs from the first moment; bytes that drip in do not put it off. It rests while we are the ones who do not read.
How long a body may be, the app says.
"""

from __future__ import annotations

import asyncio
import resource
from typing import Any

import httptools
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


class LimitedProtocol(HttpToolsProtocol):
    """One connection. `_part` is what the peer is in the midst of: "head", "body", or "" between requests."""

    limits = Limits()

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._part = ""
        self._heads = 0  # how many have begun
        self._parsed = 0  # bytes of this head, trailers included
        self._unparsed = 0  # bytes that arrived for this head, while it has no end
        self._awaited = ""
        self._deadline: asyncio.TimerHandle | None = None
        self._rested = False  # we have not read for a while, since the deadline was set
        self._full = False
        self._upgrading = False

    # --- the connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        beyond = len(self.connections) - self.limits.connections
        self._full = beyond > 0
        if beyond > self.limits.spare:
            transport.abort()
        else:
            self._await("head", self.limits.full_within if self._full else self.limits.head_within)

    def connection_lost(self, exc: Exception | None) -> None:
        self._await_nothing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._full:
            self.logger.warning("A request was refused: %d connections are open.", len(self.connections))
            self._refuse(503)  # not sooner: to close with something unread takes the answer away
            return
        between, heads = not self._part, self._heads
        self._feed(data)
        begun = self._heads - heads
        if self._part == "head" and begun <= between:  # all of it belongs to this head
            self._unparsed += len(data)
        self._rested |= self.flow.read_paused
        if self.transport.is_closing():
            return
        if self._unparsed > self.limits.head_bytes:
            self._refuse(431)
        elif self._part == "body":
            self._await("body", self.limits.body_within)
        elif self._part == "head" or (between and not begun):  # blank lines are no progress
            self._await("head", self.limits.head_within)

    def _feed(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._pass_over(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.logger.warning("A request cannot be read.")
            self._refuse(431 if self._parsed > self.limits.head_bytes else 400)

    def _pass_over(self, rest: bytes) -> None:
        """Read the head again without its offer to upgrade: the parser does not read a body behind one (clients offer h2c with a POST)."""
        head = [self.parser.get_method() + b" " + self.url + b" HTTP/" + self.parser.get_http_version().encode()]
        head += [name + b": " + value for name, value in self.headers if name != b"upgrade"]
        self._upgrading = False
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._feed(b"\r\n".join([*head, b"", rest]))

    # --- the parser

    def on_message_begin(self) -> None:
        self._part, self._heads = "head", self._heads + 1
        self._parsed = self._unparsed = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._measure(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._measure(len(name) + len(value) + 4)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._upgrading = self.parser.should_upgrade()
        if self._upgrading and self.parser.get_method() == b"CONNECT":
            raise ValueError("we are no proxy")
        if not self._upgrading:
            self._part, self._unparsed = "body", 0
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        if not self._upgrading:
            self._part = ""
            self._await_nothing()
            super().on_message_complete()

    def _measure(self, size: int) -> None:
        self._parsed += size
        if self._parsed > self.limits.head_bytes:
            raise ValueError("the head is too long")  # stops the parser

    def _refuse(self, status: int) -> None:
        if not self._busy:  # else it would stand in the midst of another answer
            headers = [*self.server_state.default_headers, (b"content-length", b"0"), (b"connection", b"close")]
            lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
            self.transport.write(STATUS_LINE[status] + lines + b"\r\n")
        self.transport.close()

    @property
    def _busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _await(self, part: str, within: float) -> None:
        if self._awaited != part:
            self._await_nothing()
            self._awaited = part
            self._deadline = self.loop.call_later(within, self._late, part, within)

    def _await_nothing(self) -> None:
        self._awaited = ""
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None

    def _late(self, part: str, within: float) -> None:
        self._await_nothing()
        if self._rested or (self._busy and not self._part):  # it is us who let them wait
            self._rested = self.flow.read_paused
            self._await(part, within)
        else:
            self.transport.close()


def _raise_file_limit(limits: Limits) -> None:
    """Where 1024 open files are allowed, a thousand connections leave none for the database."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.connections + limits.spare + 512
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))
