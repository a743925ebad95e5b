"""How long a call of a plugin may take, and what ends one that takes longer.

A `def` hook, and an `async def` hook between two awaits, has the loop to itself: while it hangs, nobody is answered. So a timer of the
kernel ticks while plugins are called, and its signal raises `Overrun` in a call that it has met too often. That ends loops, `time.sleep`,
a socket without a timeout and a regular expression without end; not a call into C that never looks at signals, such as `sum(range(10**12))`.

Ticks are counted, not seconds: they reach us only while the process runs, so a machine that stood still blames no plugin. A call costs
three assignments; the timer stops when a tick has found nobody.
"""

from __future__ import annotations

import atexit
import signal
import types
from collections.abc import Callable, Coroutine, Generator, Mapping
from functools import lru_cache
from typing import Any

from core.errors import TooLong

TICK = 0.25  # seconds

SECONDS: Mapping[str, float] = {  # for a whole call
    "receive": 1,
    "filter": 1,
    "parts": 1,
    "render": 1,
    "callback": 1,
    "channel": 5,
    "examples": 5,
    "commands": 5,
    "send": 90,
    "check": 60,
    "probe": 60,
    "link": 60,
    "record": 5,
    "normalize": 600,  # its `http` may have to wait for its turn behind many others
    "poll": 600,
    "startup": 30,
    "shutdown": 5,
}
BLOCKED = 2  # seconds for which an `async def` hook may keep the loop between two awaits

# A plugin that hangs in every call would still take all the time there is. These can be left out for a while:
RESTS = frozenset({"filter", "parts", "record"})
TOO_OFTEN = 3  # times
WITHIN = 60.0  # seconds
BREATH = 0.05  # seconds for all others after a call that kept the loop


class Overrun(BaseException):
    """Raised inside a call. Not an `Exception`: a plugin that goes on after every error would go on after this one."""


class Watch:
    """The one timer of the process. Calls outside of the main thread are not watched: signals reach no other."""

    __slots__ = ("_seen", "_within", "armed", "limit", "serial")

    def __init__(self) -> None:
        self.armed = False
        self.serial = self._seen = 0  # the number of the call, and of the one at the last tick
        self.limit = self._within = 0.0  # seconds: allowed (0: no call), and met so far

    def call(self, limit: float, function: Callable[..., Any], *values: Any, **given: Any) -> Any:
        """The function's answer, within so many seconds. Raises `TooLong`."""
        if not self.armed:
            self.arm()
        try:
            try:
                self.serial += 1
                self.limit = limit
                return function(*values, **given)
            finally:
                self.limit = 0
        except Overrun:
            self.limit = 0  # the tick may have come in `finally`
            raise TooLong(limit) from None

    @types.coroutine
    def steps(self, coroutine: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """Await a coroutine that may wait, but not keep the loop for itself. Raises `TooLong`."""
        step: Callable[[Any], Any] = coroutine.send
        value: Any = None
        while True:
            try:
                waits_for = self.call(BLOCKED, step, value)
            except StopIteration as end:
                return end.value
            try:
                step, value = coroutine.send, (yield waits_for)
            except BaseException as error:  # a cancellation is the coroutine's to hear of
                step, value = coroutine.throw, error

    def arm(self) -> None:
        try:
            if signal.getsignal(signal.SIGALRM) != self._tick:
                signal.signal(signal.SIGALRM, self._tick)
                atexit.register(self.disarm)  # a tick that finds no handler any more would kill the process
        except ValueError:  # not the main thread
            return
        self.armed = True
        signal.setitimer(signal.ITIMER_REAL, TICK, TICK)

    def disarm(self) -> None:
        self.armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _tick(self, number: int, frame: types.FrameType | None) -> None:
        met, self._seen = self._seen == self.serial, self.serial
        if not self.limit:
            if met:  # nobody has called for a whole tick
                self.disarm()
            return
        self._within = self._within + TICK if met else 0.0
        if self._within >= self.limit and _inside(frame):
            raise Overrun


def _inside(frame: types.FrameType | None) -> bool:
    """Whether a call is under way here: one of another thread is none of ours to end."""
    while frame is not None and frame.f_code not in WATCHED:
        frame = frame.f_back
    return frame is not None


WATCH = Watch()
WATCHED = {Watch.call.__code__}  # functions that set `serial` and `limit`, and catch `Overrun`


@lru_cache(maxsize=1)
def _failures() -> Any:
    from prometheus_client import Counter

    return Counter("vestnik_plugin_failures", "Calls of plugins that raised, hung, or were left out", ["plugin", "hook", "kind"])


def count(plugin: str, hook: str, kind: str) -> None:
    """For /metrics; `kind` is "raised", "hung", "rests" or "lost"."""
    _failures().labels(plugin, hook, kind).inc()
