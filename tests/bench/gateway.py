"""A gateway that answers at once, or after SECONDS, a process of its own: Green-API's answer to every POST, and when each phone was written to.

`python -m tests.bench.gateway PORT SECONDS`. GET /count → how many; GET /times → {phone digits: moment of the monotonic clock}, and it begins anew.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time

import uvloop

from tests.bench.wire import Connection

ANSWER = b'{"idMessage":"%016d"}'
CHAT = re.compile(rb'"chatId":\s*"(\d+)')


class Gateway:
    def __init__(self, seconds: float) -> None:
        self.seconds, self.count, self.times = seconds, 0, dict[str, float]()


class Peer(Connection):
    def __init__(self, gateway: Gateway) -> None:
        super().__init__()
        self.gateway = gateway

    def whole(self, message: bytes) -> None:
        gateway = self.gateway
        if message.startswith(b"GET /times"):
            answer, gateway.times, gateway.count = json.dumps(gateway.times).encode(), {}, 0
            self._answer(answer)
        elif message.startswith(b"GET"):
            self._answer(str(gateway.count).encode())
        else:
            gateway.count += 1
            if chat := CHAT.search(message):
                gateway.times[chat[1].decode()] = time.monotonic()
            answer = ANSWER % (time.monotonic_ns())
            if gateway.seconds:
                asyncio.get_running_loop().call_later(gateway.seconds, self._answer, answer)
            else:
                self._answer(answer)

    def _answer(self, answer: bytes) -> None:
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(answer), answer)
        )


async def serve(port: int, seconds: float) -> None:
    gateway = Gateway(seconds)
    server = await asyncio.get_running_loop().create_server(lambda: Peer(gateway), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), float(sys.argv[2])))
