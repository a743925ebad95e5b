from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core import Deferred, Salon, WallTime
from core.config import decode_settings
from core.testing import a_booking, a_case, an_event
from plugins.filter import quiet_hours
from plugins.filter.quiet_hours import Config

MORNING = Deferred(datetime(2026, 8, 21, 6, 0, tzinfo=UTC), "quiet hours until 09:00")  # 09:00 in Moscow
NEXT_WEEK = a_booking(visit_at=datetime.fromisoformat("2026-08-28T14:30:00+03:00"))
NIGHT = datetime.fromisoformat("2026-08-21T02:00:00+03:00")
NOWHERE = Salon(id=1)


def moscow(text):
    return datetime.fromisoformat(f"{text}+03:00").astimezone(UTC)


def window(begin, end):
    return Config(from_=WallTime(begin), to=WallTime(end))


@pytest.mark.parametrize(
    ("clock", "verdict"),
    [
        ("2026-08-20T21:59:59", None),
        ("2026-08-20T22:00:00", MORNING),
        ("2026-08-20T23:59:59", MORNING),
        ("2026-08-21T00:00:00", MORNING),
        ("2026-08-21T08:59:59", MORNING),
        ("2026-08-21T09:00:00", None),
        ("2026-08-21T12:00:00", None),
    ],
)
def test_a_night_that_spans_midnight(clock, verdict):
    """From 22:00 to 09:00 messages wait for the coming 09:00, to the second."""
    assert quiet_hours.filter(a_case(booking=NEXT_WEEK), moscow(clock), Config()) == verdict


@pytest.mark.parametrize(
    ("clock", "quiet"), [("12:59:59", False), ("13:00:00", True), ("13:59:59", True), ("14:00:00", False), ("02:00:00", False)]
)
def test_a_window_within_one_day(clock, quiet):
    """A window that does not span midnight is quiet between its ends alone."""
    verdict = quiet_hours.filter(a_case(booking=NEXT_WEEK), moscow(f"2026-08-20T{clock}"), window("13:00", "14:00"))
    assert verdict == (Deferred(moscow("2026-08-20T14:00:00"), "quiet hours until 14:00") if quiet else None)


@pytest.mark.parametrize("clock", ["09:00:00", "00:00:00", "15:00:00"])
def test_equal_ends_are_no_quiet(clock):
    """`from` the same as `to` switches the quiet off."""
    assert quiet_hours.filter(a_case(booking=NEXT_WEEK), moscow(f"2026-08-20T{clock}"), window("09:00", "09:00")) is None


def test_quiet_until_midnight():
    """A window may end at 00:00, which is the next day's."""
    verdict = quiet_hours.filter(a_case(booking=NEXT_WEEK), moscow("2026-08-20T23:00:00"), window("22:00", "00:00"))
    assert verdict == Deferred(moscow("2026-08-21T00:00:00"), "quiet hours until 00:00")


@pytest.mark.parametrize(
    ("salon", "offset", "verdict"),
    [
        (Salon(id=1, timezone="Asia/Vladivostok"), "+03:00", None),
        (NOWHERE, "+10:00", None),
        (NOWHERE, "+03:00", MORNING),
    ],
)
def test_the_clock_is_the_salons(salon, offset, verdict):
    """02:00 in Moscow is 09:00 in Vladivostok: the salon's zone comes first, then the offset of the visit."""
    booking = a_booking(visit_at=datetime.fromisoformat(f"2026-08-28T14:30:00{offset}"))
    assert quiet_hours.filter(a_case(booking=booking, salon=salon), NIGHT, Config()) == verdict


@pytest.mark.parametrize("booking", [None, a_booking(visit_at=None)])
def test_moscow_where_nothing_is_known(booking):
    """Without a zone and a visit the clock is Moscow's."""
    assert quiet_hours.filter(a_case(booking=booking, salon=NOWHERE), NIGHT, Config()) == MORNING


def test_the_night_of_the_clock_change():
    """The end of the quiet is 09:00 on the wall, also in the night when the clocks go back."""
    salon = Salon(id=1, timezone="Europe/Berlin")
    evening = datetime(2026, 10, 24, 21, 0, tzinfo=UTC)  # 23:00 in summer time
    booking = a_booking(visit_at=datetime.fromisoformat("2026-10-30T14:30:00+01:00"))
    verdict = quiet_hours.filter(a_case(booking=booking, salon=salon), evening, Config())
    assert verdict == Deferred(datetime(2026, 10, 25, 8, 0, tzinfo=UTC), "quiet hours until 09:00")


@pytest.mark.parametrize(("visit", "verdict"), [("07:00", None), ("10:59", None), ("11:00", MORNING), ("14:30", MORNING)])
def test_a_visit_soon_after_the_quiet(visit, verdict):
    """A visit that begins less than two hours after the quiet is told at night."""
    booking = a_booking(visit_at=datetime.fromisoformat(f"2026-08-21T{visit}:00+03:00"))
    assert quiet_hours.filter(a_case(booking=booking), NIGHT, Config()) == verdict


def test_a_cancellation_is_judged_by_what_is_announced():
    """The client would come at the time that is announced."""
    early = a_booking(visit_at=datetime.fromisoformat("2026-08-21T10:00:00+03:00"))
    assert quiet_hours.filter(a_case(type="booking_cancelled", announced=early, booking=NEXT_WEEK), NIGHT, Config()) is None
    assert quiet_hours.filter(a_case(type="booking_cancelled", announced=NEXT_WEEK, booking=early), NIGHT, Config()) == MORNING


def online(ago, **more):
    booking = a_booking(visit_at=NEXT_WEEK.visit_at, online=more.pop("online", True))
    return a_case(booking=booking, event=an_event(changed_at=NIGHT - ago), **more)


@pytest.mark.parametrize(
    ("ago", "verdict"),
    [
        (timedelta(0), None),
        (timedelta(minutes=10), None),
        (timedelta(minutes=10, seconds=1), MORNING),
        (timedelta(hours=3), MORNING),
    ],
)
def test_a_client_who_books_online_is_awake(ago, verdict):
    """Within ten minutes of an online booking the client waits for the answer."""
    assert quiet_hours.filter(online(ago), NIGHT, Config()) == verdict


def test_only_the_clients_own_new_booking_rings_at_night():
    """Neither the administrator's booking nor a later change does."""
    assert quiet_hours.filter(online(timedelta(0), online=False), NIGHT, Config()) == MORNING
    assert quiet_hours.filter(online(timedelta(0), type="booking_updated"), NIGHT, Config()) == MORNING


def test_test_events_pass():
    """The operator may test at night."""
    assert quiet_hours.filter(a_case(booking=NEXT_WEEK, test=True), NIGHT, Config()) is None


def test_the_keys_are_called_from_and_to():
    """The table is read as it stands in config.toml."""
    table = {"from": "23:30", "to": "07:15"}
    assert decode_settings(Config, table, Path("config.toml"), "filter.quiet_hours") == window("23:30", "07:15")
    assert Config() == window("22:00", "09:00")


def test_a_broken_rule_holds():
    """If this rule breaks, the message is kept back."""
    assert quiet_hours.on_error == "hold"
