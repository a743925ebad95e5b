"""How often requests may begin: for a sender that counts them and shuts out those who ask too often."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import httpx

Rates = Sequence[tuple[int, float]]  # at most so many in any so many seconds

_NOTHING = 1e-6  # seconds; what is left over where floats are subtracted


class Pacer:
    """Lets at most so many requests begin in any so many seconds, in the order in which they ask."""

    def __init__(
        self,
        rates: Rates,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._rates = tuple(rates)
        self._clock = clock
        self._sleep = sleep
        self._begun: deque[float] = deque(maxlen=max((count for count, _ in rates), default=1))
        self._turn = asyncio.Lock()

    async def wait(self) -> None:
        async with self._turn:
            while (seconds := self._missing(self._clock())) > _NOTHING:
                await self._sleep(seconds)
            self._begun.append(self._clock())

    def _missing(self, now: float) -> float:
        begun = self._begun
        return max((begun[-count] + span - now for count, span in self._rates if len(begun) >= count), default=0.0)


class PacedTransport(httpx.AsyncBaseTransport):
    """A transport that waits for its turn first."""

    def __init__(self, transport: httpx.AsyncBaseTransport, pacer: Pacer) -> None:
        self._transport = transport
        self._pacer = pacer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self._pacer.wait()
        return await self._transport.handle_async_request(request)

    async def aclose(self) -> None:
        await self._transport.aclose()
