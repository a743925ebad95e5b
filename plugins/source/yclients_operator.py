"""Sends what YCLIENTS itself has written (reminders, birthdays, reviews), as its "SMS operator", over the salon's own channels.

In YCLIENTS: an app of the kind "Чат-боты и СМС-агрегаторы", `url_operator` = `https://…/webhook/yclients_operator?secret=…&salon=962302`
(`salon` may be left out; the message then belongs to no branch). The texts leave as they are, over `[route]`; what became of each goes
back to its `delivery_callback_url`, so YCLIENTS shows it and knows whether to try its next channel; what it has not taken yet stands in
the file `owed` and is told after a restart, with the next outcome. https://developers.yclients.com
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from core import (
    Event,
    Ignored,
    Outcome,
    Received,
    Recipient,
    Refused,
    Reply,
    Request,
    Salon,
    Settings,
    digest,
    hookimpl,
    parse_phone,
    same_secret,
)
from plugins.source import _proof as proof
from plugins.source._yclients_json import as_text, candidates, dump, identity, parse, tidy
from plugins.source._yclients_reports import DELIVERED, LOST, PASSED_ON, REFUSED, Reports

log = logging.getLogger("vestnik.yclients_operator")
_reports = Reports()
_INVALID = 5  # their ENTITY_VALIDATION_ERROR
_KINDS = {"adds": "advert"}  # what their `dispatch_type` makes of a message; any other is a plain one
# What an outcome is to YCLIENTS. A message that may have been taken (`unclear`) is nothing yet: it becomes one of these, or stays open.
_DECIDED = {"suppressed": REFUSED, "ignored": REFUSED, "parked": REFUSED}
_ATTEMPTED = {"sent": PASSED_ON, "delivered": DELIVERED, "read": DELIVERED, "failed": LOST, "expired": LOST, "undelivered": LOST}


class Config(Settings, frozen=True):
    secret: str | None = None  # travels as ?secret=… in url_operator, or as the key that YCLIENTS bears; "none": open on purpose
    partner_token: str = ""  # our key at YCLIENTS: it goes with each status; a request that bears it is taken, too
    owed: Path = Path("yclients_operator.owed")  # statuses that YCLIENTS has not taken yet; seen from config.toml
    callback_to: tuple[str, ...] = ("https://yclients.com/", "https://api.yclients.com/")  # statuses go nowhere else

    def __post_init__(self) -> None:
        for address in self.callback_to:
            if not re.match(r"https?://[^/@]+/", address):
                raise ValueError(f'callback_to: `{address}` is no beginning of addresses; write it as "https://yclients.com/"')


@hookimpl
def receive(request: Request, config: Config) -> Reply:
    _prove(request, config)
    salon, text = identity(request.query.get("salon")), as_text(request.body)
    for found, _ in candidates(request.body, text):
        if isinstance(found, dict):
            orders = _orders(tidy(found))
            items = tuple(_item(proof.name_of(request), salon, order) for order in orders)
            if items:
                answers = [{"id": order["id"], "ext_id": item.event_id} for order, item in zip(orders, items, strict=True)]
                return Reply(items, dump(answers))
    why = "destination_params with an id and a phone, and a text, are needed"
    item = Received(f"evt_{digest(text)}", "unreadable", text, salon, unreadable=why)
    return Reply((item,), dump({"error_code": _INVALID, "error_message": why}), status=400)  # so that it tries its next channel


@hookimpl
async def normalize(received: Received, salon: Salon) -> Event | Ignored:
    found = _order_of(received)
    if not found.get("text"):
        return Ignored(f"cannot be read: {received.unreadable or 'there is no text in it'}")
    phone, missing = parse_phone(found["phone"], salon.region)
    kind = _KINDS.get(str(found.get("dispatch_type")), "message")
    return Event("created", text=found["text"], recipient=Recipient(phone, missing=missing), kind=kind)


@hookimpl
async def record(outcome: Outcome, received: Received | None, http: httpx.AsyncClient, config: Config) -> None:
    for left in _reports.keep(config.owed):  # by a process that was killed, or ended while YCLIENTS was away
        _tell(*left, outcome.event_id, http, config)
    status = _ATTEMPTED.get(outcome.status) if outcome.channel else _DECIDED.get(outcome.status)
    if status is None or outcome.next or received is None:  # `next`: another channel is tried, so it is not over
        return
    order = _order_of(received)
    address, number = order.get("delivery_callback_url"), order.get("id")
    if not address or not number:
        return
    _tell(str(address), str(number), status, outcome.event_id, http, config)


@hookimpl
async def shutdown() -> None:
    await _reports.stop()


def _tell(address: str, number: str, status: int, event: str, http: httpx.AsyncClient, config: Config) -> None:
    if address.startswith(config.callback_to):
        _reports.tell(address, number, status, http, config.partner_token)
    else:
        log.warning("event=%s outcome=not_reported reason=its delivery_callback_url is none of callback_to", event)


def _prove(request: Request, config: Config) -> None:
    """Raises `Refused`."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    keys = [known for known in (config.secret, config.partner_token) if known and known != "none"]
    if scheme.lower() == "bearer" and any(same_secret(key.strip(), known) for known in keys):
        return
    if config.partner_token and not config.secret:
        raise Refused
    proof.by_secret(request, config.secret)


def _orders(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One for each recipient: what is said of all, and the recipient's own id and phone."""
    several = found.get("destination_params")
    text = found.get("text")
    if not isinstance(text, str) or not text.strip():
        return []
    orders = []
    for entry in several if isinstance(several, list) else [several]:
        recipient = entry if isinstance(entry, dict) else {}
        if (number := identity(recipient.get("id"))) is not None:
            rest = {key: value for key, value in found.items() if key != "destination_params"}
            orders.append({**rest, "id": str(number), "phone": recipient.get("phone"), "text": text})
    return orders


def _item(source: str, salon: int | str | None, order: dict[str, Any]) -> Received:
    key = digest(source, order["id"], order["phone"], order.get("channel"), order["text"])
    return Received(f"evt_{key}", "text.created", dump(order), salon)


def _order_of(received: Received) -> dict[str, Any]:
    """What `_item` stored; `{}` where that is something else (unreadable, a test)."""
    try:
        found = parse(received.payload)
    except ValueError:
        return {}
    return found if isinstance(found, dict) and isinstance(found.get("id"), str) else {}
