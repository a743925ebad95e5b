"""The suite of the stage filter."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from types import ModuleType
from typing import Any, ClassVar

from hypothesis import given

from core.model import Case, Deferred, Suppressed, Verdict
from core.testing.contracts.cases import around, cases, moments
from core.testing.contracts.common import Contract, spelled, suite, tried
from core.testing.values import NOON, a_case

LONGEST = timedelta(days=8)  # a rule that wants to wait longer has mistaken a date
_ONE_MINUTE = timedelta(minutes=1)
_FAR = "FAR-13"  # a zone as POSIX spells it: UTC+13


@contextlib.contextmanager
def machine_in(zone: str) -> Iterator[None]:
    """The machine's own zone is another for a while; not where a system cannot change it."""
    if not hasattr(time, "tzset"):
        yield
        return
    before = os.environ.get("TZ")
    os.environ["TZ"] = zone
    time.tzset()
    try:
        yield
    finally:
        os.environ.pop("TZ")
        if before is not None:
            os.environ["TZ"] = before
        time.tzset()


class RuleContract(Contract):
    passes: ClassVar[Case]
    speaks: ClassVar[Case | None]
    at: ClassVar[datetime | None]

    @tried
    @given(case=cases, now=moments)
    def test_is_pure(self, case: Case, now: datetime) -> None:
        """Any case gets a verdict or none, the same one twice; a refusal has a reason, a delay ends later than now."""
        self.judged(case, now, self.subject.config())

    def judged(self, case: Case, now: datetime, config: Any) -> Verdict:
        """A verdict that core can follow, or none."""
        rule = self.subject
        first, again = (rule.asked("filter", case=case, now=now, config=config) for _ in range(2))
        rule.demand(
            first == again,
            "filter",
            f"answered {spelled(first)} and then {spelled(again)} to the same case",
            "keep nothing between two calls",
        )
        with machine_in(_FAR):
            far = rule.asked("filter", case=case, now=now, config=config)
        rule.demand(
            far == first,
            "filter",
            f"answered {spelled(first)}, and {spelled(far)} on a machine in another time zone",
            "reckon by ZoneInfo(case.salon.timezone) where it is known, never by .astimezone() without a zone or time.localtime",
        )
        if first is None:
            return None
        rule.demand(
            isinstance(first, Suppressed | Deferred),
            "filter",
            f"answered {spelled(first)}",
            "return Suppressed(reason), Deferred(until, reason) or None",
        )
        rule.demand(first.reason.strip(), "filter", "gave no reason", "say in the verdict's `reason` why, for people to read")
        if isinstance(first, Deferred):
            rule.demand(first.until.tzinfo, "filter", f"waits until {first.until}, in no time zone", "reckon from `now`")
            rule.demand(
                first.until > now, "filter", f"waits until {first.until}, and it is {now} already", "return None once it is over"
            )
            rule.demand(
                first.until - now < LONGEST, "filter", f"waits until {first.until}, and it is {now}", "wait for less than 8 days"
            )
        return first  # type: ignore[no-any-return]

    def test_speaks(self) -> None:
        """It objects to something: to the case that the suite is given, else to one of some thousands, through a whole week."""
        rule, config = self.subject, self.subject.config()
        tried = list(around(self.speaks, self.at))
        spoke = [self.judged(case, now, config) is not None for case, now in tried]
        rule.demand(
            any(spoke),
            "filter",
            f"answered None to all {len(tried)} cases of the suite, so nothing of it is tried",
            "give the suite `config` with which it objects, a case it `speaks` about, or the moment `at` which it does; else mend the rule",
        )
        if self.speaks is None:
            return
        at = self.at or NOON + _ONE_MINUTE
        rule.demand(
            self.judged(self.speaks, at, config) is not None,
            "filter",
            f"answered None to the case that it `speaks` about, at {at}",
            "mend the rule, or give the suite another case or another moment `at`",
        )

    def test_lets_a_plain_booking_pass(self) -> None:
        """A rule that is never silent about nothing: the plain new booking passes it, or the case that `passes` names."""
        said = self.subject.asked("filter", case=self.passes, now=NOON + _ONE_MINUTE, config=self.subject.config())
        self.subject.demand(
            said is None,
            "filter",
            f"answered {spelled(said)} to a plain new booking",
            "answer None to whatever it does not mean, or give the suite `config` or a case it `passes`",
        )

    def test_says_what_follows_if_it_breaks(self) -> None:
        """`on_error` is one of the two words that core knows."""
        word = getattr(self.subject.module, "on_error", "abstain")
        self.subject.demand(word in ("abstain", "hold"), "on_error", f"is {word!r}", 'write "abstain" or "hold"')


def rule(
    plugin: ModuleType,
    *,
    config: Mapping[str, Any] | None = None,
    passes: Case | None = None,
    speaks: Case | None = None,
    at: datetime | None = None,
) -> type[RuleContract]:
    """The suite for a rule.

    `config` are keys of its table. The suite's clock stands at 2026-08-20 09:00 UTC, a Thursday, noon in Moscow; the plain booking is a
    visit 26.5 hours later. There the rule has to let the plain new booking pass, or, where it objects to that, the case `passes`. And
    it has to object to something: in the week from then on, to a plain booking with one thing different. Some of the salons are in
    Vladivostok or have no zone, some of the bookings are tests, and the machine's own zone must not matter. A rule that waits for more
    than that is given a case it `speaks` about, or the moment `at` which it does.
    """
    return suite(RuleContract, "filter", plugin, config or {}, passes=passes or a_case(), speaks=speaks, at=at)  # type: ignore[return-value]
