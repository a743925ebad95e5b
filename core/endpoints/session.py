"""Who is signed in at the page: a cookie that proves the operator's token and does not hold it, and an end to guessing.

The cookie says until when it holds, sealed with the token. So every node knows it again, also after a restart, and another token ends
all of them.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from core.proof import same_secret

COOKIE = "vestnik"
_LASTS = timedelta(days=30)
_MOST, _WITHIN = 20, timedelta(minutes=1)  # wrong tokens that differ: who types the same one again guesses nothing


def begin(answer: Response, request: Request, token: str, now: datetime) -> None:
    """Have the browser keep the proof, over TLS alone where it came so: only the browser, or what stands in front, knows."""
    schemes = (
        request.url.scheme,
        request.headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower(),
        urlsplit(request.headers.get("origin", "")).scheme,
    )
    until = str(int((now + _LASTS).timestamp()))
    answer.set_cookie(
        COOKIE,
        f"{until}.{_seal(token, until)}",
        max_age=int(_LASTS.total_seconds()),
        httponly=True,
        samesite="strict",
        secure="https" in schemes,
    )


def holds(request: Request, token: str, now: datetime) -> bool:
    """Whether the request bears a proof that has not run out."""
    until, _, seal = request.cookies.get(COOKIE, "").partition(".")
    known = until.isascii() and until.isdigit() and len(until) < 12
    return known and same_secret(seal, _seal(token, until)) and now.timestamp() < int(until)


def _seal(token: str, until: str) -> str:
    return hmac.new(token.encode(), f"vestnik page until {until}".encode(), hashlib.sha256).hexdigest()


class Guesses:
    """Wrong tokens of late at the sign-in. Nobody signs in while there are too many, else who guesses would still be told of a hit."""

    def __init__(self) -> None:
        self._wrong: dict[bytes, datetime] = {}

    def wait(self, now: datetime) -> int:
        """Seconds for which no token is looked at; 0: it is."""
        self._wrong = {what: at for what, at in self._wrong.items() if now - at < _WITHIN}
        if len(self._wrong) < _MOST:
            return 0
        return max(1, int((min(self._wrong.values()) + _WITHIN - now).total_seconds()))

    def wrong(self, given: str, now: datetime) -> None:
        self._wrong[hashlib.sha256(given.encode("utf-8", "replace")).digest()] = now
