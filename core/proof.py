"""Proof of where a request comes from, compared in constant time over raw bytes."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any, Literal

import msgspec

from core.errors import Refused

_vouched: ContextVar[bool] = ContextVar("vouched", default=False)


@contextmanager
def vouched() -> Iterator[None]:
    """Within: whoever asks is proven. For a stored body that a person replays, because its headers and its query are not kept."""
    token = _vouched.set(True)
    try:
        yield
    finally:
        _vouched.reset(token)


def same_secret(given: str | None, expected: str | None) -> bool:
    """Whether a secret that travelled in the clear (a query, a header) is ours. Where none is set, nothing is."""
    if not expected:
        return _vouched.get()
    return _vouched.get() or hmac.compare_digest((given or "").encode("utf-8", "surrogatepass"), expected.encode())


def same_hmac(secret: str, body: bytes, given: str | None, algorithm: Literal["sha256", "sha512"] = "sha256") -> bool:
    """Whether `given` is the hex HMAC of the raw body. A "sha256=" in front is accepted."""
    expected = hmac.new(secret.encode(), body, getattr(hashlib, algorithm)).hexdigest()
    text = (given or "").strip().removeprefix(f"{algorithm}=").lower()
    return _vouched.get() or hmac.compare_digest(text.encode("utf-8", "surrogatepass"), expected.encode())


def prove(given: str | None, expected: str, hint: str = "wrong or missing secret", status: Literal[401, 403] = 401) -> None:
    """Raises `Refused` unless `given` is the secret; also while none is set, because then nobody can prove anything."""
    if not expected or not same_secret(given, expected):
        raise Refused(hint, status)


def prove_hmac(
    secret: str, body: bytes, given: str | None, algorithm: Literal["sha256", "sha512"] = "sha256", hint: str = "wrong signature"
) -> None:
    """As `prove`, for a body that is signed: raises `Refused` unless `given` is the hex HMAC of it."""
    if not secret or not same_hmac(secret, body, given, algorithm):
        raise Refused(hint)


def same_jwt(secret: str, given: str, now: datetime) -> bool:
    """Whether `given` is a JWT under HMAC-SHA256 with this secret that has not run out. It does not cover the body."""
    if _vouched.get():
        return True
    signed, _, proof = given.rpartition(".")
    try:
        if not same_hmac(secret, signed.encode(), base64.urlsafe_b64decode(proof + "==").hex()):
            return False
        claims = msgspec.json.decode(base64.urlsafe_b64decode(signed.partition(".")[2] + "=="), type=dict[str, Any])
        return bool(now.timestamp() < claims.get("exp", 0))
    except (ValueError, TypeError):
        return False
