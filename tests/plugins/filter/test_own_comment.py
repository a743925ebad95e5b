import pytest

from core import Suppressed
from core.testing import a_booking, a_case
from plugins.filter import own_comment
from plugins.filter.own_comment import Config


def commented(comment, **more):
    return a_case(booking=a_booking(comment=comment), **more)


@pytest.mark.parametrize(
    ("comment", "mark"),
    [
        ("Запись через AI администратора WhatsApp", "AI администратор"),
        ("ai ADMIN", "AI Admin"),
        ("написать в whatsapp", "WhatsApp"),
    ],
)
def test_a_mark_in_any_case_means_the_client_knows(comment, mark):
    """A comment with a mark, in small or capital letters, says that the bot told the client."""
    assert own_comment.filter(commented(comment), Config()) == Suppressed(f'the comment bears the mark "{mark}"', client_knows=True)


@pytest.mark.parametrize("comment", ["", "просила потише", "AI", "Whats App"])
def test_other_comments_pass(comment):
    """A comment without a mark says nothing."""
    assert own_comment.filter(commented(comment), Config()) is None


@pytest.mark.parametrize("kind", ["booking_updated", "booking_cancelled", None])
def test_later_changes_of_a_bots_booking_are_told(kind):
    """The mark stays in the comment for ever; only the creation is known to the client."""
    assert own_comment.filter(commented("WhatsApp", type=kind, announced=a_booking(), seen=True), Config()) is None


def test_an_unseen_change_with_a_mark_is_noted():
    """A booking of the bot that is first seen as a change is known to the client as well."""
    case = commented("WhatsApp", type="booking_updated")
    assert own_comment.filter(case, Config()) == Suppressed('the comment bears the mark "WhatsApp"', client_knows=True)


def test_a_seen_change_with_a_mark_passes():
    """Seen and not announced: the mark no longer speaks for the change."""
    assert own_comment.filter(commented("WhatsApp", type="booking_updated", seen=True), Config()) is None


def test_the_marks_are_the_salons():
    """A salon's own list replaces the shipped one."""
    assert own_comment.filter(commented("WhatsApp"), Config(marks=("бот",))) is None
    assert own_comment.filter(commented("сделал БОТ"), Config(marks=("бот",))) == Suppressed(
        'the comment bears the mark "бот"', client_knows=True
    )


@pytest.mark.parametrize("marks", [(), ("",), ("  ",)])
def test_a_blank_mark_silences_nobody(marks):
    """An empty mark would be found everywhere; it is no mark."""
    assert own_comment.filter(commented("что угодно  здесь"), Config(marks=marks)) is None


def test_no_booking():
    """An event without a booking has no comment."""
    assert own_comment.filter(a_case(booking=None), Config()) is None


def test_test_events_are_judged_too():
    """The test address shows this silence as a real webhook would."""
    assert own_comment.filter(commented("WhatsApp", test=True), Config()) == Suppressed(
        'the comment bears the mark "WhatsApp"', client_knows=True
    )
