"""Requests against real sockets: what is raised, what was written, and how often."""

from __future__ import annotations

import asyncio
import gzip
import logging
import socket
import struct
import traceback
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar

import httpx
import pytest
import uvloop

from core.http import TIMEOUT, make_client
from core.model import Retry, Unclear
from core.retry import judge

T = TypeVar("T")
Conversation = Callable[["Gateway", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n" + b'{"id": "1"}'


class Run(Protocol):
    """`asyncio.run`, on a loop that the fixture chooses."""

    def __call__(self, main: Coroutine[Any, Any, T]) -> T: ...


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Both loops: they break in different places, with different words."""

    def on_its_loop(main: Coroutine[Any, Any, T]) -> T:
        with asyncio.Runner(loop_factory=request.param) as runner:
            return runner.run(main)

    return on_its_loop


class Gateway:
    """A server that notes each whole request, and then does what the test wants."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.port = 0
        self._news = asyncio.Event()
        self._told: defaultdict[int, asyncio.Event] = defaultdict(asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/send"

    async def read(self, reader: asyncio.StreamReader) -> bytes:
        """One request, or b"" when the client has hung up."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return b""
        length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0").split(b":")[1]
        whole = head + await reader.readexactly(int(length))
        self.requests.append(whole)
        self._news.set()
        return whole

    def tell(self, number: int) -> None:
        """Let a conversation go on that waits to be `told` this number."""
        self._told[number].set()

    async def told(self, number: int) -> None:
        await self._told[number].wait()

    async def seen(self, count: int) -> None:
        """Wait until so many requests have arrived."""
        while len(self.requests) < count:
            self._news.clear()
            await self._news.wait()


@asynccontextmanager
async def gateway(talk: Conversation) -> AsyncIterator[Gateway]:
    """A gateway on a free port of loopback."""
    this = Gateway()
    talks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        this.connections += 1
        task = asyncio.current_task()
        assert task
        talks.add(task)
        try:
            await talk(this, reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    this.port = server.sockets[0].getsockname()[1]
    try:
        yield this
    finally:
        server.close()
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


def reset(writer: asyncio.StreamWriter) -> None:
    """Hang up with RST instead of FIN."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def answer(this: Gateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await this.read(reader):
        writer.write(OK)


async def accept_and_close(this: Gateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def read_and_close(this: Gateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await this.read(reader)


async def read_and_reset(this: Gateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await this.read(reader)
    reset(writer)


async def say_nothing(this: Gateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await this.read(reader)
    await asyncio.Event().wait()


def then(reply: bytes) -> Conversation:
    """Read a request, send these bytes, hang up."""

    async def talk(this: Gateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await this.read(reader)
        writer.write(reply)

    return talk


def drip(this: Gateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Awaitable[None]:
    """Answer a byte at a time, for ever, always in time for the read timeout."""

    async def talk() -> None:
        await this.read(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b"x")
            await asyncio.sleep(0.02)

    return talk()


async def fate(http: httpx.AsyncClient, url: str, method: str = "POST", **more: object) -> BaseException | httpx.Response:
    """What one request came to: its answer, or what it raised."""
    try:
        return await http.request(method, url, json={"text": "Вы записаны"}, **more)  # type: ignore[arg-type]
    except Exception as error:
        return error


CLIENTS: dict[str, Callable[[], httpx.AsyncClient]] = {
    "ours": make_client,
    "httpx": lambda: httpx.AsyncClient(timeout=TIMEOUT, trust_env=False),
}
each_client = pytest.mark.parametrize("client", CLIENTS)

SHORT = httpx.Timeout(connect=5, read=0.2, write=5, pool=5)

BROKEN: dict[str, tuple[Conversation, int]] = {
    "accept_and_close": (accept_and_close, 0),
    "read_and_close": (read_and_close, 1),
    "read_and_reset": (read_and_reset, 1),
    "say_nothing": (say_nothing, 1),
    "garbage": (then(b"\x00\x01garbage\r\n\r\n"), 1),
    "half_a_status_line": (then(b"HTTP/1.1 20"), 1),
    "half_a_head": (then(b"HTTP/1.1 200 OK\r\nContent-Le"), 1),
    "half_a_body": (then(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"), 1),
    "broken_chunks": (then(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), 1),
    "cut_chunks": (then(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc"), 1),
    "broken_gzip": (then(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd"), 1),
}


@each_client
@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("case", BROKEN)
def test_what_breaks_after_the_connection_is_unclear_and_written_once(run: Run, client: str, method: str, case: str) -> None:
    """Whatever a gateway does once it has accepted, the verdict is `Unclear`, and it never sees the request twice, GET included."""
    talk, seen = BROKEN[case]

    async def story() -> tuple[BaseException | httpx.Response, Gateway]:
        async with gateway(talk) as this, CLIENTS[client]() as http:
            return await fate(http, this.url, method, timeout=SHORT), this

    error, this = run(story())
    assert isinstance(error, httpx.HTTPError)
    assert isinstance(judge(error), Unclear)
    assert (len(this.requests), this.connections) == (seen, 1)


@each_client
def test_a_refused_port_is_never_written(run: Run, client: str) -> None:
    """Nobody listens: `ConnectError`, so `Retry`."""

    async def story() -> BaseException | httpx.Response:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            async with CLIENTS[client]() as http:
                return await fate(http, f"http://127.0.0.1:{closed.getsockname()[1]}/")

    error = run(story())
    assert isinstance(error, httpx.ConnectError)
    assert isinstance(judge(error), Retry)


@each_client
def test_a_name_that_does_not_exist_is_never_written(run: Run, client: str) -> None:
    """No such host: `ConnectError`, so `Retry`."""

    async def story() -> BaseException | httpx.Response:
        async with CLIENTS[client]() as http:
            return await fate(http, "http://gate.invalid/")

    error = run(story())
    assert isinstance(error, httpx.ConnectError)
    assert isinstance(judge(error), Retry)


@each_client
def test_a_handshake_that_never_ends_is_a_connect_timeout(run: Run, client: str) -> None:
    """TLS is part of connecting: a host that accepts and says nothing has seen nothing of the request."""

    async def silent(this: Gateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async def story() -> BaseException | httpx.Response:
        async with gateway(silent) as this, CLIENTS[client]() as http:
            return await fate(http, this.url.replace("http:", "https:"), timeout=httpx.Timeout(5, connect=0.2))

    error = run(story())
    assert isinstance(error, httpx.ConnectTimeout)
    assert isinstance(judge(error), Retry)


@each_client
def test_a_broken_handshake_is_a_connect_error(run: Run, client: str) -> None:
    """A host that answers TLS with something else has seen nothing of the request."""

    async def plain(this: Gateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async def story() -> BaseException | httpx.Response:
        async with gateway(plain) as this, CLIENTS[client]() as http:
            return await fate(http, this.url.replace("http:", "https:"))

    error = run(story())
    assert isinstance(error, httpx.ConnectError)
    assert isinstance(judge(error), Retry)


@pytest.mark.parametrize("address", ["ftp://gate.example/", "http:///nowhere", "gate.example/send"])
def test_what_is_no_address_is_never_written(run: Run, address: str) -> None:
    """A wrong `base_url` is `Retry` with an alert, not a message lost as `Unclear`."""

    async def story() -> BaseException | httpx.Response:
        async with make_client() as http:
            return await fate(http, address)

    error = run(story())
    assert isinstance(error, httpx.UnsupportedProtocol)
    assert judge(error) == Retry(
        "the request cannot be sent as it is: check the transport's address and token", scope="transport", alert=True
    )


def test_a_token_with_its_newline_is_never_written(run: Run) -> None:
    """A header that holds a line break is refused before a connection is taken."""

    async def story() -> tuple[BaseException | httpx.Response, Gateway]:
        async with gateway(answer) as this, make_client() as http:
            return await fate(http, this.url, headers={"Authorization": "Bearer abc\n"}), this

    error, this = run(story())
    assert isinstance(error, httpx.UnsupportedProtocol)
    assert isinstance(judge(error), Retry)
    assert this.connections == 0


def test_no_free_connection_is_a_pool_timeout(run: Run) -> None:
    """Who waits in vain for a connection has written nothing; the one that has it is not disturbed, and other hosts are not held up."""

    async def story() -> tuple[BaseException | httpx.Response, int, int]:
        async with gateway(say_nothing) as stuck, gateway(answer) as other, make_client(concurrency=1) as http:
            first = asyncio.create_task(fate(http, stuck.url))
            await stuck.seen(1)
            second = await fate(http, stuck.url, timeout=httpx.Timeout(5, pool=0.1))
            third = await fate(http, other.url)
            assert isinstance(third, httpx.Response)
            first.cancel()
            return second, third.status_code, len(stuck.requests)

    error, status, seen = run(story())
    assert isinstance(error, httpx.PoolTimeout)
    assert isinstance(judge(error), Retry)
    assert (status, seen) == (200, 1)


def test_a_slot_comes_back_whatever_happens(run: Run) -> None:
    """After failures and cancellations the one connection allowed is free again."""

    async def flaky(this: Gateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await this.read(reader)
        if len(this.requests) == 1:
            reset(writer)
        elif len(this.requests) == 2:
            await asyncio.Event().wait()
        else:
            writer.write(OK)

    async def story() -> BaseException | httpx.Response:
        async with asyncio.timeout(5), gateway(flaky) as this, make_client(concurrency=1) as http:
            assert isinstance(await fate(http, this.url), httpx.ReadError)
            cancelled = asyncio.create_task(fate(http, this.url))
            await this.seen(2)
            cancelled.cancel()
            await asyncio.wait([cancelled])
            return await fate(http, this.url, timeout=httpx.Timeout(5, pool=1))

    result = run(story())
    assert isinstance(result, httpx.Response)
    assert result.json() == {"id": "1"}


@pytest.mark.parametrize("end", [read_and_close, read_and_reset])
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_kept_connection_that_breaks_is_unclear_and_never_written_again(run: Run, method: str, end: Conversation) -> None:
    """A gateway that reads the second request of a kept connection and hangs up has perhaps acted on it."""

    async def once(this: Gateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await this.read(reader)
        writer.write(OK)
        await end(this, reader, writer)

    async def story() -> tuple[BaseException | httpx.Response, BaseException | httpx.Response, Gateway]:
        async with gateway(once) as this, make_client() as http:
            return await fate(http, this.url, method), await fate(http, this.url, method), this

    first, second, this = run(story())
    assert isinstance(first, httpx.Response)
    assert isinstance(second, httpx.HTTPError)
    assert isinstance(judge(second), Unclear)
    assert (len(this.requests), this.connections) == (2, 1)


def test_a_kept_connection_is_used_again(run: Run) -> None:
    """Requests one after another share a connection."""

    async def story() -> Gateway:
        async with gateway(answer) as this, make_client() as http:
            for _ in range(5):
                assert isinstance(await fate(http, this.url), httpx.Response)
            return this

    this = run(story())
    assert (len(this.requests), this.connections) == (5, 1)


@pytest.mark.parametrize("last_words", [b"", b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"])
def test_a_connection_hung_up_unseen_is_not_written_to(run: Run, last_words: bytes) -> None:
    """The gateway hangs up after its answer, and the loop has had no chance to see it: a new connection is taken, nothing is unclear."""

    async def story() -> tuple[BaseException | httpx.Response, int]:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        loop, url = asyncio.get_running_loop(), f"http://127.0.0.1:{listener.getsockname()[1]}/"
        async with asyncio.timeout(5), make_client() as http:
            first = asyncio.create_task(fate(http, url))
            peer, _ = await loop.sock_accept(listener)
            await loop.sock_recv(peer, 65536)
            await loop.sock_sendall(peer, OK)
            assert isinstance(await first, httpx.Response)
            peer.setblocking(True)
            peer.sendall(last_words)
            peer.close()  # from here to the next request the loop does not run
            second = asyncio.create_task(fate(http, url))
            peer, _ = await loop.sock_accept(listener)
            whole = len(await loop.sock_recv(peer, 65536))
            await loop.sock_sendall(peer, OK)
            result = await second
            peer.close()
            listener.close()
            return result, whole

    result, whole = run(story())
    assert isinstance(result, httpx.Response)
    assert result.status_code == 200
    assert whole > 0


def test_a_word_nobody_asked_for_is_no_answer(run: Run) -> None:
    """A gateway says 408 on an idle connection and keeps it open: that is not the answer to the next request."""

    async def impatient(this: Gateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await this.read(reader):
            writer.write(OK)
            await this.told(len(this.requests))
            writer.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")

    async def story() -> tuple[list[int], int]:
        async with asyncio.timeout(5), gateway(impatient) as this, gateway(answer) as other, make_client() as http:
            statuses = []
            for number in range(1, 4):
                statuses.append((await http.post(this.url)).status_code)
                this.tell(number)
                await http.post(other.url)  # meanwhile the loop reads the 408
            return statuses, this.connections

    assert run(story()) == ([200, 200, 200], 3)


def test_an_answer_that_drips_has_an_end(run: Run) -> None:
    """A gateway that always sends one more byte in time cannot hold a message for ever."""

    async def story() -> BaseException | httpx.Response:
        async with asyncio.timeout(5), gateway(drip) as this, make_client() as http:
            return await fate(http, this.url, timeout=httpx.Timeout(connect=0.1, read=0.1, write=0.1, pool=1))

    error = run(story())
    assert isinstance(error, httpx.ReadTimeout)
    assert isinstance(judge(error), Unclear)


def test_what_is_written_is_what_httpx_made(run: Run) -> None:
    """Method, target, headers and body reach the gateway untouched, and nothing is added."""

    async def story() -> bytes:
        async with gateway(answer) as this, make_client() as http:
            await http.post(
                this.url + "/a%20b?x=%2B7&y=1", content="тело".encode(), headers={"Content-Type": "text/plain", "X-Odd": "a b"}
            )
            return this.requests[0]

    head, _, body = run(story()).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /send/a%20b?x=%2B7&y=1 HTTP/1.1"
    assert body == "тело".encode()
    names = sorted(line.split(b":")[0].lower() for line in lines[1:])
    assert names == [
        b"accept",
        b"accept-encoding",
        b"connection",
        b"content-length",
        b"content-type",
        b"host",
        b"user-agent",
        b"x-odd",
    ]
    assert b"Content-Length: 8" in lines
    assert b"X-Odd: a b" in lines


def test_bodies_of_every_kind_arrive_whole(run: Run) -> None:
    """JSON, forms, files, streams and nothing at all come with their length, never in chunks."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    async def story() -> list[bytes]:
        async with gateway(answer) as this, make_client() as http:
            await http.post(this.url, json={"a": 1})
            await http.post(this.url, data={"a": "1"})
            await http.post(this.url, files={"f": ("a.txt", b"file")})
            await http.post(this.url, content=pieces())
            await http.post(this.url)
            await http.get(this.url)
            return this.requests

    requests = run(story())
    assert [request.partition(b"\r\n\r\n")[2] for request in requests[:2]] == [b'{"a":1}', b"a=1"]
    assert b"file" in requests[2]
    assert requests[3].endswith(b"\r\n\r\nonetwo")
    assert b"content-length: 0" in requests[4].lower()
    assert b"content-length" not in requests[5].lower()
    assert not any(b"transfer-encoding" in request.lower() for request in requests)


def test_credentials_in_an_address_become_a_header(run: Run) -> None:
    """`https://user:password@host` works as with httpx's own transport."""

    async def story() -> bytes:
        async with gateway(answer) as this, make_client() as http:
            await http.get(this.url.replace("//", "//user:pass@"))
            return this.requests[0]

    head = run(story())
    assert b"Authorization: Basic dXNlcjpwYXNz" in head
    assert b"pass@" not in head


def test_answers_are_read_as_httpx_reads_them(run: Run) -> None:
    """Status, headers, compressed and chunked bodies; a redirect is an answer and is not followed; HEAD has no body."""
    gzipped = gzip.compress("Вы записаны".encode())

    async def many(this: Gateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        replies = [
            b"HTTP/1.1 201 Made\r\nX-Kind: one\r\nX-Kind: two\r\nContent-Length: 2\r\n\r\nok",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(gzipped), gzipped),
            b"HTTP/1.1 307 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 204 No Content\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX-Long: " + b"y" * 30_000 + b"\r\nContent-Length: 0\r\n\r\n",
        ]
        for reply in replies:
            if await this.read(reader):
                writer.write(reply)
        await this.read(reader)

    async def story() -> list[httpx.Response]:
        async with gateway(many) as this, make_client() as http:
            methods = ["POST", "POST", "POST", "POST", "POST", "HEAD", "POST"]
            answers = [await http.request(method, this.url) for method in methods]
            assert this.connections == 1
            return answers

    made, chunked, packed, moved, empty, head, long = run(story())
    assert (made.status_code, made.reason_phrase, made.text) == (201, "Made", "ok")
    assert made.headers.get_list("x-kind") == ["one", "two"]
    assert (chunked.text, packed.text) == ("abc", "Вы записаны")
    assert (moved.status_code, moved.headers["location"]) == (307, "/elsewhere")
    assert (empty.status_code, empty.content) == (204, b"")
    assert (head.headers["content-length"], head.content) == ("500", b"")
    assert len(long.headers["x-long"]) == 30_000


def test_cookies_of_one_account_do_not_travel_with_another(run: Run) -> None:
    """The client is shared, so it keeps no cookies."""

    async def cookies(this: Gateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await this.read(reader):
            writer.write(b"HTTP/1.1 200 OK\r\nSet-Cookie: session=1; Path=/\r\nContent-Length: 0\r\n\r\n")

    async def story() -> list[bytes]:
        async with gateway(cookies) as this, make_client() as http:
            await http.post(this.url)
            await http.post(this.url)
            return this.requests

    assert not any(b"cookie" in request.lower() for request in run(story()))


def test_a_proxy_is_used_and_proves_itself(run: Run) -> None:
    """A plain address goes to the proxy whole, with the proxy's credentials and not in the clear."""

    async def story() -> bytes:
        async with gateway(answer) as this, make_client(proxy=f"http://user:pass@127.0.0.1:{this.port}") as http:
            assert (await http.post("http://gate.invalid/send", json={})).json() == {"id": "1"}
            return this.requests[0]

    head = run(story())
    assert head.startswith(b"POST http://gate.invalid/send HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic dXNlcjpwYXNz" in head


@pytest.mark.parametrize(
    "reply", [b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", b"garbage\r\n\r\n", b""]
)
def test_a_tunnel_that_is_refused_is_never_written(run: Run, reply: bytes) -> None:
    """What goes wrong while a proxy opens the way, goes wrong before the request: `Retry`."""

    async def story() -> tuple[BaseException | httpx.Response, Gateway]:
        async with gateway(then(reply)) as this, make_client(proxy=f"http://127.0.0.1:{this.port}") as http:
            return await fate(http, "https://gate.invalid/bot1:SECRET/send"), this

    error, this = run(story())
    assert isinstance(error, httpx.ConnectError)
    assert isinstance(judge(error), Retry)
    assert len(this.requests) == 1
    assert this.requests[0].startswith(b"CONNECT gate.invalid:443 ")
    assert b"SECRET" not in this.requests[0]


def test_the_environment_names_no_proxy(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy is named in config.toml; the environment's would carry messages who knows where."""

    async def story() -> BaseException | httpx.Response:
        async with gateway(answer) as this, make_client() as http:
            return await fate(http, this.url)

    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert isinstance(run(story()), httpx.Response)


def test_nothing_is_logged(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """Addresses hold tokens: a request leaves no line at INFO."""

    async def story() -> None:
        async with gateway(answer) as this, make_client() as http:
            await http.post(this.url + "/bot1:SECRET")

    caplog.set_level(logging.INFO)
    run(story())
    assert not [record for record in caplog.records if record.name.startswith(("http", "aiohttp"))]


@pytest.mark.parametrize("case", BROKEN)
def test_no_exception_shows_an_address(run: Run, case: str) -> None:
    """What is raised, and every error behind it, holds no part of the address or the body."""

    async def story() -> BaseException | httpx.Response:
        async with gateway(BROKEN[case][0]) as this, make_client() as http:
            return await fate(http, this.url + "/bot1:SECRET", timeout=SHORT)

    error = run(story())
    assert isinstance(error, httpx.HTTPError)
    text = "".join(traceback.format_exception(error)) + repr(error)
    assert "SECRET" not in text
    assert "127.0.0.1" not in text
