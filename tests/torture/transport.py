"""Green-API as the shipped transport speaks it, without its pacing: a stand-in for one that takes four requests at once."""

from __future__ import annotations

from core import Channel, hookimpl
from plugins.send.green_api import Config, callback, probe, send

__all__ = ["Config", "callback", "channel", "probe", "send"]
CONCURRENCY = 4


@hookimpl
def channel() -> Channel:
    return Channel("whatsapp", ("*", "*"), ("~", "~"), length=20_000, concurrency=CONCURRENCY)
