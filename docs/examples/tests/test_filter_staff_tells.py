"""The rule staff_tells: its verdicts, what the client gets, and the suite that every rule passes."""

from __future__ import annotations

from pathlib import Path

from core import Suppressed
from core.testing import a_booking, a_case, an_app, contracts, load

PRIVATE = Path(__file__).parents[1]
plugin = load(PRIVATE / "filter" / "staff_tells.py")
BARI = plugin.Config(names=("Бари",))


def test_a_listed_master_tells_the_clients_himself() -> None:
    """The plain new booking is with Бари."""
    assert plugin.filter(a_case(), BARI) == Suppressed("Бари tells the clients himself", client_knows=True)


def test_it_has_no_objection_to_anything_else() -> None:
    """A change, another master, a booking without one, and an empty list."""
    assert plugin.filter(a_case(type="booking_updated"), BARI) is None
    assert plugin.filter(a_case(booking=a_booking(staff="Лев")), BARI) is None
    assert plugin.filter(a_case(booking=a_booking(staff=None)), BARI) is None
    assert plugin.filter(a_case(), plugin.Config()) is None


def test_what_the_client_gets() -> None:
    """Nothing when the booking is made; the change is told, for that Бари does not do."""
    with an_app(path=PRIVATE, filter={"staff_tells": {"names": ["Бари"]}}) as app:
        assert app.book(a_booking()).why == "staff_tells: Бари tells the clients himself"
        assert app.change(a_booking("2026-08-21 16:00")).texts[0].startswith("📝 *Ваша запись изменена*")


TestContract = contracts.rule(plugin, config={"names": ["Бари"]}, passes=a_case(type="booking_updated"))
