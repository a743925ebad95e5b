"""How much each account has in hand, and how many requests it has open: at most as many as its channel allows."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict

from core.model import Channel
from core.pipeline.turns import paced

Account = tuple[str, int]  # (transport, account)


class Slots:
    """Of all accounts, in this process."""

    def __init__(self) -> None:
        self._open: dict[Account, asyncio.Semaphore] = {}
        self._load: Counter[Account] = Counter()
        self._most: defaultdict[Account, int] = defaultdict(int)
        self.closed = False  # nothing is begun any more: we stop
        self._promised: Counter[Account] = Counter()  # for messages that decisions are being written with

    def busy(self) -> list[Account]:
        """The accounts that can take up no more for now."""
        return [account for account, load in self._load.items() if load >= self._most[account]]

    def room(self, account: Account, facts: Channel) -> bool:
        """Whether one more message, not yet written, may be taken up."""
        return not self.closed and self._load[account] + self._promised[account] < 2 * facts.concurrency

    def promise(self, account: Account) -> None:
        """It counts from now on, until it is `kept`."""
        self._promised[account] += 1

    def kept(self, account: Account) -> None:
        self._promised[account] -= 1

    def begin(self, account: Account, facts: Channel) -> None:
        self._most[account] = facts.concurrency * (1 if paced(facts) else 2)  # who waits behind a slot would leave in a burst
        self._load[account] += 1

    def end(self, account: Account) -> None:
        self._load[account] -= 1

    async def take(self, account: Account, facts: Channel) -> None:
        """Wait for a slot: the right to have one request open."""
        await self._slots(account, facts).acquire()

    async def take_free(self, account: Account, facts: Channel) -> bool:
        """Take a slot, for what is promised, if it would be one of so many in hand; never waits.

        What has been answered and is not yet written is in hand, too: a crash leaves no more unclear than there are slots.
        """
        if self._load[account] + self._promised[account] > facts.concurrency:
            return False
        slots = self._slots(account, facts)
        return not slots.locked() and await slots.acquire()

    def give_back(self, account: Account) -> None:
        self._open[account].release()

    def _slots(self, account: Account, facts: Channel) -> asyncio.Semaphore:
        return self._open.setdefault(account, asyncio.Semaphore(max(1, facts.concurrency)))
