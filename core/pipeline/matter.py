"""One booking before its judge: the event that decides, what was known, the client. What has changed, and the case that the rules hear."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec import Struct

from core.model import Booking, Case, Event, EventFacts, Salon
from core.pipeline.compare import CANCELLED, CREATED, UPDATED, Change, Past, compare, differences
from core.pipeline.normalize import Folded
from core.store.people import People
from core.store.rows import EventRow, Known

OLD = "a newer change of the booking is already known"
SAME = "the message that waits tells the same"


class Matter(Struct, frozen=True):
    """`known` is what the store knew before, `fold` what its new events make of it. `first_at` is when the first of them came."""

    known: Known
    fold: Folded
    person: People
    salon: Salon
    first_at: datetime
    now: datetime

    @property
    def row(self) -> EventRow:
        """The event that decides."""
        return self.fold.last[0]

    @property
    def event(self) -> Event:
        return self.fold.last[1]

    @property
    def test(self) -> bool:
        return self.row.is_test

    @property
    def waiting(self) -> str | None:
        """The type of the message that still waits."""
        return self.known.open.type if self.known.open is not None else None

    def told(self, kind: str | None, booking: Booking) -> Booking:
        """What a notification of this type speaks of: a cancellation, of what the client knows."""
        announced = self.known.announced
        return announced if kind == CANCELLED and announced is not None and not announced.cancelled else booking

    def change(self, booking: Booking) -> Change:
        """The notification that is due."""
        if self.test:
            return Change({"created": CREATED, "updated": UPDATED, "deleted": CANCELLED}[self.event.action])
        if not self.fold.applied and not (self.fold.state.create_seen and not self.known.create_seen and self.waiting == UPDATED):
            return Change(None, note=OLD)
        past = Past(
            self.known.announced,
            self.known.attempted,
            self.known.hindrance is not None,
            self.known.seen,
            self.fold.state.create_seen,
            self.waiting,
        )
        change, before = compare(past, booking, self.now), self.known.snapshot
        if change.type is not None and change.type == self.waiting and before is not None and not differences(before, booking):
            return Change(None, note=SAME)
        return change

    def case(self, change: Change, booking: Booking | None, phone: str | None) -> Case:
        """What the rules hear."""
        return Case(
            type=change.type,
            booking=booking,
            announced=self.known.announced,
            changed=change.changed,
            event=EventFacts(
                self.row.event_id,
                self.event.action,
                self.row.created_at,
                self.first_at,
                self.event.changed_at,
                self.known.changed_at,
                stale=not self.fold.applied and change.type is None,  # an older create that turns an update into itself is none
            ),
            contact=msgspec.structs.replace(self.person.contact, phone=phone),
            salon=self.salon,
            test=self.test,
            seen=self.known.seen,
            note=change.note,
        )
