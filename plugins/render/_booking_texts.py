"""The texts of `booking`: the built-in file beside this one, and the salon's own over it.

How a text is written stands in booking.toml.
"""

from __future__ import annotations

import difflib
import html
import logging
import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from core import Channel

Texts = Mapping[str, str]  # "booking_created", "sms.booking_created" → text

PARTS = ("date", "services", "staff", "price", "address", "salon", "salon_phone", "client")
SLOT = re.compile(r"\{(\w+)\}")
_CHOICE = re.compile(r"\{([^{}|\n]*)\|([^{}|\n]*)\}")
_BOLD = re.compile(r"\*(?=\S)([^*\n]+)(?<=\S)\*")
_log = logging.getLogger(__name__)


@lru_cache(maxsize=4096)
def template(
    file: Path | None, own_parts: tuple[str, ...], stamp: int | None, kind: str, channel: Channel, several: bool
) -> str | None:
    """The text of one kind, with the channel's marks in it; only the pieces are still missing."""
    text = _texts(file, own_parts, stamp).get(f"sms.{kind}" if channel.short else kind)
    if text is None:
        return None
    text = _CHOICE.sub(lambda found: found[2 if several else 1], text.strip())
    before, after = channel.bold or ("", "")
    escaped = html.escape(text, quote=False) if channel.escape else text
    return _BOLD.sub(lambda found: f"{before}{found[1]}{after}", escaped)


def stamp(file: Path | None) -> int | None:
    """Changes whenever the salon saves its file, so that no restart is needed."""
    if not file:
        return None
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return None


@lru_cache(maxsize=1024)
def _texts(file: Path | None, own_parts: tuple[str, ...], stamp: int | None) -> Texts:
    """A file that breaks while the server runs must not silence the clients: then the built-in texts are used."""
    if not file:
        return _built_in()
    try:
        return read(file, own_parts)
    except ValueError as error:
        _log.warning("render.booking: %s; until then clients get the built-in texts", error)
        return _built_in()


@lru_cache(maxsize=1)
def _built_in() -> Texts:
    return _flat(tomllib.loads(Path(__file__).with_name("booking.toml").read_text(encoding="utf-8")))


def read(file: Path, own_parts: tuple[str, ...]) -> Texts:
    """The salon's texts, the built-in ones where it has none. Raises ValueError with one sentence."""
    if not file.parent.is_dir():
        raise ValueError(f"texts: there is no folder {file.parent}; make it, or leave `texts` empty for the built-in ones")
    try:
        own = _flat(tomllib.loads(file.read_text(encoding="utf-8-sig")))
    except OSError as error:
        raise ValueError(
            f"{file}: cannot be read ({error.strerror}); mend `texts`, or leave it empty for the built-in ones"
        ) from None
    except ValueError as error:
        raise ValueError(f"{file}: is not TOML ({error}); mend that line") from None
    for key, text in own.items():
        if key not in _built_in():
            raise ValueError(f"{file}: unknown text `{key}`{_near(key, _built_in())}")
        if problem := _problem(text, (*PARTS, *own_parts)):
            raise ValueError(f"{file} {key}: {problem}")
    return {**_built_in(), **own}


def _flat(raw: Mapping[str, Any]) -> dict[str, Any]:
    sms = raw.get("sms")
    below = {f"sms.{key}": text for key, text in sms.items()} if isinstance(sms, dict) else {}
    return {key: text for key, text in {**raw, **below}.items() if not (key == "sms" and isinstance(text, dict))}


def _problem(text: object, names: Iterable[str]) -> str | None:
    if not isinstance(text, str) or not text.strip():
        return "expected a text; leave the key out for the built-in one"
    for name in SLOT.findall(text):
        if name not in names:
            return f"unknown piece {{{name}}}{_near(name, names)}; one of your own plugin's is named in [render.booking] parts"
    if found := re.search(r"[{}].{0,20}", _CHOICE.sub("", SLOT.sub("", text))):
        return f"a brace that belongs to nothing at `{found[0]}`; write a piece as {{date}}"
    return None


def _near(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f", did you mean `{close[0]}`?" if close else f"; there are: {', '.join(known)}"
