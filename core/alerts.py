"""Tell the salon's owner that a person is needed: in `stats` and the log always, and over a channel of `[alert]` where a phone is given.

Each cause is told once until it is over, durably, and never over the account that it is about. An alert that does not get through
raises no other.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from core import retry
from core.ids import new_id
from core.phones import mask
from core.pipeline import route
from core.store.rows import OURS, Notification, read_booking

if TYPE_CHECKING:
    from core.runtime import Runtime

log = logging.getLogger("vestnik.alert")
_DEADLINE = timedelta(hours=24)
_AT_ONCE = 5  # clients named in one message
_MOST = 1000
_MARK = " #"  # between what an alert is about and its reason
_VARIES = re.compile(r"(?=.*\d)\w[\w:.-]{2,}\w")  # a time, an id, a sum: four characters or more, with a digit
_WHAT = {"booking_created": "новая запись", "booking_updated": "запись изменена", "booking_cancelled": "запись отменена"}


class Cause(Struct, frozen=True):
    """What an alert is about. `place` is a transport, a source or a rule; `number` its account or the salon; `what` the rest.

    `reason`: another one at the same place is another cause, but for its long numbers (a time, an id). What is over, is over for all reasons.
    """

    kind: Literal["transport", "content", "silent", "parked", "call", "late"]
    place: str
    number: int = 0
    what: str = ""
    reason: str = ""

    @property
    def about(self) -> str:
        return " ".join(word for word in (self.kind, self.place, str(self.number), self.what) if word)

    @property
    def key(self) -> str:
        words = [word for word in self.reason.lower().split() if not _VARIES.search(word)]
        return f"{self.about}{_MARK}{sha256(' '.join(words).encode()).hexdigest()[:8]}" if self.reason else self.about

    @property
    def event_id(self) -> str:
        """What the messages about it bear, so that a restart knows what they are about."""
        return f"alert {self.key}"


class Alerts:
    """One per app. `open` are the keys of what is not over."""

    def __init__(self, run: Runtime) -> None:
        self.run = run
        self.open: frozenset[str] = frozenset()

    async def load(self) -> None:
        self.open = await self.run.store.alerts.open()

    async def tell(self, cause: Cause, text: str, company: int | None, reason: str) -> None:
        """Note it, and tell the owner if it is new. `text` is for the owner, `reason` for the log."""
        if await self._note(cause, [(cause.key, text)], text, company):
            log.error("outcome=alert key=%s reason=%s", cause.about.replace(" ", "_"), reason)
        self.open |= {cause.key}

    async def over(self, *causes: Cause) -> None:
        """They are gone; the next time is a new one."""
        gone = {cause.about for cause in causes}
        if keys := [key for key in self.open if key.partition(_MARK)[0] in gone]:
            await self.run.store.alerts.over(keys, self.run.now())
            self.open -= frozenset(keys)

    async def out_of_order(self, transport: str, account: int, reason: str) -> None:
        text = f"{transport} не работает ({reason}). Клиентам пишем по другим каналам, если они есть. Проверьте кабинет и ключи."
        cause = Cause("transport", transport, account, reason=retry.cause(reason))
        await self.tell(cause, text, account or None, f"{transport} is out of order: {reason}")

    async def broken_probe(self, transport: str, account: int, reason: str) -> None:
        text = f"Плагин {transport} сломан ({reason}), поэтому через него не пишем; клиентам пишем по другим каналам, если они есть. Исправьте его или выключите."
        cause = Cause("transport", transport, account, reason=reason)
        await self.tell(cause, text, account or None, f"{transport} stays paused: {reason}; mend it, or switch it off")

    async def refused_content(self, transport: str, account: int, kind: str, reason: str, *, late: bool = False) -> None:
        """`late`: after it was taken, so that only a delivery ends it."""
        text = f"{transport} не принимает сообщение «{_WHAT.get(kind, kind)}» ({reason}). Клиенты его там не получают: проверьте тексты и шаблоны."
        said = f"{transport} refuses the text or template: {reason}"
        await self.tell(Cause("content", transport, account, _late(kind) if late else kind, reason), text, account or None, said)

    async def refused_template(self, transport: str, account: int, template: str, reason: str) -> None:
        text = f"{transport} не принимает шаблон «{template}» ({reason}). Пишем другим шаблоном или по другому каналу, если они есть: проверьте его."
        said = f"{transport} refuses the template {template}: {reason}"
        await self.tell(Cause("content", transport, account, template), text, account or None, said)

    async def late(self, plugin: str, why: str) -> None:
        text = f"Плагин {plugin} тормозит работу ({why}). Исправьте его или выключите."
        await self.tell(Cause("late", plugin), text, None, f"{plugin}: {why}; mend it, or switch it off")

    async def works(self, transport: str, account: int, *contents: str) -> None:
        """The account says so itself, or has taken a text of this kind, or a template. A probe proves less: some say yes and take nothing."""
        if self.open:
            await self.over(
                Cause("transport", transport, account), *(Cause("content", transport, account, what) for what in contents)
            )

    async def arrives(self, transport: str, account: int, kind: str, template: str) -> None:
        """A message of this kind was delivered, by this template if by any."""
        if self.open:
            contents = [Cause("content", transport, account, what) for what in (_late(kind), template) if what]
            await self.over(*contents)

    async def look(self) -> int:
        """«Позвоните клиенту», one message a salon for all that are new; and events that are not parked any more. How many were told."""
        if parked := [key for key in self.open if key.startswith("parked ")]:
            still = {Cause("parked", place, number).key for place, number in await self.run.store.alerts.parked()}
            await self.over(*[_parked(key) for key in parked if key not in still])
        if not self._anybody():
            return 0
        rows = {f"call {row['notification_id']}": row for row in await self.run.store.look.to_call(self.run.now(), _MOST)}
        known = await self.run.store.alerts.known(list(rows)) if rows else set()
        told = 0
        for company in {row["company_id"] for key, row in rows.items() if key not in known}:
            fresh = {key: row for key, row in rows.items() if key not in known and row["company_id"] == company}
            told += await self._call(company, fresh)
        return told

    async def _call(self, company: int | None, rows: Mapping[str, Mapping[str, Any]]) -> int:
        first = next(iter(rows.values()))
        alerts = [(key, f"Позвоните клиенту: {_line(row, mask(row['phone']))}") for key, row in rows.items()]
        new = await self._note(Cause("call", first["notification_id"]), alerts, _calling(list(rows.values())), company)
        if new:
            log.error("outcome=alert key=call count=%d reason=clients were not reached and have to be called", len(rows))
        return int(new)

    async def _note(self, cause: Cause, alerts: Sequence[tuple[str, str]], text: str, company: int | None) -> bool:
        messages = [row for place, phone in self._owners(company) if (row := self._message(cause, text, place, phone)) is not None]
        every = self.run.config.alert_of(company).every
        told = await self.run.store.alerts.note(alerts, messages, self.run.now(), every)
        if told and messages:
            self.run.work.set("messages")
        return told

    def _message(self, cause: Cause, text: str, company: int | None, phone: str) -> Notification | None:
        way, now = route.alert(self.run.hooks, self.run.config, company, cause.event_id), self.run.now()
        if not way:
            return None
        return Notification(
            notification_id=new_id("n_", now), event_id=cause.event_id, source=OURS, company_id=company, record_id=None, phone=phone,
            notification_type=route.ALERT, channel=way[0].channel.name, transport=way[0].plugin.short, account=way[0].account,
            reference=new_id("v", now, 23), body=text, due_at=now, deadline_at=now + _DEADLINE, created_at=now,
        )  # fmt: skip

    def _owners(self, company: int | None) -> list[tuple[int | None, str]]:
        """(salon, phone) of whom it concerns. What concerns all salons goes to each owner, where `[alert]` names none for all."""
        config = self.run.config
        if phone := config.alert_of(company).phone:
            return [(company, phone)]
        if company and company in config.salons:
            return []
        return [(number, phone) for phone, number in {entry.phone: n for n, entry in config.alerts.items()}.items() if phone]

    def _anybody(self) -> bool:
        return any(entry.phone for entry in (self.run.config.alert, *self.run.config.alerts.values()))


def _late(kind: str) -> str:
    return f"{kind} later"


def _parked(key: str) -> Cause:
    _, place, number = key.split(" ")
    return Cause("parked", place, int(number))


def _calling(rows: Sequence[Mapping[str, Any]]) -> str:
    if len(rows) == 1:
        return f"Позвоните клиенту: {_line(rows[0], rows[0]['phone'])}. Сообщение до него не дошло."
    lines = [_line(row, row["phone"]) for row in rows[:_AT_ONCE]]
    more = [f"и ещё {len(rows) - _AT_ONCE}: vestnik stats"] if len(rows) > _AT_ONCE else []
    return "\n".join(["Позвоните клиентам, сообщения до них не дошли:", *lines, *more])


def _line(row: Mapping[str, Any], phone: str | None) -> str:
    cancelled = row["notification_type"] == "booking_cancelled"
    booking = read_booking((cancelled and row["known_before"]) or row["told"])
    at = f", {'была на ' if cancelled else 'теперь '}{booking.visit_at:%d.%m в %H:%M}" if booking and booking.visit_at else ""
    return " ".join(_known([phone, row["client_name"]])) + f", {_WHAT.get(row['notification_type'], row['notification_type'])}{at}"


def _known(words: Iterable[str | None]) -> list[str]:
    return [word for word in words if word]
