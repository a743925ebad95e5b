"""Events of one booking, in whatever order they arrive, fold into one state."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model import Event
from core.pipeline.normalize import Folded, fold
from core.store.rows import EventRow, Key, Known
from core.testing import NOON, PHONE, VISIT, a_booking

KEY = Key("yclients", 962302, 1)


def row(number: int, **fields: Any) -> EventRow:
    """The `number`-th webhook that arrived, a second after the one before."""
    plain: dict[str, Any] = {
        "id": number, "event_id": f"evt_{number}", "source": "yclients", "event_type": "record.updated", "company_id": 962302, "record_id": 1,
        "external_id": None, "digest": f"d{number}", "payload": "{}", "status": "received", "rule": None, "is_test": False, "is_import": False,
        "attempts": 1, "claims": 1, "token": 1, "created_at": NOON + timedelta(seconds=number),
    }  # fmt: skip
    return EventRow(**{**plain, **fields})


def moved(minute: int | None, hour: int = 0, action: Any = "updated", **fields: Any) -> Event:
    """The booking, moved by `hour`, as changed `minute` minutes before noon."""
    at = None if minute is None else NOON - timedelta(minutes=minute)
    return Event(action, a_booking(visit_at=VISIT + timedelta(hours=hour), changed_at=at, **fields), changed_at=at)


def folded(*events: Event, known: Known | None = None) -> Folded:
    return fold(known or Known(KEY), [(row(n), event) for n, event in enumerate(events)])


@given(st.permutations([moved(50, 0, "created"), moved(40, 1), moved(30, 2), moved(20, 3)]))
def test_any_order_of_arrival(events: list[Event]) -> None:
    """Dated changes end in the same state, decided by the newest, whatever order they arrive in."""
    found = folded(*events)
    assert found.state.snapshot is not None
    assert found.state.snapshot.visit_at == VISIT + timedelta(hours=3)
    assert (found.state.changed_at, found.state.create_seen) == (NOON - timedelta(minutes=20), True)
    assert found.last[1].changed_at == NOON - timedelta(minutes=20)


@given(st.permutations([moved(50, 0, "created"), moved(40, 1), moved(30, 2), moved(20, 3)]))
def test_one_by_one_as_in_a_batch(events: list[Event]) -> None:
    """One event at a time ends in the same snapshot as all of them together."""
    state = Known(KEY)
    for n, event in enumerate(events):
        state = fold(state, [(row(n), event)]).state
    assert state == folded(*events).state


def test_a_batch_without_news() -> None:
    """Older than what is known: nothing is applied, and a creation is remembered all the same."""
    known = folded(moved(10, 1)).state
    found = folded(moved(20, 0, "created"), known=known)
    assert not found.applied
    assert [stale.id for stale in found.stale] == [0]
    assert (found.state.snapshot, found.state.create_seen) == (known.snapshot, True)


@pytest.mark.parametrize("order", list(permutations(range(2))))
def test_a_deletion_wins_a_draw(order: tuple[int, int]) -> None:
    """At equal dates a deletion wins over a change, in either order of arrival."""
    events = [moved(10, 1), moved(10, 1, "deleted", cancelled=True)]
    assert folded(*(events[n] for n in order)).state.is_cancelled


def test_equal_dates() -> None:
    """At equal dates the later arrival counts."""
    found = folded(moved(10, 1), moved(10, 2))
    assert found.state.snapshot is not None
    assert found.state.snapshot.visit_at == VISIT + timedelta(hours=2)


def test_without_a_date() -> None:
    """What bears no date comes after all that arrived before it, even if the sender's clock is ahead."""
    found = folded(moved(-60, 1, "created"), Event("deleted"))
    assert found.state.is_cancelled
    assert found.state.changed_at == NOON + timedelta(minutes=60)


def test_an_older_deletion() -> None:
    """An older deletion counts, and leaves the newer rest; unless the booking was deleted before and restored later."""
    known = folded(moved(30, 0, "created"), moved(10, 1)).state
    late = folded(moved(20, 0, "deleted", cancelled=True), known=known).state
    assert late.is_cancelled
    assert late.snapshot is not None
    assert (late.snapshot.visit_at, late.changed_at) == (VISIT + timedelta(hours=1), NOON - timedelta(minutes=10))
    restored = folded(moved(5, 1), known=late).state
    assert (restored.is_cancelled, restored.restored_at) == (False, NOON - timedelta(minutes=5))
    assert not folded(moved(20, 0, "deleted", cancelled=True), known=restored).applied


@pytest.mark.parametrize(("missing", "kept"), [("hidden by rights", PHONE), ("no client belongs to the booking", None)])
def test_a_phone_that_is_hidden(missing: str, kept: str | None) -> None:
    """A phone that is hidden today is yesterday's; a booking without any client has none."""
    known = folded(moved(30, 0, "created")).state
    found = folded(moved(20, 0, phone=None, phone_missing=missing), known=known).state.snapshot
    assert found is not None
    assert found.phone == kept
