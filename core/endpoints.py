"""The HTTP edge: webhooks, callbacks, activity, health. An event is on disk, in the database or the spool, before its sender is answered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeGuard
from uuid import uuid4

import msgspec
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, PlainTextResponse, Response

from core.errors import Refused, StoreError
from core.failpoint import reach
from core.hooks import Plugin
from core.model import Received, Request
from core.phones import parse_phone
from core.pipeline import callback, receive, trial
from core.proof import same_secret
from core.store import Full
from core.store.inbox import NewEvent, Stored

if TYPE_CHECKING:
    from core.app import Vestnik

log = logging.getLogger("vestnik.edge")
LARGEST_BODY = 1024 * 1024
_TEST_WAITS = 15.0  # seconds
_FINAL = ("sent", "delivered", "read", "failed", "unclear", "expired", "superseded", "withheld")


class TooLarge(Exception):
    """A body over 1 MiB."""


async def body_of(request: HttpRequest) -> bytes:
    """The raw body. Raises `TooLarge` as soon as it is known to be."""
    if int(request.headers.get("content-length") or 0) > LARGEST_BODY:
        raise TooLarge
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > LARGEST_BODY:
            raise TooLarge
        chunks.append(chunk)
    return b"".join(chunks)


async def as_values(request: HttpRequest) -> Request:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.scope["headers"]}
    return Request(request.method, request.scope["path"], headers, dict(request.query_params), await body_of(request))


_answer = msgspec.json.Encoder()


class Endpoints:
    """One method per route."""

    def __init__(self, app: Vestnik) -> None:
        self.app = app

    async def webhook(self, request: HttpRequest) -> Response:
        """`POST /webhook/{source}`: 200 only after the event is durable."""
        plugin = self.app.hooks.get("source", request.path_params["source"])
        if plugin is None:
            return _problem(404, f"there is no source `{request.path_params['source']}`")
        if request.method != "POST" and not request.query_params.get("hub.mode"):  # HEAD too: monitors ask so
            return PlainTextResponse("Vestnik listens here. Booking systems post their events to this address.\n")
        try:
            asked = await as_values(request)
        except TooLarge:
            return _problem(413, "the body is larger than 1 MiB")
        except ClientDisconnect:
            return _problem(400, "the sender hung up")
        now = self.app.now()
        try:
            events, reply = receive.read(self.app.hooks, plugin, asked, now)
        except Refused as error:
            return await self._refused(plugin.short, error)
        try:
            stored = await self._store(events)
        except (Full, StoreError):
            return JSONResponse({"success": False, "error": "busy, try again"}, 503, {"Retry-After": "5"})
        if reply is not None:
            return Response(reply.body, reply.status, media_type=reply.content_type)
        return Response(
            _answer.encode({"success": True, "eventId": stored[0].event_id if stored else None}), media_type="application/json"
        )

    async def _store(self, events: Sequence[NewEvent]) -> list[Stored]:
        """The database, or the spool while it cannot be written."""
        try:
            stored = await self.app.run.store.inbox.receive(events)
        except Full:
            raise
        except Exception as error:
            log.warning("outcome=spooled count=%d reason=%s", len(events), type(error).__name__)
            await self.app.spool.append([msgspec.to_builtins(event) for event in events])
            return [Stored(event.event_id, 0) for event in events]
        reach("after_commit")
        self.app.run.work.set("events")
        again = {event.event_id: event.company_id for event, kept in zip(events, stored, strict=True) if kept.repeats}
        if again:
            await self.app.worker.decider.note_repeats(list(again.items()))
        return stored

    async def _refused(self, source: str, error: Refused) -> Response:
        log.warning("source=%s outcome=refused reason=%s", source, error.hint)
        try:
            await self.app.run.store.inbox.refuse(source, self.app.now())
        except Exception as problem:
            log.warning("source=%s outcome=not_counted reason=%s", source, type(problem).__name__)
        return _problem(401, "the secret is missing or wrong")

    async def test(self, request: HttpRequest) -> Response:
        """`POST /webhook/{source}/test`: a new booking through the whole pipeline; waits for what becomes of it."""
        if not self.operator(request):
            return _problem(401, "send the operator's token: Authorization: Bearer …")
        plugin = self.app.hooks.get("source", request.path_params["source"])
        if plugin is None:
            return _problem(404, f"there is no source `{request.path_params['source']}`")
        try:
            raw = await body_of(request)
            body = msgspec.json.decode(raw, type=trial.Trial)
        except TooLarge:
            return _problem(413, "the body is larger than 1 MiB")
        except (ValueError, RecursionError) as error:
            return _problem(400, f"the body cannot be read: {error}")
        company = body.companyId or next(iter(self.app.config.salons), None)
        number = f"test_{uuid4().hex[:16]}"
        record = -(uuid4().int >> 66)
        kind = f"record.{trial.action(body.eventType)}"
        item = Received(number, kind, raw.decode("utf-8", "replace"), company, record, test=True)
        await self.app.run.store.inbox.receive(receive.rows(plugin.short, [item], self.app.now()))
        self.app.run.work.set()
        return JSONResponse(await self._what_became(number))

    async def _what_became(self, number: str) -> dict[str, Any]:
        waited = 0.0
        while True:
            if not self.app.has_worker:
                await self.app.worker.drain()
            story = (await self.app.run.store.look.story(number))[0]
            messages = story["notifications"]
            last = messages[-1] if messages else None
            decided = story["status"] not in ("received",) and (
                last is None or last["status"] in _FINAL or (last["status"] == "pending" and last["attempts"])
            )
            if decided or waited >= _TEST_WAITS:
                break
            await asyncio.sleep(0.02)
            waited += 0.02
        status = last["status"] if last else story["status"]
        reason = (last["error"] if last else None) or story["reason"]
        rule = story["rule"] or (last["rule"] if last else None)
        return {
            "success": status in ("sent", "delivered", "read"),
            "eventId": number,
            "status": status,
            "message": last["message"] if last else None,
            "reason": f"{rule}: {reason}" if rule and reason and not reason.startswith(f"{rule}:") else reason,
        }

    async def callback(self, request: HttpRequest) -> Response:
        """`/callback/{transport}`: stored first, 200 at once."""
        plugin = self.app.hooks.get("send", request.path_params["transport"])
        if plugin is None or "callback" not in plugin.calls:
            return _problem(404, f"there is no transport `{request.path_params['transport']}` that is called back")
        try:
            asked = await as_values(request)
        except TooLarge:
            return _problem(413, "the body is larger than 1 MiB")
        except ClientDisconnect:
            return _problem(400, "the sender hung up")
        return await self._called_back(plugin, asked)

    async def _called_back(self, plugin: Plugin, asked: Request) -> Response:
        now, payload = self.app.now(), asked.body.decode("utf-8", "replace")
        try:
            heard = callback.read(self.app.run, plugin, asked, now)
        except Refused as error:
            return await self._refused(plugin.short, error)
        except Exception as error:
            log.warning("transport=%s outcome=unreadable reason=%s", plugin.short, type(error).__name__)
            await callback.store(
                self.app.run, plugin, callback.Heard([]), payload, now, unreadable=f"{type(error).__name__}: {error}"
            )
            return JSONResponse({"success": True})
        await callback.store(self.app.run, plugin, heard, payload, now)
        self.app.run.work.set("callbacks")
        if (reply := heard.reply) is not None:
            return Response(reply.body, reply.status, media_type=reply.content_type)
        return JSONResponse({"success": True})

    async def activity(self, request: HttpRequest) -> Response:
        """`POST /activity`: another bot says that a client writes to it, or that it has told them about a booking."""
        if not self.operator(request, self.app.config.server.bot_token):
            return _problem(401, "send the operator's token, or [server] bot_token: Authorization: Bearer …")
        try:
            body = msgspec.json.decode(await body_of(request), type=dict[str, Any])
        except TooLarge:
            return _problem(413, "the body is larger than 1 MiB")
        except (ValueError, RecursionError):
            return _problem(400, 'send JSON: {"phone": "+7…"} or {"record_id": 1, "told": true}')
        if "record_id" in body:
            return await self._told(body)
        phone, missing = parse_phone(body.get("phone"))
        if phone is None:
            return _problem(400, f"phone: {missing}")
        company = body.get("company_id")
        await self.app.run.store.people.wrote(phone, company if _is_id(company) else 0, _moment(body.get("at"), self.app.now()))
        return JSONResponse({"success": True})

    async def _told(self, body: dict[str, Any]) -> Response:
        record, company = body["record_id"], body.get("company_id")
        if not _is_id(record) or body.get("told") is not True:
            return _problem(400, 'send {"record_id": <number>, "told": true}')
        if not _is_id(company):
            company = next(iter(self.app.config.salons)) if len(self.app.config.salons) == 1 else 0
        source = body.get("source") or next((plugin.short for plugin in self.app.hooks.stage("source")), "")
        marked = await self.app.run.store.deliveries.told_by_another(
            str(source), company, record, self.app.now(), "another bot has told the client"
        )
        if not marked:
            return _problem(400, "this booking is not known yet, and several salons are served: say company_id too")
        self.app.run.work.set()
        return JSONResponse({"success": True})

    async def health(self, request: HttpRequest) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(self, request: HttpRequest) -> Response:
        """200 as long as an event can be stored or spooled: a sender may never repeat what a balancer turned away."""
        database = "ok"
        try:
            async with asyncio.timeout(2):
                await self.app.run.store.ping()
        except Exception as error:
            database = f"away ({type(error).__name__})"
        health = [
            {"transport": entry.transport, "account": entry.account, "working": entry.reason is None, "reason": entry.reason}
            for entry in self.app.run.health.values()
        ]
        waiting = self.app.spool.pending()
        config = "; ".join(self.app.reloader.said) or "ok"
        return JSONResponse({"ready": True, "database": database, "spooled": waiting.count, "config": config, "transports": health})

    async def metrics(self, request: HttpRequest) -> Response:
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    def operator(self, request: HttpRequest, *others: str | None) -> bool:
        """Whether the request bears the operator's token (header, or the cookie of a signed-in browser)."""
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        given = bearer or request.cookies.get("vestnik", "")
        return any(same_secret(given, token) for token in (self.app.token, *others) if token)


def _is_id(value: object) -> TypeGuard[int]:
    """A number that a BIGINT column takes."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def _moment(raw: object, now: datetime) -> datetime:
    """When the bot says it was; now, where it does not or cannot be read. Never in the future."""
    if isinstance(raw, int | float) and 0 < raw < 4e9:
        return min(datetime.fromtimestamp(raw, UTC), now)
    if isinstance(raw, str):
        try:
            found = datetime.fromisoformat(raw)
        except ValueError:
            return now
        return min(found if found.tzinfo else found.replace(tzinfo=UTC), now + timedelta(0))
    return now


def _problem(status: int, sentence: str) -> JSONResponse:
    return JSONResponse({"success": False, "error": sentence}, status)
