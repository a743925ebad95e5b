"""Ids of senders, which may be any text or number → numbers that a BIGINT column takes; and ids of our own."""

from __future__ import annotations

import hashlib
from datetime import datetime
from uuid import uuid4

LONGEST = 512  # characters of an id that are kept
_LIMIT = 2**63


def number_of(raw: int | str | None) -> tuple[int | None, str | None]:
    """(number, original). One that is no number, or too large, becomes a 63-bit hash; only then the original is kept beside it."""
    if raw is None or raw == "":
        return None, None
    text = str(raw)
    digits = text.removeprefix("-")
    if digits.isascii() and digits.isdigit() and abs(number := int(text[:25])) < _LIMIT and len(text) < 25:
        return number, None
    hashed = int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:8]) >> 1
    return hashed, text[:LONGEST]


def is_made(number: int) -> bool:
    """Whether it is one that `number_of` made of a text, as far as one can see: nobody counts that far."""
    return number >= 10**15


def new_id(prefix: str, at: datetime, length: int = 20) -> str:
    """`prefix` and `length` hexadecimal digits: the moment (11, milliseconds), then chance.

    So ids of one hour lie together in an index. Spread by chance, each would dirty a page of its own, the more the larger the index is.
    """
    return f"{prefix}{int(at.timestamp() * 1000):011x}{uuid4().hex[: length - 11]}"
