"""Shows each message in this terminal, as the client would see it. Nothing leaves the machine."""

from __future__ import annotations

import re
import sys

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from core import Address, Channel, Message, SendResult, Sent, Settings, digest, hookimpl, mask

_MARKED = re.compile(r"(?<!\w)([*~])(\S(?:[^\n]*?\S)??)\1(?!\w)")
_STYLES = {"*": "bold", "~": "strike"}


class Config(Settings, frozen=True):
    channel: str = "whatsapp"  # the channel it stands in for


@hookimpl
def channel(config: Config) -> Channel:
    sms = config.channel == "sms"
    return Channel(
        config.channel, None if sms else ("*", "*"), None if sms else ("~", "~"), short=sms, reports_delivery=False, concurrency=1
    )


@hookimpl
async def send(message: Message, address: Address, config: Config) -> SendResult:
    title = " · ".join(part for part in (config.channel, mask(address.phone), message.type) if part)
    if sys.stdout.isatty():
        panel = Panel(seen(message.text), title=Text(title), title_align="left", border_style="green", expand=False, padding=(1, 2))
        Console(file=sys.stdout, highlight=False).print(panel)
    else:  # a file or a pipe keeps the exact text, marks and all
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(f"--- {title}\n{message.text}\n---\n".encode(encoding, "replace").decode(encoding))
        sys.stdout.flush()
    return Sent(f"console-{address.reference or digest(address.phone, message.text)[:12]}")


def seen(text: str) -> Text:
    """What WhatsApp makes of the marks: *bold* and ~struck through~, also one inside the other."""
    shown = Text()
    at = 0
    for mark in _MARKED.finditer(text):
        shown.append(text[at : mark.start()])
        inner = seen(mark[2])
        inner.stylize(_STYLES[mark[1]])
        shown.append_text(inner)
        at = mark.end()
    return shown.append(text[at:])
