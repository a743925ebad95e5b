"""Turn what a source read into rows to store. The event is on disk before anybody is answered.

What a failure means: a body that its source cannot read is stored as unreadable and answered 200, because it would never come again.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from uuid import uuid4

from core.blame import could_not
from core.errors import Refused
from core.hooks import Hooks, Plugin
from core.ids import LONGEST, number_of
from core.model import Received, Reply, Request
from core.store.inbox import POLLED, NewEvent

UNREADABLE = "unreadable"  # the type of what only `receive` can read, whatever its source calls it
log = logging.getLogger("vestnik.receive")


def read(
    hooks: Hooks, plugin: Plugin, request: Request, now: datetime, event_id: str | None = None
) -> tuple[list[NewEvent], Reply | None]:
    """Ask the source. Raises `Refused`; anything else it raises becomes an unreadable event."""
    try:
        found = hooks.ask("receive", plugin, request=request, now=now)
        items = found.items if isinstance(found, Reply) else found
        reply = found if isinstance(found, Reply) else None
        return rows(plugin.short, [item for item in items if isinstance(item, Received)], now), reply
    except Refused:
        raise
    except Exception as error:
        why = could_not(plugin, "could not read it", error, text(request))
    number = event_id or f"evt_{uuid4().hex}"
    log.warning("event=%s source=%s outcome=unreadable reason=%s", number, plugin.short, why)
    return rows(plugin.short, [Received(number, UNREADABLE, text(request), unreadable=why)], now), None


def text(request: Request) -> str:
    """The body, whatever it is."""
    return request.body.decode("utf-8", "replace")


def rows(
    source: str, items: Sequence[Received], now: datetime, *, polled: bool = False, first_import: bool = False
) -> list[NewEvent]:
    """Items of a source as rows. `polled`: we asked for them; `first_import`: they count as announced."""
    return [_row(source, item, now, polled, first_import) for item in items]


def _row(source: str, item: Received, now: datetime, polled: bool, first_import: bool) -> NewEvent:
    record, external = number_of(item.subject_id)
    company, _ = number_of(item.company_id)
    return NewEvent(
        event_id=item.event_id[:LONGEST],
        source=source,
        event_type=UNREADABLE if item.unreadable else item.event_type[:LONGEST],
        company_id=company,
        record_id=record,
        external_id=external,
        transport_id=POLLED if polled else (item.transport_id or "")[:LONGEST] or None,
        digest=item.digest,
        payload=item.payload,
        status="unreadable" if item.unreadable else "received",
        reason=item.unreadable,
        is_test=item.test,
        is_import=first_import,
        at=now,
    )
