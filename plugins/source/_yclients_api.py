"""What the sources ask the API of YCLIENTS and Altegio: what changed, and one record again. Shared by both; no plugin itself."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from datetime import datetime
from itertools import count
from typing import Any

import httpx

from core import Duration, Event, Ignored, Later, Received, Salon, Settings, retry_after
from plugins.source import _yclients_record as record
from plugins.source import _yclients_wire as wire
from plugins.source._yclients_json import clean, dump, entries, flag, identity, parse, word

PAGE = 200  # records a page


class Access(Settings, frozen=True):
    secret: str | None = None  # travels as ?secret=… in the webhook's address; "none": open on purpose
    api_url: str = ""  # where to ask
    partner_token: str | None = None  # both tokens given: missed events are asked for,
    user_token: str | None = None  # and hidden phones read again
    poll_every: Duration = Duration("5m")  # how often to ask what changed


async def poll(
    source: str, since: datetime | None, salon: Salon, http: httpx.AsyncClient, config: Access, now: datetime
) -> list[Received] | None:
    """What changed in one salon, or `None` without the tokens to ask; with `since=None` every booking from today on.

    Raises RuntimeError where the API refuses. The API takes 5 requests a second from one address: `http` is paced by core, and pages
    are asked one after another.
    """
    if not _may_ask(config):
        return None
    zone = record.zone_of(salon)
    # Documented as `2016-02-23T12:00:00`: the salon's wall clock, no offset.
    window = (
        {"start_date": f"{now.astimezone(zone):%Y-%m-%d}"}
        if since is None
        else {"changed_after": f"{since.astimezone(zone):%Y-%m-%dT%H:%M:%S}"}
    )
    found: dict[int | str, dict[str, Any]] = {}
    for page in count(1):
        records, total = await _page(salon.id, {**window, "with_deleted": "1", "page": str(page), "count": str(PAGE)}, http, config)
        fresh = {own: entry for entry in records if isinstance(entry, dict) and (own := identity(entry.get("id"))) is not None}
        exhausted = not fresh.keys() - found.keys()  # nothing new: an empty page, or one given twice
        found.update(fresh)
        if exhausted or (len(records) < PAGE if total is None else len(found) >= total):
            break
    return [_polled(source, own, entry, since, salon) for own, entry in found.items()]


async def normalize(
    received: Received, salon: Salon, http: httpx.AsyncClient, config: Access, *, trust_offset: bool
) -> Event | Ignored | Later:
    """A stored item → what happened. Where the phone is missing and both tokens are given, the record is read again."""
    event = wire.event_of(received.payload)
    if event is None:
        return Ignored(f"cannot be read: {received.unreadable or 'there is no event in it'}")
    if word(event.get("resource")).lower() != "record":
        return Ignored(_not_a_booking(event))
    found = event.get("data")
    data: dict[str, Any] = found if isinstance(found, dict) else {}
    company, own = wire.ids(event)
    action = wire.status_of(event)
    deleted = action == "deleted" or flag(data.get("deleted"))
    booking = record.booking(data, company, salon, cancelled=deleted, trust_offset=trust_offset) if record.says(data) else None
    if (booking.phone is None if booking else not deleted) and _may_ask(config) and not event.get("polled"):
        again = await _read_again(company, own, http, config)
        if isinstance(again, Later):
            return again
        if again:
            data = {**again, **data, "client": again.get("client") or data.get("client")}
            booking = record.booking(data, company, salon, cancelled=deleted, trust_offset=trust_offset)
    if booking is None and not deleted:
        return Ignored("says nothing of the booking, and it could not be read again")
    changed_at = booking.changed_at if booking else record.instant(data.get("last_change_date"), record.zone_of(salon))
    return Event("deleted" if deleted else "created" if action == "created" else "updated", booking, changed_at=changed_at)


def _not_a_booking(event: dict[str, Any]) -> str:
    if "resource" not in event:
        return f"marketplace `{word(event['event'])}`: about the app, not about a booking"
    resource = word(event["resource"])
    if resource == "finances_operation":
        return "finances_operation: a payment changes nothing that a client must be told about the booking"
    return f"{resource}: not about a booking"


def _may_ask(config: Access) -> bool:
    return bool(config.partner_token and config.user_token)


def _get(url: str, params: Mapping[str, str], http: httpx.AsyncClient, config: Access) -> Awaitable[httpx.Response]:
    headers = {
        "Accept": "application/vnd.yclients.v2+json",
        "Authorization": f"Bearer {config.partner_token}, User {config.user_token}",
    }
    return http.get(f"{config.api_url.rstrip('/')}/api/v1/{url}", params=params, headers=headers)


async def _page(company: int, params: Mapping[str, str], http: httpx.AsyncClient, config: Access) -> tuple[list[Any], int | None]:
    """The records of one page, and how many there are on all pages where the API says so."""
    response = await _get(f"records/{company}", params, http, config)
    body = _answer(response)
    records = entries(body.get("data"))
    if not response.is_success or body.get("success") is False or records is None:
        raise RuntimeError(
            f"asked what changed in salon {company}, the API answered HTTP {response.status_code}{_said(body, config)}"
        )
    meta = body.get("meta")
    total = identity(meta.get("total_count")) if isinstance(meta, dict) else None
    return records, total if isinstance(total, int) else None


async def _read_again(
    company: int | str | None, own: int | str | None, http: httpx.AsyncClient, config: Access
) -> dict[str, Any] | Later | None:
    """The record as the API has it now; `None` where it will not say (deleted, no rights)."""
    if not isinstance(company, int) or not isinstance(own, int) or own <= 0:  # below zero: a test of ours, unknown to the API
        return None
    try:
        response = await _get(f"record/{company}/{own}", {}, http, config)
    except httpx.RequestError as error:
        return Later(f"the phone is missing, and the API that has it cannot be reached ({type(error).__name__})")
    if response.status_code == 429 or response.status_code >= 500:
        reason = f"the phone is missing, and the API that has it answered HTTP {response.status_code}"
        after = retry_after(response)
        return Later(reason, after) if after else Later(reason)
    found = _answer(response).get("data") if response.is_success else None
    return found if isinstance(found, dict) else None


def _answer(response: httpx.Response) -> dict[str, Any]:
    """Read as leniently as a webhook: one client's broken name must not stop the poll of a salon."""
    try:
        body = parse(response.content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _said(body: dict[str, Any], config: Access) -> str:
    """The API's own words, without the tokens should it repeat them."""
    meta = body.get("meta")
    message = meta.get("message") if isinstance(meta, dict) else None
    if not isinstance(message, str) or not message:
        return ""
    for token in filter(None, (config.partner_token, config.user_token)):
        message = message.replace(token, "…")
    return f": {clean(message)[:200]}"


def _polled(source: str, own: int | str, entry: dict[str, Any], since: datetime | None, salon: Salon) -> Received:
    """A polled record in a webhook's clothes. `polled`: it comes from the API already, so `normalize` does not ask there again."""
    created = record.instant(entry.get("create_date"), record.zone_of(salon))
    status = "delete" if flag(entry.get("deleted")) else "create" if since and created and created > since else "update"
    event = {"company_id": salon.id, "resource": "record", "resource_id": own, "status": status, "data": entry, "polled": True}
    return wire.received(source, event, dump(event))
