import pytest

from core import Suppressed
from core.testing import a_booking, a_case
from plugins.filter import notify_tick


@pytest.mark.parametrize("kind", ["booking_created", "booking_updated", "booking_cancelled"])
def test_an_unticked_booking(kind):
    """Where the administrator does not want the client told, nobody is."""
    verdict = Suppressed('the administrator unticked "notify the client"')
    assert notify_tick.filter(a_case(type=kind, booking=a_booking(notify=False))) == verdict


@pytest.mark.parametrize("booking", [None, a_booking(notify=None), a_booking(notify=True)])
def test_ticked_or_not_said(booking):
    """Only a tick that was taken away counts; silence about it does not."""
    assert notify_tick.filter(a_case(booking=booking)) is None
