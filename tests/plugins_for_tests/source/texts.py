"""Takes texts that are rendered elsewhere (receipts): `{"id": "r-1", "phone": "…", "text": "…"}`."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from core import Event, Ignored, Received, Recipient, Request, Salon, Settings, hookimpl, parse_phone


class Config(Settings, frozen=True):
    kind: str = "receipt"  # what such a message is called in the tables


class Text(msgspec.Struct):
    id: str
    phone: str
    text: str


@hookimpl
def receive(request: Request) -> Sequence[Received]:
    said = msgspec.json.decode(request.body, type=Text)
    return [Received(f"texts_{said.id}", "text.created", request.body.decode())]


@hookimpl
async def normalize(received: Received, salon: Salon, config: Config) -> Event | Ignored:
    said = msgspec.json.decode(received.payload, type=Text)
    if not said.text:
        return Ignored("the text is empty")
    phone, missing = parse_phone(said.phone, salon.region)
    return Event("created", text=said.text, recipient=Recipient(phone, missing=missing), kind=config.kind)
