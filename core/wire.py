"""How a request travels: httpx's transport over aiohttp. Each request is written at most once, and each answer is read whole.

What is raised tells apart what was never written (`ConnectError`, `ConnectTimeout`, `PoolTimeout`, `UnsupportedProtocol`) from what
may have been (`ReadError`, `ReadTimeout`, `RemoteProtocolError`). No text of an exception holds an address.
"""

from __future__ import annotations

import asyncio
import os
import select
import ssl
from collections import defaultdict
from typing import Any
from weakref import WeakSet

import aiohttp
import httpx
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from yarl import URL

KEEP_IDLE = 3.0  # seconds; many gateways hang up after 5, and a request that meets the hang-up is unclear
HEADER_LINE = 64 * 1024  # bytes; an answer that cannot be read would be unclear

Origin = tuple[str, str, int | None]


class Transport(httpx.AsyncBaseTransport):
    """httpx over aiohttp. A request is written at most once, whatever its method."""

    def __init__(self, trust: ssl.SSLContext, proxy: URL | None, concurrency: int) -> None:
        self.trust = trust
        self._proxy = proxy
        self._slots: defaultdict[Origin, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(concurrency))
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url.copy_with(userinfo=b"") if request.url.userinfo else request.url  # httpx has made a header of it
        headers = _headers(request)
        body = await request.aread()
        timeout = request.extensions.get("timeout", {})
        slot = self._slots[url.scheme, url.host, url.port]
        await (_take(slot, timeout.get("pool")) if slot.locked() else slot.acquire())
        try:
            async with self._opened().request(
                request.method,
                URL(str(url), encoded=True),
                headers=headers,
                data=body or None,
                allow_redirects=False,
                proxy=self._proxy,
                timeout=_timeout(timeout),
            ) as answer:
                content = await answer.read()
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError):
            raise httpx.UnsupportedProtocol("not an address", request=request) from None
        except (aiohttp.ClientError, OSError) as error:
            raise _unclear(error) from None
        finally:
            slot.release()
        return httpx.Response(
            answer.status,
            headers=answer.raw_headers,
            stream=httpx.ByteStream(content),
            extensions={"http_version": b"HTTP/1.1", "reason_phrase": (answer.reason or "").encode()},
        )

    async def aclose(self) -> None:
        if self._session:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:  # not in __init__: aiohttp wants a running loop
            self._session = aiohttp.ClientSession(
                connector=_Connector(limit=0, keepalive_timeout=KEEP_IDLE, ssl=self.trust),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
                middlewares=(_once,),
                max_line_size=HEADER_LINE,
                max_field_size=HEADER_LINE,
            )
        return self._session


class _Connector(aiohttp.TCPConnector):
    """All that is raised here is raised before the request is written."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._used: WeakSet[ResponseHandler] = WeakSet()

    async def connect(self, req: aiohttp.ClientRequest, traces: list[Any], timeout: aiohttp.ClientTimeout) -> Connection:
        while True:
            try:
                connection = await super().connect(req, traces, timeout)
            except TimeoutError:
                raise httpx.ConnectTimeout("timeout while connecting") from None
            except (aiohttp.ClientError, OSError, ValueError) as error:
                raise httpx.ConnectError(_words(error)) from None
            if self._first_use(connection) or _idle(connection):
                return connection
            connection.close()

    def _first_use(self, connection: Connection) -> bool:
        protocol = connection.protocol
        if protocol is None or protocol in self._used:
            return False
        self._used.add(protocol)
        return True


def _idle(connection: Connection) -> bool:
    """Whether a kept connection is silent. Else the gateway has hung up, unseen by the loop so far, or said what nobody asked for."""
    protocol, transport = connection.protocol, connection.transport
    if protocol is None or transport is None or protocol.should_close:
        return False
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return not poll.poll(0)


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """aiohttp writes a GET again when a reused connection breaks; what it cannot recognise it leaves alone."""
    try:
        return await handler(request)
    except (aiohttp.ClientError, OSError) as error:
        raise _unclear(error) from None


def _unclear(error: Exception) -> httpx.TransportError:
    if isinstance(error, TimeoutError):
        return httpx.ReadTimeout("timeout after the request was written")
    if isinstance(error, aiohttp.ClientOSError | OSError):
        return httpx.ReadError(_words(error))
    return httpx.RemoteProtocolError(_words(error))


def _words(error: Exception) -> str:
    """What the system said, or the kind of error: aiohttp's own text may hold the address, and the address a token."""
    if cause := getattr(error, "os_error", None):  # of a connection, so it knows no more than the host
        return f"{type(error).__name__}: {cause.strerror or type(cause).__name__}"
    number = getattr(error, "errno", None)
    return f"{type(error).__name__}: {os.strerror(number)}" if number else type(error).__name__


async def _take(slot: asyncio.Semaphore, timeout: float | None) -> None:
    try:
        async with asyncio.timeout(timeout):
            await slot.acquire()
    except TimeoutError:
        raise httpx.PoolTimeout("no free connection") from None


def _timeout(given: dict[str, float | None]) -> aiohttp.ClientTimeout:
    """`total` is there for a peer that stops reading, or answers a byte at a time."""
    connect, write, read = given.get("connect"), given.get("write"), given.get("read")
    total = None if connect is None or write is None or read is None else connect + write + read
    return aiohttp.ClientTimeout(total=total, connect=connect, sock_read=read)


def _headers(request: httpx.Request) -> list[tuple[str, str]]:
    headers = [(name.decode("ascii"), value.decode("utf-8", "replace")) for name, value in request.headers.raw]
    if any("\n" in value or "\r" in value or "\0" in value for _, value in headers):  # a token read from a file, with its newline
        raise httpx.UnsupportedProtocol("a header holds a line break", request=request)
    return [pair for pair in headers if pair[0].lower() != "transfer-encoding"]  # the body leaves whole
