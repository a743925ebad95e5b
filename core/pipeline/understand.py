"""What the undecided events of one booking say, before anything is compared: which can be decided now, and what becomes of the others."""

from __future__ import annotations

import logging
from datetime import timedelta

from core import retry
from core.model import Event, Ignored, Later
from core.pipeline import flat, normalize
from core.pipeline.judge import Ready
from core.pipeline.normalize import Broken
from core.pipeline.receive import UNREADABLE
from core.pipeline.reread import reread
from core.runtime import Runtime
from core.store.rows import EventEnd, EventRow

_LONGEST = timedelta(days=365)  # a datetime has an end
log = logging.getLogger("vestnik.understand")


async def understand(run: Runtime, rows: list[EventRow]) -> tuple[Ready | None, list[EventEnd]]:
    """One that cannot be worked with parks its booking's events, and nobody else's. Never raises."""
    try:
        return await _understood(run, rows)
    except Exception as error:
        log.exception("event=%s outcome=parked", rows[0].event_id)
        why = f"source.{rows[0].source}: its events could not be taken up: {type(error).__name__}; the log says where"
        return None, [EventEnd(row, "parked", run.now(), reason=why) for row in rows]


async def _understood(run: Runtime, rows: list[EventRow]) -> tuple[Ready | None, list[EventEnd]]:
    now = run.now()
    ready: list[tuple[EventRow, Event]] = []
    ends: list[EventEnd] = []
    for row in rows:
        if row.claims > retry.CLAIMS_ALLOWED:
            ends.append(
                EventEnd(
                    row,
                    "parked",
                    now,
                    reason=f"it killed its worker {row.claims - 1} times; replay it once the cause is mended",
                )
            )
            continue
        if row.event_type == UNREADABLE and not row.is_test and (end := await reread(run, row, now)) is not None:
            ends.append(end)
            continue
        found = await _read(run, row)
        match found:
            case Event():
                ready.append((row, found))
            case Ignored():
                ends.append(EventEnd(row, "ignored", now, reason=found.reason))
            case Later():
                wait = max(min(found.after, _LONGEST), retry.backoff(row.attempts, run.chance))
                ends.append(EventEnd(row, "deferred", now + wait, rule="source", reason=found.reason))
            case Broken():
                ends.append(EventEnd(row, "parked", now, reason=found.reason))
    if any(end.status == "deferred" for end in ends) and ready:  # decided together, once all are understood
        due = max(end.due_at for end in ends)
        ends += [EventEnd(row, "deferred", due, rule="source", reason="waits for another event of the booking") for row, _ in ready]
        ready = []
    return (Ready(tuple(ready)) if ready else None), ends


async def _read(run: Runtime, row: EventRow) -> normalize.Understood:
    if row.is_test and row.payload is not None:
        return flat.understand(row.payload, run.config.salon_of(row.company_id), row.created_at)
    plugin = run.hooks.get("source", row.source)
    http = run.source_http(plugin.config_for(row.company_id) if plugin else None)
    return await normalize.understand(run.hooks, run.config, row, http)
