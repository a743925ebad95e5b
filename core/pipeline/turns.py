"""When a message may leave its account: least time between two, least time between two to one client, and new clients in 24 hours.

Values in, values out. A message that has to wait is promised a turn of its own, so it is looked at once, when that turn has come.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random

from core.model import Channel
from core.store.pacing import DAY, Account, Ask, Turn

_JITTER = 0.5  # of the gap, at most: whoever sends like clockwork is taken for a machine
_FINE = timedelta(
    milliseconds=100
)  # a smaller gap is a rate: gateways count by the second, and who wakes late must not fall behind


def paced(facts: Channel) -> bool:
    return bool(facts.gap or facts.recipient_gap) or facts.first_contacts_per_day is not None


def turns(asks: Sequence[Ask], accounts: dict[tuple[str, int], Account], now: datetime, chance: Random) -> list[Turn]:
    """One turn for each, in the order asked; what is given to one counts for the next."""
    return [_turn(ask, accounts[ask.place], now, chance) for ask in asks]


def _turn(ask: Ask, account: Account, now: datetime, chance: Random) -> Turn:
    facts, cap = ask.facts, ask.facts.first_contacts_per_day
    first = cap is not None and not ask.known and ask.phone not in account.written
    if cap is not None and first and len(account.firsts) >= cap:
        return Turn(_place_at(account, cap, now), f"{cap} new clients in 24 hours are the most for this number", capped=True)
    written = account.written.get(ask.phone)
    if written is not None and (again := written + facts.recipient_gap) > now:
        return Turn(again, f"one message in {_spoken(facts.recipient_gap)} to one client")
    at = _wait(ask, account, now, chance)
    if at is not None and ask.deadline_at is not None and at >= ask.deadline_at:
        return Turn(at, f"one message in {_spoken(facts.gap)}")  # of no use to it: the turn is another's
    account.written[ask.phone] = now
    if first:
        insort(account.firsts, at or now)
    if at is None:
        account.last_at = max(now, account.last_at + facts.gap) if account.last_at else now
        return Turn(first=first)
    account.promised_at = max(account.promised_at or at, at)
    if ask.promised:
        account.pushed_at = at
    return Turn(at, f"one message in {_spoken(facts.gap)}", queued=True, first=first)


def _wait(ask: Ask, account: Account, now: datetime, chance: Random) -> datetime | None:
    """The turn in the account's queue; `None`: it has come. Who was promised one comes before who was not."""
    gap = ask.facts.gap
    queue = account.pushed_at if ask.promised else account.promised_at
    before = max((at for at in (account.last_at, queue) if at is not None), default=None)
    if before is None or before + gap - (_FINE if gap < _FINE else timedelta(0)) <= now:
        return None
    spread = timedelta(0) if ask.promised and queue is None else gap * (_JITTER * chance.random())
    return before + gap + spread


def _place_at(account: Account, cap: int, now: datetime) -> datetime:
    """When the cap lets this new client in: a day after the contact whose place becomes free."""
    which = len(account.firsts) - cap + account.turned_away
    account.turned_away += 1
    return account.firsts[min(which, len(account.firsts) - 1)] + DAY if account.firsts else now + DAY


def _spoken(length: timedelta) -> str:
    return f"{length.total_seconds():g} s"
