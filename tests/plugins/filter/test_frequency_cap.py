from datetime import timedelta
from pathlib import Path

import pytest

from core import Deferred
from core.config import decode_settings
from core.errors import ConfigError
from core.testing import NOON, a_booking, a_case, a_contact
from plugins.filter import frequency_cap
from plugins.filter.frequency_cap import Config

HOUR = timedelta(hours=1)


def sent(*hours_ago, **more):
    """Messages that left so many hours ago; the visit is in three days."""
    contact = a_contact(sent_at=tuple(NOON - hours * HOUR for hours in hours_ago))
    return a_case(**{"contact": contact, "booking": a_booking(visit_at=NOON + 72 * HOUR), **more})


def test_the_message_too_many_waits_for_the_oldest():
    """After five messages in a day the sixth leaves when the first is a day old."""
    verdict = frequency_cap.filter(sent(20, 10, 9, 8, 1), NOON, Config())
    assert verdict == Deferred(NOON + 4 * HOUR, "5 messages to this phone in the last 24 h")


def test_the_last_one_allowed_passes():
    """Five are allowed, so after four the fifth leaves."""
    assert frequency_cap.filter(sent(20, 10, 9, 8), NOON, Config()) is None


def test_what_is_a_day_old_no_longer_counts():
    """A message counts for exactly 24 hours."""
    assert frequency_cap.filter(sent(24, 10, 9, 8, 1), NOON, Config()) is None
    assert frequency_cap.filter(sent(24, 20, 10, 9, 8, 1), NOON, Config()) == Deferred(
        NOON + 4 * HOUR, "5 messages to this phone in the last 24 h"
    )


def test_so_long_until_there_is_room():
    """Where more than the cap have left, enough of them must be out of the window."""
    verdict = frequency_cap.filter(sent(5, 4, 3), NOON, Config(messages=1, hours=6))
    assert verdict == Deferred(NOON + 3 * HOUR, "3 messages to this phone in the last 6 h")


def test_asked_again_at_until_it_passes():
    """What is put off does leave then."""
    case = sent(20, 10, 9, 8, 1)
    assert frequency_cap.filter(case, frequency_cap.filter(case, NOON, Config()).until, Config()) is None


FULL = (5, 4, 3, 2, 1)
WAITS = Deferred(NOON + 19 * HOUR, "5 messages to this phone in the last 24 h")


@pytest.mark.parametrize(("ahead", "verdict"), [(24 * HOUR, None), (24 * HOUR + timedelta(seconds=1), WAITS), (HOUR, None)])
def test_a_cancellation_shortly_before_the_visit(ahead, verdict):
    """Within 24 hours of the visit a cancellation is never kept back; before that it may be."""
    assert (
        frequency_cap.filter(sent(*FULL, type="booking_cancelled", booking=a_booking(visit_at=NOON + ahead)), NOON, Config())
        == verdict
    )


def test_a_cancellation_is_judged_by_what_is_announced():
    """The client would come at the time that is announced."""
    case = sent(*FULL, type="booking_cancelled", announced=a_booking(visit_at=NOON + HOUR))
    assert frequency_cap.filter(case, NOON, Config()) is None


@pytest.mark.parametrize(("old", "new", "verdict"), [(2, 72, None), (72, 2, None), (72, 48, WAITS)])
def test_a_new_time_shortly_before_the_visit(old, new, verdict):
    """A new time is told at once, if the old or the new one lies within 24 hours."""
    case = sent(
        *FULL,
        type="booking_updated",
        changed=frozenset({"time"}),
        announced=a_booking(visit_at=NOON + old * HOUR),
        booking=a_booking(visit_at=NOON + new * HOUR),
    )
    assert frequency_cap.filter(case, NOON, Config()) == verdict


@pytest.mark.parametrize(("kind", "changed"), [("booking_created", {"time"}), ("booking_updated", {"staff"}), ("message", set())])
def test_everything_else_is_counted(kind, changed):
    """Other messages wait, however near the visit."""
    case = sent(*FULL, type=kind, changed=frozenset(changed), booking=a_booking(visit_at=NOON + HOUR))
    assert frequency_cap.filter(case, NOON, Config()) == WAITS


def test_a_cancellation_of_an_unknown_time_waits():
    """Where no time is known nothing is near."""
    assert frequency_cap.filter(sent(*FULL, type="booking_cancelled", booking=None), NOON, Config()) == WAITS


@pytest.mark.parametrize("table", [{"messages": 0}, {"hours": 0}, {"hours": 25}])
def test_a_cap_that_cannot_be_kept_stops_the_start(table):
    """Nothing at all, or more hours than are looked back, is an error."""
    with pytest.raises(ConfigError, match=rf"config.toml \[filter.frequency_cap\] {next(iter(table))}: "):
        decode_settings(Config, table, Path("config.toml"), "filter.frequency_cap")
