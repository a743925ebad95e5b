"""When a message may leave its account: gaps, turns that are promised, and new clients in a day."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from core import Channel
from core.pipeline.turns import paced, turns
from core.store.pacing import Account, Ask, Turn

NOW = datetime(2025, 8, 20, 9, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
DAY = timedelta(hours=24)


class Low(Random):
    """No jitter at all."""

    def random(self) -> float:
        return 0.0


class High(Random):
    """All the jitter there is."""

    def random(self) -> float:
        return 1.0


def channel(gap: float = 0, pair: float = 0, cap: int | None = None) -> Channel:
    return Channel("whatsapp", gap=timedelta(seconds=gap), recipient_gap=timedelta(seconds=pair), first_contacts_per_day=cap)


def ask(facts: Channel, phone: str = "+7", **more: Any) -> Ask:
    return Ask("waha", 0, phone, facts, **more)


def give(asks: list[Ask], account: Account, now: datetime = NOW, chance: Random | None = None) -> list[Turn]:
    return turns(asks, {("waha", 0): account}, now, chance or Low())


def seconds(given: list[Turn]) -> list[float | None]:
    """How long each has to wait; `None`: it leaves now."""
    return [None if turn.at is None else (turn.at - NOW).total_seconds() for turn in given]


def test_what_is_paced() -> None:
    """Any of the three facts paces an account; a channel without them asks for no turn."""
    assert [paced(channel()), paced(channel(gap=1)), paced(channel(pair=1)), paced(channel(cap=5))] == [False, True, True, True]


def test_the_first_leaves_and_the_rest_is_staggered() -> None:
    """Of five on an account at rest one leaves, the others are promised turns a gap apart, in order."""
    account = Account()
    given = give([ask(channel(gap=2), f"+{n}") for n in range(5)], account)
    assert seconds(given) == [None, 2, 4, 6, 8]
    assert [turn.queued for turn in given] == [False, True, True, True, True]
    assert account.last_at == NOW


def test_jitter_only_lengthens_the_gap() -> None:
    """The turns are at least the gap and at most half more of it apart, by chance."""
    assert seconds(give([ask(channel(gap=2), f"+{n}") for n in range(3)], Account(), chance=High())) == [None, 3, 6]
    given = seconds(give([ask(channel(gap=2), f"+{n}") for n in range(300)], Account(), chance=Random(7)))
    waits = [0.0, *(wait for wait in given if wait is not None)]
    steps = [after - before for before, after in itertools.pairwise(waits)]
    assert min(steps) >= 2
    assert max(steps) <= 3
    assert len({round(step, 3) for step in steps}) > 200


@pytest.mark.parametrize(("ago", "wait"), [(2.0, None), (1.999, 0.001), (0.0, 2.0)])
def test_the_gap_counts_from_the_last_message(ago: float, wait: float | None) -> None:
    """A lone message leaves as soon as the gap since the last one is over, not a moment earlier."""
    (found,) = seconds(give([ask(channel(gap=2))], Account(last_at=NOW - ago * SECOND)))
    assert found == (None if wait is None else pytest.approx(wait))


def test_who_is_new_queues_behind_the_promised() -> None:
    """A fresh message does not take the turn of one that waits: it comes a gap after the last promised one."""
    assert seconds(give([ask(channel(gap=2))], Account(NOW - 60 * SECOND, promised_at=NOW + SECOND))) == [3]


def test_a_promised_turn_is_kept() -> None:
    """Whoever has waited leaves at its turn, whatever is promised behind it."""
    assert seconds(give([ask(channel(gap=2), promised=True)], Account(NOW - 2 * SECOND, promised_at=NOW + 100 * SECOND))) == [None]


def test_a_turn_that_came_a_moment_early_moves_by_that_moment() -> None:
    """The message before it was late: it waits for the rest of the gap, and stays in front of the queue."""
    account = Account(NOW - 1.9 * SECOND, promised_at=NOW + 100 * SECOND)
    assert seconds(give([ask(channel(gap=2), promised=True)], account, chance=High())) == [pytest.approx(0.1)]
    assert account.promised_at == NOW + 100 * SECOND


def test_after_a_standstill_there_is_no_burst() -> None:
    """Turns that all went by while nobody worked are promised again, a gap apart."""
    account = Account(NOW - 600 * SECOND, promised_at=NOW - 5 * SECOND)
    given = give([ask(channel(gap=2), f"+{n}", promised=True) for n in range(4)], account)
    assert seconds(given) == [None, 2, 4, 6]
    assert seconds(give([ask(channel(gap=2), "+new")], account)) == [8]


def test_a_fine_gap_is_a_rate() -> None:
    """34 ms: a few may leave together, for who wakes late must not fall behind; the average holds."""
    account = Account()
    given = give([ask(channel(gap=0.034), f"+{n}") for n in range(6)], account)
    assert [turn.at is None for turn in given] == [True, True, True, False, False, False]
    left, now = 3, NOW
    while left < 100:
        now += 0.05 * SECOND  # the sender wakes twenty times a second
        left += sum(turn.at is None for turn in give([ask(channel(gap=0.034), promised=True)] * 5, account, now))
        account.pushed_at = None
    assert 3.1 < (now - NOW).total_seconds() < 3.5


def test_one_client_is_not_written_to_in_a_row() -> None:
    """A second message to one client waits for the gap of clients; another client's leaves at once."""
    account = Account(written={"+1": NOW - 2 * SECOND})
    given = give([ask(channel(pair=6), "+1"), ask(channel(pair=6), "+2"), ask(channel(pair=6), "+2")], account)
    assert seconds(given) == [4, None, 6]
    assert not any(turn.queued for turn in given)  # whoever waits for a client takes nobody's turn
    assert given[0].reason == "one message in 6 s to one client"


def test_new_clients_beyond_the_cap() -> None:
    """Two new ones a day: the third is turned away until the place of the first is free; known clients and who wrote first are not counted."""
    account = Account(written={"+old": NOW - 30 * DAY})
    facts = channel(cap=2)
    asks = [
        ask(facts, "+1"),
        ask(facts, "+old"),
        ask(facts, "+2"),
        ask(facts, "+3"),
        ask(facts, "+4", known=True),
        ask(facts, "+1"),
    ]
    given = give(asks, account)
    assert [(turn.at is None, turn.first, turn.capped) for turn in given] == [
        (True, True, False), (True, False, False), (True, True, False), (False, False, True), (True, False, False), (True, False, False)
    ]  # fmt: skip
    assert given[3].at == NOW + DAY
    assert given[3].reason == "2 new clients in 24 hours are the most for this number"


def test_who_is_turned_away_gets_the_place_that_becomes_free_next() -> None:
    """Each of those beyond the cap waits for a place of its own, the oldest first."""
    hours = [NOW - hour * timedelta(hours=1) for hour in (9, 5, 2)]
    given = give([ask(channel(cap=3), f"+{n}") for n in range(4)], Account(firsts=list(hours)))
    assert [turn.at for turn in given] == [hours[0] + DAY, hours[1] + DAY, hours[2] + DAY, hours[2] + DAY]
    assert give([ask(channel(cap=0))], Account())[0].at == NOW + DAY


def test_a_place_for_a_new_client_is_promised_with_the_turn() -> None:
    """Of five new clients at once, three have places: one leaves, two wait for their turns, and the others need not wait to hear no."""
    account, facts = Account(), channel(gap=2, cap=3)
    given = give([ask(facts, f"+{n}") for n in range(5)], account)
    assert [(turn.queued, turn.capped, turn.first) for turn in given] == [
        (False, False, True), (True, False, True), (True, False, True), (False, True, False), (False, True, False)
    ]  # fmt: skip
    later = NOW + 2 * SECOND
    account.written = {"+0": NOW, "+1": NOW, "+2": NOW}
    assert [turn.at for turn in give([ask(facts, "+1", promised=True)], account, later)] == [None]


def test_a_turn_that_comes_too_late_is_left_to_others() -> None:
    """Its deadline is before its turn: it takes neither the turn nor a place for a new client."""
    account, facts = Account(last_at=NOW), channel(gap=10, cap=1)
    given = give([ask(facts, "+1", deadline_at=NOW + 5 * SECOND), ask(facts, "+2", deadline_at=NOW + 60 * SECOND)], account)
    assert [(turn.at, turn.queued, turn.first) for turn in given] == [
        (NOW + 10 * SECOND, False, False), (NOW + 10 * SECOND, True, True)
    ]  # fmt: skip
