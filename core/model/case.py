"""Deciding: all that a rule may know, and what it may answer."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from core.model.booking import Action, Booking


class EventFacts(Struct, frozen=True):
    """What a rule may know of the event that asks."""

    event_id: str
    action: Action  # as the sender called it
    at: datetime  # the arrival
    since: datetime  # arrival of the booking's first undecided event; 1970 before an attempt to send, when all are decided
    changed_at: datetime | None = None  # when the sender says the change was made
    known_changed_at: datetime | None = None  # the newest change that was known before this event
    stale: bool = False  # core keeps the newer state; the rule names it
    repeat: bool = False  # the same event came again after it had been taken in

    @property
    def change(self) -> datetime:
        """When the change was made: what the sender says, else the arrival."""
        return self.changed_at or self.at


class Contact(Struct, frozen=True):
    """What is known of the client, by phone."""

    phone: str | None = None
    wrote_at: datetime | None = None  # when they last wrote, to us or to the salon's other bot
    opted_out_at: datetime | None = None  # when they said СТОП; unset once they said СТАРТ
    sent_at: tuple[datetime, ...] = ()  # messages of the last 24 hours that left or may have left, oldest first


class Salon(Struct, frozen=True):
    """One branch, as `[salon.ID]` describes it."""

    id: int  # `company_id`
    name: str = ""
    address: str = ""
    phone: str = ""
    timezone: str | None = None  # such as "Europe/Moscow"
    region: str = "RU"  # of phone numbers without a country code


class Case(Struct, frozen=True):
    """All that a rule may know. Core collects it in one query and stores it with the verdicts.

    `type` is "booking_created", "booking_updated" or "booking_cancelled"; of a text made elsewhere the event's `kind`, "message" where it
    says none; "opted_out" and "opted_in" are the answers to СТОП and СТАРТ. `None`: no notification is due, and `note` says why.
    `booking` is `None` for a text. After a deletion that said no more than the id it is what was known before, or `None`.
    """

    type: str | None  # the notification that is due
    booking: Booking | None  # as it is now, cancelled or not
    announced: Booking | None  # as the client knows it
    changed: frozenset[str]  # what differs between the two: time, services, staff, branch, price, phone
    event: EventFacts
    contact: Contact
    salon: Salon
    test: bool = False  # a test booking, whose maker waits for the text: rules by the clock let it pass
    seen: bool = False  # the booking was known before this event
    note: str = ""  # why no notification is due


class Suppressed(Struct, frozen=True):
    """The client is not told."""

    reason: str
    client_knows: bool = False  # somebody told them already, so what is announced moves
    withheld: bool = False  # a trial run: what would have been sent is recorded, and what is announced moves, too
    call: bool = False  # a cancellation or a new time goes on the list «Позвоните клиенту», if all that say no say this


class Deferred(Struct, frozen=True):
    """Not yet."""

    until: datetime  # when to ask again, with any offset
    reason: str


Verdict = Suppressed | Deferred | None
