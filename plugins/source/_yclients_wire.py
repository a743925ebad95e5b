"""How YCLIENTS and Altegio tell what happened: bodies in, events out. Shared by both sources; no plugin itself.

Both send `{company_id, resource, resource_id, status, data}`, with `[]` for an empty `data`.
"""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

from core import Received, Request, digest
from plugins.source._proof import by_secret
from plugins.source._yclients_json import as_text, candidates, clean, dump, identity, parse, tidy, word

_NO_DIGIT = re.compile("[^0-9]")
_STATUSES = {"create": "created", "update": "updated", "delete": "deleted"}


def receive(source: str, request: Request, secret: str | None) -> list[Received]:
    """A webhook → items to store. Raises `Refused`."""
    by_secret(request, secret)
    hook = request.headers.get("x-hook-id")
    transport_id = clean(hook)[:255] if hook else None
    text = as_text(request.body)
    try:
        for value, payload in candidates(request.body, text):
            if items := _items(source, value, payload, transport_id):
                return items
        return [_unreadable(text, _why(request.body), transport_id)]
    except RecursionError:  # read, but the digest goes a step deeper
        return [_unreadable(text, "it is nested without end", transport_id)]


def event_of(payload: str) -> dict[str, Any] | None:
    """The event in a stored payload: the first one, however it is wrapped; `None` where there is none."""
    for value, _ in candidates(payload, payload):
        for entry in value if isinstance(value, list) else [value]:
            if _is_known(entry):
                return dict(entry)
    return None


def status_of(event: dict[str, Any]) -> str:
    """ "created", "updated", "deleted", which are also taken as they are; any other word as it stands."""
    status = word(event.get("status")).lower()
    return _STATUSES.get(status, status)


def received(source: str, event: dict[str, Any], payload: str, transport_id: str | None = None) -> Received:
    """One event → the item to store. The same state of the same thing has the same `event_id`, from a webhook and from a poll alike."""
    data = event.get("data")
    resource, status = word(event["resource"]).lower(), word(event.get("status"))
    company, own = ids(event)
    content = digest(data) if data else None
    changed = data.get("last_change_date") if isinstance(data, dict) else None
    # Without `last_change_date` two different saves may look the same, so each is an event of its own; state makes a repeat harmless.
    key = _dated(digest(source, company, resource, own, status, changed, content), changed) if changed else uuid4().hex
    return Received(
        event_id=f"evt_{key}",
        event_type=f"{resource}.{status_of(event)}",
        payload=payload,
        company_id=company,
        subject_id=own if resource == "record" else None,
        transport_id=transport_id,
        digest=content,
    )


def _dated(key: str, changed: Any) -> str:
    """The digits of the time first: ids of one hour lie together in an index, where mere digests would each dirty a page of their own."""
    return f"{_NO_DIGIT.sub('', str(changed))[:14]}{key}"[: len(key)]


def ids(event: dict[str, Any]) -> tuple[int | str | None, int | str | None]:
    """Whose branch it is, and which of its things."""
    data = event.get("data")
    fields = data if isinstance(data, dict) else {}
    company = identity(event.get("company_id")) or identity(fields.get("company_id"))
    return company, identity(fields.get("id")) or identity(event.get("resource_id"))


def _items(source: str, value: Any, payload: str, transport_id: str | None) -> list[Received]:
    if not isinstance(value, list):
        return [_item(source, value, payload, transport_id)] if _is_known(value) else []
    found = tidy(value)
    items = [_item(source, entry, dump(entry), transport_id) for entry in found if _is_known(entry)]
    if items and len(items) < len(found):
        rest = dump([entry for entry in found if not _is_known(entry)])
        items.append(_unreadable(rest, "entries of an array that are no events", transport_id))
    return items


def _item(source: str, event: dict[str, Any], payload: str, transport_id: str | None) -> Received:
    if "resource" in event:
        return received(source, event, payload, transport_id)
    company = identity(event.get("salon_id"))
    return Received(f"evt_{uuid4().hex}", f"marketplace.{word(event['event'])}", payload, company, transport_id=transport_id)


def _is_known(value: Any) -> bool:
    """An event of the webhook, or of the other one, the marketplace's: `{salon_id, application_id, event: "uninstall" | "freeze"}`."""
    if not isinstance(value, dict):
        return False
    if "resource" in value:
        return isinstance(value["resource"], str)
    return isinstance(value.get("event"), str) and ("salon_id" in value or "application_id" in value)


def _unreadable(text: str, reason: str, transport_id: str | None) -> Received:
    return Received(f"evt_{uuid4().hex}", "unreadable", text, transport_id=transport_id, unreadable=reason)


def _why(body: bytes) -> str:
    if not body.strip():
        return "the body is empty"
    try:
        parse(body)
    except ValueError:
        return "the body is no JSON"
    return "the body is JSON, but no event: it names no `resource`"
