"""`POST /webhook/{source}/test`: a new booking through the whole pipeline; waits for what becomes of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.endpoints.requests import Problem, body_of, endpoint, operator
from core.endpoints.webhooks import source_of
from core.model import Received
from core.pipeline import receive
from core.pipeline.flat import FlatBody, action

if TYPE_CHECKING:
    from core.app import Vestnik

_WAITS = 15.0  # seconds
_FINAL = ("sent", "delivered", "read", "failed", "unclear", "expired", "superseded", "withheld")


@endpoint
async def flat(app: Vestnik, request: Request) -> Response:
    if not operator(app, request):
        raise Problem(401, "send the operator's token: Authorization: Bearer …")
    plugin = source_of(app, request)
    raw = await body_of(request)
    try:
        body = msgspec.json.decode(raw, type=FlatBody)
    except (ValueError, RecursionError) as error:
        raise Problem(400, f"the body cannot be read: {error}") from None
    company = body.companyId or next(iter(app.config.salons), None)
    number = f"test_{uuid4().hex[:16]}"
    record = -(uuid4().int >> 66)
    kind = f"record.{action(body.eventType)}"
    item = Received(number, kind, raw.decode("utf-8", "replace"), company, record, test=True)
    await app.run.store.inbox.receive(receive.rows(plugin.short, [item], app.now()))
    app.run.work.set()
    return JSONResponse(await _what_became(app, number))


async def _what_became(app: Vestnik, number: str) -> dict[str, Any]:
    waited = 0.0
    while True:
        if app.by_hand:
            await app.worker.drain()
        story = (await app.run.store.look.story(number))[0]
        messages = story["notifications"]
        last = messages[-1] if messages else None
        decided = story["status"] not in ("received",) and (
            last is None or last["status"] in _FINAL or (last["status"] == "pending" and last["attempts"])
        )
        if decided or waited >= _WAITS:
            break
        await asyncio.sleep(0.02)
        waited += 0.02
    status = last["status"] if last else story["status"]
    reason = (last["error"] if last else None) or story["reason"]
    if not decided and not app.has_worker:
        reason = f"no worker has taken it up within {_WAITS:g} s; start `vestnik worker`, or `vestnik serve` without --no-worker"
    rule = story["rule"] or (last["rule"] if last else None)
    return {
        "success": status in ("sent", "delivered", "read"),
        "eventId": number,
        "status": status,
        "message": last["message"] if last else None,
        "reason": f"{rule}: {reason}" if rule and reason and not reason.startswith(f"{rule}:") else reason,
    }
