from datetime import timedelta

import pytest

from core import Suppressed
from core.testing import VISIT, a_booking, a_case
from plugins.filter import past_visit

BEGAN = Suppressed("the visit began on 21.08.2026 at 14:30")
CAME = Suppressed("the client has come to the visit")
HOUR = timedelta(hours=1)


@pytest.mark.parametrize("kind", ["booking_created", "booking_updated", "booking_cancelled"])
@pytest.mark.parametrize(("since", "verdict"), [(-timedelta(seconds=1), None), (timedelta(0), BEGAN), (HOUR, BEGAN)])
def test_a_visit_that_has_begun(kind, since, verdict):
    """From the minute of the visit on nothing is told; a second before it still is."""
    assert past_visit.filter(a_case(type=kind), VISIT + since) == verdict


def test_an_attended_visit():
    """A client who has come needs no message, though the visit lies ahead."""
    assert past_visit.filter(a_case(booking=a_booking(attendance="arrived")), VISIT - HOUR) == CAME


@pytest.mark.parametrize("attendance", ["expected", "confirmed", "no_show"])
def test_other_attendance_says_nothing(attendance):
    """Only a client who has come is past telling."""
    assert past_visit.filter(a_case(booking=a_booking(attendance=attendance)), VISIT - HOUR) is None


def test_a_visit_moved_into_the_past():
    """A change is judged by the new time, though the announced one lies ahead."""
    case = a_case(type="booking_updated", announced=a_booking(visit_at=VISIT + 5 * HOUR))
    assert past_visit.filter(case, VISIT + HOUR) == BEGAN


def test_a_visit_moved_out_of_the_past():
    """A visit that has begun and is moved ahead is told."""
    case = a_case(type="booking_updated", announced=a_booking(visit_at=VISIT - 5 * HOUR))
    assert past_visit.filter(case, VISIT - HOUR) is None


def test_a_cancellation_is_judged_by_what_is_announced():
    """The time the client knows counts, not what the deletion carried."""
    ahead, behind = a_booking(visit_at=VISIT + 5 * HOUR), a_booking(visit_at=VISIT)
    assert past_visit.filter(a_case(type="booking_cancelled", announced=ahead, booking=behind), VISIT + HOUR) is None
    assert past_visit.filter(a_case(type="booking_cancelled", announced=behind, booking=ahead), VISIT + HOUR) == BEGAN


def test_a_cancellation_of_an_attended_visit():
    """A visit that the client came to is not cancelled afterwards, whichever snapshot says so."""
    came = a_booking(attendance="arrived")
    assert past_visit.filter(a_case(type="booking_cancelled", announced=a_booking(), booking=came), VISIT - HOUR) == CAME
    assert past_visit.filter(a_case(type="booking_cancelled", announced=came, booking=None), VISIT - HOUR) == CAME


@pytest.mark.parametrize("booking", [None, a_booking(visit_at=None)])
def test_an_unknown_time_passes(booking):
    """Where the time is not known nothing is past."""
    assert past_visit.filter(a_case(booking=booking), VISIT + HOUR) is None


def test_test_events_pass():
    """A test body may carry any date."""
    assert past_visit.filter(a_case(test=True), VISIT + HOUR) is None
