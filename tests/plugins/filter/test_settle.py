from datetime import timedelta

import pytest

from core import Deferred, Duration
from core.testing import NOON, a_booking, a_case, an_event
from plugins.filter import settle
from plugins.filter.settle import Config

SECOND = timedelta(seconds=1)
WAITS = Deferred(NOON + 20 * SECOND, "waits 20 s for further edits")


@pytest.mark.parametrize(("after", "verdict"), [(0, WAITS), (19, WAITS), (20, None), (3600, None)])
def test_the_wait(after, verdict):
    """Twenty seconds from the first event, and not one more."""
    assert settle.filter(a_case(), NOON + after * SECOND, Config()) == verdict


def test_the_wait_begins_with_the_first_event():
    """A burst that goes on does not put the message off for ever."""
    event = an_event(since=NOON, at=NOON + 15 * SECOND)
    assert settle.filter(a_case(event=event), NOON + 16 * SECOND, Config()) == WAITS
    assert settle.filter(a_case(event=event), NOON + 20 * SECOND, Config()) is None


def cancelled(ahead, **more):
    return a_case(**{"type": "booking_cancelled", "booking": a_booking(visit_at=NOON + ahead), **more})


@pytest.mark.parametrize(
    ("ahead", "verdict"),
    [
        (timedelta(minutes=30), None),
        (timedelta(hours=3), None),
        (timedelta(hours=3, seconds=1), WAITS),
        (timedelta(days=2), WAITS),
    ],
)
def test_a_cancellation_shortly_before_the_visit_leaves_at_once(ahead, verdict):
    """Within three hours of the visit every second counts."""
    assert settle.filter(cancelled(ahead), NOON, Config()) == verdict


def test_a_cancellation_is_judged_by_what_is_announced():
    """The time the client knows is the one the client would come at."""
    near, far = a_booking(visit_at=NOON + timedelta(hours=1)), a_booking(visit_at=NOON + timedelta(days=1))
    assert settle.filter(cancelled(timedelta(days=1), announced=near), NOON, Config()) is None
    assert settle.filter(cancelled(timedelta(hours=1), announced=far), NOON, Config()) == WAITS


@pytest.mark.parametrize("booking", [None, a_booking(visit_at=None)])
def test_a_cancellation_of_an_unknown_time_waits(booking):
    """Where the time is not known nothing is urgent."""
    assert settle.filter(cancelled(timedelta(0), booking=booking), NOON, Config()) == WAITS


def test_a_change_shortly_before_the_visit_waits():
    """Only cancellations are in such a hurry."""
    case = a_case(type="booking_updated", booking=a_booking(visit_at=NOON + timedelta(hours=1)))
    assert settle.filter(case, NOON, Config()) == WAITS


def test_the_wait_is_the_salons_choice():
    """`wait` may be longer, or nothing."""
    minute = Deferred(NOON + timedelta(minutes=1), "waits 60 s for further edits")
    assert settle.filter(a_case(), NOON, Config(wait=Duration("1m"))) == minute
    assert settle.filter(a_case(), NOON, Config(wait=Duration("0s"))) is None


def test_test_events_do_not_wait():
    """The operator who tests is waiting for the answer."""
    assert settle.filter(a_case(test=True), NOON, Config()) is None
