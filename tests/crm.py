"""A CRM that is nobody's: its mapping, its recorded bodies, and its signature."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import datetime
from typing import Any

from tests.conftest import PAYLOADS

# The table that reads tests/payloads/crm.
MAPPING: dict[str, Any] = {
    "salon": "branch.id",
    "id": "booking.id",
    "status": "event",
    "created": ["booking.new"],
    "updated": ["booking.edited"],
    "deleted": ["booking.cancelled"],
    "start": "booking.start",
    "phone": "booking.client.phone",
    "name": "booking.client.name",
    "services": "booking.items[].{title: title, cost: price, first_cost: full_price}",
    "staff": "booking.master.name",
    "comment": "booking.comment",
    "changed": "booking.updated_at",
}
WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def crm(name: str = "booking_new", **changes: Any) -> dict[str, Any]:
    """A body of the CRM; `changes` go into its booking (or, for `event`, beside it)."""
    found: dict[str, Any] = json.loads((PAYLOADS / "crm" / f"{name}.json").read_text(encoding="utf-8"))
    for key, value in changes.items():
        (found if key in found else found["booking"])[key] = value
    return found


def signed(
    body: bytes, at: datetime, number: str = "msg_1", secret: str = WHSEC, before: str = "", after: str = ""
) -> dict[str, str]:
    """The headers of Standard Webhooks, made by the book; `before` and `after` are further signatures."""
    stamp = str(int(at.timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    ours = base64.b64encode(hmac.new(key, b".".join([number.encode(), stamp.encode(), body]), hashlib.sha256).digest()).decode()
    signature = " ".join(filter(None, (before, f"v1,{ours}", after)))
    return {"webhook-id": number, "webhook-timestamp": stamp, "webhook-signature": signature}
