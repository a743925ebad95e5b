"""What recorders are told of a message: of one attempt's end, of its next channel, of a report."""

from __future__ import annotations

from datetime import datetime

from core.model import Outcome
from core.phones import mask
from core.store.rows import Finish, Notification, Onwards


def of_end(end: Finish) -> Outcome:
    return of_message(end.row, end.status, end.at, end.error, end.rule, end.next)


def of_going_on(entry: Onwards, now: datetime) -> Outcome:
    status = "failed" if entry.row.status == "failed" else "undelivered"
    return of_message(entry.row, status, now, entry.reason, then=entry.next)


def of_message(
    row: Notification,
    status: str,
    at: datetime,
    reason: str | None = None,
    rule: str | None = None,
    then: Notification | None = None,
) -> Outcome:
    """What became of one message on one channel; `then` is the same message on the next."""
    return Outcome(
        at, row.event_id, row.source, row.company_id, row.record_id, status, row.notification_type, rule, reason, row.channel,
        row.transport, mask(row.phone), (at - row.created_at).total_seconds(), then.channel if then else None,
    )  # fmt: skip
