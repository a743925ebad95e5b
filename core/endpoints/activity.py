"""What the salon's other bot reports: `POST /activity`, a client writes to it, or it has told them about a booking."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.endpoints.requests import Problem, body_of, endpoint, operator
from core.ids import number_of
from core.phones import parse_phone
from core.store.rows import Key

if TYPE_CHECKING:
    from core.app import Vestnik


@endpoint
async def activity(app: Vestnik, request: Request) -> Response:
    if not operator(app, request, app.config.server.bot_token):
        raise Problem(401, "send the operator's token, or [server] bot_token: Authorization: Bearer …")
    raw = await body_of(request)
    try:
        body = msgspec.json.decode(raw, type=dict[str, Any])
    except (ValueError, RecursionError):
        raise Problem(400, 'send JSON: {"phone": "+7…"} or {"record_id": 1, "told": true}') from None
    await (_told(app, body) if "record_id" in body else _wrote(app, body))
    return JSONResponse({"success": True})


async def _wrote(app: Vestnik, body: dict[str, Any]) -> None:
    company, listed = _id(body.get("company_id")) or 0, app.config.salons
    of = company or (next(iter(listed)) if len(listed) == 1 else None)
    phone, missing = parse_phone(body.get("phone"), app.config.salon_of(of).region)
    if phone is None:
        raise Problem(400, f"phone: {missing}")
    await app.run.store.people.wrote(phone, company, _moment(body.get("at"), app.now()))


async def _told(app: Vestnik, body: dict[str, Any]) -> None:
    record = _id(body["record_id"])
    if record is None or body.get("told") is not True:
        raise Problem(400, 'send {"record_id": <number>, "told": true}')
    key = await _booking(app, record, body.get("source"), _id(body.get("company_id")))
    await app.run.store.reports.told_by_another(key, app.now(), "another bot has told the client")
    app.run.work.set()


async def _booking(app: Vestnik, record: int, source: object, company: int | None) -> Key:
    """Whose booking this is; ids of two sources may be the same. Raises `Problem` where nobody can say."""
    sources = [plugin.short for plugin in app.hooks.stage("source")]
    if source is not None and source not in sources:
        raise Problem(400, f"source: none of that name is switched on, only {', '.join(sources)}")
    salon = next(iter(app.config.salons)) if company is None and len(app.config.salons) == 1 else company
    rows = await app.run.store.look.ask("places_of_booking", record=record)
    known = [
        (row["source"], row["company_id"]) for row in rows if source in (None, row["source"]) and salon in (None, row["company_id"])
    ]
    if len(known) > 1:
        raise Problem(400, "several bookings have this record_id: say source and company_id too")
    of = str(source or next(iter(sources), ""))
    if known and known[0][0] != of:
        raise Problem(400, f"this booking is known of {known[0][0]} alone: say source too")
    place = known[0][1] if known else salon
    if place is None:
        raise Problem(400, "this booking is not known yet, and several salons are served: say company_id too")
    return Key(of, place, record)


def _id(value: object) -> int | None:
    """A number that a BIGINT column takes, also where it is written as text."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    number, made_of = number_of(value.strip() if isinstance(value, str) else value)
    return number if made_of is None else None


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
