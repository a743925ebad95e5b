"""How fast each account sends: its last message, the turns that are promised, and the clients it has written to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from msgspec import Struct, field

from core.model import Channel
from core.store.lane import Lane
from core.store.tx import Tx
from core.store.values import when

DAY = timedelta(hours=24)


class Ask(Struct, frozen=True):
    """A message that could leave now. `promised`: it has waited for this turn. `known`: the client has written first.

    A turn that comes at `deadline_at` or later is of no use.
    """

    transport: str
    account: int
    phone: str
    facts: Channel
    promised: bool = False
    known: bool = False
    deadline_at: datetime | None = None

    @property
    def place(self) -> tuple[str, int]:
        return self.transport, self.account


class Account(Struct):
    """What is known of an account; each turn that is given or promised moves it on.

    `promised_at` is the last turn that somebody waits for, `pushed_at` the last one that was promised again in this batch.
    `firsts` are the first contacts of the last 24 hours, and those that are promised, oldest first; `written` says when each client was
    last written to.
    """

    last_at: datetime | None = None
    promised_at: datetime | None = None
    pushed_at: datetime | None = None
    firsts: list[datetime] = field(default_factory=list)
    written: dict[str, datetime] = field(default_factory=dict)
    turned_away: int = 0  # new clients beyond the cap, in this batch


class Turn(Struct, frozen=True):
    """When a message may leave; `at` None: now. `queued`: it is promised that turn. `capped`: too many new clients.

    `first`: it has one of the places for new clients, from the moment that it is promised.
    """

    at: datetime | None = None
    reason: str = ""
    queued: bool = False
    capped: bool = False
    first: bool = False


Give = Callable[[Sequence[Ask], dict[tuple[str, int], Account]], list[Turn]]


class Pacing:
    def __init__(self, work: Lane) -> None:
        self._work = work

    async def take(self, asks: Sequence[Ask], now: datetime, give: Give) -> list[Turn]:
        """Ask for the turns of messages, oldest first. `give` says who leaves; it is written in the same transaction."""
        return await self._work.submit(self._take, [(ask, now, give) for ask in asks])

    async def _take(self, tx: Tx, asked: list[tuple[Ask, datetime, Give]]) -> list[Turn]:
        (_, now, give), asks = asked[0], [ask for ask, _, _ in asked]
        accounts = await self._accounts(tx, asks, now)
        turns = give(asks, accounts)
        leaving = [(ask, turn) for ask, turn in zip(asks, turns, strict=True) if turn.at is None]
        if leaving:
            moved = {ask.place: accounts[ask.place].last_at for ask, _ in leaving}
            await tx.fetch("note_turns", [{"transport": t, "account": a, "last_at": at} for (t, a), at in moved.items()])
        noted = {
            (*ask.place, ask.phone): {
                "transport": ask.transport, "account": ask.account, "phone": ask.phone, "first_at": (turn.at or now) if turn.first else None,
                "last_at": now,
            }
            for ask, turn in reversed(list(zip(asks, turns, strict=True))) if _counts(ask.facts) and (turn.at is None or turn.first)
        }  # fmt: skip
        if noted:
            await tx.fetch("note_recipients", list(noted.values()))
        return turns

    async def _accounts(self, tx: Tx, asks: Sequence[Ask], now: datetime) -> dict[tuple[str, int], Account]:
        places = sorted({ask.place for ask in asks})  # always in the same order: two nodes do not wait for each other
        rows = [{"n": n, "transport": transport, "account": account} for n, (transport, account) in enumerate(places)]
        found = {place: Account() for place in places}
        for row in await tx.fetch("hold_accounts", rows):
            found[row["transport"], row["account"]].last_at = when(row["last_at"])
        for row in await tx.fetch("promised_turns", rows):
            found[places[row["n"]]].promised_at = when(row["promised_at"])
        counted = [ask for ask in asks if _counts(ask.facts)]
        clients = [
            {"n": n, "transport": ask.transport, "account": ask.account, "phone": ask.phone} for n, ask in enumerate(counted)
        ]
        for row in await tx.fetch("known_recipients", clients) if clients else []:
            if (at := when(row["last_at"])) is not None:
                found[counted[row["n"]].place].written[counted[row["n"]].phone] = at
        capped = {ask.place for ask in asks if ask.facts.first_contacts_per_day is not None}
        if few := [row for row, place in zip(rows, places, strict=True) if place in capped]:
            for row in await tx.fetch("first_contacts", few, since=now - DAY):
                if (at := when(row["first_at"])) is not None:
                    found[places[row["n"]]].firsts.append(at)
        return found


def _counts(facts: Channel) -> bool:
    """Whether it matters to whom an account writes."""
    return bool(facts.recipient_gap) or facts.first_contacts_per_day is not None
