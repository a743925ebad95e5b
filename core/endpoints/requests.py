"""What the endpoints share: a request as values, who may ask, and an answer for what is wrong."""

from __future__ import annotations

import functools
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from core.endpoints import session
from core.errors import Refused
from core.model import Request
from core.proof import same_secret

if TYPE_CHECKING:
    from core.app import Vestnik

    Endpoint = Callable[[Vestnik, HttpRequest], Awaitable[Response]]

log = logging.getLogger("vestnik.edge")
LARGEST_BODY = 1024 * 1024


class Problem(Exception):
    """What ends a request: a status, and a sentence for its sender."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def endpoint(handle: Endpoint) -> Endpoint:
    """An endpoint may raise `Problem`; its sender gets the sentence."""

    @functools.wraps(handle)
    async def answer(app: Vestnik, request: HttpRequest) -> Response:
        try:
            return await handle(app, request)
        except Problem as problem:
            return JSONResponse({"success": False, "error": str(problem)}, problem.status)

    return answer


async def nowhere(request: HttpRequest, error: Exception) -> Response:
    """The answer where no route fits: an address that is none, or a method that it does not know."""
    assert isinstance(error, HTTPException)
    path, allowed = request.scope["path"], (error.headers or {}).get("Allow", "")
    known = ", ".join(sorted(method for method in allowed.split(", ") if method and method != "HEAD"))
    sentence = (
        f"{path} takes {known}, not {request.method}" if known else f"there is nothing at {path}; docs/http.md lists what there is"
    )
    return JSONResponse({"success": False, "error": sentence}, error.status_code, error.headers)


async def body_of(request: HttpRequest) -> bytes:
    """The raw body. Raises `Problem` as soon as it is known to be too large, and where its sender hangs up."""
    if int(request.headers.get("content-length") or 0) > LARGEST_BODY:
        raise _too_large()
    chunks, size = [], 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > LARGEST_BODY:
                raise _too_large()
            chunks.append(chunk)
    except ClientDisconnect:
        raise Problem(400, "the sender hung up") from None
    return b"".join(chunks)


def _too_large() -> Problem:
    return Problem(413, "the body is larger than 1 MiB")


async def as_values(request: HttpRequest) -> Request:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.scope["headers"]}
    return Request(request.method, request.scope["path"], headers, dict(request.query_params), await body_of(request))


def operator(app: Vestnik, request: HttpRequest, *others: str | None) -> bool:
    """Whether the request bears the operator's token, or comes from a browser that is signed in."""
    given = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
    if given:
        return any(same_secret(given, token) for token in (app.token, *others) if token)
    return session.holds(request, app.token, app.now())


async def refused(app: Vestnik, sender: str, error: Refused) -> Problem:
    """A sender that has not proven itself: nothing is kept of what it says, but it is counted."""
    log.warning("source=%s outcome=refused reason=%s", sender, error.hint)
    try:
        await app.run.store.inbox.refuse(sender, app.now())
    except Exception as problem:
        log.warning("source=%s outcome=not_counted reason=%s", sender, type(problem).__name__)
    return Problem(error.status, "the secret is missing or wrong")
