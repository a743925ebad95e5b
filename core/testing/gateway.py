"""A gateway that speaks real HTTP on loopback and answers what a test says.

with a_gateway({"id": "m1"}) as gateway, an_app(path="private", send={"pigeon": {"base_url": gateway.url}}) as app:
    app.book(a_booking())
    assert gateway.asked[0].json["to"] == PHONE
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct

from core.testing.values import as_bytes


class Asked(Struct, frozen=True):
    """One request that came. `headers` have lower-case names, `query` the first value of each name."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        """The body, read as the fields of a form."""
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


class _Answer(Struct, frozen=True):
    body: bytes
    status: int
    headers: Mapping[str, str]


class Gateway:
    """Where it listens (`url`), what it was `asked`, and what it is to answer."""

    def __init__(self, url: str, usual: _Answer) -> None:
        self.url = url
        self.asked: list[Asked] = []
        self._usual = usual
        self._next: deque[_Answer | None] = deque()

    def answers(self, body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """To the next request, this instead of the usual; called again, to the one after it."""
        self._next.append(_answer(body, status, headers))

    def hangs_up(self) -> None:
        """It takes the next request and breaks the connection without an answer."""
        self._next.append(None)

    def take(self, asked: Asked) -> _Answer | None:
        self.asked.append(asked)
        return self._next.popleft() if self._next else self._usual


def _answer(body: object, status: int, headers: Mapping[str, str] | None) -> _Answer:
    return _Answer(as_bytes(body), status, {"content-type": "application/json", **(headers or {})})


@contextlib.contextmanager
def a_gateway(body: object = b"{}", status: int = 200, headers: Mapping[str, str] | None = None) -> Iterator[Gateway]:
    """A gateway while the block runs, on a free port of loopback. `body`, `status` and `headers` are its usual answer to any request."""

    class Handler(BaseHTTPRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):
                super().handle()

        def _taken(self) -> None:
            split = urlsplit(self.path)
            length = int(self.headers.get("content-length") or 0)
            answer = gateway.take(
                Asked(
                    self.command,
                    split.path,
                    dict(reversed(parse_qsl(split.query, keep_blank_values=True))),
                    {name.lower(): value for name, value in self.headers.items()},
                    self.rfile.read(length),
                )
            )
            if answer is None:
                return  # the server closes what nobody answered
            self.send_response(answer.status)
            for name, value in {**answer.headers, "content-length": str(len(answer.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _taken  # noqa: N815

        def log_message(self, *words: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    gateway = Gateway(f"http://127.0.0.1:{server.server_port}", _answer(body, status, headers))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield gateway
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
