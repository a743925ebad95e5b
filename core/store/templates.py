"""The templates that gateways refuse: nobody's message leaves by them for a while."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec import Struct

from core.store.lane import Lane
from core.store.tx import statement
from core.store.values import time_of

_FORGOTTEN = timedelta(days=1)


class Refused(Struct, frozen=True):
    """One template of one account. `times`: refusals, one try after the other."""

    transport: str
    account: int
    template: str
    reason: str
    times: int
    again_at: datetime
    late: bool = False  # a status said so, after the message was taken: only a delivery proves that it works again


class TemplateStore:
    def __init__(self, work: Lane, read: Lane) -> None:
        self._work, self._read = work, read

    async def refuse(self, entry: Refused) -> None:
        values = {name: getattr(entry, name) for name in Refused.__struct_fields__}
        await self._work.submit(statement("refuse_template"), [values])

    async def works(self, transport: str, account: int, template: str) -> None:
        """A message has left by it."""
        values = {"transport": transport, "account": account, "template": template}
        await self._work.submit(statement("template_works"), [values])

    async def refused(self, now: datetime) -> list[Refused]:
        """Those that no message has left by since, but for what was not tried for a day: nobody needs it any more."""
        found = await self._read.submit(statement("refused_templates"), [{"since": now - _FORGOTTEN}])
        return [
            Refused(
                row["transport"],
                row["account"],
                row["template"],
                row["reason"],
                row["times"],
                time_of(row["again_at"]),
                bool(row["late"]),
            )
            for row in found[0]
        ]
