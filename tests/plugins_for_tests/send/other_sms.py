"""Carries SMS into a list: the next channel for tests, one that reports nothing."""

from __future__ import annotations

from core import Address, Channel, Message, SendResult, Sent, Settings, hookimpl

TAKEN: list[tuple[str, str]] = []


class Config(Settings, frozen=True):
    sender: str = "salon"  # who it seems to come from


@hookimpl
def channel() -> Channel:
    return Channel("sms", short=True, reports_delivery=False)


@hookimpl
async def send(message: Message, address: Address, config: Config) -> SendResult:
    TAKEN.append((address.phone, message.text))
    return Sent(f"{config.sender}-{len(TAKEN)}")
