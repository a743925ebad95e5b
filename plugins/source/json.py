"""Takes bookings from any CRM that posts JSON: the table says where in a body each thing stands.

A place is a path: `booking.client.phone`, `booking.items[].title`, `phones[0]`; all of JMESPath (https://jmespath.org) may be used. The
sender proves itself as Standard Webhooks (a secret that begins with `whsec_`), else by `?secret=…` in the webhook's address. Several
CRMs are several tables: `[source.crm]` with `module = "plugins.source.json"` listens at `/webhook/crm`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

import msgspec
from jmespath.exceptions import JMESPathError

from core import Booking, Event, Ignored, Received, Request, Salon, Settings, Staff, digest, hookimpl, parse_phone
from plugins.source import _proof as proof
from plugins.source._json_mapping import Misfit, compiled, instant, kind, needed, usable, value, wall_clock
from plugins.source._json_prices import priced
from plugins.source._json_words import apart, meaning
from plugins.source._yclients_json import as_text, candidates, dump, parse, tidy

_NEEDED: Mapping[str, str] = {
    "salon": 'say where a body names the branch, as salon = "branch.id"; or salon = 962302 where all bookings are of that one',
    "id": 'say where a body has the booking\'s id, as id = "booking.id"',
    "status": 'say where a body has the word for what happened, as status = "event"',
    "created": 'say which words of `status` mean a new booking, as created = ["booking.new"]',
    "deleted": 'say which words of `status` mean a cancellation, as deleted = ["booking.cancelled"]',
    "start": 'say where a body has the time of the visit, as start = "booking.start"',
    "phone": 'say where a body has the client\'s phone, as phone = "booking.client.phone"',
}
_SAID = ("start", "phone", "name", "services", "cost", "first_cost", "staff", "comment", "changed")  # of the booking itself
_PATHS = ("events", "salon", "id", "status", *_SAID)


class Config(Settings, frozen=True):
    secret: str | None = None  # "whsec_…": the sender signs; any other travels as ?secret=… in the address; "none": open on purpose
    events: str = ""  # the path to the list of events, where a body holds several below a key; a list alone needs none
    salon: str | int = ""  # the path to the branch's number; or the number itself, where all bookings are of one salon
    salons: dict[str, int] = msgspec.field(default_factory=dict)  # our numbers of branches that the CRM names: { north = 962302 }
    id: str = ""  # the path to the booking's id
    status: str = ""  # the path to the word that says what happened, or how the booking stands
    created: tuple[str, ...] = ()  # the words that mean a new booking
    updated: tuple[str, ...] = ()  # the words that mean a change; empty: all others
    deleted: tuple[str, ...] = ()  # the words that mean a cancellation
    ignored: tuple[str, ...] = ()  # the words that are about something else: nothing of such a body is read
    start: str = ""  # the path to the visit's time: ISO 8601 (without an offset it is the salon's clock), or seconds since 1970
    phone: str = ""  # the path to the client's phone
    name: str = ""  # the path to the client's name
    services: str = ""  # the path to the titles; or to a list of {title, cost, first_cost}
    cost: str = ""  # the path to the price; several are summed
    first_cost: str = ""  # the path to the price before the discount
    kopecks: bool = False  # all prices are in hundredths: 150000 is 1500
    staff: str = ""  # the path to the master's name
    comment: str = ""  # the path to the comment
    changed: str = ""  # the path to the time of the change; without it the order of arrival is the order of changes

    def __post_init__(self) -> None:
        if self.secret and self.secret.startswith(proof.SIGNED):
            usable("secret", proof.key_of, self.secret)
        paths = {key: path for key in _PATHS if (path := getattr(self, key)) and isinstance(path, str)}
        for key, path in paths.items():
            usable(key, compiled, path)
        apart(self)
        if paths or self.created or self.deleted:
            _complete(self)


@hookimpl
async def startup(config: Config) -> None:
    _complete(config)


@hookimpl
def receive(request: Request, config: Config, now: datetime) -> Sequence[Received]:
    sender = proof.name_of(request)
    signed = None
    if config.secret and config.secret.startswith(proof.SIGNED):
        signed = proof.by_standard_webhooks(request, config.secret, now)
    else:
        proof.by_secret(request, config.secret)
    text = as_text(request.body)
    try:
        for found, payload in candidates(request.body, text):
            if isinstance(found, dict) and (not config.events or _is_entry(found, request, config)):
                return [_item(sender, signed, 0, found, payload, config)]
            if isinstance(found, dict | list):
                return [_item(sender, signed, n, entry, dump(entry), config) for n, entry in enumerate(_entries(found, config))]
        return [_unreadable(text, "the body is no JSON" if text.strip() else "the body is empty")]
    except Misfit as misfit:
        return [_unreadable(text, str(misfit))]
    except RecursionError:
        return [_unreadable(text, "it is nested without end")]


@hookimpl
async def normalize(received: Received, salon: Salon, config: Config) -> Event | Ignored:
    try:
        event = parse(received.payload)
        if not isinstance(event, dict):
            return Ignored("cannot be read: there is no event in it")
        action = meaning(needed("status", config.status, event), config)
        if action == "ignored":
            return Ignored(f"{received.event_type}: a word of `ignored` in the source's table")
        if action is None:
            return Ignored(f"{received.event_type}: a word that created, updated and deleted of the source's table do not have")
        said = _said(event, action, config)
    except ValueError as misfit:
        return Ignored(f"cannot be read: {misfit}")
    phone, missing = parse_phone(said["phone"], salon.region)
    if said["phone"] is None:
        missing = f"no phone: nothing is at `{config.phone}`"
    changed_at = instant(said["changed"], salon)
    booking = Booking(
        visit_at=wall_clock(said["start"], salon),
        services=priced(said["services"], said["cost"], said["first_cost"], kopecks=config.kopecks),
        staff=Staff(said["staff"]) if said["staff"] else None,
        branch=None if received.company_id is None else str(received.company_id),
        client_name=said["name"],
        phone=phone,
        phone_missing=missing,
        cancelled=action == "deleted",
        comment=said["comment"] or "",
        changed_at=changed_at,
    )
    return Event(action, booking, changed_at=changed_at)


def _complete(config: Config) -> None:
    """Raises ValueError that names the first key without which a body says too little."""
    for key, sentence in _NEEDED.items():
        if not getattr(config, key):
            raise ValueError(f"{key}: missing; {sentence}")


def _entries(found: Any, config: Config) -> list[Any]:
    entries = compiled(config.events).search(found) if config.events else found
    if not isinstance(entries, list):
        raise Misfit(f"events `{config.events}`: a list is expected, there is {kind(entries)}")
    if not entries:
        raise Misfit("there is no event in the list")
    return list(tidy(entries))


def _is_entry(found: dict[str, Any], request: Request, config: Config) -> bool:
    """Whether it is one event of a list: those that cannot be read are stored one by one, and so they are read again."""
    try:
        return request.replayed and not isinstance(compiled(config.events).search(found), list)
    except JMESPathError:
        return True


def _item(sender: str, signed: str | None, number: int, event: Any, payload: str, config: Config) -> Received:
    """One event. Every value is read already now, so that one of a wrong type is known before the event is decided."""
    company = own = None
    try:
        if not isinstance(event, dict):
            raise Misfit(f"an event is an object, there is {kind(event)}")
        status = needed("status", config.status, event)
        action = meaning(status, config)
        if action not in (None, "ignored"):
            company, own = _company(event, config), needed("id", config.id, event)
            _said(event, action, config)
        # Without a delivery's id or the time of the change two different saves may look the same, so each is an event of its own.
        fresh = signed is None and value("changed", config.changed, event) is None
    except Misfit as misfit:
        return _unreadable(payload, str(misfit), company, own, signed)
    content = digest(event)
    key = uuid4().hex if fresh else digest(sender, signed, number) if signed else digest(sender, content)
    return Received(
        f"evt_{key}", f"booking.{status if action in (None, 'ignored') else action}", payload, company, own, signed, digest=content
    )


def _said(event: dict[str, Any], action: str, config: Config) -> dict[str, Any]:
    """What a body says of its booking. Raises `Misfit` where a visit has no time, or a change none although the table says where."""
    found = {key: value(key, getattr(config, key), event) for key in _SAID}
    for key in ("changed",) if action == "deleted" else ("changed", "start"):
        if getattr(config, key):
            needed(key, getattr(config, key), event)
    return found


def _unreadable(
    text: str, reason: str, company: int | str | None = None, own: int | str | None = None, signed: str | None = None
) -> Received:
    return Received(f"evt_{uuid4().hex}", "unreadable", text, company, own, signed, unreadable=reason)


def _company(event: dict[str, Any], config: Config) -> int | str:
    if isinstance(config.salon, int):
        return config.salon
    found: int | str = needed("salon", config.salon, event)
    return config.salons.get(str(found), found)
