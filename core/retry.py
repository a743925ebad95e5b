"""When again and when never: pure functions of times, counts and a given source of chance."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from random import Random

import httpx

from core.errors import TooLong
from core.model import Retry, SendResult, Unclear

Reasons = Mapping[type[Exception], str]

LEASE = timedelta(seconds=20)  # of what is in hand: renewed while its worker lives
CLAIMS_ALLOWED = 3  # work that was claimed so often and never finished kills its worker: it is parked

FIRST_WAIT = timedelta(seconds=2)
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_WAIT = timedelta(minutes=15)
LONGEST_LIFE = timedelta(hours=24)
_LONGEST_WITHOUT = timedelta(hours=6)
_LONGEST_AFTER = timedelta(days=365)  # a gateway may ask for any number; a datetime has an end

# Where httpx raises these, not a byte of the request has left: they come from getting a connection, or from before that.
_GATEWAY_AWAY: Reasons = {
    httpx.PoolTimeout: "no free connection",
    httpx.ConnectTimeout: "the gateway cannot be reached: timeout while connecting",
    httpx.ConnectError: "the gateway cannot be reached: no connection",
    httpx.ProxyError: "the gateway cannot be reached: the proxy refused",
}
_NOBODY_THERE = frozenset(reason for kind, reason in _GATEWAY_AWAY.items() if kind is not httpx.PoolTimeout)
_MISWRITTEN: Reasons = {
    httpx.UnsupportedProtocol: "the request cannot be sent as it is: check the transport's address and token",
    httpx.InvalidURL: "the request cannot be sent as it is: check the transport's address",
}
_AFTER_WRITING: Reasons = {
    TooLong: "the transport did not come back in time",
    httpx.ReadTimeout: "timeout after the request was written",
    httpx.WriteTimeout: "timeout while the request was being written",
    httpx.ReadError: "the connection broke after the request was written",
    httpx.WriteError: "the connection broke while the request was being written",
    httpx.RemoteProtocolError: "no readable answer after the request was written",
}
_BROKE = "the transport broke: "


def backoff(attempts: int, chance: Random, after: timedelta | None = None) -> timedelta:
    """How long to wait after the `attempts`-th failure: 2 s, 4 s, … 15 min, half of it by chance; never less than the gateway's `after`."""
    return max(_grown(FIRST_WAIT, attempts, chance), _spread(after, chance))


def pause(failures: int, chance: Random, after: timedelta | None = None) -> timedelta:
    """How long to leave a transport alone after it was out of order `failures` times in a row: 30 s … 15 min; `after` where its gateway said how long."""
    return _spread(after, chance) if after else max(FIRST_PAUSE, _grown(2 * FIRST_PAUSE, failures, chance))


def probe_again(paused_for: timedelta) -> timedelta:
    """How long to wait after a probe that found the transport still out of order: half of the time that it has been so, 30 s … 15 min."""
    return min(max(FIRST_PAUSE, paused_for / 2), LONGEST_WAIT)


def template_again(times: int) -> timedelta:
    """How long nobody is written to by a template that was refused so often, one try after the other: 15 min, doubled each time, at most 6 h."""
    return min(LONGEST_WAIT * (1 << min(max(times, 1) - 1, 10)), _LONGEST_WITHOUT)


def known_again(result: SendResult, repeats: timedelta) -> SendResult:
    """A message of unknown fate may be tried again where its gateway knows the repeat as one."""
    return Retry(result.reason, within=repeats) if isinstance(result, Unclear) and repeats else result


def next_attempt(
    now: datetime, deadline: datetime, attempts: int, chance: Random, after: timedelta | None = None
) -> datetime | None:
    """When to try again; `None` if that would be too late."""
    at = now + backoff(attempts, chance, after)
    return at if fits(at, deadline) else None


def fits(at: datetime, deadline: datetime) -> bool:
    """Whether an attempt at that time is of any use."""
    return at < deadline


def deadline_of(decided_at: datetime, visit_at: datetime | None, test: bool = False) -> datetime:
    """When a message has become useless: at the visit's beginning, or 24 h after the decision, whichever is first. A test has 24 h."""
    last = decided_at + LONGEST_LIFE
    return (last if test or visit_at is None else min(last, visit_at)).astimezone(UTC)


def fallback_at(now: datetime, fallback_after: timedelta, visit_at: datetime | None) -> datetime:
    """When the next channel takes over from one that reports no delivery: at most a quarter of the time to the visit from now."""
    if visit_at is None:
        return now + fallback_after
    return now + max(timedelta(0), min(fallback_after, (visit_at - now) / 4))


def away(result: object) -> bool:
    """Whether a result says that nobody was there at the gateway's address."""
    return isinstance(result, Retry) and result.reason in _NOBODY_THERE


def cause(reason: str) -> str:
    """What a reason is told for: whichever way nobody was there at the gateway's address, it is one outage."""
    return reason.partition(":")[0] if reason in _NOBODY_THERE else reason


def bug(result: object) -> bool:
    """Whether a result of `judge` says that the transport itself is broken."""
    return isinstance(result, Unclear) and result.reason.startswith(_BROKE)


def judge(error: BaseException) -> Retry | Unclear:
    """What an exception out of `send` means. The reasons are fixed: an exception's own text may hold an address, a token or a phone."""
    if reason := _said(error, _GATEWAY_AWAY):
        return Retry(reason)
    if reason := _said(error, _MISWRITTEN):
        return Retry(reason, scope="transport", alert=True)
    return Unclear(_said(error, _AFTER_WRITING) or f"{_BROKE}{type(error).__name__}")


def _said(error: BaseException, reasons: Reasons) -> str | None:
    return next((reason for kind, reason in reasons.items() if isinstance(error, kind)), None)


def _grown(first: timedelta, times: int, chance: Random) -> timedelta:
    # 1 << 20 is far beyond the cap; a larger exponent would overflow a timedelta.
    whole = min(first * (1 << min(max(times, 1) - 1, 20)), LONGEST_WAIT)
    return whole * (0.5 + chance.random() / 2)


def _spread(after: timedelta | None, chance: Random) -> timedelta:
    """A little more than asked for, so that all who were told the same do not come back at once."""
    return min(after, _LONGEST_AFTER) * (1 + chance.random() / 10) if after else timedelta(0)
