"""The log: one line per event on stderr, times in UTC, phones shortened and secrets gone, in tracebacks too."""

from __future__ import annotations

import json
import logging
import re
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import IO, Any
from urllib.parse import quote, unquote, urlsplit

from core.phones import exists, mask

# A number that stands alone: +7…, %2B7… (in an address), 8… or 7…, or any in front of an @ (a chat id); a Russian one as people write it; and
# other digits, where some country has such a number.
_PHONE = re.compile(
    r"(?<!\w)(?<!\d\.)(?:(?:\+|%2[Bb])\d{10,15}|[78]\d{9,14}|\d{10,15}(?=@)"
    r"|(?:\+7|[78])[ -]?\(?\d{3}\)?[ -]?\d{3}[ -]?\d{2}[ -]?\d{2}|(?P<digits>[1-9]\d{9,14}))(?!\w|\.\d)"
)
_ID = re.compile(r"\b(?:record|salon|account|visit|company|count|[a-z_]{0,20}id)=-?$")  # in front of a number: ours, or a sender's
_SECRET_PAIR = re.compile(r"""(?i)((?:[?&](?:[\w-]{0,30}key|psw|password|api_id)|\b[\w-]{0,30}(?:secret|token))=)[^\s&"'<>]+""")
_SECRET_WORDS = ("key=", "psw=", "password=", "api_id=", "secret=", "token=")
_BARE = re.compile(r"[^\s\"'=\\]+")  # needs no quotes
_HIDDEN = "…"
_SHORTEST = 4  # a shorter secret is part of too many words
_OURS = ("none", "secret", "token", "password")  # such a secret would blank out the sentences about secrets
_WORD = 8  # a shorter one than this is hidden where it stands alone: "hook" is part of "webhook"

_QUIET = ("httpx", "httpcore", "aiohttp", "databases", "asyncpg", "aiosqlite", "sqlalchemy", "asyncio")

_log = logging.getLogger("vestnik")
_secrets: dict[str, re.Pattern[str]] = {}


def set_up(stream: IO[str] | None = None, level: int = logging.INFO) -> None:
    """Send everything to one stream (stderr), through our formatter. Calling it again replaces the stream."""
    handler = _Handler(stream or sys.stderr)
    handler.setFormatter(Formatter())
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # a line says nothing of them
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    access = logging.getLogger("uvicorn.access")  # it prints the query, where the webhook's secret is
    access.handlers, access.propagate, access.disabled = [], False, True


def keep_secret(value: str | None) -> None:
    """Never print this value, neither as it is nor as an address spells it."""
    if value and len(value) >= _SHORTEST and value not in _OURS:
        for form in (value, quote(value), quote(value, safe="")):
            apart = rf"(?<!\w){re.escape(form)}(?!\w)" if len(form) < _WORD else re.escape(form)
            _secrets[form] = re.compile(apart)


def keep_password(url: str) -> None:
    """Never print the password in this address."""
    try:
        password = urlsplit(url).password
    except ValueError:
        return
    keep_secret(password)
    keep_secret(unquote(password or ""))


def say(event: str, **fields: Any) -> None:
    """One line about one event: `say("evt_1", salon=962302, outcome="sent", plugin="console")`; `None` is left out.

    The values hold neither phone nor secret, or are `masked` already: there is such a line for each message, and to search it costs more
    than to write it.
    """
    if _log.isEnabledFor(logging.INFO):
        _log.handle(_log.makeRecord(_log.name, logging.INFO, "", 0, _Clean(line(event, **fields)), (), None))


class _Clean(str):
    """A message that need not be searched."""


def line(event: str, **fields: Any) -> str:
    """`event=… salon=… outcome=… plugin=…`, then the rest in its order."""
    first = {"event": event, "salon": None, "outcome": None, "plugin": None}
    return " ".join([f"{name}={_value(value)}" for name, value in {**first, **fields}.items() if value is not None])


def masked(text: str) -> str:
    """Without phones and secrets."""
    for secret in sorted(_secrets, key=len, reverse=True):
        if secret in text:
            text = _secrets[secret].sub(_HIDDEN, text)
    lower = text.lower()
    if any(word in lower for word in _SECRET_WORDS):  # the pattern costs more than all the rest
        text = _SECRET_PAIR.sub(rf"\1{_HIDDEN}", text)
    return _PHONE.sub(_shortened, text)


def _shortened(found: re.Match[str]) -> str:
    digits = found["digits"]
    if digits and (_ID.search(found.string, 0, found.start()) or not exists(digits)):
        return digits
    return mask(found[0]) or ""


class Formatter(logging.Formatter):
    """`2026-11-24T06:04:27.123Z INFO vestnik event=…`; a traceback follows, indented, so that it cannot be taken for a line."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        return super().formatMessage(record).replace("\r", "\\r").replace("\n", "\\n")

    def format(self, record: logging.LogRecord) -> str:
        said = super().format(record)
        return said if isinstance(record.msg, _Clean) else masked(said).replace("\n", "\n    ")


class _Handler(logging.StreamHandler[IO[str]]):
    """Ours, so that `set_up` finds it again."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        with suppress(OSError, ValueError):  # logging's own report would print the arguments as they are
            self.stream.write(f"a record of {record.name} cannot be written ({record.pathname}:{record.lineno})\n")


def _value(value: object) -> str:
    if isinstance(value, int):
        return str(value)
    text = str(value)
    return text if _BARE.fullmatch(text) else json.dumps(text, ensure_ascii=False)
