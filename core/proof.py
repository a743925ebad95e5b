"""Proof of where a request comes from, compared in constant time over raw bytes."""

from __future__ import annotations

import hashlib
import hmac
from typing import Literal


def same_secret(given: str | None, expected: str) -> bool:
    """Whether a secret that travelled in the clear (a query, a header) is ours."""
    return hmac.compare_digest((given or "").encode("utf-8", "surrogatepass"), expected.encode())


def same_hmac(secret: str, body: bytes, given: str | None, algorithm: Literal["sha256", "sha512"] = "sha256") -> bool:
    """Whether `given` is the hex HMAC of the raw body. A "sha256=" in front is accepted."""
    expected = hmac.new(secret.encode(), body, getattr(hashlib, algorithm)).hexdigest()
    text = (given or "").strip().removeprefix(f"{algorithm}=").lower()
    return hmac.compare_digest(text.encode("utf-8", "surrogatepass"), expected.encode())
