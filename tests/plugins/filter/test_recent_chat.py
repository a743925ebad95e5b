from datetime import timedelta

import pytest

from core import Suppressed
from core.testing import NOON, a_case, a_contact, an_event
from plugins.filter import recent_chat
from plugins.filter.recent_chat import Config


def wrote(before, **more):
    """The client wrote `before` the change, which was made at noon."""
    return a_case(contact=a_contact(wrote_at=NOON - before), **more)


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (timedelta(minutes=2), "2 min before"),
        (timedelta(minutes=5), "5 min before"),
        (timedelta(seconds=40), "40 s before"),
        (timedelta(0), "0 s before"),
        (timedelta(minutes=-3), "3 min after"),
        (timedelta(hours=-2), "120 min after"),
    ],
)
def test_a_client_in_the_chat_knows(before, said):
    """Within five minutes before the change, or since, the client has been told in the chat."""
    assert recent_chat.filter(wrote(before), Config()) == Suppressed(f"the client wrote {said} the change", client_knows=True)


@pytest.mark.parametrize("before", [timedelta(minutes=5, seconds=1), timedelta(days=3)])
def test_an_older_chat_is_forgotten(before):
    """A second beyond the limit the client is told."""
    assert recent_chat.filter(wrote(before), Config()) is None


def test_a_client_who_never_wrote():
    """Without a chat there is nobody to have told the client."""
    assert recent_chat.filter(a_case(), Config()) is None


def test_a_late_webhook_is_judged_by_the_change():
    """A backlog of hours does not change the answer: the change counts, not the arrival."""
    event = an_event(changed_at=NOON, at=NOON + timedelta(hours=6), since=NOON + timedelta(hours=6))
    assert recent_chat.filter(wrote(timedelta(minutes=1), event=event), Config()) == Suppressed(
        "the client wrote 1 min before the change", client_knows=True
    )
    assert recent_chat.filter(wrote(timedelta(minutes=6), event=event), Config()) is None


def test_the_arrival_stands_in_for_an_unknown_change():
    """Where the sender does not say when the change was made, the arrival counts."""
    event = an_event(changed_at=None, at=NOON + timedelta(minutes=4))
    assert recent_chat.filter(wrote(timedelta(minutes=1), event=event), Config()) == Suppressed(
        "the client wrote 5 min before the change", client_knows=True
    )


@pytest.mark.parametrize("kind", ["booking_updated", "booking_cancelled", "message", None])
def test_only_creations(kind):
    """Changes and cancellations are told, whoever is chatting."""
    assert recent_chat.filter(wrote(timedelta(minutes=1), type=kind), Config()) is None


def test_minutes_is_the_salons_choice():
    """With `minutes = 30` a chat of 20 minutes ago counts."""
    assert recent_chat.filter(wrote(timedelta(minutes=20)), Config(minutes=30)) == Suppressed(
        "the client wrote 20 min before the change", client_knows=True
    )


def test_test_events_pass():
    """The operator who tests has always just been writing."""
    assert recent_chat.filter(wrote(timedelta(minutes=1), test=True), Config()) is None
