from core import Suppressed
from core.testing import NOON, a_case, a_contact
from plugins.filter import opt_out


def test_a_client_who_said_stop():
    """Nothing is told to a client who opted out, and the reason says when; test events are no exception."""
    said = Suppressed("the client said СТОП on 20.08.2026 at 09:00 UTC", call=True)
    assert opt_out.filter(a_case(contact=a_contact(opted_out_at=NOON))) == said
    assert opt_out.filter(a_case(contact=a_contact(opted_out_at=NOON), test=True)) == said


def test_the_answer_itself():
    """The answer to СТОП leaves; the one to СТАРТ comes when nobody is opted out any more."""
    assert opt_out.filter(a_case(type="opted_out", contact=a_contact(opted_out_at=NOON))) is None
    assert opt_out.filter(a_case(type="opted_in", contact=a_contact(opted_out_at=NOON))) is not None


def test_everybody_else():
    """A client who never said stop is told."""
    assert opt_out.filter(a_case()) is None


def test_a_broken_rule_holds():
    """If this rule breaks, the message is kept back."""
    assert opt_out.on_error == "hold"
