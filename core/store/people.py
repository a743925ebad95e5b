"""Clients: what is known of a phone before a rule judges or a message leaves. When and where they wrote, whether they opted out, the channel
that reached them, and the chats that they bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from core.model import Contact
from core.store.lane import Lane
from core.store.rows import Notification, notification_values
from core.store.tx import Tx
from core.store.values import when

_LATELY = timedelta(days=7)
_WON_FOR = timedelta(days=14)  # the channel that worked is tried first for so long
_LINK_FOR = timedelta(days=30)


class People(Struct, frozen=True):
    """One client as the store knows them, with the channel that last reached them, and (time, transport, account) of what they last wrote to each."""

    contact: Contact
    won_channel: str | None = None
    wrote: tuple[tuple[datetime, str, int], ...] = ()

    def wrote_to(self, transport: str, account: int) -> datetime | None:
        """When they last wrote to this account, or somewhere that nobody knows."""
        return max((at for at, name, number in self.wrote if not name or (name, number) == (transport, account)), default=None)


class PeopleStore:
    def __init__(self, work: Lane, read: Lane) -> None:
        self._work, self._read = work, read

    async def known(self, asked: Sequence[tuple[str | None, int | None]], now: datetime) -> list[People]:
        """The clients behind (phone, company_id) pairs, in that order."""
        return await self._read.submit(self._known, [(phone, company or 0, now) for phone, company in asked])

    async def _known(self, tx: Tx, asked: list[tuple[str | None, int, datetime]]) -> list[People]:
        rows = [{"n": n, "phone": phone, "company_id": company} for n, (phone, company, _) in enumerate(asked) if phone]
        if not rows:
            return [People(Contact()) for _ in asked]
        now = asked[0][2]
        found: dict[int, list[Any]] = {}
        for row in await tx.fetch("known_people", rows, since=now - _LATELY):
            found.setdefault(row["n"], []).append(row)
        return [_person(phone, found.get(n, []), now) for n, (phone, _, _) in enumerate(asked)]

    async def bindings(self, asked: Sequence[tuple[str | None, str | None, int]]) -> list[str | None]:
        """The bound chat of each (phone, transport, account); the latest where there are several."""
        rows = [{"n": n, "phone": p, "transport": t, "account": a} for n, (p, t, a) in enumerate(asked) if p and t]
        found = await self._read.submit(self._bindings, [rows]) if rows else [{}]
        return [found[0].get(n) for n in range(len(asked))]

    async def _bindings(self, tx: Tx, batches: list[list[dict[str, Any]]]) -> list[dict[int, str]]:
        return [{row["n"]: row["binding"] for row in await tx.fetch("known_bindings", rows)} for rows in batches]

    async def wrote(self, phone: str, company: int, at: datetime, transport: str = "") -> None:
        """The client wrote: to an account of a transport, or as another bot says, which does not say where."""
        await self._work.run("wrote", rows=[{"phone": phone, "company_id": company, "at": at, "wrote_to": transport}])

    async def opt(self, phone: str, account: int, out_at: datetime | None, answer: Notification | None = None) -> None:
        """СТОП (a time) or СТАРТ (`None`) on an account; 0 is all salons'. `answer` is stored with it, once a day at most for a client."""
        await self._work.submit(self._opt, [(phone, account, out_at, answer)])

    async def _opt(self, tx: Tx, asked: list[Any]) -> list[None]:
        for phone, account, out_at, answer in asked:
            place = {"phone": phone, "company_id": account}
            if out_at is not None:
                await tx.fetch("say_stop", [{**place, "at": out_at}])
            else:
                await tx.fetch("say_start", [place])
            if answer is not None:
                now = answer.created_at
                if await tx.fetch("confirm", [{**place, "at": now}], since=now - timedelta(days=1)):
                    await tx.fetch("add_notifications", [notification_values(answer)])
        return [None] * len(asked)

    async def won(self, phone: str, company: int, channel: str, at: datetime) -> None:
        await self._work.run("won", rows=[{"phone": phone, "company_id": company, "channel": channel, "at": at}])

    async def bind(self, transport: str, account: int, binding: str, phone: str | None, token: str | None, now: datetime) -> None:
        """By phone, or by the token of a link, which is good once and for a month."""
        values = {"transport": transport, "account": account, "binding": binding, "now": now}
        await self._work.submit(self._bind, [(values, phone, token)])

    async def _bind(self, tx: Tx, asked: list[Any]) -> list[None]:
        for values, phone, token in asked:
            if phone is None and token:
                found = await tx.fetch("use_token", token=token, since=values["now"] - _LINK_FOR)
                phone = found[0]["phone"] if found else None
            await tx.fetch("bind", **values, phone=phone)
        return [None] * len(asked)

    async def add_token(self, token: str, phone: str, now: datetime) -> None:
        """A link was made: whoever opens it is this phone."""
        await self._work.run("add_token", token=token, phone=phone, now=now)

    async def unbind(self, transport: str, account: int, binding: str) -> None:
        """The client has left the bot: nothing is sent there until he is back."""
        await self._work.run("unbind", transport=transport, account=account, binding=binding)

    async def phone_of_binding(self, transport: str, account: int, binding: str) -> str | None:
        """Whose chat it is, from which somebody writes."""
        found = await self._work.run("phone_of_binding", transport=transport, account=account, binding=binding)
        return found[0]["phone"] if found else None


def _person(phone: str | None, rows: list[Any], now: datetime) -> People:
    sent = tuple(at for row in rows if (at := when(row["sent_at"])))
    wrote = tuple((at, row["wrote_to"], row["company_id"]) for row in rows if (at := when(row["wrote_at"])))
    opted = max((at for row in rows if (at := when(row["opted_out_at"]))), default=None)
    winners = [(at, row["won_channel"]) for row in rows if (at := when(row["won_at"])) and now - at <= _WON_FOR]
    last = max((at for at, _, _ in wrote), default=None)
    return People(Contact(phone, last, opted, sent), max(winners)[1] if winners else None, wrote)
