"""Ask the transport: what it says of one message, and what is to be written then.

What a failure means: whatever a transport raises is judged by whether the request can have been written (`core.retry.judge`): certainly
not → again later; else `unclear`, which is never repeated by itself. A bug in a transport is `unclear` too, and logged.
"""

from __future__ import annotations

import logging

from core.blame import judged, silently
from core.model import Rejected, Retry, SendResult, Sent, Unclear
from core.pipeline.departure import Leaving
from core.pipeline.fate import Fate
from core.pipeline.health import Accounts
from core.runtime import Runtime
from core.store.rows import Finish

log = logging.getLogger("vestnik.send")


class Transports:
    """All of them; what they say is seen beside what is known of their `accounts`."""

    def __init__(self, runtime: Runtime, accounts: Accounts, fate: Fate) -> None:
        self.run, self.accounts, self.fate = runtime, accounts, fate

    async def ask(self, leaving: Leaving) -> SendResult:
        """The hook `send`, once."""
        plugin, company = leaving.hop.plugin, leaving.row.company_id
        http = self.run.http(plugin.config_for(company))
        try:
            found = await self.run.hooks.ask_async(
                "send", plugin, company, message=leaving.message, address=leaving.address, http=http, now=self.run.now()
            )
        except Exception as error:
            meant, why = judged(plugin, error), silently(plugin, error)
            kind = type(meant).__name__
            log.warning("notification=%s plugin=%s outcome=%s reason=%s", leaving.row.notification_id, plugin.name, kind, why)
            return meant
        if isinstance(found, Sent | Retry | Rejected | Unclear):
            return found
        return Unclear(f"{plugin.name} answered {type(found).__name__}")

    async def outcome(self, leaving: Leaving, result: SendResult) -> Finish:
        """What a transport said → what is written."""
        row, hop, way, now = leaving.row, leaving.hop, list(leaving.way), self.run.now()
        result = self.accounts.answered(leaving, result, now)
        match result:
            case Sent():
                await self.accounts.works(hop, result, row.notification_type, now)
                if result.binding and result.binding != leaving.address.binding:
                    await self.run.store.people.bind(hop.plugin.short, hop.account, result.binding, row.phone, None, now)
                watch = self.fate.watch(row, hop, leaving.told, now)
                return self.fate.end(
                    row, "sent", now, leaving.note, provider_id=result.id, template=result.template or None, announce=True, **watch
                )
            case Unclear():
                return self.fate.end(
                    row, "unclear", now, result.reason, announce=True, **self.fate.watch(row, hop, leaving.told, now)
                )
            case Rejected():
                if result.unbind and leaving.address.binding:
                    await self.run.store.people.unbind(hop.plugin.short, hop.account, leaving.address.binding)
                if result.template:
                    again = await self.accounts.without(leaving, result, now)
                    return self.fate.onwards(row, way if again > now else [], now, result.reason, wait=again)
                if result.scope == "recipient" or row.ours:
                    return self.fate.onwards(row, way, now, result.reason)
                await self.run.alerts.refused_content(hop.plugin.short, hop.account, row.notification_type, result.reason)
                return self.fate.end(row, "failed", now, result.reason, attempted=True)
            case Retry(scope="transport"):
                until = await self.accounts.pause(leaving.account, result, now)
                waits = not result.alert and self.fate.worth_waiting(row, until, now)
                return self.fate.onwards(row, [] if waits else way, now, result.reason, wait=until)
            case Retry():
                return self.fate.again(row, way, now, result)
