"""The suite of a rule: what it is given, and what is said of one that is wrong, or is never heard."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime

import pytest

from core.testing import a_booking, a_case, contracts
from tests.core.testing.odd import RULE, Write, fails


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("return 'no'", "filter.odd.filter: answered 'no'; return Suppressed(reason), Deferred(until, reason) or None"),
        ("return Suppressed(' ')", "filter.odd.filter: gave no reason; say in the verdict's `reason` why, for people to read"),
        (
            "return Suppressed(str(SEEN.append(1) or len(SEEN)))",
            "filter.odd.filter: answered Suppressed(reason='",
        ),
        ("return case.booking.staff.name and None", "filter.odd.filter: raised AttributeError: 'NoneType' object has no attribute 'name' in line 8; not everything is always known: look before you take; it was given case=Case("),
        ("return Suppressed()", "filter.odd.filter: raised TypeError: Missing required argument 'reason' in line 8; mend that line; it was given "),
        ("case.contact.phone = '+7'", "filter.odd.filter: raised AttributeError: immutable type: 'Contact' in line 8; mend that line; it was given "),
        ("return nonsense", "filter.odd.filter: raised NameError: name 'nonsense' is not defined in line 8; mend that line; it was given case=Case("),
    ],
)  # fmt: skip
def test_a_rule_that_is_wrong(write: Write, code: str, said: str) -> None:
    """Another answer than a verdict, no reason, a memory, a gap in the booking that it did not think of."""
    found = fails(contracts.rule(write("filter", "SEEN = []\n" + RULE.format(code))), "speaks")
    assert found.startswith(said)
    assert ("to the same case; keep nothing between two calls" in found) == ("SEEN" in code)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("now.astimezone().hour < 12", "None on a machine in another time zone; reckon by ZoneInfo(case.salon.timezone) where it is known, "),
        ("__import__('time').localtime(now.timestamp()).tm_hour < 12", "on a machine in another time zone; "),
        ("now.astimezone(__import__('zoneinfo').ZoneInfo(case.salon.timezone)).hour < 12", "not everything is always known: look before you take; "),
        ("case.test and case.salon.timezone.lower()", "raised AttributeError: 'NoneType' object has no attribute 'lower' in line "),
    ],
)  # fmt: skip
def test_a_rule_that_knows_moscow_alone(write: Write, code: str, said: str) -> None:
    """The machine's zone is nobody's, and a salon may have none, of a test booking too."""
    rule = f"@hookimpl\ndef filter(case, now):\n    return Suppressed('no') if {code} else None\n"
    assert said in fails(contracts.rule(write("filter", rule)), "speaks")


def test_the_machines_own_zone_is_left_as_it_was(write: Write) -> None:
    """A suite changes it for one call at a time."""
    before, names = os.environ.get("TZ"), time.tzname
    contracts.rule(write("filter", RULE.format("return Suppressed('no')")))().test_speaks()
    assert (os.environ.get("TZ"), time.tzname) == (before, names)


def test_a_rule_that_waits_in_the_past(write: Write) -> None:
    """A delay ends later than now."""
    code = "@hookimpl\ndef filter(case, now):\n    return Deferred(now, 'not yet')\n"
    said = fails(contracts.rule(write("filter", code)), "speaks")
    assert said.startswith("filter.odd.filter: waits until 2026-08-20")
    assert said.endswith(" already; return None once it is over")


def test_a_rule_that_lets_nothing_pass(write: Write) -> None:
    """The plain booking passes, or the case that the suite is given."""
    plugin = write("filter", RULE.format("return Suppressed('no') if case.type != 'booking_updated' else None"))
    assert fails(contracts.rule(plugin), "lets_a_plain_booking_pass") == (
        "filter.odd.filter: answered Suppressed(reason='no') to a plain new booking; answer None to "
        "whatever it does not mean, or give the suite `config` or a case it `passes`"
    )
    contracts.rule(plugin, passes=a_case(type="booking_updated"))().test_lets_a_plain_booking_pass()


def test_a_rule_that_never_speaks(write: Write) -> None:
    """A suite that has heard nothing of a rule has tried nothing: it asks for keys, a case or a moment."""
    listed = "class Config(Settings, frozen=True):\n    names: tuple[str, ...] = ()  # whom it knows\n"
    plugin = write(
        "filter",
        listed
        + RULE.format(
            "return Suppressed('no') if case.booking and case.booking.staff and case.booking.staff.name in config.names else None"
        ).replace("(case)", "(case, config)"),
    )
    assert fails(contracts.rule(plugin), "speaks") == (
        "filter.odd.filter: answered None to all 3565 cases of the suite, so nothing of it is tried; give the suite `config` with which "
        "it objects, a case it `speaks` about, or the moment `at` which it does; else mend the rule"
    )
    contracts.rule(plugin, config={"names": ["Бари"]})().test_speaks()
    contracts.rule(plugin, config={"names": ["Лев"]}, speaks=a_case(booking=a_booking(staff="Лев")))().test_speaks()
    assert fails(contracts.rule(plugin, config={"names": ["Бари"]}, speaks=a_case(booking=a_booking(staff="Лев"))), "speaks") == (
        "filter.odd.filter: answered None to the case that it `speaks` about, at 2026-08-20 09:01:00+00:00; mend the rule, or give "
        "the suite another case or another moment `at`"
    )


@pytest.mark.parametrize(
    "speaks",
    [
        "now.astimezone(MOSCOW).weekday() == 6",
        "now.astimezone(MOSCOW).hour < 4",
        "case.booking and case.booking.visit_at and timedelta(0) <= case.booking.visit_at - now < timedelta(hours=1)",
        "case.booking and case.booking.visit_at and now > case.booking.visit_at and case.booking.online",
        "case.contact.wrote_at and case.type == 'booking_updated' and now.weekday() == 4",
    ],
)  # fmt: skip
def test_rules_by_the_clock_are_heard(write: Write, speaks: str) -> None:
    """A day of the week, an hour of the night, the time around the visit; alone, and with one thing of the booking or the client."""
    code = (
        f"from core.testing import MOSCOW\n@hookimpl\ndef filter(case, now):\n    return Suppressed('no') if {speaks} else None\n"
    )
    contracts.rule(write("filter", code))().test_speaks()


def test_a_rule_of_one_day_is_heard_at_its_moment(write: Write) -> None:
    """`at` adds a moment to the suite's week."""
    code = "@hookimpl\ndef filter(case, now):\n    return Suppressed('no') if (now.day, now.month) == (1, 1) else None\n"
    plugin = write("filter", code)
    assert fails(contracts.rule(plugin), "speaks").startswith("filter.odd.filter: answered None to all 3565 cases of the suite")
    contracts.rule(plugin, at=datetime(2027, 1, 1, 9, tzinfo=UTC))().test_speaks()


def test_what_is_heard_of_a_rule_is_judged(write: Write) -> None:
    """The cases by which a rule speaks try its verdicts, too: here a wait that ends before it began, on Sundays alone."""
    code = (
        "@hookimpl\ndef filter(case, now):\n    return Deferred(now - timedelta(hours=1), 'no') if now.weekday() == 6 else None\n"
    )
    assert fails(contracts.rule(write("filter", code)), "speaks").endswith(" already; return None once it is over")


def test_keys_that_the_suite_is_given(write: Write) -> None:
    """They are read as config.toml's, and a wrong one is named."""
    code = "class Config(Settings, frozen=True):\n    wait: Duration = Duration('1m')  # so long\n" + RULE.format("return None")
    plugin = write("filter", code)
    contracts.rule(plugin, config={"wait": "2m"})().test_lets_a_plain_booking_pass()
    assert fails(contracts.rule(plugin, config={"wiat": "2m"}), "lets_a_plain_booking_pass") == (
        "filter.odd.Config: config.toml [filter.odd]: unknown key `wiat`, did you mean `wait`?; mend the keys that the suite is given"
    )
