"""Takes in whatever event a test says, as a value: no sender's wire format is needed to try a rule or a renderer."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from core import Event, Received, Request, hookimpl


class Told(Struct, frozen=True):
    """The body of the kit's webhook. `number` tells one event from the next."""

    number: int
    salon: int
    booking: int | str | None
    event: Event


@hookimpl
def receive(request: Request) -> Sequence[Received]:
    told = msgspec.json.decode(request.body, type=Told)
    return [Received(f"evt_{told.number}", f"booking.{told.event.action}", request.body.decode(), told.salon, told.booking)]


@hookimpl
async def normalize(received: Received) -> Event:
    return msgspec.json.decode(received.payload, type=Told).event
