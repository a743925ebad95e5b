"""Ask `receive` again about a body that it could not read, once a person replays it: only `receive` knows whose events are in it.

The body's events are stored as if they had come with it, so the same event is one, and an older change stays older. Its headers and
its query are not kept; its sender proved itself when it came.
What a failure means: the body stays unreadable, with the reason, and may be replayed again.
"""

from __future__ import annotations

import logging
from datetime import datetime

import msgspec

from core import retry
from core.errors import Refused
from core.hooks import Plugin
from core.model import Request
from core.pipeline import receive
from core.proof import vouched
from core.runtime import Runtime
from core.store.inbox import NewEvent
from core.store.rows import EventEnd, EventRow

log = logging.getLogger("vestnik.reread")
_UNPROVEN = "its `receive` refuses a replay, which has no headers and no query; prove with core's same_secret or same_hmac, or pass `request.replayed`"


async def reread(run: Runtime, row: EventRow, now: datetime) -> EventEnd | None:
    """What becomes of an unreadable row that is undecided again. `None`: its source named the booking, so `normalize` may try."""
    plugin = run.hooks.get("source", row.source)
    if plugin is None or row.payload is None:
        return None
    try:
        events = _read(run, plugin, row)
    except Refused:
        return EventEnd(row, "unreadable", now, reason=f"{plugin.name}: {_UNPROVEN}")
    found = [event for event in events if event.status != "unreadable"]
    if not found:
        if row.key is not None:
            return None
        reason = events[0].reason if events else f"{plugin.name}.receive finds no event in it"
        return EventEnd(row, "unreadable", now, reason=reason)
    try:
        await run.store.inbox.receive(events)  # the rest of an array stays unreadable, as a row of its own
    except Exception as error:
        log.warning("event=%s outcome=deferred reason=%s", row.event_id, type(error).__name__)
        return EventEnd(
            row, "deferred", now + retry.backoff(row.attempts, run.chance), reason="the events in it cannot be stored yet"
        )
    run.work.set("events")
    return EventEnd(row, "processed", now, reason=f"read again: {', '.join(event.event_id for event in found)}")


def _read(run: Runtime, plugin: Plugin, row: EventRow) -> list[NewEvent]:
    """The events of a stored body, each as old as the body."""
    request = Request("POST", f"/webhook/{row.source}", {}, {}, (row.payload or "").encode("utf-8", "surrogatepass"), replayed=True)
    with vouched():
        events, _ = receive.read(run.hooks, plugin, request, row.created_at, row.event_id)
    return [_beside(event, row) for event in events]


def _beside(event: NewEvent, row: EventRow) -> NewEvent:
    """A row of its own, also where its source gives it the id that the unreadable body has."""
    number = f"{event.event_id[:500]}_read" if event.event_id == row.event_id else event.event_id
    company = row.company_id if event.company_id is None else event.company_id
    return msgspec.structs.replace(event, event_id=number, company_id=company)
