"""Write the message: ask everyone for parts, then the first renderer that answers.

What a failure means: a plugin that breaks or hangs while giving parts loses its lines, and the trace says so; a renderer that breaks or
hangs, or none that answers, parks the message.
"""

from __future__ import annotations

import logging

from msgspec import Struct

from core.blame import blame
from core.hooks import Hooks
from core.model import Channel, Message, Notice

log = logging.getLogger("vestnik.render")


class Rendered(Struct, frozen=True):
    """The message, or why there is none. `left_out` names plugins that broke while giving parts."""

    message: Message | None
    left_out: tuple[str, ...] = ()
    error: str | None = None


def render(hooks: Hooks, notice: Notice, channel: Channel) -> Rendered:
    """The text of a notice for one channel."""
    pieces: dict[str, str] = {}
    left_out = []
    for said in hooks.every("parts", notice.salon.id, notice=notice, channel=channel):
        if said.error is None:
            pieces = {**said.value, **pieces}
        else:
            why = blame(said.plugin, said.error)
            left_out.append(f"{said.plugin.name}: {why}")
            log.warning("plugin=%s outcome=left_out reason=%s", said.plugin.name, why)
    said_first = hooks.first("render", notice.salon.id, notice=notice, channel=channel, parts=pieces)
    if said_first is None:
        return Rendered(None, tuple(left_out), "no renderer answers; switch on [render.booking]")
    if said_first.error is None and said_first.value.text.strip():
        return Rendered(said_first.value, tuple(left_out))
    why = "wrote an empty text" if said_first.error is None else blame(said_first.plugin, said_first.error)
    return Rendered(None, tuple(left_out), f"{said_first.plugin.name}: {why}")
