"""Takes reservations from Tables, a restaurant's book."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import httpx
import msgspec

from core import (
    Booking,
    Duration,
    Event,
    Example,
    Ignored,
    Received,
    Refused,
    Request,
    Salon,
    Service,
    Settings,
    digest,
    hookimpl,
    parse_phone,
    same_secret,
)


class Config(Settings, frozen=True):
    secret: str | None = None  # travels as ?secret=… in the webhook's address; "none": open on purpose
    api_url: str = "https://tables.example"  # where to ask
    api_key: str | None = None  # given: reservations whose webhook was missed are asked for
    poll_every: Duration = Duration("5m")  # how often


class Head(msgspec.Struct):
    id: int
    place: int
    state: str  # "booked", "changed", "cancelled"
    changed: datetime  # when, by their clock


class Reservation(Head):
    at: datetime  # with the offset of the place
    phone: str
    guests: int


@hookimpl
def receive(request: Request, config: Config) -> Sequence[Received]:
    if config.secret not in (None, "", "none") and not same_secret(request.query.get("secret"), config.secret):
        raise Refused
    return [_item(request.body)]


def _item(body: bytes) -> Received:
    found = msgspec.json.decode(body, type=Head)
    key = digest("tables", found.place, found.id, found.changed.isoformat())
    return Received(f"evt_{key}", f"table.{found.state}", body.decode(), found.place, found.id)


@hookimpl
async def poll(
    since: datetime | None, salon: Salon, http: httpx.AsyncClient, config: Config, now: datetime
) -> Sequence[Received] | None:
    if not config.api_key:
        return None
    params = {"place": salon.id, "changed_after": since.isoformat() if since else ""}
    response = await http.get(f"{config.api_url}/reservations", params=params, headers={"x-key": config.api_key})
    response.raise_for_status()
    return [_item(bytes(body)) for body in msgspec.json.decode(response.content, type=list[msgspec.Raw])]


@hookimpl
async def normalize(received: Received, salon: Salon) -> Event | Ignored:
    found = msgspec.json.decode(received.payload, type=Reservation)
    if found.state not in ("booked", "changed", "cancelled"):
        return Ignored(f"a reservation that is {found.state} is nothing to tell")
    phone, missing = parse_phone(found.phone, salon.region)
    table = Service(f"Столик, гостей: {found.guests}")
    gone = found.state == "cancelled"
    booking = Booking(found.at, (table,), branch=str(found.place), phone=phone, phone_missing=missing, cancelled=gone)
    return Event("deleted" if gone else "created" if found.state == "booked" else "updated", booking, changed_at=found.changed)


@hookimpl
def examples(now: datetime) -> Sequence[Example]:
    evening = now.replace(hour=19, minute=0, second=0, microsecond=0) + timedelta(days=1)
    booked = Reservation(1, 962302, "booked", now, evening, "+79000000088", guests=2)
    moved = Reservation(1, 962302, "changed", now + timedelta(seconds=1), evening + timedelta(hours=1), "+79000000088", guests=2)
    return [Example("A table for two", msgspec.json.encode(booked)), Example("An hour later", msgspec.json.encode(moved))]
