"""A transport that does as it is told: what it answers next is set from outside, and it keeps a ledger of what it was given."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from core import (
    Address,
    CallbackItem,
    Channel,
    DeliveryStatus,
    Message,
    Rejected,
    Request,
    Retry,
    SendResult,
    Sent,
    Settings,
    Unclear,
    hookimpl,
)


class Config(Settings, frozen=True):
    script: str = ""  # whose script it follows


@dataclass
class Taken:
    """One message that the gateway took."""

    id: str
    phone: str
    text: str
    reference: str
    failed: bool = False


@dataclass
class Script:
    """`answers` are used up one by one; then everything is sent."""

    scripts: ClassVar[dict[str, Script]] = {}
    answers: list[str] = field(default_factory=list)
    ledger: list[Taken] = field(default_factory=list)

    def send(self, message: Message, address: Address) -> SendResult:
        answer = self.answers.pop(0) if self.answers else "sent"
        if answer in ("sent", "unclear_taken"):
            self.ledger.append(Taken(f"id{len(self.ledger)}", address.phone, message.text, address.reference))
        if answer == "sent":
            return Sent(self.ledger[-1].id)
        if answer == "retry":
            return Retry("try again")
        if answer == "down":
            return Retry("out of order", scope="transport")
        return Rejected("no such number") if answer == "rejected" else Unclear("no answer")


@hookimpl
def channel() -> Channel:
    return Channel("whatsapp", ("*", "*"), ("~", "~"), concurrency=2)


@hookimpl
async def send(message: Message, address: Address, config: Config) -> SendResult:
    return Script.scripts[config.script].send(message, address)


@hookimpl
def callback(request: Request) -> Sequence[CallbackItem]:
    told = json.loads(request.body)
    return [DeliveryStatus(told["status"], id=told["id"], phone=told["phone"])]
