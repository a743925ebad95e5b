"""When again and when never."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model import Retry, Unclear
from core.retry import backoff, deadline_of, fallback_at, fits, judge, next_attempt, pause, probe_again
from core.testing import NOON, VISIT


class Least(Random):
    """Chance at its lowest."""

    def random(self) -> float:
        return 0.0


class Most(Random):
    """Chance at its highest."""

    def random(self) -> float:
        return 1.0


class Chance(Random):
    """Chance that can be repeated."""


SECOND = timedelta(seconds=1)
LOW, HIGH = Least(), Most()


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(1, 2), (2, 4), (3, 8), (4, 16), (5, 32), (6, 64), (9, 512), (10, 900), (11, 900), (5000, 900)]
)
def test_backoff_doubles_up_to_a_quarter_of_an_hour(attempts: int, seconds: int) -> None:
    """The whole wait is 2 s, doubled each time, at most 15 min; chance takes away up to half of it."""
    assert backoff(attempts, HIGH) == seconds * SECOND
    assert backoff(attempts, LOW) == seconds * SECOND / 2


def test_backoff_is_chance_from_the_given_source() -> None:
    """Two sources with one seed give the same waits, and one source gives different ones."""
    first, second = Chance(7), Chance(7)
    waits = [backoff(5, first) for _ in range(20)]
    assert waits == [backoff(5, second) for _ in range(20)]
    assert len(set(waits)) == 20


def test_backoff_without_a_failure_is_the_first_wait() -> None:
    """A count of none or less is treated as the first failure."""
    assert backoff(0, HIGH) == backoff(-3, HIGH) == 2 * SECOND


@given(attempts=st.integers(0, 10**6), after=st.none() | st.timedeltas(timedelta(0), timedelta(days=300)), seed=st.integers())
def test_never_sooner_than_the_gateway_asks(attempts: int, after: timedelta | None, seed: int) -> None:
    """Whatever chance says, the wait is at least the gateway's `after`, at most a tenth more, and otherwise at most 15 min."""
    wait = backoff(attempts, Chance(seed), after)
    asked = after or timedelta(0)
    assert asked <= wait <= max(asked * 1.1 + timedelta(microseconds=1), timedelta(minutes=15))


def test_an_absurd_after_has_an_end() -> None:
    """A gateway that asks for more than time can hold breaks nothing: the attempt is simply too late."""
    assert next_attempt(NOON, NOON + timedelta(hours=24), 1, HIGH, timedelta.max) is None
    assert pause(1, HIGH, timedelta.max) < timedelta(days=500)


@pytest.mark.parametrize(("failures", "seconds"), [(1, 60), (2, 120), (3, 240), (4, 480), (5, 900), (60, 900)])
def test_pause_of_a_transport(failures: int, seconds: int) -> None:
    """A transport out of order is left alone for 30 s at first, and for at most 15 min."""
    assert pause(failures, LOW) == seconds * SECOND / 2
    assert pause(failures, HIGH) == seconds * SECOND
    assert pause(failures, LOW) >= 30 * SECOND


@pytest.mark.parametrize(("out_for", "seconds"), [(0, 30), (60, 30), (90, 45), (600, 300), (1800, 900), (10**6, 900)])
def test_probing_becomes_rarer(out_for: int, seconds: int) -> None:
    """A transport that is still out of order is asked again after half of the time that it has been so: 30 seconds to 15 minutes."""
    assert probe_again(out_for * SECOND) == seconds * SECOND


def test_pause_honours_the_gateway() -> None:
    """A gateway that names its own wait gets at least that, and one that names less than 30 s gets 30 s."""
    assert pause(1, LOW, timedelta(hours=1)) == timedelta(hours=1)
    assert pause(1, LOW, SECOND) == SECOND
    assert pause(9, HIGH, 5 * SECOND) < 6 * SECOND


def test_deadline_is_the_visit_or_a_day() -> None:
    """A message lives until the visit begins, at most 24 h after the decision; the answer is in UTC."""
    day = timedelta(hours=24)
    assert deadline_of(NOON, NOON + timedelta(hours=3)) == NOON + timedelta(hours=3)
    assert deadline_of(NOON, VISIT) == NOON + day
    assert deadline_of(NOON, None) == NOON + day
    assert deadline_of(VISIT - timedelta(hours=1), VISIT) == datetime(2026, 8, 21, 11, 30, tzinfo=UTC)
    assert deadline_of(VISIT - timedelta(hours=1), VISIT).tzinfo is UTC


def test_deadline_of_a_test_event_ignores_the_visit() -> None:
    """A test event may speak of a visit that is long over, and still has 24 h."""
    assert deadline_of(NOON, NOON - timedelta(days=300), test=True) == NOON + timedelta(hours=24)


def test_next_attempt_fits_before_the_deadline_or_is_none() -> None:
    """An attempt that would fall on the deadline or after it is not made."""
    assert next_attempt(NOON, NOON + 3 * SECOND, 1, HIGH) == NOON + 2 * SECOND
    assert next_attempt(NOON, NOON + 2 * SECOND, 1, HIGH) is None
    assert next_attempt(NOON, NOON + timedelta(hours=1), 1, LOW, timedelta(hours=1)) is None
    assert fits(NOON, NOON + SECOND)
    assert not fits(NOON, NOON)


def test_fallback_is_sooner_when_the_visit_is_near() -> None:
    """The next channel takes over after `fallback_after`, but at most a quarter of the time to the visit from now."""
    ten = timedelta(minutes=10)
    assert fallback_at(NOON, ten, None) == NOON + ten
    assert fallback_at(NOON, ten, NOON + timedelta(hours=2)) == NOON + ten
    assert fallback_at(NOON, ten, NOON + timedelta(minutes=40)) == NOON + ten
    assert fallback_at(NOON, ten, NOON + timedelta(minutes=20)) == NOON + timedelta(minutes=5)
    assert fallback_at(NOON, ten, NOON - timedelta(minutes=20)) == NOON


NEVER_WRITTEN = [
    (httpx.ConnectError, "recipient", False),
    (httpx.ConnectTimeout, "recipient", False),
    (httpx.PoolTimeout, "recipient", False),
    (httpx.ProxyError, "recipient", False),
    (httpx.UnsupportedProtocol, "transport", True),
    (httpx.InvalidURL, "transport", True),
]
PERHAPS_WRITTEN = [
    httpx.ReadError,
    httpx.ReadTimeout,
    httpx.WriteError,
    httpx.WriteTimeout,
    httpx.CloseError,
    httpx.RemoteProtocolError,
    httpx.LocalProtocolError,
    httpx.DecodingError,
    httpx.TooManyRedirects,
    ValueError,
    KeyError,
    OSError,
    ConnectionRefusedError,
    TimeoutError,
]
PRIVATE = "http://gate.example/bot123:SECRET/send?phone=+79000000088"


@pytest.mark.parametrize(("kind", "scope", "alert"), NEVER_WRITTEN)
def test_what_was_never_written_is_tried_again(kind: type[Exception], scope: str, alert: bool) -> None:
    """Errors of getting a connection are `Retry`; a request that cannot be sent as it is needs a person too."""
    verdict = judge(kind(PRIVATE))
    assert isinstance(verdict, Retry)
    assert (verdict.scope, verdict.alert, verdict.after) == (scope, alert, None)


@pytest.mark.parametrize("kind", PERHAPS_WRITTEN)
def test_what_may_have_been_written_is_unclear(kind: type[Exception]) -> None:
    """Anything later, and any bug of a plugin, is `Unclear`: a bare OSError of a plugin's own socket too."""
    assert isinstance(judge(kind(PRIVATE)), Unclear)


@pytest.mark.parametrize("kind", [kind for kind, *_ in NEVER_WRITTEN] + PERHAPS_WRITTEN)
def test_reasons_hold_nothing_private(kind: type[Exception]) -> None:
    """A reason never repeats the exception's text: no address, token or phone."""
    reason = judge(kind(PRIVATE)).reason
    assert reason
    assert not any(piece in reason for piece in ("http:", "gate.example", "SECRET", "7900", "bot123"))


def test_a_bug_is_named() -> None:
    """The reason of an unexpected exception names its kind, so that the log can be searched."""
    assert judge(ZeroDivisionError("x")) == Unclear("the transport broke: ZeroDivisionError")


def test_reasons_are_sentences() -> None:
    """The two commonest reasons, word for word."""
    assert judge(httpx.ConnectError("x")) == Retry("the gateway cannot be reached: no connection")
    assert judge(httpx.ReadTimeout("x")) == Unclear("timeout after the request was written")
