"""Keeps each message instead of sending it: what left is in the app's own tables, and nothing leaves the machine."""

from __future__ import annotations

from core import Address, Channel, Message, Sent, Settings, hookimpl


class Config(Settings, frozen=True):
    channel: str = "whatsapp"  # the channel it stands in for


@hookimpl
def channel(config: Config) -> Channel:
    if config.channel == "sms":
        return Channel("sms", short=True, reports_delivery=False)
    return Channel(config.channel, bold=("*", "*"), strike=("~", "~"), reports_delivery=False)


@hookimpl
async def send(message: Message, address: Address) -> Sent:
    return Sent(f"kept-{address.reference}")
