"""JSON as it really arrives: from PHP, in forms, with odd types. Shared by the sources; no plugin itself."""

from __future__ import annotations

import codecs
import contextlib
import json
import math
import re
import zlib
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from itertools import islice
from typing import Any
from urllib.parse import unquote_plus

import msgspec

_STRICT = msgspec.json.Decoder()
_LENIENT = json.JSONDecoder(strict=False)
_SURROGATES_AND_NUL = re.compile("[\x00\ud800-\udfff]")
_FIELD_START = re.compile(r"(?:^|[=&\n])[ \t\r\ufeff]*(?=[\[{])")
_TRIES = 16  # places in a form that are tried; a hostile body must not cost more
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")
_GZIP, _LARGEST = b"\x1f\x8b", 8 * 1024 * 1024  # bytes unpacked at most: a few kilobytes may hold a gigabyte
_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)
_WINDOWS = re.compile(b"[\xc0-\xff]{2}")
_KOPECK, _ABSURD = Decimal("0.01"), Decimal(10**12)


def candidates(body: bytes | str, text: str) -> Iterator[tuple[Any, str]]:
    """What may be meant, each with its own text: the whole body, else JSON in a form, as the value or key of a field."""
    try:
        whole = parse(body)
    except ValueError:
        whole = text
    if not isinstance(whole, str):
        yield whole, text
        return
    for form in (whole, unquote_plus(whole)):  # raw first: a "+7900…" that nobody encoded keeps its plus
        for start in islice(_FIELD_START.finditer(form), _TRIES):
            try:
                value, end = _LENIENT.raw_decode(form, start.end())
            except (ValueError, RecursionError):
                continue
            yield tidy(value), form[start.end() : end]


def parse(body: bytes | str) -> Any:
    """JSON as it should be; else as it is: a BOM, bad bytes, NaN, raw control characters, lone surrogates. Raises ValueError."""
    try:
        return _STRICT.decode(body)
    except (ValueError, RecursionError):
        pass
    try:
        return tidy(_LENIENT.decode(as_text(body)))
    except RecursionError:
        raise ValueError("it is nested without end") from None


def as_text(body: bytes | str) -> str:
    """The body as text, whatever it is written in: gzip that nobody unpacked, UTF-16, UTF-32, the Russian Windows; else UTF-8."""
    text = (_decoded(_unpacked(body)) if isinstance(body, bytes) else body).removeprefix("\ufeff")
    return text.replace("\x00", "") if "\x00" in text else text


def _unpacked(body: bytes) -> bytes:
    if not body.startswith(_GZIP):
        return body
    try:
        return zlib.decompressobj(wbits=31).decompress(body, _LARGEST)
    except zlib.error:
        return body


def _decoded(body: bytes) -> str:
    if body.startswith(_MARKS) or b"\0\0" in (body[:4:2], body[1:4:2]):
        with contextlib.suppress(UnicodeDecodeError):
            return body.decode(json.detect_encoding(body))
    try:
        return body.decode()
    except UnicodeDecodeError:
        # Two Russian letters of Windows, and not one letter of UTF-8 that is whole: else it is UTF-8 with a scratch.
        windows = body.lstrip()[:1] in (b"{", b"[") and _WINDOWS.search(body) and body.decode("utf-8", "ignore").isascii()
        return body.decode("cp1251" if windows else "utf-8", "replace")


def dump(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def tidy(value: Any, depth: int = 64) -> Any:
    """JSON that every column takes: no NUL, no lone surrogate, no NaN, no whole number beyond 64 bits, nothing nested without end."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict | list) and not depth:
        return None
    if isinstance(value, dict):
        return {clean(key): tidy(entry, depth - 1) for key, entry in value.items()}
    if isinstance(value, list):
        return [tidy(entry, depth - 1) for entry in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if not isinstance(value, int) or abs(value) < 2**63 else str(value)


def clean(text: str) -> str:
    return _SURROGATES_AND_NUL.sub("", text)


def word(value: Any) -> str:
    """A name such as "record" or "create", fit for a column."""
    return (clean(value).strip()[:64] if isinstance(value, str) else "") or "unknown"


def identity(value: Any) -> int | str | None:
    """An id: a number where it is one, else text; `None` where there is none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str):
        text = clean(value).strip()[:255]
        return int(text) if _WHOLE_NUMBER.fullmatch(text) else text or None
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if abs(value) < 2**63 else str(value)[:255]


def flag(value: object) -> bool:
    return value is True or identity(value) in (1, "true")


def entries(value: object) -> list[Any] | None:
    """A list, also where PHP wrote one with gaps as an object; `None` for anything else."""
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else None


def money(value: object) -> Decimal | None:
    """An amount, exact to the kopeck: 1999.9999999999998 is how PHP writes 2000."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = Decimal("".join(str(value).split()).replace(",", "."))
    except (ArithmeticError, ValueError):
        return None
    if not amount.is_finite() or abs(amount) >= _ABSURD:
        return None
    rounded = amount.quantize(_KOPECK, ROUND_HALF_UP)
    return amount if amount == rounded else rounded
