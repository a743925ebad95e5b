"""What gateways report: stored first, answered at once, worked on from the stored row.

What a failure means: a callback that its transport cannot read is kept as unreadable and answered 200; a gateway that gets an error
would send the same one for ever, and everything behind it would wait.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec
from msgspec import Struct

from core import retry
from core.alerts import Cause
from core.blame import silently
from core.errors import Refused, TooLong, in_words
from core.hooks import Plugin
from core.model import Attempt, Binding, CallbackItem, DeliveryStatus, InboundMessage, Reply, Request, TransportState
from core.pace import Pacer
from core.pipeline import outcomes
from core.pipeline.answer import answer, meant
from core.pipeline.fallback import Fallbacks
from core.pipeline.health import Accounts
from core.pipeline.route import OPTED_OUT
from core.runtime import Runtime
from core.store.callbacks import StoredCallback
from core.store.reports import Report
from core.store.rows import Notification

log = logging.getLogger("vestnik.callback")
_STATUS_WAITS = timedelta(seconds=5)  # a status may come before the answer of its send is written, as a rule by a moment
_AT_FIRST = timedelta(milliseconds=200)  # doubled each time, up to that
_STATUS_TRIES = 60
_FAILURES = 10  # in half an hour: then a person is called
_CHECKS = 10
_QUESTIONS = ((5, 1.0),)  # to one account in so many seconds; the rates that its transport states are those of messages
_encoder = msgspec.json.Encoder()
_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in (DeliveryStatus, InboundMessage, Binding, TransportState)}


class Heard(Struct, frozen=True):
    """What a callback says, each item with the accounts that it may be about, and the transport's own answer."""

    items: list[tuple[CallbackItem, list[int]]]
    reply: Reply | None = None


def read(run: Runtime, plugin: Plugin, request: Request, now: datetime) -> Heard:
    """Ask the transport for each of its accounts, because several may stand behind one address, and a body may speak of several.

    Raises `Refused` if none accepts it, else what the last one raised if none can read it.
    """
    found: dict[CallbackItem, list[int]] = {}
    replies: list[Reply | None] = []
    wrong: Exception = Refused("no account of this transport is switched on")
    for account, config in plugin.configs.items():
        if config is None:
            continue
        try:
            if request.method == "POST" and not plugin.believes(account, loopback=run.config.server.loopback):
                raise Refused(f"{plugin.proven_by} is not set, and anybody could have posted this")
            said = run.hooks.ask("callback", plugin, account, request=request, now=now)
            for item in dict.fromkeys(said.items if isinstance(said, Reply) else said):
                found.setdefault(item, []).append(account)
        except Exception as error:
            wrong = wrong if isinstance(error, Refused) and not isinstance(wrong, Refused) else error
            continue
        replies.append(said if isinstance(said, Reply) else None)
    if not replies:
        raise wrong
    return Heard(list(found.items()), replies[0])


async def store(run: Runtime, plugin: Plugin, heard: Heard, payload: str, now: datetime, unreadable: str | None = None) -> None:
    """On disk before the gateway is answered."""
    entries = [{"kind": type(item).__name__, "item": item, "accounts": accounts} for item, accounts in heard.items]
    status = "unreadable" if unreadable else "received" if entries else "processed"
    row = {
        "transport": plugin.short, "account": heard.items[0][1][0] if heard.items else 0, "payload": payload,
        "items": _encoder.encode(entries).decode(), "status": status, "reason": unreadable, "at": now,
    }  # fmt: skip
    await run.store.callbacks.add([row])


class Callbacks:
    """Works on stored callbacks, and asks gateways that do not call back."""

    def __init__(self, run: Runtime, accounts: Accounts, fallbacks: Fallbacks) -> None:
        self.run, self.accounts, self.fallbacks = run, accounts, fallbacks
        self._pacers: dict[tuple[str, int], Pacer] = {}
        self.held: dict[int, int] = {}  # id → token

    async def step(self) -> int:
        now = self.run.now()
        rows = await self.run.store.callbacks.claim(self.run.owner, self.run.token(), now, retry.LEASE)
        self.held = {row.id: row.token for row in rows}
        try:
            ends = [await self._work(row, now) for row in rows]
            await self.run.store.callbacks.close(ends)
        finally:  # what was not closed is taken up again when its lease lapses
            self.held = {}
        for row, end in zip(rows, ends, strict=True):
            if end["status"] == "parked":
                await self._alert(row, end["reason"])
        return len(rows)

    async def _work(self, row: StoredCallback, now: datetime) -> dict[str, Any]:
        """What becomes of it. What cannot be read never can be; whatever else goes wrong may be over the next time."""
        end = {"id": row.id, "token": row.token, "reason": None, "failures": row.failures, "due_at": now}
        try:
            items = [
                (msgspec.convert(entry["item"], _KINDS[entry["kind"]]), entry.get("accounts") or [row.account])
                for entry in msgspec.json.decode(row.items)
            ]
        except (msgspec.MsgspecError, LookupError, TypeError) as error:
            return {**end, "status": "unreadable", "reason": in_words(error)}
        unmatched = False
        try:
            for item, accounts in items:
                unmatched |= not await self._apply(row, accounts, item, now)
        except Exception as error:
            log.exception("transport=%s outcome=broken", row.transport)
            failures = row.failures + 1
            due, status = now + retry.backoff(failures, self.run.chance), "parked" if failures >= _FAILURES else "received"
            return {**end, "status": status, "reason": in_words(error), "failures": failures, "due_at": due}
        if unmatched and row.tries < _STATUS_TRIES:
            wait = min(_AT_FIRST * 2 ** min(row.tries, 10), _STATUS_WAITS)
            return {**end, "status": "unmatched", "reason": "no message has this id yet", "due_at": now + wait}
        return {**end, "status": "processed", "reason": "no message has this id" if unmatched else None}

    async def _alert(self, row: StoredCallback, reason: str) -> None:
        cause = Cause("parked", row.transport, row.account)
        text = f"Сообщение от {row.transport} (доставка или ответ клиента) не учтено ({reason}). Исправьте причину, затем: vestnik replay {row.transport}"
        await self.run.alerts.tell(cause, text, row.account or None, f"a callback of {row.transport} is parked: {reason}")

    async def _apply(self, row: StoredCallback, accounts: list[int], item: CallbackItem, now: datetime) -> bool:
        if isinstance(item, DeliveryStatus):  # it is about whichever of them has sent that message
            return await self.status(row.transport, accounts[0], item, now, accounts[1:])
        if isinstance(item, TransportState) and len(accounts) > 1:
            return True  # nobody can say whose it is: their messages and probes will tell
        for account in accounts:
            await self._hear(msgspec.structs.replace(row, account=account), item, now)
        return True

    async def _hear(self, row: StoredCallback, item: CallbackItem, now: datetime) -> None:
        match item:
            case InboundMessage():
                await self._inbound(row, item)
            case Binding():
                if item.bound:
                    await self.run.store.people.bind(row.transport, row.account, item.binding, item.phone, item.token, now)
                else:
                    await self.run.store.people.unbind(row.transport, row.account, item.binding)
            case TransportState():
                await self.accounts.says(row.transport, row.account, item, now)

    async def status(self, transport: str, account: int, item: DeliveryStatus, now: datetime, others: Sequence[int] = ()) -> bool:
        """Apply one delivery status; whether it is done with. False: its message may be known later."""
        report = Report(
            transport,
            account,
            item.status,
            min(item.at or now, now),  # a gateway whose clock is ahead does not put off what follows
            item.id,
            item.reference,
            item.phone,
            item.reason,
            item.text,
            tuple(others),
        )
        matched = (await self.run.store.reports.match([report]))[0]
        row = matched.row
        if row is None:
            return not matched.waits
        if item.binding and row.phone:
            await self.run.store.people.bind(transport, row.account, item.binding, row.phone, None, now)
        if matched.status in ("delivered", "read") and row.phone and not row.ours:
            await self.run.store.people.won(row.phone, row.company_id or 0, row.channel, now)
        if matched.status is not None and not row.ours:
            await self.accounts.reported(row, item, matched.status, now)
        if matched.status == "sent" and row.status == "pending" and not row.is_test:  # taken, though its answer was a refusal
            wait, visit = self.run.config.route_of(row.company_id).fallback_after, row.told.visit_at if row.told else None
            await self.run.store.watches.fall_back_at(row.id, retry.fallback_at(now, wait, visit))
        goes_on = matched.status == "failed" and matched.untold is not None
        if goes_on:
            await self.fallbacks.step()
        if matched.status is not None and not row.ours and (not goes_on or row.is_test):  # else `fall_back` says what follows
            self.run.recorders.tell([outcomes.of_message(row, matched.status, report.at, report.reason)])
        return True

    async def _inbound(self, row: StoredCallback, item: InboundMessage) -> None:
        phone = item.phone
        if phone is None and item.binding:
            phone = await self.run.store.people.phone_of_binding(row.transport, row.account, item.binding)
        if phone is None:
            return
        at = min(item.at or row.created_at, row.created_at)  # nobody has written tomorrow
        await self.run.store.people.wrote(phone, row.account, at, row.transport)
        if kind := meant(item.text):
            said = answer(self.run, row, phone, kind, self.run.now())
            await self.run.store.people.opt(phone, row.account, at if kind == OPTED_OUT else None, said)
            self.run.work.set("messages")

    async def ask_gateways(self) -> int:
        """`check` for messages whose gateway does not call back, or whose fate is unclear: all accounts at once, each in its own time."""
        now = self.run.now()
        rows = await self.run.store.watches.due_checks(now)
        accounts: dict[tuple[str, int], list[Notification]] = {}
        for row in rows:
            accounts.setdefault((row.transport or "", row.account), []).append(row)
        unknown = await asyncio.gather(*(self._ask(account, asked, now) for account, asked in accounts.items()))
        again = [
            (row.id, now + timedelta(minutes=2 ** min(row.checks, 6))) for rest in unknown for row in rest if row.checks < _CHECKS
        ]
        if again:
            await self.run.store.watches.check_again(again)
        return len(rows)

    async def _ask(self, account: tuple[str, int], rows: Sequence[Notification], now: datetime) -> Sequence[Notification]:
        """Ask one account, a few a second; the messages whose fate is still unknown. One that fails is asked no more for now."""
        pacer = self._pacers.setdefault(account, Pacer(_QUESTIONS))
        unknown: list[Notification] = []
        for n, row in enumerate(rows):
            await pacer.wait()
            known = await self._check(row, now)
            if known is None:
                return [*unknown, *rows[n:]]
            if not known:
                unknown.append(row)
        return unknown

    async def _check(self, row: Notification, now: datetime) -> bool | None:
        """Whether its fate is known now; `None` where the gateway could not be asked."""
        plugin = self.run.hooks.get("send", row.transport or "")
        if plugin is None or "check" not in plugin.calls:
            return True
        attempt = Attempt(row.provider_message_id, row.reference, row.phone or "", row.sent_at or row.created_at)
        try:
            http = self.run.http(plugin.config_for(row.company_id))
            found = await self.run.hooks.ask_async("check", plugin, row.company_id, attempt=attempt, http=http)
        except Exception as error:
            log.warning("plugin=%s outcome=asked_again_later reason=%s", plugin.name, silently(plugin, error))
            return None if isinstance(error, httpx.TransportError | TooLong) else False
        if not isinstance(found, DeliveryStatus):
            return False
        named = msgspec.structs.replace(found, reference=found.reference or row.reference)
        await self.status(plugin.short, row.account, named, now)
        return found.status in ("delivered", "read", "failed")
