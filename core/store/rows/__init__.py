"""What the pipeline and the store say to each other: rows as values. Times are aware UTC; bookings are decoded."""

from core.store.rows.booking import Key, Known, OpenMessage, known_row, read_booking, write_booking
from core.store.rows.event import EventEnd, EventRow, JournalLine, event_row
from core.store.rows.notification import OURS, Notification, notification_row
from core.store.rows.writes import Decision, Finish, Lease, Onwards, journal_values, notification_values

__all__ = [
    "OURS",
    "Decision",
    "EventEnd",
    "EventRow",
    "Finish",
    "JournalLine",
    "Key",
    "Known",
    "Lease",
    "Notification",
    "Onwards",
    "OpenMessage",
    "event_row",
    "journal_values",
    "known_row",
    "notification_row",
    "notification_values",
    "read_booking",
    "write_booking",
]
