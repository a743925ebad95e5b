"""What is said of a plugin that raised: which error, in its own words where they quote nobody's data, and the line of its file.

The words of an exception may hold anything. Phones and secrets are masked, long quotations and whatever quotes the body are left out;
of a transport's exceptions, which may hold an address or an answer, only the class is said.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from core import retry
from core.errors import LeftAlone, Misfit, TooLong
from core.log import masked
from core.model import Retry, Unclear

if TYPE_CHECKING:
    from core.calls import Plugin

_OUR_WORDS = (TooLong, LeftAlone, Misfit)  # they quote nothing, and have no line
_LONGEST = 160  # characters of an exception's own words
_QUOTED = 24  # so many characters that stand in the body as well are a quotation
_QUOTATION = re.compile(rf"""(?<!\w)(['"`])(?:(?!\1).){{{_QUOTED},}}\1(?!\w)""")


def blame(plugin: Plugin, error: BaseException, body: str = "") -> str:
    """`KeyError: 'id' in crm.py:31`, `took longer than 1 s`. `body` is what must not be quoted."""
    if isinstance(error, _OUR_WORDS):
        return str(error)
    words = "" if _quotes(str(error), body) else _QUOTATION.sub(r"\1…\1", masked(" ".join(str(error).split())))
    if len(words) > _LONGEST:
        words = f"{words[:_LONGEST]}…"
    return _at(plugin, error, f"{type(error).__name__}: {words}" if words else type(error).__name__)


def could_not(plugin: Plugin, what: str, error: BaseException, body: str = "") -> str:
    """`source.crm could not read it: KeyError: 'id' in crm.py:31`, `source.crm.normalize: Booking.visit_at is str; give …`."""
    return f"{plugin.name}.{error}" if isinstance(error, Misfit) else f"{plugin.name} {what}: {blame(plugin, error, body)}"


def silently(plugin: Plugin, error: BaseException) -> str:
    """`KeyError in kurier.py:87`: without its words, for they may hold a phone, a token or an answer."""
    return str(error) if isinstance(error, _OUR_WORDS) else _at(plugin, error, type(error).__name__)


def judged(plugin: Plugin, error: BaseException) -> Retry | Unclear:
    """What an exception out of `send` means (`retry.judge`); a bug of the transport is said with its line."""
    found = retry.judge(error)
    return Unclear(f"the transport broke: {silently(plugin, error)}") if retry.bug(found) else found


def probed(plugin: Plugin, error: BaseException) -> tuple[str, bool]:
    """What an exception out of `probe` says of the account, and whether it says it of the plugin: that is broken."""
    found = retry.judge(error)
    if isinstance(error, TooLong):
        return f"the probe {error}", False  # `late` tells who hangs
    return (f"the probe broke: {silently(plugin, error)}", True) if retry.bug(found) else (found.reason, False)


def _at(plugin: Plugin, error: BaseException, said: str) -> str:
    line = plugin.line(error)
    return f"{said} in {line}" if line else said


def _quotes(words: str, body: str) -> bool:
    """Whether a piece of the body stands in these words, as it came or as JSON is read."""
    pieces = [words[at : at + _QUOTED] for at in range(min(len(words), 4 * _LONGEST) - _QUOTED + 1)]
    if not pieces or not body:
        return False
    try:
        read = msgspec.json.encode(msgspec.json.decode(body)).decode()
    except (ValueError, RecursionError):
        read = ""
    return any(piece in body or piece in read for piece in pieces)
