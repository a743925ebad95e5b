"""`vestnik send-test`: one message over the real transport, told step by step, to its delivery.

The message stands in the database as a test of our own, so the running server matches the gateway's callbacks to it; the command waits
and reads what became of it, and asks the gateway itself where it can be asked.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx
from rich.console import Console

from core.blame import judged, probed
from core.config import Configuration
from core.errors import VestnikError
from core.hooks import Hooks
from core.http import make_client
from core.ids import new_id
from core.model import Address, Attempt, DeliveryStatus, Message, Notice, Retry, SendResult, Sent, Unclear
from core.phones import mask, parse_phone
from core.pipeline import route
from core.pipeline.render import render
from core.runtime import utc_now
from core.store import Store
from core.store.reports import Report
from core.store.rows import OURS, Notification

TEXT = "Проверка связи: сообщения от салона доходят."
_LOOK, _ASK = 0.25, 5.0  # seconds between looks at the database, between questions to a gateway
_OVER = ("delivered", "read", "failed")


class SendTest:
    """One message, one channel. `wait` is how long its delivery is waited for."""

    def __init__(
        self, config: Configuration, hooks: Hooks, store: Store, company: int | None, wait: timedelta, console: Console
    ) -> None:
        self.config, self.hooks, self.store, self.company, self.wait = config, hooks, store, company, wait
        self.console = console
        self.began = utc_now()

    async def run(self, phone: str, channel: str | None) -> None:
        """Raises `VestnikError` where nothing could be sent, or the gateway gave up."""
        self.salon = self.config.salon_of(self.company)
        number, missing = parse_phone(phone, self.salon.region)
        if number is None:
            raise VestnikError(f"{phone}: {missing}; write it as +79000000088")
        self.hop = self._hop(channel)
        self.plugin = self.hop.plugin
        account = self.hop.account or "of all salons"
        self._say(1, "route", f"{self.hop.channel.name} over {self.plugin.short}, account {account}, to {mask(number)}")
        settings = self.plugin.config_for(self.company)
        async with make_client(proxy=getattr(settings, "proxy", None), ca_file=getattr(settings, "ca_file", None)) as http:
            await self._probe(http)
            message = self._render()
            row = self._row(number, message.text)
            await self.store.deliveries.add([row])
            refused = await self._refused()
            said = await self._send(row, message, http)
            await self._deliver(row, said, http, refused)

    def _say(self, step: int, what: str, text: str) -> None:
        self.console.print(f"{step}. {what}: {text}", markup=False)

    def _hop(self, channel: str | None) -> route.Hop:
        for hop in route.hops(self.hooks, self.config, self.company):
            if channel in (None, hop.channel.name):
                return hop
        carried = channel or "any of them"
        raise VestnikError(f"[route] channels: no transport carries {carried}; switch one on")

    async def _probe(self, http: httpx.AsyncClient) -> None:
        if "probe" not in self.plugin.calls:
            self._say(2, "probe", f"{self.plugin.short} cannot be asked how it is")
            return
        try:
            wrong = await self.hooks.ask_async("probe", self.plugin, self.company, http=http)
        except Exception as error:
            wrong, _ = probed(self.plugin, error)
        self._say(2, "probe", "the account works" if wrong is None else str(wrong))

    def _render(self) -> Message:
        rendered = render(self.hooks, Notice("message", None, None, frozenset(), self.salon, TEXT), self.hop.channel)
        if rendered.message is None:
            raise VestnikError(f"render: {rendered.error}")
        self._say(3, "render", rendered.message.text)
        return rendered.message

    def _row(self, phone: str, text: str) -> Notification:
        """Unclear until the gateway has answered: should this command die, nobody knows more."""
        now = self.began
        number = new_id("n_", now, 20)
        return Notification(
            notification_id=number, event_id=f"send-test {number}", source=OURS, company_id=self.company, record_id=None, phone=phone,
            notification_type="test", channel=self.hop.channel.name, transport=self.plugin.short, account=self.hop.account,
            reference=new_id("v", now, 23), message=text, status="unclear", is_test=True, error="the command did not hear the answer",
            due_at=now, deadline_at=now, created_at=now,
        )  # fmt: skip

    async def _send(self, row: Notification, message: Message, http: httpx.AsyncClient) -> SendResult:
        (person,) = await self.store.people.known([(row.phone, self.company)], self.began)
        (binding,) = await self.store.people.bindings([(row.phone, row.transport, row.account)])
        address = Address(row.phone or "", None, binding, row.reference, person.wrote_to(self.plugin.short, row.account))
        try:
            said: SendResult = await self.hooks.ask_async(
                "send", self.plugin, self.company, message=message, address=address, http=http, now=self.began
            )
        except Exception as error:
            said = judged(self.plugin, error)
        self._say(4, "send", _told(said))
        if not _may_be_there(said):
            await self._report(
                row,
                DeliveryStatus("sent", said.id) if isinstance(said, Sent) else DeliveryStatus("failed", reason=said.reason),
            )
        if not (isinstance(said, Sent) or _may_be_there(said)):
            raise VestnikError(f"{self.plugin.name} did not take it: {said.reason}")
        return said

    async def _report(self, row: Notification, status: DeliveryStatus) -> None:
        at = status.at or utc_now()
        await self.store.reports.match(
            [Report(self.plugin.short, row.account, status.status, at, status.id, row.reference, None, status.reason)]
        )

    async def _deliver(self, row: Notification, said: SendResult, http: httpx.AsyncClient, refused: int) -> None:
        if not self.hop.channel.reports_delivery:
            self._say(5, "delivery", f"{self.plugin.short} does not report it; look at the phone")
            return
        attempt = Attempt(said.id if isinstance(said, Sent) else None, row.reference, row.phone or "", self.began)
        told, asked_at = "sent", -_ASK
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            passed = loop.time() - began
            if "check" in self.plugin.calls and passed - asked_at >= _ASK:
                asked_at = passed
                await self._ask(row, attempt, http)
            now = (await self.store.deliveries.kin([row.notification_id]))[row.notification_id][0]
            if now.status not in (told, "unclear"):
                told = now.status
                self._say(5, "delivery", f"{told} after {passed:.0f} s")
            if now.status == "failed":
                raise VestnikError(
                    f"{self.plugin.name}: the gateway says that it was not delivered: {now.error or 'it says no more'}"
                )
            if told in _OVER:
                return
            if passed >= self.wait.total_seconds():
                break
            await asyncio.sleep(_LOOK)
        self._say(5, "delivery", await self._why_not(refused))

    async def _ask(self, row: Notification, attempt: Attempt, http: httpx.AsyncClient) -> None:
        try:
            found = await self.hooks.ask_async("check", self.plugin, self.company, attempt=attempt, http=http)
        except Exception:
            return  # asked again
        if isinstance(found, DeliveryStatus):
            await self._report(row, found)

    async def _why_not(self, refused: int) -> str:
        """No report came in time: as much of the reason as can be seen from here."""
        name, waited = self.plugin.short, f"not known after {self.wait.total_seconds():g} s"
        if "callback" not in self.plugin.calls:
            return f"{waited}: {name} was asked and does not know yet; try a longer --wait"
        if more := await self._refused() - refused:
            return f"{waited}: {more} callbacks of {name} came and were refused: its secret is not the one in [send.{name}]"
        came = await self.store.look.ask("callbacks_since", transport=name, since=self.began)
        if any(entry["status"] == "unreadable" for entry in came):
            return f"{waited}: a callback of {name} came and could not be read; see the server's log"
        if came:
            return f"{waited}: callbacks of {name} came, none about this delivery yet; try a longer --wait"
        address = f"http://{_near(self.config.server.host)}:{self.config.server.port}"
        if not await _answers(f"{address}/health"):
            return (
                f"{waited}: no server answers at {address}, so nobody takes the gateway's callback; run `vestnik serve` meanwhile"
            )
        return f"{waited}: no callback of {name} came, though a server is up; is https://…/callback/{name} set in the gateway's console?"

    async def _refused(self) -> int:
        hour = self.began.replace(minute=0, second=0, microsecond=0)
        found: list[dict[str, Any]] = await self.store.look.ask("refused", since=hour)
        return sum(int(row["times"]) for row in found if row["source"] == self.plugin.short)


def _may_be_there(said: SendResult) -> bool:
    """Whether it may have been taken: its delivery may still be told."""
    return isinstance(said, Unclear) or (isinstance(said, Retry) and said.within is not None)


def _told(said: SendResult) -> str:
    if isinstance(said, Sent):
        return f"Sent {said.id or ''}".strip()
    if isinstance(said, Retry) and said.within is not None:
        span = f"{said.within.total_seconds():g} s"
        return f"Retry: it may have been taken ({said.reason}); a server sends it again within {span}, while the gateway knows the repeat"
    return f"{type(said).__name__} {said.reason}".strip()


def _near(host: str) -> str:
    """Where a server that listens there answers on this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(host, host)  # noqa: S104


async def _answers(url: str) -> bool:
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=2) as http:
            return (await http.get(url)).is_success
    except httpx.HTTPError:
        return False
