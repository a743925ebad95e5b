"""How often requests may begin, on a clock of our own."""

from __future__ import annotations

import asyncio

import httpx

from core.pace import PacedTransport, Pacer, Rates

YCLIENTS_LIKE: Rates = ((5, 1.0), (200, 60.0))


class Clock:
    """Time that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def begun(count: int, rates: Rates, clock: Clock) -> list[float]:
    """When each of `count` requests that all ask at once may begin."""
    times: list[float] = []

    async def one(pacer: Pacer) -> None:
        await pacer.wait()
        times.append(round(clock.now - 1000.0, 6))

    async def all_at_once() -> None:
        pacer = Pacer(rates, clock, clock.sleep)
        await asyncio.gather(*(one(pacer) for _ in range(count)))

    asyncio.run(all_at_once())
    return times


def test_five_a_second() -> None:
    """Five begin at once, the next five a second later."""
    assert begun(12, ((5, 1.0),), Clock()) == [0.0] * 5 + [1.0] * 5 + [2.0] * 2


def test_both_rates_hold_in_any_window() -> None:
    """In any second there are at most 5, in any minute at most 200, and no more waiting than that needs."""
    times = begun(420, YCLIENTS_LIKE, Clock())
    for count, span in YCLIENTS_LIKE:
        assert all(later - earlier >= span - 1e-5 for earlier, later in zip(times, times[count:], strict=False))
    assert times[199] == 39.0
    assert times[200] == 60.0
    assert times[400] == 120.0


def test_who_asks_seldom_never_waits() -> None:
    """Requests that are far apart begin at once."""
    clock = Clock()

    async def seldom() -> list[float]:
        pacer, times = Pacer(YCLIENTS_LIKE, clock, clock.sleep), []
        for _ in range(10):
            await pacer.wait()
            times.append(clock.now)
            clock.now += 0.3
        return times

    assert [round(at - 1000.0, 3) for at in asyncio.run(seldom())] == [0.0, 0.3, 0.6, 0.9, 1.2, 1.5, 1.8, 2.1, 2.4, 2.7]


def test_without_rates_nothing_waits() -> None:
    """A pacer without rates lets everything through."""
    assert begun(50, (), Clock()) == [0.0] * 50


def test_a_transport_waits_for_its_turn() -> None:
    """The wrapped transport is asked only when the pacer lets it, and its answer comes back unchanged."""
    clock = Clock()
    asked: list[float] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(clock.now - 1000.0)
        return httpx.Response(200, text=request.url.path)

    async def ask() -> list[str]:
        transport = PacedTransport(httpx.MockTransport(answer), Pacer(((2, 1.0),), clock, clock.sleep))
        async with httpx.AsyncClient(transport=transport) as http:
            return [(await http.get(f"http://gate.example/{n}")).text for n in range(5)]

    assert asyncio.run(ask()) == ["/0", "/1", "/2", "/3", "/4"]
    assert asked == [0.0, 0.0, 1.0, 1.0, 2.0]
