"""The server's edge, over real sockets and with little patience."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any, TypeVar

import pytest
import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from core.edge import LimitedProtocol, Limits, make_server

T = TypeVar("T")
Loop = Callable[[], asyncio.AbstractEventLoop]
Message = dict[str, Any]

HASTY = Limits(head_within=0.2, body_within=0.2, full_within=0.2)
GET = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /in HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"


def run(main: Coroutine[Any, Any, T], loop: Loop = uvloop.new_event_loop) -> T:
    """As in production, where uvloop is installed."""
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(main)


class App:
    """Answers with the path and the body it got, once it may; notes who hung up in the midst of a body."""

    def __init__(self) -> None:
        self.hung_up = 0
        self.asked: list[str] = []
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.lifespan: list[str] = []

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        if scope["type"] == "lifespan":
            for _ in range(2):
                kind = (await receive())["type"]
                self.lifespan.append(kind)
                await send({"type": f"{kind}.complete"})
            return
        self.asked.append(scope["path"])
        if scope["path"] == "/early":
            await answer(send, 413, b"")
            return
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.hung_up += 1
                return
            body += message["body"]
            if not message["more_body"]:
                break
        await self.go_on.wait()
        await answer(send, 200, scope["path"].encode() + b" " + body)


async def answer(send: Callable[[Message], Awaitable[None]], status: int, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})


class Peer:
    """A client that sends what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.since = perf_counter()

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self) -> tuple[int, bytes]:
        """One whole answer: status and body."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
        return int(head.split()[1]), await self.reader.readexactly(length)

    async def end(self) -> tuple[bytes, float]:
        """All that still comes until the server hangs up, and how long after the start that was."""
        try:
            rest = await self.reader.read()
        except ConnectionError:
            rest = b""
        return rest, perf_counter() - self.since


class Served:
    def __init__(self, app: App, server: uvicorn.Server, port: int) -> None:
        self.app = app
        self.server = server
        self.port = port
        self._peers: list[Peer] = []

    async def peer(self, data: bytes = b"") -> Peer:
        peer = Peer(*await asyncio.open_connection("127.0.0.1", self.port))
        peer.send(data)
        self._peers.append(peer)
        return peer

    async def ask(self, data: bytes) -> tuple[int, bytes]:
        return await (await self.peer(data)).answer()

    def leave(self) -> None:
        for peer in self._peers:
            peer.writer.close()


@asynccontextmanager
async def serve(limits: Limits = HASTY, app: App | None = None) -> AsyncIterator[Served]:
    """A real server on a free port of loopback."""
    app = app or App()
    listener = socket.create_server(("127.0.0.1", 0))
    server = make_server(app, limits=limits)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    this = Served(app, server, listener.getsockname()[1])
    async with asyncio.timeout(10):
        try:
            yield this
        finally:
            app.go_on.set()
            this.leave()
            server.should_exit = True
            await running


async def until(it_is_so: Callable[[], bool]) -> None:
    """Let the loop turn until something has happened that nobody tells."""
    while not it_is_so():
        await asyncio.sleep(0)


def trickle(data: bytes, pause: float) -> Callable[[Peer], Coroutine[Any, Any, None]]:
    """Send a byte at a time: a peer that never stops and never gets anywhere."""

    async def send(peer: Peer) -> None:
        for byte in data:
            if peer.writer.is_closing():
                return
            peer.send(bytes([byte]))
            await asyncio.sleep(pause)

    return send


STUCK: dict[str, bytes] = {
    "silent": b"",
    "half_a_method": b"PO",
    "half_a_head": b"POST /in HTTP/1.1\r\nHost: x\r\n",
    "blank_lines": b"\r\n\r\n",
    "no_body": POST,
    "half_a_body": POST + b"12345",
    "half_a_chunk": b"POST /in HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    "half_a_second_head": GET + b"GET /",
    "half_a_second_body": GET + POST + b"1",
}


@pytest.mark.parametrize("loop", [uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
@pytest.mark.parametrize("case", STUCK)
def test_who_stops_half_way_is_hung_up_on(case: str, loop: Loop) -> None:
    """Silence, half a head and half a body end at their deadline, on a fresh connection and on a kept one."""

    async def story() -> tuple[float, int]:
        async with serve() as this:
            peer = await this.peer(STUCK[case])
            _, after = await peer.end()
            return after, len(this.server.server_state.connections)

    after, left = run(story(), loop)
    assert 0.19 < after < 1.5
    assert left == 0


def test_blank_lines_on_a_kept_connection_are_no_request() -> None:
    """They end the keep-alive, and so they get the deadline of a head."""

    async def story() -> float:
        async with serve() as this:
            peer = await this.peer(GET)
            await peer.answer()
            peer.send(b"\r\n")
            return (await peer.end())[1]

    assert 0.19 < run(story()) < 1.5


@pytest.mark.parametrize(
    "data",
    [
        b"GET /" + b"a" * 1000,
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"a" * 1000,
        b"\r\n" * 500,
        POST.replace(b"10", b"1000") + b"a" * 500,
        b"POST /in HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 200,
    ],
    ids=["request line", "header", "blank lines", "body", "chunks"],
)
def test_bytes_that_drip_in_do_not_put_the_deadline_off(data: bytes) -> None:
    """A byte every 50 ms would last for a minute; head and body each end after 0.2 s all the same."""
    head, _, body = data.partition(b"\r\n\r\n") if data.startswith(b"POST") else (b"", b"", data)

    async def story() -> float:
        async with serve() as this:
            peer = await this.peer(head + b"\r\n\r\n" if head else b"")
            dripping = asyncio.create_task(trickle(body, 0.05)(peer))
            _, after = await peer.end()
            dripping.cancel()
            return after

    assert 0.19 < run(story()) < 1.5


def test_the_app_is_told_that_the_body_ends_there() -> None:
    """Half a body is a disconnect for the app, not a short body."""

    async def story() -> int:
        async with serve() as this:
            await (await this.peer(POST + b"123")).end()
            return this.app.hung_up

    assert run(story()) == 1


def test_a_slow_app_is_not_the_peers_fault() -> None:
    """Once the request is whole no deadline runs, however long the answer takes, not for a second one behind it either."""

    async def story() -> tuple[bytes, bytes, tuple[int, bytes], tuple[int, bytes], tuple[int, bytes]]:
        async with serve(Limits(head_within=0.2, body_within=0.2)) as this:
            this.app.go_on.clear()
            whole = await this.peer(POST + b"1234567890")
            split = await this.peer(POST + b"12345")
            split.send(b"67890")
            blank = await this.peer(POST + b"1234567890")
            ahead = await this.peer(GET + GET)
            await until(lambda: len(this.app.asked) == 4)
            blank.send(b"\r\n")
            asyncio.get_running_loop().call_later(0.7, this.app.go_on.set)
            answers = [await peer.answer() for peer in (whole, split, blank)]
            two = [(await ahead.answer())[1] for _ in range(2)]
            return two[0], two[1], answers[0], answers[1], answers[2]

    echo = (200, b"/in 1234567890")
    assert run(story()) == (b"/hello ", b"/hello ", echo, echo, echo)


def test_a_big_body_waits_for_a_slow_reader() -> None:
    """While the app does not read, the deadline of the body rests: the peer cannot go on."""
    size = 3_000_000

    class Slow(App):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                await self.go_on.wait()
            await super().__call__(scope, receive, send)

    async def story() -> tuple[int, int]:
        async with serve(Limits(body_within=0.3), Slow()) as this:
            this.app.go_on.clear()
            peer = await this.peer(POST.replace(b"10", str(size).encode()) + b"x" * size)
            asyncio.get_running_loop().call_later(0.7, this.app.go_on.set)
            status, body = await peer.answer()
            return status, len(body)

    assert run(story()) == (200, size + 4)


def test_a_slow_but_steady_peer_is_served() -> None:
    """Head and body in pieces, each within its own deadline, together longer than one."""

    async def story() -> tuple[int, bytes]:
        async with serve(Limits(head_within=1.0, body_within=1.0)) as this:
            peer = await this.peer()
            await trickle(POST[:8], 0.08)(peer)
            peer.send(POST[8:])
            await trickle(b"123456789", 0.07)(peer)
            peer.send(b"0")
            return await peer.answer()

    assert run(story()) == (200, b"/in 1234567890")


def test_kept_connections_go_on_working() -> None:
    """Requests one after another, in one piece, in two, and several at once, get their answers in order, on one connection."""

    async def story() -> list[tuple[int, bytes]]:
        async with serve(Limits(head_within=0.5, body_within=0.5)) as this:
            peer = await this.peer()
            answers = []
            for _ in range(3):
                peer.send(GET)
                answers.append(await peer.answer())
                await asyncio.sleep(0.2)  # together they last longer than any deadline
            peer.send(POST)
            peer.send(b"1234567890" + GET + POST + b"abcdefghij" + GET[:9])
            answers += [await peer.answer() for _ in range(3)]
            peer.send(GET[9:])
            answers.append(await peer.answer())
            assert len(this.server.server_state.connections) == 1
            return answers

    hello = (200, b"/hello ")
    assert run(story()) == [hello] * 3 + [(200, b"/in 1234567890"), hello, (200, b"/in abcdefghij"), hello]


def test_an_idle_connection_is_kept_past_the_deadlines() -> None:
    """Between requests neither deadline runs; the keep-alive of 65 s does."""

    async def story() -> tuple[tuple[int, bytes], float]:
        async with serve(Limits(head_within=0.2, body_within=0.2)) as this:
            peer = await this.peer(GET)
            await peer.answer()
            await asyncio.sleep(0.5)
            peer.send(POST)
            await until(lambda: len(this.app.asked) == 2)
            peer.send(b"1234567890")
            await peer.answer()
            await asyncio.sleep(0.5)
            peer.send(GET)
            answer = await peer.answer()
            (protocol,) = this.server.server_state.connections
            assert isinstance(protocol, HttpToolsProtocol)
            assert protocol.timeout_keep_alive_task
            return answer, protocol.timeout_keep_alive_task.when() - asyncio.get_running_loop().time()

    answer, keep = run(story())
    assert answer == (200, b"/hello ")
    assert 64 < keep <= 65.1


def test_an_idle_connection_is_closed_in_the_end() -> None:
    """When the keep-alive ends, the connection does."""

    async def story() -> float:
        async with serve() as this:
            this.server.config.timeout_keep_alive = 0
            peer = await this.peer(GET)
            await peer.answer()
            return (await peer.end())[1]

    assert run(story()) < 1.5


BIG = b"a" * (17 * 1024)
HUGE_HEADS = {
    "one header": [b"GET / HTTP/1.1\r\nHost: x\r\nX-Big: " + BIG + b"\r\n\r\n"],
    "many headers": [b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-Small: abcdefgh\r\n" * 1000 + b"\r\n"],
    "the address": [b"GET /" + BIG + b" HTTP/1.1\r\nHost: x\r\n\r\n"],
    "without an end": [b"GET / HTTP/1.1\r\nHost: x\r\nX-Big: " + BIG],
    "in pieces": [b"GET / HTTP/1.1\r\nHost: x\r\nX-Big: ", b"a" * 9000, b"a" * 9000],
    "a hundred kilobytes": [b"GET / HTTP/1.1\r\nHost: x\r\nX-Big: " + b"a" * 100_000 + b"\r\n\r\n"],
    "the second": [GET, b"GET / HTTP/1.1\r\nHost: x\r\nX-Big: " + BIG],
}


@pytest.mark.parametrize("case", HUGE_HEADS)
def test_a_huge_head_is_refused_at_once(case: str) -> None:
    """More than 16 KiB of head is a 431 and the end, whether it has an end or not; the app never sees it."""
    first, *rest = HUGE_HEADS[case]

    async def story() -> tuple[bytes, float, list[str]]:
        async with serve(Limits()) as this:
            peer = await this.peer(first)
            if first == GET:
                await peer.answer()
            for piece in rest:
                await peer.writer.drain()
                peer.send(piece)
            answer, after = await peer.end()
            return answer, after, this.app.asked

    answer, after, asked = run(story())
    assert answer.startswith(b"HTTP/1.1 431 ") or (case == "a hundred kilobytes" and answer == b"")
    assert after < 1.5
    assert asked == (["/hello"] if case == "the second" else [])


def test_a_large_head_below_the_limit_is_served() -> None:
    """16 KiB are enough for any gateway; a body that comes in the same piece is not counted."""
    head = b"POST /in HTTP/1.1\r\nHost: x\r\nX-Big: " + b"a" * 15_000 + b"\r\nContent-Length: 60000\r\n\r\n"

    async def story() -> list[tuple[int, int]]:
        async with serve(Limits()) as this:
            peer = await this.peer()
            answers = []
            for _ in range(3):
                peer.send(head + b"b" * 60_000)
                status, body = await peer.answer()
                answers.append((status, len(body)))
            peer.send(head)
            await until(lambda: len(this.app.asked) == 4)
            peer.send(b"b" * 60_000 + GET[:9])
            status, body = await peer.answer()
            answers.append((status, len(body)))
            peer.send(GET[9:])
            status, body = await peer.answer()
            return [*answers, (status, len(body))]

    assert run(story()) == [(200, 60_004)] * 4 + [(200, 7)]


def test_endless_trailers_are_cut_off() -> None:
    """What follows the last chunk counts as head, too."""
    data = b"POST /in HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"X-Small: abcdefgh\r\n" * 2000

    async def story() -> tuple[float, int]:
        async with serve(Limits()) as this:
            _, after = await (await this.peer(data)).end()
            return after, this.app.hung_up

    after, hung_up = run(story())
    assert after < 1.5
    assert hung_up == 1


def test_rubbish_is_answered_and_cut_off() -> None:
    """What is no HTTP at all is a 400."""

    async def story() -> bytes:
        async with serve(Limits()) as this:
            return (await (await this.peer(b"\x16\x03\x01\x02\x00\x01\x00")).end())[0]

    assert run(story()).startswith(b"HTTP/1.1 400 ")


def test_rubbish_behind_a_request_does_not_stand_in_its_answer() -> None:
    """While an answer is under way nothing else is written: the connection ends."""

    async def story() -> bytes:
        async with serve(Limits()) as this:
            this.app.go_on.clear()
            peer = await this.peer(POST + b"1234567890")
            await until(lambda: len(this.app.asked) == 1)
            peer.send(b"\x16\x03\x01")
            return (await peer.end())[0]

    assert run(story()) == b""


def test_too_many_connections_are_told_so() -> None:
    """Beyond the limit a request is a 503 at once; those inside are served, and when one leaves there is room again."""

    async def story() -> tuple[tuple[int, bytes], bytes, tuple[int, bytes], tuple[int, bytes]]:
        async with serve(Limits(connections=2, spare=2)) as this:
            inside = await this.peer(GET)
            await inside.answer()
            other = await this.peer(GET)
            await other.answer()
            refused, _ = await (await this.peer(POST + b"1234567890")).end()
            inside.send(GET)
            served = await inside.answer()
            other.writer.close()
            await until(lambda: len(this.server.server_state.connections) == 1)
            return served, refused, await this.ask(GET), await inside_again(inside)

    async def inside_again(peer: Peer) -> tuple[int, bytes]:
        peer.send(GET)
        return await peer.answer()

    served, refused, later, again = run(story())
    assert refused.startswith(b"HTTP/1.1 503 ")
    assert served == later == again == (200, b"/hello ")


def test_a_flood_is_dropped() -> None:
    """Those beyond the spare connections are dropped at once, those on them soon if they say nothing; nothing piles up."""

    async def story() -> tuple[int, int]:
        async with serve(Limits(connections=1, spare=2, full_within=0.2)) as this:
            inside = await this.peer(GET)
            await inside.answer()
            flood = [await this.peer() for _ in range(20)]
            most = len(this.server.server_state.connections)
            await asyncio.gather(*(peer.end() for peer in flood))
            return most, len(this.server.server_state.connections)

    most, left = run(story())
    assert most <= 22
    assert left == 1


def test_an_early_answer_does_not_keep_the_rest_waiting_for_ever() -> None:
    """The app refuses a body without reading it: the peer gets the answer, and until the body's deadline to finish."""

    async def story() -> tuple[tuple[int, bytes], float]:
        async with serve() as this:
            peer = await this.peer(POST.replace(b"/in", b"/early") + b"123")
            answer = await peer.answer()
            return answer, (await peer.end())[1]

    answer, after = run(story())
    assert answer == (413, b"")
    assert 0.19 < after < 1.5


UPGRADES = {
    "h2c": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n",
    "websocket": b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
}


@pytest.mark.parametrize("kind", UPGRADES)
@pytest.mark.parametrize("cut", [0, 20, 150, 215])
def test_an_offer_to_upgrade_is_passed_over_and_the_body_is_read(kind: str, cut: int) -> None:
    """Some clients offer h2c with every POST. uvicorn would hand such a request over without its body: an event lost for ever."""
    head, _, body = POST.partition(b"\r\n\r\n")
    data = head + b"\r\nX-Id: 1\r\n" + UPGRADES[kind] + b"\r\n" + b"1234567890"

    async def story() -> list[tuple[int, bytes]]:
        async with serve() as this:
            peer = await this.peer()
            answers = []
            for _ in range(2):
                peer.send(data[:cut])
                await asyncio.sleep(0.01 if cut else 0)  # a packet of its own
                peer.send(data[cut:] + GET)
                answers += [await peer.answer(), await peer.answer()]
            return answers

    assert body == b""
    assert run(story()) == [(200, b"/in 1234567890"), (200, b"/hello ")] * 2


def test_an_offer_to_upgrade_keeps_the_deadlines() -> None:
    """Half a body behind such a head ends like any other."""

    async def story() -> tuple[float, int]:
        async with serve() as this:
            head = POST.removesuffix(b"\r\n") + UPGRADES["h2c"] + b"\r\n"
            _, after = await (await this.peer(head + b"123")).end()
            return after, this.app.hung_up

    after, hung_up = run(story())
    assert 0.19 < after < 1.5
    assert hung_up == 1


def test_we_are_no_proxy() -> None:
    """CONNECT is a 400."""

    async def story() -> bytes:
        async with serve() as this:
            return (await (await this.peer(b"CONNECT gate.example:443 HTTP/1.1\r\nHost: gate.example\r\n\r\n")).end())[0]

    assert run(story()).startswith(b"HTTP/1.1 400 ")


def test_the_answer_bears_a_date_and_no_name() -> None:
    """`Date` is sent, `Server` is not."""

    async def story() -> bytes:
        async with serve() as this:
            peer = await this.peer(GET)
            return (await peer.reader.readuntil(b"\r\n\r\n")).lower()

    head = run(story())
    assert b"\r\ndate: " in head
    assert b"server:" not in head


def test_stopping_lets_requests_finish() -> None:
    """A stop closes idle connections, waits for the request under way, and ends the lifespan."""

    async def story() -> tuple[bytes, tuple[int, bytes], list[str]]:
        async with serve(Limits()) as this:
            idle = await this.peer(GET)
            await idle.answer()
            this.app.go_on.clear()
            busy = await this.peer(POST + b"1234567890")
            await until(lambda: len(this.app.asked) == 2)
            this.server.should_exit = True
            rest, _ = await idle.end()
            this.app.go_on.set()
            answer = await busy.answer()
        return rest, answer, this.app.lifespan

    rest, answer, lifespan = run(story())
    assert rest == b""
    assert answer == (200, b"/in 1234567890")
    assert lifespan == ["lifespan.startup", "lifespan.shutdown"]


def test_the_settings() -> None:
    """As the operator may count on them; nothing of a request is logged, and no header of a proxy is believed."""
    config = make_server(App(), "127.0.0.1", 8123).config
    assert (config.host, config.port) == ("127.0.0.1", 8123)
    assert (config.timeout_keep_alive, config.timeout_graceful_shutdown) == (65, 8)
    assert (config.proxy_headers, config.access_log, config.log_config, config.lifespan) == (False, False, None, "on")
    assert config.get_loop_factory() is uvloop.new_event_loop
    assert isinstance(config.http, type)
    assert issubclass(config.http, LimitedProtocol)
    assert config.http.limits == Limits(15.0, 20.0, 1.0, 16384, 1000, 100)


def test_servers_do_not_share_their_limits() -> None:
    """Two servers in one process each have their own."""
    first, second = make_server(App(), limits=HASTY).config.http, make_server(App()).config.http
    assert isinstance(first, type)
    assert isinstance(second, type)
    assert issubclass(first, LimitedProtocol)
    assert issubclass(second, LimitedProtocol)
    assert (first.limits, second.limits) == (HASTY, Limits())


def test_there_are_files_for_all_connections() -> None:
    """A thousand connections and the usual limit of 1024 open files would leave none for the database: it is raised, where it may be."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, before[1]), before[1]))
    try:
        make_server(App())
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert soft == min(1612, before[1])
    assert hard == before[1]
