"""Writes the message about a booking: the built-in texts, or the salon's own from a file.

The texts, and how they are written, are in booking.toml beside this file. Names of people and services may hold anything; they are
put in so that they cannot break the channel's formatting.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from pathlib import Path

from babel.dates import format_date

from core import Booking, Channel, Message, Notice, Settings, hookimpl
from plugins.render import _booking_texts as texts

# WhatsApp's marks inside a name would format it, or end our own: these look the same and mean nothing.
_LOOKALIKES = str.maketrans({"*": "∗", "_": "ˍ", "~": "∼", "`": "'"})


class Config(Settings, frozen=True):
    texts: Path | None = None  # your own file of texts, seen from config.toml; unset or empty: the built-in ones
    parts: tuple[str, ...] = ()  # pieces that your own plugins give, so that your texts may use them: ["bonus"]


@hookimpl
async def startup(config: Config) -> None:
    if config.texts:
        texts.read(config.texts, config.parts)


@hookimpl(trylast=True)
def parts(notice: Notice, channel: Channel) -> dict[str, str]:
    booking, salon = _told(notice) or Booking(), notice.salon
    found = {
        "date": f"{_day(booking.visit_at.date())} в {booking.visit_at:%H:%M}" if booking.visit_at else "",
        "services": ", ".join(_titles(booking)),
        "staff": booking.staff.name if booking.staff else "",
        "address": salon.address,
        "salon": salon.name,
        "salon_phone": salon.phone,
        "client": booking.client_name or "",
    }
    return {name: piece for name, text in found.items() if (piece := _harmless(text, channel))}


@hookimpl(trylast=True)
def render(notice: Notice, channel: Channel, parts: dict[str, str], config: Config) -> Message | None:
    if notice.text is not None:
        text = html.escape(notice.text, quote=False) if channel.escape else notice.text
        return Message(_cut(text, channel), notice.type, parts)
    booking = _told(notice)
    several = booking is not None and len(_titles(booking)) > 1
    template = texts.template(config.texts, config.parts, texts.stamp(config.texts), notice.type, channel, several)
    if template is None:
        return None
    known = {name: piece for name, piece in parts.items() if piece and piece.strip()}
    text = _short(template, known) if channel.short else _full(template, known)
    return Message(_cut(text, channel), notice.type, parts)


# --- the pieces


def _told(notice: Notice) -> Booking | None:
    """A cancellation tells what the client knows."""
    return (notice.type == "booking_cancelled" and notice.announced) or notice.booking


def _titles(booking: Booking) -> list[str]:
    return [title for service in booking.services or () if (title := service.title.strip())]


@lru_cache(maxsize=1024)
def _day(day: date) -> str:
    return format_date(day, "d MMMM", locale="ru")


def _harmless(text: str, channel: Channel) -> str:
    """On one line, and without anything that the channel would take for formatting."""
    line = " ".join(text.split())
    if channel.escape:
        return html.escape(line, quote=False)
    return line.translate(_LOOKALIKES) if channel.bold or channel.strike else line


# --- the text


def _full(template: str, parts: Mapping[str, str]) -> str:
    lines = [line.format_map(parts) for line, names in _lines(template) if names.issubset(parts)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


@lru_cache(maxsize=4096)
def _lines(template: str) -> tuple[tuple[str, frozenset[str]], ...]:
    return tuple((line.rstrip(), frozenset(texts.SLOT.findall(line))) for line in template.splitlines())


def _short(template: str, parts: Mapping[str, str]) -> str:
    """At most two SMS: without the address, then with the services cut short, then the staff; the rest stays whatever it takes."""
    text = _joined(template, parts)
    for name in ("address", "services", "staff"):
        if (over := _over(text)) <= 0:
            break
        kept = "" if name == "address" else parts.get(name, "")[: -over - 1].rstrip(" ,")
        parts = {**parts, name: f"{kept}…"} if len(kept) >= 3 else {key: piece for key, piece in parts.items() if key != name}
        text = _joined(template, parts)
    return text


def _over(text: str) -> int:
    """How many characters do not fit into two SMS: 67 each in Russian (an emoji counts twice), 153 in plain Latin."""
    return len(text) - 306 if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2 - 134


def _joined(template: str, parts: Mapping[str, str]) -> str:
    """The known pieces, each with the words in front of it; the separator before the first of them falls away."""
    text, pieces, tail = _pieces(template)
    begun = False
    for separator, words, name in pieces:
        if name in parts:
            text += f"{separator if begun else ''}{words}{parts[name]}"
            begun = True
    return ((text if begun else text.rstrip(" :,.")) + tail).strip()


@lru_cache(maxsize=4096)
def _pieces(template: str) -> tuple[str, tuple[tuple[str, str, str], ...], str]:
    lead, *rest = texts.SLOT.split(template)  # "Вы записаны: ", "date", ", ", "services", ", мастер ", "staff", ""
    names, between = rest[::2], ["", *rest[1::2]]
    pieces = []
    for name, literal in zip(names, between, strict=False):
        words = literal.lstrip(" \n,.;:-")
        pieces.append((literal[: len(literal) - len(words)], words, name))
    return lead, tuple(pieces), between[-1]


def _cut(text: str, channel: Channel) -> str:
    """At a line's end. No mark of formatting spans lines, so none is left open."""
    if len(text) <= channel.length:
        return text
    lines = text[: channel.length + 1].rpartition("\n")[0].rstrip()
    if lines:
        return lines
    plain = re.sub(r"<[^>]*>", "", text) if channel.escape else text  # names are escaped, so these are our own tags
    return re.sub(r"&\w*$", "", plain[: channel.length - 1]).rstrip() + "…" if len(plain) > channel.length else plain
