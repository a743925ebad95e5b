"""What monitors ask: `/health`, `/ready` and `/metrics`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

if TYPE_CHECKING:
    from core.app import Vestnik


async def health(app: Vestnik, request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def ready(app: Vestnik, request: Request) -> Response:
    """200 as long as an event can be stored or spooled: a sender may never repeat what a balancer turned away."""
    database = "ok"
    try:
        async with asyncio.timeout(2):
            await app.run.store.ping()
    except Exception as error:
        database = f"away ({type(error).__name__})"
    health = [
        {"transport": entry.transport, "account": entry.account, "working": entry.reason is None, "reason": entry.reason}
        for entry in app.run.health.values()
    ]
    templates = [
        {"transport": entry.transport, "account": entry.account, "template": entry.template, "reason": entry.reason}
        for refused in app.run.refused.values()
        for entry in refused.values()
    ]
    waiting = app.spool.pending()
    config = "; ".join(app.reloader.said) or "ok"
    said = {"ready": True, "database": database, "spooled": waiting.count, "config": config, "transports": health}
    return JSONResponse({**said, "refused_templates": templates} if templates else said)


async def metrics(app: Vestnik, request: Request) -> Response:
    up = [
        f'vestnik_transport_up{{account="{entry.account}",transport="{entry.transport}"}} {float(entry.reason is None)}\n'
        for entry in app.run.health.values()
    ]
    said = "# HELP vestnik_transport_up Whether an account takes messages\n# TYPE vestnik_transport_up gauge\n" + "".join(up)
    refused = [
        f'vestnik_refused_templates{{account="{account}",transport="{transport}"}} {float(len(templates))}\n'
        for (transport, account), templates in app.run.refused.items()
    ]
    said += "# HELP vestnik_refused_templates Templates that a gateway refuses\n# TYPE vestnik_refused_templates gauge\n" + "".join(
        refused
    )
    return Response(generate_latest() + said.encode(), media_type=CONTENT_TYPE_LATEST)
