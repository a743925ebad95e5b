"""What booking systems post: 200 only after the event is durable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from core.endpoints.requests import Problem, as_values, endpoint, log, refused
from core.errors import Refused, StoreError
from core.failpoint import reach
from core.hooks import Plugin
from core.pipeline import receive
from core.store import Full
from core.store.inbox import NewEvent, Stored

if TYPE_CHECKING:
    from core.app import Vestnik

_answer = msgspec.json.Encoder()


@endpoint
async def webhook(app: Vestnik, request: Request) -> Response:
    """`POST /webhook/{source}`. A GET tells whoever opens the address in a browser what it is."""
    plugin = source_of(app, request)
    if request.method != "POST":  # HEAD too: monitors ask so
        return PlainTextResponse("Vestnik listens here. Booking systems post their events to this address.\n")
    asked = await as_values(request)
    try:
        events, reply = receive.read(app.hooks, plugin, asked, app.now())
    except Refused as error:
        raise await refused(app, plugin.short, error) from None
    try:
        stored = await _store(app, events)
    except (Full, StoreError):
        return JSONResponse({"success": False, "error": "busy, try again"}, 503, {"Retry-After": "5"})
    if reply is not None:
        return Response(reply.body, reply.status, media_type=reply.content_type)
    return Response(
        _answer.encode({"success": True, "eventId": stored[0].event_id if stored else None}), media_type="application/json"
    )


def source_of(app: Vestnik, request: Request) -> Plugin:
    """The source in the address. Raises `Problem`."""
    name = request.path_params["source"]
    plugin = app.hooks.get("source", name)
    if plugin is None:
        raise Problem(404, f"there is no source `{name}`")
    return plugin


async def _store(app: Vestnik, events: Sequence[NewEvent]) -> list[Stored]:
    """The database, or the spool while it cannot be written."""
    try:
        stored = await app.run.store.inbox.receive(events)
    except Full:
        raise
    except Exception as error:
        log.warning("outcome=spooled count=%d reason=%s", len(events), type(error).__name__)
        await app.spool.append([msgspec.to_builtins(event) for event in events])
        return [Stored(event.event_id, 0) for event in events]
    reach("after_commit")
    app.run.work.set("events")
    again = {event.event_id: event.company_id for event, kept in zip(events, stored, strict=True) if kept.repeats}
    if again:
        try:
            await app.worker.decider.note_repeats(list(again.items()))
        except Exception as error:  # a line of the story is missing; they are stored, and counted
            log.warning("outcome=repeat_untold count=%d reason=%s", len(again), type(error).__name__)
    return stored
