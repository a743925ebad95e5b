"""What the WhatsApp gateways have in common: chat ids, and what an HTTP status says where the body says nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

import httpx
import msgspec

from core import DeliveryStatus, InboundMessage, Rejected, Retry, SendResult, Unclear

ABSENT = Rejected("the number is not on WhatsApp")
INVALID = Rejected("the request is not valid", scope="content")
SENT = DeliveryStatus("sent")
DELIVERED = DeliveryStatus("delivered")
READ = DeliveryStatus("read")
FAILED = DeliveryStatus("failed")
PEOPLE = ("c.us", "s.whatsapp.net", "lid", "")  # after the "@" of a chat with one person; a bare number is MAX's


def by_status(response: httpx.Response, keys: str) -> SendResult:
    """What is left to say by the status alone. `keys` are those of the config that a refusal makes suspect.

    These gateways know no repeats, so whatever may have been taken is `Unclear`.
    """
    status = response.status_code
    if status < 300:
        return Unclear(f"HTTP {status} without the id of a message")
    if status >= 500 or status in (408, 499):
        return Unclear(f"HTTP {status}: it may have been taken")
    if status == 429:
        wait = response.headers.get("retry-after", "")
        return Retry("too many requests", timedelta(seconds=int(wait)) if wait.isdecimal() and len(wait) < 7 else None, "transport")
    if status < 400 or status in (401, 403, 404):
        return down(f"HTTP {status}: {keys} is wrong")
    return INVALID


def down(reason: str) -> Retry:
    """The account waits for a person."""
    return Retry(reason, scope="transport", alert=True)


def text_of(value: object) -> str:
    return value if isinstance(value, str) else ""  # a picture, a voice message: the client wrote all the same


def moment(seconds: object) -> datetime | None:
    """Raises ValueError for a time that is none."""
    return msgspec.convert(seconds, datetime | None, strict=False)


def chat_of(phone: str) -> str:
    return f"{phone.removeprefix('+')}@c.us"


def phone_of(chat: object) -> str | None:
    """ "79001234567@c.us" → "+79001234567"; a @lid hides the phone."""
    number, _, kind = str(chat).partition("@")
    number = number.partition(":")[0]  # ":12" names one of the client's devices
    return f"+{number}" if kind in ("c.us", "s.whatsapp.net") and number.isascii() and number.isdecimal() else None


def inbound(chat: str, text: str, at: datetime | None) -> tuple[InboundMessage, ...]:
    """What a person wrote; nothing for groups and channels (those of MAX are negative numbers)."""
    if chat.startswith("-") or not chat or chat.partition("@")[2] not in PEOPLE:
        return ()
    phone = phone_of(chat)
    return (InboundMessage(text, phone, None if phone else chat, at),)
