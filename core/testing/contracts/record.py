"""The suite of the stage record."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from core.limits import BLOCKED
from core.model import Outcome
from core.testing.contracts.common import Contract, spelled, suite
from core.testing.values import an_outcome

NOTHING = dict.fromkeys(("type", "rule", "channel", "transport", "phone", "seconds"))
OUTCOMES = (
    an_outcome(),
    an_outcome("processed", **NOTHING),
    an_outcome("suppressed", **{**NOTHING, "rule": "unchanged", "reason": "only the payment differs", "seconds": 0.2}),
    an_outcome("sent", record_id=None, seconds=-1.0, channel="sms", transport="smsc"),
    an_outcome("unreadable", **{**NOTHING, "company_id": None, "record_id": None, "reason": "x" * 5000}),
)


def _taken(request: httpx.Request) -> httpx.Response:
    """Whatever a recorder posts is taken; nothing leaves the machine."""
    return httpx.Response(200, json={})


class RecordContract(Contract):
    @pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda found: found.status)
    def test_takes_every_outcome(self, outcome: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """An outcome of any kind is noted, between `startup` and `shutdown`, and nothing is answered."""
        monkeypatch.chdir(tmp_path)
        found, config = self.subject, self.subject.config(tmp_path)

        async def live(hook: str, **values: Any) -> Any:
            try:
                return await found.call(hook, config=config, **values)
            except Exception as error:
                found.wrong(hook, found.raised(error), f"take note of any outcome, also of {spelled(outcome)}")

        async def life() -> Any:
            if found.has("startup"):
                await live("startup")
            async with httpx.AsyncClient(transport=httpx.MockTransport(_taken), trust_env=False) as http:
                said = await live("record", outcome=outcome, received=None, http=http)
            if found.has("shutdown"):
                await live("shutdown")
            return said

        begun = time.monotonic()
        said = asyncio.run(life())
        took = time.monotonic() - begun
        found.demand(
            took < BLOCKED, "record", f"took {took:.0f} s", "let nothing block: await what takes time, and ask over `http`"
        )
        found.demand(said is None, "record", f"answered {spelled(said)}", "return nothing")


def recorder(plugin: ModuleType, *, config: Mapping[str, Any] | None = None) -> type[RecordContract]:
    """The suite for a recorder. `config` are keys of its table; paths are seen from a folder of the test's own."""
    return suite(RecordContract, "record", plugin, config or {})  # type: ignore[return-value]
