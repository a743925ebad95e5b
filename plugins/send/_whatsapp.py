"""What the WhatsApp gateways have in common: how gently they send, chat ids, and what an HTTP status says where the body says nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

import httpx

from core import Channel, Duration, InboundMessage, Rejected, SendResult, Settings, answer, down, otherwise

ABSENT = Rejected("the number is not on WhatsApp")
INVALID = Rejected("the request is not valid", scope="content")
PEOPLE = ("c.us", "s.whatsapp.net", "lid", "")  # after the "@" of a chat with one person; a bare number is MAX's


class OwnNumber(Settings, frozen=True):
    """Gateways that write from the salon's own number. WhatsApp bans numbers that write too fast, or to too many new people.

    WAHA advises 30 to 60 s between messages; 15 to 20 cold messages a day are known to end in a ban.
    """

    gap: Duration = Duration("2s")  # least time between two messages, up to half more by chance; "0s": none
    first_contacts: int = 20  # clients who did not write first and are new to this number, in 24 hours; 0: as many as come


def facts(config: OwnNumber, length: int = 4096, repeats: timedelta = timedelta(0)) -> Channel:
    marks, cap = (("*", "*"), ("~", "~")), config.first_contacts or None
    return Channel("whatsapp", *marks, length, concurrency=2, gap=config.gap, first_contacts_per_day=cap, repeats=repeats)


def by_status(response: httpx.Response, keys: str) -> SendResult:
    """What is left to say by the status alone. `keys` are those of the config that a refusal makes suspect.

    These gateways know no repeats, so whatever may have been taken is `Unclear`.
    """
    status, said = response.status_code, answer(response)
    if 300 <= status < 400 or any(code in (401, 403, 404) for code in (status, said.get("status"), said.get("statusCode"))):
        return down(f"HTTP {status}: {keys} is wrong")
    return INVALID if response.is_client_error and status not in (408, 429, 499) else otherwise(response)


def text_of(value: object) -> str:
    return value if isinstance(value, str) else ""  # a picture, a voice message: the client wrote all the same


def chat_of(phone: str) -> str:
    return f"{phone.removeprefix('+')}@c.us"


def phone_of(chat: object) -> str | None:
    """ "79001234567@c.us" → "+79001234567"; a @lid hides the phone."""
    number, _, kind = str(chat).partition("@")
    number = number.partition(":")[0]  # ":12" names one of the client's devices
    return f"+{number}" if kind in ("c.us", "s.whatsapp.net") and number.isascii() and number.isdecimal() else None


def lid_of(chat: object) -> str | None:
    """The chat whose phone WhatsApp hides; what its client writes comes from there, too."""
    return str(chat) if str(chat).endswith("@lid") else None


def inbound(chat: str, text: str, at: datetime | None) -> tuple[InboundMessage, ...]:
    """What a person wrote; nothing for groups and channels (those of MAX are negative numbers)."""
    if chat.startswith("-") or not chat or chat.partition("@")[2] not in PEOPLE:
        return ()
    phone = phone_of(chat)
    return (InboundMessage(text, phone, None if phone else chat, at),)
