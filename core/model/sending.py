"""Rendering and sending: what leaves, over what, and what became of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct

from core.model.booking import Booking
from core.model.case import Salon


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
    """What became of one event or one attempt: what a recorder is told. `phone` is masked.

    `status` is that of the event ("processed", "suppressed", …), or with a `channel` that of the message: "sent", "delivered", "failed", …,
    and "undelivered" where it was taken and no delivery was reported in time.
    """

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
    next: str | None = None  # the channel that is tried next: it is not over
