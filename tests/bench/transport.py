"""Green-API as the shipped transport speaks it, without the gap and the two slots that spare a WhatsApp number: they would be measured."""

from __future__ import annotations

from core import Channel, hookimpl
from plugins.send.green_api import Config, callback, probe, send

__all__ = ["Config", "callback", "channel", "probe", "send"]


@hookimpl
def channel() -> Channel:
    return Channel("whatsapp", ("*", "*"), ("~", "~"), length=20_000, concurrency=128)
