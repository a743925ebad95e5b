"""Takes table reservations of a restaurant: `{"reservation": "A-17", "state": "booked", "at": "…", "guests": 4, "phone": "…"}`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from core import (
    Booking,
    Event,
    Received,
    Refused,
    Request,
    Salon,
    Service,
    Settings,
    Staff,
    digest,
    hookimpl,
    parse_phone,
    same_secret,
)

ACTIONS = {"booked": "created", "changed": "updated", "cancelled": "deleted"}


class Config(Settings, frozen=True):
    secret: str = "none"  # travels in X-Secret


class Reservation(msgspec.Struct):
    reservation: str
    restaurant: int
    state: str
    at: datetime
    guests: int
    phone: str
    changed: datetime


@hookimpl
def receive(request: Request, config: Config) -> Sequence[Received]:
    if config.secret != "none" and not same_secret(request.headers.get("x-secret", ""), config.secret):
        raise Refused
    said = msgspec.json.decode(request.body, type=Reservation)
    text = request.body.decode()
    return [Received(f"tables_{digest(text)}", f"table.{ACTIONS[said.state]}", text, said.restaurant, said.reservation)]


@hookimpl
async def normalize(received: Received, salon: Salon) -> Event:
    said = msgspec.json.decode(received.payload, type=Reservation)
    phone, missing = parse_phone(said.phone, salon.region)
    booking = Booking(
        visit_at=said.at,
        services=(Service(f"Стол на {said.guests}"),),
        staff=Staff("зал"),
        phone=phone,
        phone_missing=missing,
        cancelled=said.state == "cancelled",
        changed_at=said.changed,
    )
    return Event(ACTIONS[said.state], booking, changed_at=said.changed)  # type: ignore[arg-type]
