from core import Suppressed
from core.testing import a_case, an_event
from plugins.filter import same_event


def test_a_repeat_is_named():
    """An event that was taken in before is held back, and the reason names it."""
    assert same_event.filter(a_case(event=an_event(event_id="evt_7", repeat=True))) == Suppressed(
        "event evt_7 was already taken in"
    )


def test_a_first_arrival_passes():
    """An event that comes for the first time is none of this rule's business."""
    assert same_event.filter(a_case()) is None
