"""The nouns of Vestnik: frozen values that hooks take and give.

Core knows what a booking is (time, services, staff, place, price, client). It does not know who sells it, nor how it is told.
All times are aware. `visit_at` carries the salon's offset, so its digits are the salon's wall clock; every other time is UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import msgspec
from msgspec import Struct

# --- the HTTP edge -------------------------------------------------------------------------------------------------


class Request(Struct, frozen=True):
    """One HTTP request, as a source or a transport sees it.

    `headers` has lower-case names. `query` has the first value of each name. `body` is the raw bytes, at most 1 MiB.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes


class Received(Struct, frozen=True):
    """One event as it arrived, ready to be stored. `payload` is text; `normalize` reads it again from the stored row.

    `event_id` is the inbox key: the same event sent twice has the same one. `subject_id` is the sender's own id of the booking
    (any text or number); core turns it into a BIGINT. `unreadable` says why the body could not be read; it is stored all the same.
    """

    event_id: str
    event_type: str  # "record.created"
    payload: str
    company_id: int | str | None = None
    subject_id: int | str | None = None
    transport_id: str | None = None  # the sender's own delivery id (a header), kept for the story, never a key
    digest: str | None = None  # of the sender's data: a poll that finds the same again passes it over
    unreadable: str | None = None
    test: bool = False


class Reply(Struct, frozen=True):
    """An answer of the plugin's own, where the sender wants more than our JSON. `items` are stored before it is sent."""

    items: tuple[Received | CallbackItem, ...] = ()
    body: str = ""
    content_type: str = "application/json"
    status: int = 200


class Example(Struct, frozen=True):
    """A recorded body for `vestnik demo`, with its dates moved to the future."""

    title: str
    body: bytes


# --- what happened -------------------------------------------------------------------------------------------------

Attendance = Literal["expected", "confirmed", "arrived", "no_show"]
Action = Literal["created", "updated", "deleted"]


class Service(Struct, frozen=True, omit_defaults=True):
    """One line of a booking. `cost` is the line's total after discount, `first_cost` before it, `cost_to_pay` what is left to pay."""

    title: str
    id: str | None = None
    cost: Decimal | None = None
    first_cost: Decimal | None = None
    cost_to_pay: Decimal | None = None


class Staff(Struct, frozen=True, omit_defaults=True):
    """Who does the work."""

    name: str
    id: str | None = None


class Booking(Struct, frozen=True, omit_defaults=True):
    """A booking at one moment. `None` means "not said"; core fills it from what it already knows.

    `phone` is E.164 ("+79000000088"). Where there is none, `phone_missing` says why, in words a salon understands.
    `extra` keeps what the source wants to have in the snapshot and core does not judge (visit id, short link, …).
    """

    visit_at: datetime | None = None
    services: tuple[Service, ...] | None = None
    staff: Staff | None = None
    branch: str | None = None
    client_name: str | None = None
    phone: str | None = None
    phone_missing: str | None = None
    attendance: Attendance = "expected"
    paid: bool = False
    cancelled: bool = False
    comment: str = ""
    online: bool = False  # the client booked it himself
    notify: bool | None = None  # the administrator's tick "notify the client"; None: not said
    created_at: datetime | None = None
    changed_at: datetime | None = None
    extra: dict[str, Any] = {}


class Recipient(Struct, frozen=True, omit_defaults=True):
    """Whom to tell, for an event that has no booking."""

    phone: str | None = None
    name: str | None = None
    missing: str | None = None  # why there is no phone


class Event(Struct, frozen=True, omit_defaults=True):
    """What a source understood of a `Received` item.

    Either `booking` (a state to compare), or `text` (already rendered elsewhere), or neither: a deletion that says no more than the id.
    `action` is what the sender called it; core trusts it only to tell a first creation from a later change.
    `kind` names the notification of an event without booking ("message" if unset).
    """

    action: Action
    booking: Booking | None = None
    text: str | None = None
    recipient: Recipient | None = None
    kind: str = "message"
    changed_at: datetime | None = None


class Ignored(Struct, frozen=True):
    """Nothing to tell anybody; the reason is kept with the event."""

    reason: str


class Later(Struct, frozen=True):
    """Cannot be understood yet (the sender's API is away). `after` is the wait; core doubles it from one time to the next."""

    reason: str
    after: timedelta = timedelta(seconds=30)


# --- deciding ------------------------------------------------------------------------------------------------------


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


# --- rendering and sending -----------------------------------------------------------------------------------------


class Notice(Struct, frozen=True):
    """What is to be told: the subject of `parts` and `render`.

    `type` is the notification ("booking_created"). `booking` is the state it tells; `announced` what the client knew before.
    """

    type: str
    booking: Booking | None
    announced: Booking | None
    changed: frozenset[str]
    salon: Salon
    text: str | None = None


class Channel(Struct, frozen=True):
    """The facts of a transport: which channel it carries, and what that channel can show.

    `bold` and `strike` are the marks around a piece of text: ("*", "*"), ("<b>", "</b>"), or `None` where there is none.
    `length` is the longest text in characters. `escape` is "html" where text must be escaped. `short`: SMS-like, terse text.
    `concurrency` is how many requests may be open at once per account, `gap` the least time between two sends of one account.
    `reports_delivery`: statuses come back. `first_contacts_per_day` caps first-time recipients (gateways that ban numbers).
    `needs_binding`: reaches only clients who bound the bot.
    """

    name: str
    bold: tuple[str, str] | None = None
    strike: tuple[str, str] | None = None
    length: int = 4096
    escape: Literal["html"] | None = None
    short: bool = False
    reports_delivery: bool = True
    concurrency: int = 8
    gap: timedelta = timedelta(0)
    recipient_gap: timedelta = timedelta(0)
    first_contacts_per_day: int | None = None
    needs_binding: bool = False


class Message(Struct, frozen=True, omit_defaults=True):
    """What leaves. `parameters` are the parts by name, for channels that fill an approved template; `type` is the notification."""

    text: str
    type: str = ""
    parameters: dict[str, str] = {}


class Address(Struct, frozen=True):
    """Where a message goes. `phone` is E.164. `binding` is the transport's own id of the client (a chat id), where one was bound.

    `reference` is ours, for APIs that take a client-chosen id: unique per message on a channel, the same for its retries, at most
    32 characters of [a-z0-9]. `wrote_at` is when the client last wrote to this account.
    """

    phone: str
    name: str | None = None
    binding: str | None = None
    reference: str = ""
    wrote_at: datetime | None = None


Scope = Literal["recipient", "content", "transport"]


class Sent(Struct, frozen=True):
    """The gateway took it. `id` is the gateway's; `None` where it names none (a repeat that it had already taken)."""

    id: str | None


class Retry(Struct, frozen=True):
    """It was certainly not taken; try again. `after` is what the gateway asks for; core has its own back-off where it is `None`.

    scope "recipient": only this message waits. "transport": the account is out of order or limited; it is paused.
    `alert`: a person has to mend it (token, money, session).
    """

    reason: str
    after: timedelta | None = None
    scope: Literal["recipient", "transport"] = "recipient"
    alert: bool = False


class Rejected(Struct, frozen=True):
    """It will never be taken. "recipient": next channel. "content": the text or template is wrong; one alert."""

    reason: str
    scope: Literal["recipient", "content"] = "recipient"
    unbind: bool = False  # the bot was blocked: forget the binding


class Unclear(Struct, frozen=True):
    """It may or may not have been taken. Never repeated by itself; a status, `check` or a person resolves it."""

    reason: str


SendResult = Sent | Retry | Rejected | Unclear


class Attempt(Struct, frozen=True):
    """A message whose fate `check` is asked about."""

    id: str | None
    reference: str
    phone: str
    sent_at: datetime


DeliveryState = Literal["sent", "delivered", "read", "failed"]


class DeliveryStatus(Struct, frozen=True):
    """What became of a message. `id` is the gateway's id, `reference` ours where the gateway echoes it; one of them is enough.

    `phone` is the recipient, where the gateway says it: so a message whose answer was lost, and whose id nobody knows, is found.
    """

    status: DeliveryState
    id: str | None = None
    reference: str | None = None
    phone: str | None = None
    at: datetime | None = None
    reason: str | None = None


class InboundMessage(Struct, frozen=True):
    """The client wrote. `phone` is E.164, or `None` where only `binding` is known."""

    text: str
    phone: str | None = None
    binding: str | None = None
    at: datetime | None = None


class Binding(Struct, frozen=True):
    """A client bound the bot (`bound`), or left it. `token` is what a deep link carried, `phone` what a shared contact says."""

    binding: str
    bound: bool = True
    phone: str | None = None
    token: str | None = None


class TransportState(Struct, frozen=True):
    """The account itself: working, or out of order and why."""

    working: bool
    reason: str = ""


CallbackItem = DeliveryStatus | InboundMessage | Binding | TransportState


class Outcome(Struct, frozen=True):
    """What became of one event or one attempt: what a recorder is told. `phone` is masked."""

    at: datetime
    event_id: str
    source: str
    company_id: int | None
    record_id: int | None
    status: str
    type: str | None = None
    rule: str | None = None
    reason: str | None = None
    channel: str | None = None
    transport: str | None = None
    phone: str | None = None
    seconds: float | None = None  # from arrival to this outcome


def merge(known: Booking | None, now: Booking) -> Booking:
    """`now`, with what it does not say filled in from `known`."""
    if known is None:
        return now
    gaps: dict[str, Any] = {
        name: getattr(known, name)
        for name in ("visit_at", "services", "staff", "branch", "client_name", "created_at", "notify")
        if getattr(now, name) is None and getattr(known, name) is not None
    }
    if known.extra and now.extra != known.extra:
        gaps["extra"] = {**known.extra, **now.extra}
    return msgspec.structs.replace(now, **gaps) if gaps else now
