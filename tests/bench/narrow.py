"""The bench's transport with as few open requests as a plain transport has, so that the gateway, not this machine, sets the pace."""

from __future__ import annotations

from core import Channel, hookimpl
from plugins.send.green_api import Config, callback, probe, send

__all__ = ["Config", "callback", "channel", "probe", "send"]


@hookimpl
def channel() -> Channel:
    return Channel("whatsapp", ("*", "*"), ("~", "~"), length=20_000)
