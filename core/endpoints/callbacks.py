"""What gateways post about messages: `/callback/{transport}`, stored first, 200 at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.blame import blame, silently
from core.endpoints.requests import Problem, as_values, endpoint, log, refused
from core.errors import Refused
from core.pipeline.callback import Heard, read, store

if TYPE_CHECKING:
    from core.app import Vestnik


@endpoint
async def callback(app: Vestnik, request: Request) -> Response:
    name = request.path_params["transport"]
    plugin = app.hooks.get("send", name)
    if plugin is None or "callback" not in plugin.calls:
        raise Problem(404, f"there is no transport `{name}` that is called back")
    asked = await as_values(request)
    now, payload = app.now(), asked.body.decode("utf-8", "replace")
    try:
        heard = read(app.run, plugin, asked, now)
    except Refused as error:
        raise await refused(app, plugin.short, error) from None
    except Exception as error:
        log.warning("transport=%s outcome=unreadable reason=%s", plugin.short, silently(plugin, error))
        await store(app.run, plugin, Heard([]), payload, now, unreadable=blame(plugin, error, payload))
        return JSONResponse({"success": True})
    await store(app.run, plugin, heard, payload, now)
    app.run.work.set("callbacks")
    if (reply := heard.reply) is not None:
        return Response(reply.body, reply.status, media_type=reply.content_type)
    return JSONResponse({"success": True})
