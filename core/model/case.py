"""Deciding: all that a rule may know, and what it may answer."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from core.model.booking import Action, Booking


class EventFacts(Struct, frozen=True):
    """What a rule may know of the event that asks.

    `at` is the arrival, `changed_at` when the sender says the change was made, `since` the arrival of the first event of this booking
    that is still undecided (1970 before an attempt to send: all are decided). `repeat` is true when the same event came again after it had been taken in.
    """

    event_id: str
    action: Action
    at: datetime
    since: datetime
    changed_at: datetime | None = None
    known_changed_at: datetime | None = None  # the newest change that was known before this event
    stale: bool = False  # core keeps the newer state; the rule names it
    repeat: bool = False

    @property
    def change(self) -> datetime:
        """When the change was made: what the sender says, else the arrival."""
        return self.changed_at or self.at


class Contact(Struct, frozen=True):
    """What is known of the client, by phone. Times are UTC."""

    phone: str | None = None
    wrote_at: datetime | None = None
    opted_out_at: datetime | None = None
    sent_at: tuple[datetime, ...] = ()  # messages of the last 24 hours that left or may have left, oldest first


class Salon(Struct, frozen=True):
    """One branch, as `[salon.ID]` describes it. `region` is the phone region ("RU") for numbers without a country code."""

    id: int
    name: str = ""
    address: str = ""
    phone: str = ""
    timezone: str | None = None
    region: str = "RU"


class Case(Struct, frozen=True):
    """All that a rule may know. Core collects it in one query and stores it with the verdicts.

    `type` is the notification that is due ("booking_updated"), or `None` when nothing differs that a client could see; `note` then says so.
    `changed` is what differs between what is announced and now: time, services, staff, branch, price, phone.
    """

    type: str | None
    booking: Booking | None
    announced: Booking | None
    changed: frozenset[str]
    event: EventFacts
    contact: Contact
    salon: Salon
    test: bool = False
    seen: bool = False  # the booking was known before this event
    note: str = ""


class Suppressed(Struct, frozen=True):
    """The client is not told. `client_knows`: somebody told them already, so what is announced moves.

    `withheld`: a trial run; what would have been sent is recorded, and what is announced moves too.
    """

    reason: str
    client_knows: bool = False
    withheld: bool = False


class Deferred(Struct, frozen=True):
    """Not yet: asked again at `until`."""

    until: datetime
    reason: str


Verdict = Suppressed | Deferred | None
