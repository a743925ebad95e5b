import pytest

from core import Staff, Suppressed
from core.testing import a_booking, a_case
from plugins.filter import skip_staff
from plugins.filter.skip_staff import Config


def with_staff(name):
    return a_booking(staff=Staff(name))


@pytest.mark.parametrize("name", ["Лист ожидания", "ЛИСТ ОЖИДАНИЯ", " лист  ожидания ", "Очередь"])
def test_pseudo_staff(name):
    """A listed name is no person, however it is written; the client does not know."""
    assert skip_staff.filter(a_case(booking=with_staff(name)), Config()) == Suppressed(f'"{name.strip()}" is no real staff')


@pytest.mark.parametrize("name", ["Бари", "Лист ожидания Бари", "Лист", "", "  "])
def test_people_pass(name):
    """Only the whole name counts."""
    assert skip_staff.filter(a_case(booking=with_staff(name)), Config()) is None


@pytest.mark.parametrize("booking", [None, a_booking(staff=None)])
def test_unknown_staff_passes(booking):
    """Where nobody is named nobody is skipped."""
    assert skip_staff.filter(a_case(booking=booking), Config()) is None


def test_a_change_is_judged_by_the_new_staff():
    """A booking moved to the waiting list is silent, one moved to a person is told."""
    waiting, person = with_staff("Очередь"), with_staff("Бари")
    moved_away = a_case(type="booking_updated", booking=waiting, announced=person)
    moved_back = a_case(type="booking_updated", booking=person, announced=waiting)
    assert skip_staff.filter(moved_away, Config()) == Suppressed('"Очередь" is no real staff')
    assert skip_staff.filter(moved_back, Config()) is None


def test_a_cancellation_is_judged_by_what_is_announced():
    """A client who knows a real slot is told that it is gone, wherever the booking lies now."""
    waiting, person = with_staff("Очередь"), with_staff("Бари")
    assert skip_staff.filter(a_case(type="booking_cancelled", booking=waiting, announced=person), Config()) is None
    assert skip_staff.filter(a_case(type="booking_cancelled", booking=waiting), Config()) == Suppressed(
        '"Очередь" is no real staff'
    )


def test_the_names_are_the_salons():
    """A salon's own list replaces the shipped one; a blank name in it skips nobody."""
    config = Config(names=("резерв", ""))
    assert skip_staff.filter(a_case(booking=with_staff("Очередь")), config) is None
    assert skip_staff.filter(a_case(booking=with_staff("Резерв")), config) == Suppressed('"Резерв" is no real staff')
    assert skip_staff.filter(a_case(booking=with_staff("")), config) is None
