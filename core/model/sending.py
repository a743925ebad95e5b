"""Rendering and sending: what leaves, over what, and what became of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct

from core.model.booking import Booking, in_seconds
from core.model.case import Salon


class Notice(Struct, frozen=True):
    """What is to be told."""

    type: str  # the notification: "booking_created"
    booking: Booking | None  # the state it tells
    announced: Booking | None  # what the client knew before
    changed: frozenset[str]  # what differs: time, services, staff, branch, price, phone
    salon: Salon
    text: str | None = None  # ready, where it was rendered elsewhere


class Channel(Struct, frozen=True):
    """The facts of a transport: which channel it carries, and what that channel can show."""

    name: str  # what the client reads: "sms"
    bold: tuple[str, str] | None = None  # the marks around bold text: ("*", "*"), ("<b>", "</b>")
    strike: tuple[str, str] | None = None  # the marks around struck text
    length: int = 4096  # the longest text, in characters
    escape: Literal["html"] | None = None  # how text must be escaped
    short: bool = False  # terse texts, as for SMS
    reports_delivery: bool = True  # statuses come back, by `callback` or `check`
    concurrency: int = 8  # requests that may be open at once, for each account
    gap: timedelta = timedelta(0)  # least time between two messages of one account
    recipient_gap: timedelta = timedelta(0)  # least time between two messages to one client
    first_contacts_per_day: int | None = None  # new clients in 24 hours, where a gateway bans who writes to more
    needs_binding: bool = False  # reaches only clients who bound the bot
    repeats: timedelta = timedelta(0)  # how long the gateway knows a repeat by its `reference`: a lost answer is asked for again


class Message(Struct, frozen=True, omit_defaults=True):
    """What leaves."""

    text: str
    type: str = ""  # the notification
    parameters: dict[str, str] = {}  # the pieces by name, for channels that fill an approved template
    refused: frozenset[str] = frozenset()  # the templates that the gateway refused lately: it leaves by another


class Address(Struct, frozen=True):
    """Where a message goes."""

    phone: str  # E.164
    name: str | None = None
    binding: str | None = None  # the transport's own id of the client (a chat), where one was bound
    reference: str = ""  # ours: one for each message on a channel, the same for its retries; at most 32 of [a-z0-9]
    wrote_at: datetime | None = None  # when the client last wrote to this account


Scope = Literal["recipient", "content", "transport"]


class Sent(Struct, frozen=True):
    """The gateway took it."""

    id: str | None  # the gateway's; `None` where it names none (a repeat that it had already taken)
    binding: str | None = None  # the transport's own id of the client, if sending found it: it is kept, and comes back in `Address`
    template: str = ""  # the one that it left by, as `Rejected` names it


class Retry(Struct, frozen=True):
    """It was certainly not taken, or a repeat is known as one (`within`); try again."""

    reason: str
    after: timedelta | None = None  # what the gateway asks for, or a number of seconds; core has a back-off of its own
    scope: Literal["recipient", "transport"] = "recipient"  # what waits: this message, or the whole account
    alert: bool = False  # a person has to mend it: token, money, session
    within: timedelta | None = None  # it may have been taken, and a repeat is known for so long from the request; later: `Unclear`

    def __post_init__(self) -> None:
        in_seconds(self, "after", "within")


class Rejected(Struct, frozen=True):
    """It will never be taken."""

    reason: str
    scope: Literal["recipient", "content"] = "recipient"  # next channel; or the text or template is wrong: one alert
    unbind: bool = False  # the bot was blocked: the binding rests until the client is back
    everybody: str = ""  # what is wrong with the account where the gateway says it of three clients in a row: they are not refused, it is out of order
    template: str = ""  # no message can leave by this template: it is asked again without it, and others do without it for a while


class Unclear(Struct, frozen=True):
    """It may or may not have been taken. Never repeated by itself; a status, `check` or a person resolves it."""

    reason: str


SendResult = Sent | Retry | Rejected | Unclear


class Attempt(Struct, frozen=True):
    """A message whose fate `check` is asked about."""

    id: str | None  # the gateway's; `None` where its answer was lost
    reference: str  # ours, as in `Address`
    phone: str
    sent_at: datetime


DeliveryState = Literal["sent", "delivered", "read", "failed"]


class DeliveryStatus(Struct, frozen=True):
    """What became of a message. `id` or `reference` is enough to find it; so is `phone`, with `text` where several messages can be meant."""

    status: DeliveryState
    id: str | None = None  # the gateway's
    reference: str | None = None  # ours, where the gateway echoes it
    phone: str | None = None  # the recipient's, where the gateway says it
    at: datetime | None = None
    reason: str | None = None  # of a failure
    text: str | None = None  # what was sent, where the gateway tells it back
    binding: str | None = None  # the recipient's chat, where the gateway names it instead of the phone: kept
    scope: Scope = "recipient"  # of a failure, what is wrong: the message goes on in any case; "content" is one alert, "transport" pauses the account
    after: timedelta | None = None  # of one that is the account's: how long it is left alone, where the gateway says so
    template: bool = False  # of a failure: no message can leave by the template of this one: others do without it for a while


class InboundMessage(Struct, frozen=True):
    """The client wrote."""

    text: str  # empty for a picture or a voice
    phone: str | None = None  # E.164; `None` where only the binding is known
    binding: str | None = None
    at: datetime | None = None


class Binding(Struct, frozen=True):
    """A client bound the bot, or left it."""

    binding: str  # the transport's own id of the client
    bound: bool = True
    phone: str | None = None  # what a shared contact says
    token: str | None = None  # what a deep link carried


class TransportState(Struct, frozen=True):
    """The account itself: working, or out of order and why."""

    working: bool
    reason: str = ""


CallbackItem = DeliveryStatus | InboundMessage | Binding | TransportState


class Outcome(Struct, frozen=True):
    """What became of one event or one attempt: what a recorder is told."""

    at: datetime
    event_id: str
    source: str
    company_id: int | None
    record_id: int | None
    status: str  # of the event ("processed", "suppressed"); with a `channel` of the message ("sent", "delivered", "undelivered": not in time)
    type: str | None = None  # the notification
    rule: str | None = None  # the one that spoke
    reason: str | None = None
    channel: str | None = None
    transport: str | None = None
    phone: str | None = None  # masked
    seconds: float | None = None  # from arrival to this outcome
    next: str | None = None  # the channel that is tried next: it is not over
