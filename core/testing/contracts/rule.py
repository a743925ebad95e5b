"""The suite of the stage filter."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import ModuleType
from typing import Any, ClassVar

from hypothesis import given

from core.model import Case, Deferred, Suppressed
from core.testing.contracts.cases import cases, moments
from core.testing.contracts.common import Contract, spelled, suite, tried
from core.testing.values import NOON, a_case

LONGEST = timedelta(days=8)  # a rule that wants to wait longer has mistaken a date
_ONE_MINUTE = timedelta(minutes=1)


class RuleContract(Contract):
    passes: ClassVar[Case]

    @tried
    @given(case=cases, now=moments)
    def test_is_pure(self, case: Case, now: datetime) -> None:
        """Any case gets a verdict or none, the same one twice; a refusal has a reason, a delay ends later than now."""
        rule, config = self.subject, self.subject.config()
        first, again = (rule.asked("filter", case=case, now=now, config=config) for _ in range(2))
        rule.demand(
            first == again,
            "filter",
            f"answered {spelled(first)} and then {spelled(again)} to the same case",
            "keep nothing between two calls",
        )
        if first is None:
            return
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


def rule(plugin: ModuleType, *, config: Mapping[str, Any] | None = None, passes: Case | None = None) -> type[RuleContract]:
    """The suite for a rule. `config` are keys of its table; `passes` is a case it lets pass, where it is silent about the plain one."""
    return suite(RuleContract, "filter", plugin, config or {}, passes=passes or a_case())  # type: ignore[return-value]
