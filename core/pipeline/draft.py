"""A new message as it enters the store: over which channel, from when and until when; where it will not leave, what it would have said."""

from __future__ import annotations

import hashlib

from core import retry
from core.ids import new_id
from core.model import Booking, Notice
from core.pipeline import route
from core.pipeline.matter import Matter
from core.pipeline.render import render
from core.runtime import Runtime
from core.store.rows import Notification


def draft(
    run: Runtime,
    matter: Matter,
    kind: str,
    phone: str | None,
    booking: Booking | None,
    status: str = "pending",
    rule: str | None = None,
    error: str | None = None,
) -> Notification:
    """It inherits the attempts, the next one and the promised turn of the message that it replaces."""
    row, event, now = matter.row, matter.event, matter.now
    way = route.hops(run.hooks, run.config, row.company_id, matter.person.won_channel)
    hop = way[0] if way else None
    visit = matter.told(kind, booking) if booking else None
    waits = matter.known.open
    turn = waits.turn_at if waits and hop and (waits.transport, waits.account) == (hop.plugin.short, hop.account) else None
    if hop is None and status == "pending":
        error = "no transport carries a channel of [route]; switch one on"
    deadline = retry.deadline_of(now, visit.visit_at if visit else None, matter.test)
    if status == "pending" and error is None and not retry.fits(now, deadline) and row.status == "deferred" and row.rule:
        error = f"its time is over: {row.rule} put it off ({row.reason})"  # it expires with these words
    return Notification(
        notification_id=_number_of(row.event_id) if event.text is not None else new_id("n_", now),
        event_id=row.event_id,
        source=row.source,
        company_id=row.company_id,
        record_id=row.record_id,
        phone=phone,
        client_name=booking.client_name if booking else (event.recipient.name if event.recipient else None),
        notification_type=kind,
        channel=hop.channel.name if hop else "none",
        transport=hop.plugin.short if hop else None,
        account=hop.account if hop else 0,
        reference=new_id("v", now, 23),
        status=status if hop or status == "withheld" else "failed",
        error=f"{rule}: {error}" if rule and error else error,
        rule=rule,
        message=_would_say(run, matter, kind, booking, hop) if status != "pending" else None,
        is_test=matter.test,
        revision=matter.fold.state.revision,
        told=booking,
        known_before=matter.known.announced,
        body=event.text,
        attempts=waits.attempts if waits else 0,
        due_at=max(now, waits.due_at) if waits and (waits.attempts or turn) else now,
        turn_at=turn,
        deadline_at=deadline,
        created_at=now,
    )


def _would_say(run: Runtime, matter: Matter, kind: str, booking: Booking | None, hop: route.Hop | None) -> str | None:
    if hop is None:
        return matter.event.text
    notice = Notice(kind, booking, matter.known.announced, frozenset(), matter.salon, matter.event.text)
    said = render(run.hooks, notice, hop.channel).message
    return said.text if said else None


def _number_of(event_id: str) -> str:
    """A ready-made text is one message, however often its event is decided."""
    return f"n_{hashlib.sha256(event_id.encode()).hexdigest()[:20]}"
