"""A gateway over real HTTP in the test's process: takes messages as Green-API does, and keeps a ledger of all that it took."""

from __future__ import annotations

import asyncio
import json
import random
import time
from dataclasses import dataclass, field


@dataclass
class Entry:
    """One message that was taken. `reported`: its echo, and then its status, were posted back."""

    id: str
    phone: str
    text: str
    reported: bool = False

    @property
    def echo(self) -> dict[str, object]:
        return {
            "typeWebhook": "outgoingAPIMessageReceived",
            "idMessage": self.id,
            "senderData": {"chatId": f"{self.phone.removeprefix('+')}@c.us"},
            "messageData": {"typeMessage": "extendedTextMessage", "extendedTextMessageData": {"text": self.text}},
            "timestamp": int(time.time()),
        }

    @property
    def status(self) -> dict[str, object]:
        return {
            "typeWebhook": "outgoingMessageStatus",
            "idMessage": self.id,
            "status": "delivered",
            "chatId": f"{self.phone.removeprefix('+')}@c.us",
            "timestamp": int(time.time()),
        }


@dataclass
class Gateway:
    """`async with Gateway() as gateway`. A message counts as taken once its request is whole, whatever becomes of the answer."""

    chance: random.Random
    ledger: list[Entry] = field(default_factory=list)

    async def __aenter__(self) -> Gateway:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                size = next(
                    (int(line.partition(":")[2]) for line in head.lower().splitlines() if line.startswith("content-length:")), 0
                )
                told = json.loads(await reader.readexactly(size)) if size else {}
                answer = json.dumps(self._take(head, told)).encode()
                await asyncio.sleep(self.chance.uniform(0.001, 0.06))
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(answer), answer)
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # whoever asked is dead
        finally:
            writer.close()

    def _take(self, head: str, told: dict[str, str]) -> dict[str, str]:
        if "/sendMessage/" not in head.partition("\r\n")[0]:
            return {"stateInstance": "authorized"}
        entry = Entry(f"BAE5{len(self.ledger):012X}", f"+{told['chatId'].partition('@')[0]}", told["message"])
        self.ledger.append(entry)
        return {"idMessage": entry.id}
