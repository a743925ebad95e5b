from datetime import UTC, datetime, timedelta

import pytest

from core import Salon, Suppressed
from core.testing import NOON, SALON, a_booking, a_case, an_event
from plugins.filter import stale

KNOWN = NOON + timedelta(minutes=3, seconds=10)
NOWHERE = Salon(id=1)


def test_an_older_change_is_held_back():
    """The reason gives the time of the newer change on the salon's clock."""
    case = a_case(event=an_event(stale=True, known_changed_at=KNOWN))
    assert stale.filter(case) == Suppressed("a change of 12:03:10 is already known")


def test_a_newer_change_passes():
    """What core did not find stale passes, whatever was known before."""
    assert stale.filter(a_case(event=an_event(known_changed_at=NOON - timedelta(hours=1)))) is None


def test_another_day_is_named():
    """A known change of another day is given with its date."""
    case = a_case(event=an_event(stale=True, known_changed_at=NOON + timedelta(days=1)))
    assert stale.filter(case) == Suppressed("a change of 21.08.2026 12:00:00 is already known")


def test_an_unknown_time_is_not_invented():
    """Where the time of the newer change is not known, the reason does without."""
    assert stale.filter(a_case(event=an_event(stale=True))) == Suppressed("a newer change is already known")


@pytest.mark.parametrize(
    ("salon", "visit_at", "shown"),
    [
        (SALON, datetime.fromisoformat("2026-08-21T14:30:00+07:00"), "12:03:10"),
        (NOWHERE, datetime.fromisoformat("2026-08-21T14:30:00+07:00"), "16:03:10"),
        (NOWHERE, datetime(2026, 8, 21, 14, 30, tzinfo=UTC), "09:03:10"),
        (NOWHERE, None, "12:03:10"),
    ],
)
def test_the_clock_is_the_salons(salon, visit_at, shown):
    """The salon's zone comes first, then the offset of the visit, then Moscow."""
    case = a_case(salon=salon, booking=a_booking(visit_at=visit_at), event=an_event(stale=True, known_changed_at=KNOWN))
    assert stale.filter(case) == Suppressed(f"a change of {shown} is already known")


def test_a_deletion_that_says_nothing_else():
    """A stale event without a booking is named as well."""
    case = a_case(booking=None, salon=NOWHERE, event=an_event(stale=True, known_changed_at=KNOWN))
    assert stale.filter(case) == Suppressed("a change of 12:03:10 is already known")
