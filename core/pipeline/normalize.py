"""Have stored items understood by their sources, and fold the events of one booking into the state that is now.

What a failure means: a source that raises or hangs parks the event: visible, and replayable once the source is mended.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

import httpx
import msgspec
from msgspec import Struct

from core.blame import could_not
from core.config import Configuration
from core.hooks import Hooks
from core.ids import is_made
from core.model import Booking, Event, Ignored, Later, Received, merge
from core.store.rows import EventRow, Known

log = logging.getLogger("vestnik.normalize")


class Broken(Struct, frozen=True):
    """The source could not make sense of it."""

    reason: str


Understood = Event | Ignored | Later | Broken


async def understand(hooks: Hooks, config: Configuration, row: EventRow, http: httpx.AsyncClient) -> Understood:
    """Ask the source of a stored event."""
    plugin = hooks.get("source", row.source)
    if plugin is None or plugin.config_for(row.company_id) is None:
        return Broken(f"the source {row.source} is not switched on; switch it on and replay the event")
    if row.payload is None:
        return Broken("its body was deleted by retention")
    if row.company_id is not None and not config.serves(row.company_id):
        text = "; its sender names it by a text: give that a number in the source's table" if is_made(row.company_id) else ""
        return Ignored(f"salon {row.company_id} is not listed in {config.path.name}{text}")
    received = Received(
        row.event_id, row.event_type, row.payload, row.company_id, row.external_id or row.record_id, test=row.is_test
    )
    try:
        found = await hooks.ask_async(
            "normalize", plugin, row.company_id, received=received, salon=config.salon_of(row.company_id), http=http
        )
    except Exception as error:
        why = could_not(plugin, "could not read it", error, row.payload)
        log.warning("event=%s plugin=%s outcome=parked reason=%s", row.event_id, plugin.name, why)
        return Broken(why)
    if (
        isinstance(found, Event) and found.text is None and not config.serves(row.company_id)
    ):  # a text needs no salon, a booking does
        return Ignored("no salon is named")
    return _dated(found) if isinstance(found, Event) else found


def _dated(event: Event) -> Event:
    """A source that dates the booking has dated the change."""
    if event.changed_at is not None or event.booking is None or event.booking.changed_at is None:
        return event
    return msgspec.structs.replace(event, changed_at=event.booking.changed_at)


class Folded(Struct, frozen=True):
    """The events of one booking, applied in order. `state` is the row it becomes; `last` the event that decides.

    `stale` events are older than what was known. `created`: a creation is among the events that count.
    """

    state: Known
    last: tuple[EventRow, Event]
    stale: tuple[EventRow, ...]
    applied: bool


def fold(known: Known, events: Sequence[tuple[EventRow, Event]]) -> Folded:
    """Apply events by `last_change_date`, then id. An older change never overwrites a newer one; a deletion wins a draw."""
    ordered = _in_order(known, events)
    state, last, stale = known, None, []
    for row, event in ordered:
        if event.action == "created":
            state = msgspec.structs.replace(state, create_seen=True)
        if _is_stale(state, row, event):
            stale.append(row)
            continue
        state, last = _apply(state, row, event), (row, event)
    return Folded(state, last or ordered[-1], tuple(stale), applied=last is not None)


def _in_order(known: Known, events: Sequence[tuple[EventRow, Event]]) -> list[tuple[EventRow, Event]]:
    """An event without a date comes after all that arrived before it, also where the sender's clock is ahead of ours."""
    newest, moments = known, {}
    for row, event in sorted(events, key=lambda pair: pair[0].id):
        moment = moments[row.id] = _moment(newest, row, event)
        newest = msgspec.structs.replace(newest, changed_at=max(moment, newest.changed_at or moment))
    return sorted(events, key=lambda pair: (moments[pair[0].id], _deletes(pair[1]), pair[0].id))


def _moment(known: Known, row: EventRow, event: Event) -> datetime:
    """When the change was made: what the sender says, else the later of what is known and the arrival."""
    if event.changed_at is not None:
        return event.changed_at
    return max(known.changed_at, row.created_at) if known.changed_at else row.created_at


def _deletes(event: Event) -> bool:
    return event.action == "deleted" or (event.booking is not None and event.booking.cancelled)


def _is_stale(state: Known, row: EventRow, event: Event) -> bool:
    if state.changed_at is None:
        return False
    moment = _moment(state, row, event)
    if _deletes(event):  # an older deletion counts, unless the booking is known to have been deleted and restored later
        return moment < state.changed_at and state.restored_at is not None and moment < state.restored_at
    return moment < state.changed_at or (moment == state.changed_at and state.is_cancelled)


def _apply(state: Known, row: EventRow, event: Event) -> Known:
    moment = _moment(state, row, event)
    cancelled = _deletes(event)
    now = _filled(state.snapshot, event.booking)
    if now is not None and now.cancelled != cancelled:
        now = msgspec.structs.replace(now, cancelled=cancelled)
    if event.booking is not None and state.changed_at is not None and moment < state.changed_at and state.snapshot is not None:
        now = msgspec.structs.replace(state.snapshot, cancelled=cancelled)  # an older deletion says nothing newer about the rest
    return msgspec.structs.replace(
        state,
        snapshot=now,
        is_cancelled=cancelled,
        restored_at=moment if state.is_cancelled and not cancelled else state.restored_at,
        changed_at=moment if state.changed_at is None else max(moment, state.changed_at),
        digest=row.digest,
        external_id=row.external_id or state.external_id,
    )


def _filled(known: Booking | None, now: Booking | None) -> Booking | None:
    """`now` with its gaps filled. A phone that is hidden today and was seen yesterday is yesterday's."""
    if now is None:
        return known
    filled = merge(known, now)
    if filled.phone is None and known is not None and known.phone and not (now.phone_missing or "").startswith("no client"):
        filled = msgspec.structs.replace(filled, phone=known.phone, phone_missing=None)
    return filled
