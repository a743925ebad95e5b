"""The rule holidays: its verdicts by the clock, its keys, what the client gets, and the suite that every rule passes."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from core import Deferred
from core.testing import MOSCOW, NOON, PluginError, a_booking, a_case, an_app, contracts, load

PRIVATE = Path(__file__).parents[1]
plugin = load(PRIVATE / "filter" / "holidays.py")
TODAY = plugin.Config(days=("20.08",))
NEXT_WEEK = a_booking("2026-08-27 14:30")


def test_it_waits_for_the_morning_after() -> None:
    """By the salon's clock: 12:00 on 20 August in Moscow, so 10:00 on the 21st."""
    morning = datetime(2026, 8, 21, 10, 0, tzinfo=MOSCOW)
    assert plugin.filter(a_case(booking=NEXT_WEEK), NOON, TODAY) == Deferred(morning, "20.08 is a holiday")


def test_it_has_no_objection_to_anything_else() -> None:
    """Another day, a visit before the salon opens, a test booking."""
    assert plugin.filter(a_case(booking=NEXT_WEEK), NOON, plugin.Config()) is None
    assert plugin.filter(a_case(booking=a_booking("2026-08-21 09:00")), NOON, TODAY) is None
    assert plugin.filter(a_case(booking=NEXT_WEEK, test=True), NOON, TODAY) is None


def test_what_the_client_gets() -> None:
    """Nothing today; the message leaves as the salon opens tomorrow, 22 hours later."""
    with an_app(path=PRIVATE, filter={"holidays": {"days": ["20.08"]}}) as app:
        assert app.book(NEXT_WEEK).why == "holidays: 20.08 is a holiday"
        app.wait("21h")
        assert app.texts == []
        app.wait("1h")
        assert "27 августа в 14:30" in app.texts[0]


def test_a_day_that_is_none() -> None:
    """The start is refused in a sentence that names the file, the table and the key."""
    said = r'config.toml \[filter.holidays\] days: `30.02` is no day of the year; write it as "08.03"$'
    with pytest.raises(PluginError, match=said), an_app(path=PRIVATE, filter={"holidays": {"days": ["30.02"]}}):
        pass


TestContract = contracts.rule(plugin, config={"days": ["23.08"]})
