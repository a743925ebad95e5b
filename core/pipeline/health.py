"""The health of accounts: what a message, a probe or the gateway itself says of it, and how long one that fails is left alone."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import msgspec

from core import retry
from core.blame import probed, silently
from core.hooks import Plugin
from core.model import DeliveryStatus, Rejected, Retry, SendResult, Sent, TransportState
from core.pipeline import route
from core.pipeline.departure import Leaving
from core.runtime import Runtime
from core.store.rows import JournalLine, Notification
from core.store.templates import Refused

log = logging.getLogger("vestnik.health")
_EVERYBODY = 3  # clients in a row
_AWAY_TIMES = 3  # sends in a row, over at least
_AWAY_FOR = timedelta(seconds=10)  # a gateway that is started anew is back by then, and nobody is told


class Accounts:
    """Of all transports. What is known stands in `run.health`, on every node."""

    def __init__(self, runtime: Runtime) -> None:
        self.run = runtime
        self._away: dict[tuple[str, int], tuple[int, datetime]] = {}  # sends in a row that met nobody: how many, since when
        self._refused: dict[tuple[str, int], set[str]] = {}  # clients in a row of whom was said what may be meant of everybody

    def answered(self, leaving: Leaving, result: SendResult, now: datetime) -> SendResult:
        """What a send says, seen beside those before it: an account whose gateway was away each time for a while is out of order, and so is one
        that says of one client after another what may be meant of everybody.
        """
        account = leaving.account
        if isinstance(result, Rejected) and result.everybody:
            refused = self._refused.setdefault(account, set())
            if len(refused) < _EVERYBODY:
                refused.add(leaving.address.phone)
            return result if len(refused) < _EVERYBODY else Retry(result.everybody, scope="transport", alert=True)
        if isinstance(result, Sent):
            self._refused.pop(account, None)
        if not (retry.away(result) and isinstance(result, Retry)):
            self._away.pop(account, None)
            return result
        times, since = self._away.get(account, (0, now))
        self._away[account] = (times + 1, since)
        if times + 1 < _AWAY_TIMES or now - since < _AWAY_FOR:
            return result
        return msgspec.structs.replace(result, scope="transport", alert=True)

    def fitting(self, leaving: Leaving, now: datetime) -> Leaving:
        """The message, with the templates that it has to leave out."""
        refused = self.run.refused.get((leaving.hop.plugin.short, leaving.hop.account), {})
        names = frozenset(name for name, entry in refused.items() if entry.again_at > now)
        return (
            msgspec.structs.replace(leaving, message=msgspec.structs.replace(leaving.message, refused=names)) if names else leaving
        )

    async def without(self, leaving: Leaving, result: Rejected, now: datetime) -> datetime:
        """A template is refused: when a message that needs it may leave by it again; now, where it was not left out yet."""
        known = self.run.refused.get(leaving.account, {}).get(result.template)
        if result.template in leaving.message.refused and known is not None:
            return known.again_at
        await self._refuse(leaving.account, result.template, result.reason, now)
        return now

    async def _refuse(self, account: tuple[str, int], template: str, reason: str, now: datetime, *, late: bool = False) -> None:
        known = self.run.refused.get(account, {}).get(template)
        if known is None or known.again_at <= now:  # those that were under way together count as one
            times = known.times + 1 if known is not None else 1
            await self.run.store.templates.refuse(
                Refused(*account, template, reason, times, now + retry.template_again(times), late)
            )
            await self.run.load_health()
            await self.run.alerts.refused_template(*account, template, reason)

    async def reported(self, row: Notification, item: DeliveryStatus, status: str, now: datetime) -> None:
        """What became of a message says of its text and template. What was refused after it was taken, works once one is delivered."""
        account, template = (row.transport or "", row.account), row.template or ""
        if status in ("delivered", "read"):
            if template in self.run.refused.get(account, {}):
                await self.run.store.templates.works(*account, template)
                await self.run.load_health()
            await self.run.alerts.arrives(*account, row.notification_type, template)
        elif status == "failed" and item.template and template:
            await self._refuse(account, template, item.reason or "it is refused", now, late=True)
        elif status == "failed" and item.scope == "transport":
            await self.pause(account, Retry(item.reason or "it is out of order", item.after, scope="transport", alert=True), now)
        elif status == "failed" and item.scope == "content":
            await self.run.alerts.refused_content(*account, row.notification_type, item.reason or "it is refused", late=True)

    async def works(self, hop: route.Hop, sent: Sent, kind: str, now: datetime) -> None:
        """It has taken a message of this kind."""
        account = (hop.plugin.short, hop.account)
        health = self.run.health.get(account)
        if health is not None and (health.reason is not None or health.failures):
            await self.run.store.health.works(*account, now)
            await self.run.load_health()
        refused = self.run.refused.get(account, {}).get(sent.template)
        if refused is not None and not refused.late:
            await self.run.store.templates.works(*account, sent.template)
            await self.run.load_health()
        proven = [] if refused is not None and refused.late else [sent.template]
        await self.run.alerts.works(*account, kind, *filter(None, proven))

    async def pause(self, account: tuple[str, int], result: Retry, now: datetime) -> datetime:
        """It has failed a message; until when it is left alone. Messages that fail beside one another count as one."""
        health = self.run.health.get(account)
        beside = health.paused_until if health is not None and health.paused_until and health.paused_until > now else None
        failures = (health.failures if health is not None else 0) + (beside is None)
        until = max(now + retry.pause(failures, self.run.chance, result.after), beside or now)
        await self.run.store.health.pause(*account, result.reason, until, now, failed=True, limited=not result.alert)
        await self.run.load_health()
        if result.alert:
            await self.run.alerts.out_of_order(*account, result.reason)
        return until

    async def says(self, transport: str, account: int, item: TransportState, now: datetime) -> None:
        """Its gateway has told how it is. That it works is proven by a message that it takes: what has failed counts until then."""
        if item.working:
            await self.run.store.health.returns(transport, account, now)
            await self.run.alerts.works(transport, account)
        else:
            await self.run.store.health.pause(transport, account, item.reason, now + retry.FIRST_PAUSE, now, failed=False)
            await self.run.alerts.out_of_order(transport, account, item.reason)
        await self.run.load_health()

    async def probe(self) -> None:
        """Ask paused accounts whose pause is over how they are, before messages are tried on them."""
        now = self.run.now()
        for (name, account), health in list(self.run.health.items()):
            plugin = self.run.hooks.get("send", name)
            if (
                health.reason is None
                or health.paused_until is None
                or health.paused_until > now
                or plugin is None
                or "probe" not in plugin.calls
            ):
                continue
            try:
                wrong = await self.run.hooks.ask_async("probe", plugin, account, http=self.run.http(plugin.config_for(account)))
            except Exception as error:
                wrong = await self._probe_failed(plugin, account, error, now)
            if wrong is None:
                await self.run.store.health.returns(name, account, now)
                self.run.work.set()
            else:
                until = now + retry.probe_again(now - (health.paused_at or now))
                await self.run.store.health.pause(name, account, str(wrong), until, now, failed=False)
        await self.run.load_health()

    async def _probe_failed(self, plugin: Plugin, account: int, error: Exception, now: datetime) -> str:
        """A bug in the probe keeps the account paused: it is told as the plugin's, for no gateway will mend it."""
        wrong, broken = probed(plugin, error)
        if broken:
            log.warning("plugin=%s outcome=broken reason=%s", plugin.name, silently(plugin, error))
            await self.run.store.decisions.note([JournalLine(now, "", "send", "broken", plugin.short, wrong)])
            await self.run.alerts.broken_probe(plugin.short, account, wrong)
        return wrong
