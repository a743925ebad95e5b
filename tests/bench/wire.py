"""The little HTTP that the load generator and the gateway need, so that they cost less than what they measure."""

from __future__ import annotations

import asyncio
from typing import cast

HEAD_END = b"\r\n\r\n"


def message_end(data: bytes | bytearray) -> int:
    """Where the first HTTP message in `data` ends; 0 while it is not whole."""
    head = data.find(HEAD_END)
    if head < 0:
        return 0
    lower = bytes(data[:head]).lower()
    at = lower.find(b"content-length:")
    size = int(lower[at + 15 : (end if (end := lower.find(b"\r\n", at)) > 0 else head)]) if at >= 0 else 0
    end = head + 4 + size
    return end if len(data) >= end else 0


class Connection(asyncio.Protocol):
    """Calls `whole(message)` for each message that has arrived."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._data = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._data += data
        while end := message_end(self._data):
            message = bytes(self._data[:end])
            del self._data[:end]
            self.whole(message)

    def whole(self, message: bytes) -> None:
        raise AssertionError(message)
