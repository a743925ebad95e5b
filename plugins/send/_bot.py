"""What the messengers' bots have in common: they reach who has bound them, and are told so by a link or a shared contact."""

from __future__ import annotations

from pathlib import Path

import httpx

from core import Binding, Channel, Duration, InboundMessage, Rejected, Request, Settings, answer, moment, parse_phone, prove

GONE = Rejected("the client has blocked the bot, or is gone", unbind=True)
UNBOUND = Rejected("the client has not bound the bot")


class Bot(Settings, frozen=True):
    gap: Duration = Duration("34ms")  # least time between two messages: 30 a second are allowed; "0s": none
    recipient_gap: Duration = Duration("1s")  # least time between two messages to one client; "0s": none
    proxy: str = ""  # a way out, such as "http://user:password@host:3128"
    ca_file: Path | None = None  # a PEM file, seen from config.toml: an authority that few systems know


def facts(name: str, length: int, config: Bot) -> Channel:
    tags, gap, pair = (("<b>", "</b>"), ("<s>", "</s>")), config.gap, config.recipient_gap
    return Channel(name, *tags, length, "html", reports_delivery=False, gap=gap, recipient_gap=pair, needs_binding=True)


def proven(request: Request, header: str, secret: str, what: str) -> None:
    """Whoever could post here could have a stranger's messages sent to his own chat, so without a secret nothing is believed."""
    prove(
        request.headers.get(header), secret, f"webhook_secret of send.{request.path.rpartition('/')[2]} is not {what}, or not set"
    )


def contact(binding: str, owner: object, sender: object, number: str) -> list[Binding]:
    """A shared contact binds its owner alone: anybody can share somebody else's."""
    phone, _ = parse_phone(f"+{number.removeprefix('+')}")
    return [Binding(binding, phone=phone)] if phone and owner == sender else []


def said(binding: str, text: object, at: object) -> list[InboundMessage]:
    """Without text: a picture, a voice; the client wrote all the same."""
    return [InboundMessage(str(text or ""), binding=binding, at=moment(at))]


def trouble(me: httpx.Response, *, works: bool) -> str | None:
    return None if me.is_success and works else f"HTTP {me.status_code}: token or base_url is wrong"


def link(site: str, token: str, me: httpx.Response) -> str:
    """`me` is what the messenger says of the bot."""
    said = answer(me)
    match said.get("result", said):
        case {"username": str(name)} if name and me.is_success:
            return f"{site}/{name}?start={token}"
    raise ValueError(f"the messenger does not say the bot's name: HTTP {me.status_code}, token or base_url is wrong")
