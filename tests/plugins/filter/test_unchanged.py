from datetime import timedelta
from pathlib import Path

import pytest

from core import Duration, Suppressed
from core.config import decode_settings
from core.errors import ConfigError
from core.testing import VISIT, a_booking, a_case
from plugins.filter import unchanged
from plugins.filter.unchanged import Config


def updated(*changed, shift=timedelta(0), **more):
    """A change of an announced booking."""
    booking = a_booking(visit_at=VISIT + shift)
    return a_case(
        **{
            "type": "booking_updated",
            "announced": a_booking(),
            "booking": booking,
            "changed": frozenset(changed),
            "seen": True,
            **more,
        }
    )


@pytest.mark.parametrize("note", ["only the payment differs", "no-show is not a cancellation"])
def test_nothing_due_is_said_in_cores_words(note):
    """Where no notification is due, the reason is the note of core."""
    assert unchanged.filter(a_case(type=None, note=note), Config()) == Suppressed(note)


def test_nothing_due_and_no_note():
    """A silence has a reason even where core gave none."""
    assert unchanged.filter(a_case(type=None), Config()) == Suppressed("nothing that the client could see differs")


@pytest.mark.parametrize("name", ["time", "services", "staff", "branch"])
def test_each_visible_change_is_told(name):
    """Time, services, staff and branch are worth a message as shipped."""
    assert unchanged.filter(updated(name, shift=timedelta(hours=2)), Config()) is None


def test_a_price_alone_is_told_only_on_request():
    """A new price is silent as shipped, and told where `tell` names it."""
    assert unchanged.filter(updated("price"), Config()) == Suppressed("only the price differs")
    assert unchanged.filter(updated("price"), Config(tell=("price",))) is None


def test_what_tell_leaves_out_is_silent():
    """`tell` may be narrowed; the reason names all that differs."""
    assert unchanged.filter(updated("staff", "price"), Config(tell=("time",))) == Suppressed("only the price and the staff differ")


@pytest.mark.parametrize("minutes", [5, -5, 120])
def test_a_shift_of_min_shift_is_told(minutes):
    """Five minutes in either direction are a shift."""
    assert unchanged.filter(updated("time", shift=timedelta(minutes=minutes)), Config()) is None


@pytest.mark.parametrize("minutes", [4, -4])
def test_a_smaller_shift_is_none(minutes):
    """Less than five minutes in either direction are not told, and announced does not move."""
    assert unchanged.filter(updated("time", shift=timedelta(minutes=minutes)), Config()) == Suppressed(
        "only the time (by 4 min) differs"
    )


def test_a_shift_in_seconds():
    """A second less than `min_shift` is less."""
    assert unchanged.filter(updated("time", shift=timedelta(minutes=4, seconds=30)), Config()) == Suppressed(
        "only the time (by 4.5 min) differs"
    )


def test_a_small_shift_beside_something_else():
    """A small shift does not silence what is worth telling, and does not save what is not."""
    shift = timedelta(minutes=3)
    assert unchanged.filter(updated("time", "staff", shift=shift), Config()) is None
    assert unchanged.filter(updated("time", "price", shift=shift), Config()) == Suppressed(
        "only the price and the time (by 3 min) differ"
    )


def test_min_shift_is_the_salons_choice():
    """With `min_shift = "0s"` a shift of one minute is told; with "1h" half an hour is not."""
    assert unchanged.filter(updated("time", shift=timedelta(minutes=1)), Config(min_shift=Duration("0s"))) is None
    assert unchanged.filter(updated("time", shift=timedelta(minutes=30)), Config(min_shift=Duration("1h"))) == Suppressed(
        "only the time (by 30 min) differs"
    )


def test_an_unknown_time_counts_as_a_shift():
    """A time that became known, or was not known before, is told."""
    case = updated("time", announced=a_booking(visit_at=None))
    assert unchanged.filter(case, Config()) is None


def test_nothing_changed_at_all():
    """An update without any difference is silent."""
    assert unchanged.filter(updated(), Config()) == Suppressed("nothing differs from what the client knows")


def test_an_unseen_change():
    """A change of a booking never seen is told as shipped; with `unseen = "note"` it is taken for known."""
    case = updated(announced=None, seen=False)
    assert unchanged.filter(case, Config()) is None
    assert unchanged.filter(case, Config(unseen="note")) == Suppressed(
        "a change of a booking never seen before is only noted", client_knows=True
    )


def test_a_booking_that_was_seen_is_not_unseen():
    """`unseen = "note"` silences only what was never seen before."""
    assert unchanged.filter(updated(announced=None, seen=True), Config(unseen="note")) is None


@pytest.mark.parametrize("kind", ["booking_created", "booking_cancelled", "message"])
def test_other_notifications_pass(kind):
    """A creation, a cancellation and a plain message are always worth telling."""
    assert unchanged.filter(a_case(type=kind), Config(unseen="note")) is None


@pytest.mark.parametrize(
    ("key", "value", "word"), [("tell", ["time", "prise"], "prise"), ("tell", ["phone"], "phone"), ("unseen", "hide", "hide")]
)
def test_an_unknown_word_stops_the_start(key, value, word):
    """A slip in `tell` or `unseen` is an error that names the table, the key and the slip."""
    table = {key: value}
    with pytest.raises(ConfigError, match=rf"^config\.toml \[filter\.unchanged\] {key}\b.*{word}"):
        decode_settings(Config, table, Path("config.toml"), "filter.unchanged")
