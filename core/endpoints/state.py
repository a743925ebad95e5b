"""What monitors ask: `/health`, `/ready` and `/metrics`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

if TYPE_CHECKING:
    from core.app import Vestnik


async def health(app: Vestnik, request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def ready(app: Vestnik, request: Request) -> Response:
    """200 as long as an event can be stored or spooled: a sender may never repeat what a balancer turned away. Else 503."""
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
    spool = None if database == "ok" else await app.spool.problem()  # it is written only then
    waiting, able = app.spool.pending(), spool is None
    config = "; ".join(app.reloader.said) or "ok"
    said = {"ready": able, "database": database, "spooled": waiting.count, "config": config, "transports": health}
    said |= {"spool": spool} if spool else {}
    return JSONResponse({**said, "refused_templates": templates} if templates else said, 200 if able else 503)


async def metrics(app: Vestnik, request: Request) -> Response:
    """What recorders count, and how things stand now; while the database is away, without what lies in it."""
    said = generate_latest().decode()
    health, refused = app.run.health.values(), app.run.refused.items()
    up = {_labels(transport=entry.transport, account=entry.account): entry.reason is None for entry in health}
    templates = {_labels(transport=transport, account=account): len(entries) for (transport, account), entries in refused}
    said += _gauge("vestnik_transport_up", "Whether an account takes messages", up)
    said += _gauge("vestnik_refused_templates", "Templates that a gateway refuses", templates)
    said += _gauge("vestnik_spooled", "Events in the spool, for want of the database", {"": app.spool.pending().count})
    with contextlib.suppress(Exception):
        async with asyncio.timeout(2):
            (waiting,) = await app.run.store.look.ask("waiting")
        now = {_labels(what=what): waiting[name] for what, name in (("events", "events"), ("messages", "notifications"))}
        said += _gauge("vestnik_waiting", "Not decided, and not sent, yet", now)
    return Response(said.encode(), media_type=CONTENT_TYPE_LATEST)


def _labels(**labels: object) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in sorted(labels.items())) + "}"


def _gauge(name: str, meaning: str, values: Mapping[str, float]) -> str:
    return f"# HELP {name} {meaning}\n# TYPE {name} gauge\n" + "".join(
        f"{name}{at} {float(value)}\n" for at, value in values.items()
    )
