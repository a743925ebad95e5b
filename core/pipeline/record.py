"""Tell the recorders what became of it. What a failure means: a recorder that raises or hangs is logged and left; the others go on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from core.hooks import Hooks
from core.model import Outcome

log = logging.getLogger("vestnik.record")
LIMIT = 5.0  # seconds for one recorder and one outcome


async def tell(hooks: Hooks, outcomes: Sequence[Outcome]) -> None:
    """Each recorder, each outcome. Never raises."""
    for outcome in outcomes:
        for plugin, _, _ in hooks.implementations("record", outcome.company_id):
            try:
                async with asyncio.timeout(LIMIT):
                    await hooks.ask_async("record", plugin, outcome.company_id, outcome=outcome)
            except Exception as error:
                log.warning("event=%s plugin=%s outcome=broken reason=%s", outcome.event_id, plugin.name, type(error).__name__)
