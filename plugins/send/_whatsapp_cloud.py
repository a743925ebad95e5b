"""What Meta answers and posts. An error's code may come as an answer, with any HTTP status, or later in a `failed` status.

https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx

from core import (
    CallbackItem,
    Codes,
    DeliveryStatus,
    InboundMessage,
    Refused,
    Retry,
    SendResult,
    Sent,
    answer,
    blamed,
    moment,
    objects,
)
from plugins.send._whatsapp import by_status, text_of

_PERMISSIONS = " ".join(map(str, (3, 10, *range(200, 300))))
CODES = Codes(
    account={
        "0 190": "the token is not valid",
        _PERMISSIONS: "the token lacks a permission",
        "33 133010": "phone_number_id is not registered",
        "131042": "the payment method fails",
        "368 131005 131031": "the business account is locked or lacks access",
        "131037 131045": "the number's display name or certificate is not approved",
        "130497": "the business may not write to this country",
        "131048": "too many messages were marked as spam",
    },
    limited={"4 80007 130429 131064 133016": "the account's rate limit is reached"},
    later={"131056": "too many messages to this client", "1 2 131000 131016 131057 135000": "Meta failed for a moment"},
    recipient={
        "131047": "the client has not written for 24 hours",
        "131026": "it cannot be delivered: no WhatsApp, or an old one",
        "131021 131030 131062": "the number cannot be written to",
        "131049 131050 130472": "Meta holds marketing back from this client",
    },
    content={
        "100 131008 131009 131051 131063": "the request is not valid",
        "132005 132007": "the template does not take these words",
        "132000 132001 132008 132012": "the template does not fit",
        "132015 132016 132068 132069": "the template is paused or disabled",
    },
    after={"131048": timedelta(hours=1), "131056": timedelta(seconds=6)},
)
WINDOW_CLOSED = CODES.get(131047)
WRONG_FOR_ALL = (CODES.get(132000), CODES.get(132015))  # whoever it is for, no message can leave by this template


def judge(response: httpx.Response) -> SendResult:
    match answer(response):
        case {"error": {"code": int() | str() as code}} if known := CODES.get(code):
            return known
        case {"error": {"code": int() | str() as code}} if response.is_server_error and str(code).isdecimal():
            return Retry(f"Meta failed with code {code}")
        case {"error": {"is_transient": True}}:
            return Retry("Meta failed for a moment")
        case {"messages": [{"id": str(sent)}, *_]} if response.is_success and sent:
            return Sent(sent)
    return by_status(response, "base_url, version or phone_number_id")


def items(hook: dict[str, Any], phone_number_id: str) -> Iterator[CallbackItem]:
    """What a callback says of our number. One that speaks of others alone is `Refused`: core asks the next account."""
    values = list(_values(hook))
    ours = [value for value in values if not phone_number_id or _number(value) in ("", phone_number_id)]
    if values and not ours:
        raise Refused("a callback of another number")
    for value in ours:
        for status in objects(value.get("statuses")):
            yield from _status(status)
        for message in objects(value.get("messages")):
            yield from _inbound(message)


def _values(hook: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for entry in objects(hook.get("entry")):
        for change in objects(entry.get("changes")):
            if change.get("field") == "messages" and isinstance(value := change.get("value"), dict):
                yield value


def _number(value: dict[str, Any]) -> str:
    metadata = value.get("metadata")
    return str(metadata.get("phone_number_id") or "") if isinstance(metadata, dict) else ""


def _status(said: dict[str, Any]) -> Iterator[CallbackItem]:
    match said:
        case {"id": str(sent), "status": "sent" | "delivered" | "read" | "failed" as status}:
            codes = [error.get("code") for error in objects(said.get("errors"))]
            cause = next((known for code in codes if (known := CODES.get(code))), None)
            reason = f"Meta's code {codes[0]}" if codes and cause is None else getattr(cause, "reason", None)
            reference = text_of(said.get("biz_opaque_callback_data")) or None
            to, at = _phone(said.get("recipient_id")), moment(said.get("timestamp"))
            wrong, after = blamed(cause), cause.after if isinstance(cause, Retry) and cause.alert else None
            bad = cause in WRONG_FOR_ALL
            yield DeliveryStatus(status, sent, reference, to, at, reason, scope=wrong, after=after, template=bad)


def _inbound(said: dict[str, Any]) -> Iterator[CallbackItem]:
    match said:
        case {"type": "system"}:  # the client changed the number
            return
        case {"text": {"body": str(text)}} | {"button": {"text": str(text)}}:
            pass
        case {"interactive": {"button_reply": {"title": str(text)}} | {"list_reply": {"title": str(text)}}}:
            pass
        case _:
            text = ""
    if phone := _phone(said.get("from")):
        yield InboundMessage(text, phone, at=moment(said.get("timestamp")))


def _phone(digits: object) -> str | None:
    text = str(digits)
    return f"+{text}" if text.isascii() and text.isdecimal() else None
