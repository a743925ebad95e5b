"""The table of what counts as worth a message, as one pure function."""

from __future__ import annotations

from datetime import UTC, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model import Booking, Service, Staff
from core.pipeline.compare import CANCELLED, CREATED, UPDATED, Change, Past, compare, differences, price
from core.testing import NOON, VISIT, a_booking, a_service

TOLD = a_booking()
TRIED = "the last message did not get through, and nothing the client could see differs since"
UNSEEN_NOTED = "a booking not seen before, which is paid, confirmed or past: noted"
GONE_UNKNOWN = "a booking not seen before is deleted, and its phone or a time ahead is unknown"
GONE_UNTOLD = "created and cancelled before the client was told"


def with_(booking: Booking, **changes: Any) -> Booking:
    return msgspec.structs.replace(booking, **changes)


@pytest.mark.parametrize(
    ("past", "now", "expected"),
    [
        (Past(created=True), {}, Change(CREATED)),
        (Past(), {}, Change(UPDATED)),
        (Past(), {"attendance": "confirmed"}, Change(None, note=UNSEEN_NOTED, noted=True)),
        (Past(), {"paid": True}, Change(None, note=UNSEEN_NOTED, noted=True)),
        (Past(), {"visit_at": NOON}, Change(None, note=UNSEEN_NOTED, noted=True)),
        (Past(), {"visit_at": None}, Change(None, note=UNSEEN_NOTED, noted=True)),
        (Past(), {"attendance": "no_show"}, Change(None, note="a no-show is not a cancellation", noted=True)),
        (Past(), {"attendance": "arrived"}, Change(None, note="the client has come", noted=True)),
        (Past(), {"cancelled": True}, Change(CANCELLED)),
        (Past(), {"cancelled": True, "phone": None}, Change(None, note=GONE_UNKNOWN)),
        (Past(), {"cancelled": True, "visit_at": NOON}, Change(None, note=GONE_UNKNOWN)),
        (Past(), {"cancelled": True, "visit_at": None}, Change(None, note=GONE_UNKNOWN)),
        (Past(created=True), {"cancelled": True}, Change(None, note=GONE_UNTOLD)),
        (Past(seen=True), {}, Change(CREATED)),
        (Past(seen=True), {"paid": True}, Change(CREATED)),
        (Past(seen=True), {"cancelled": True}, Change(None, note=GONE_UNTOLD)),
        (Past(seen=True), {"attendance": "arrived"}, Change(None, note="the client has come")),
    ],
)
def test_nothing_is_announced(past: Past, now: dict[str, Any], expected: Change) -> None:
    """Unseen, seen and created bookings of which the client knows nothing."""
    assert compare(past, a_booking(**now), NOON) == expected


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ({}, Change(None, note="nothing that the client could see differs")),
        ({"visit_at": VISIT + timedelta(minutes=1)}, Change(UPDATED, frozenset({"time"}))),
        ({"staff": Staff("Рамзан", "5")}, Change(UPDATED, frozenset({"staff"}))),
        ({"branch": "1"}, Change(UPDATED, frozenset({"branch"}))),
        ({"services": (a_service("БОРОДА", 2000, id="3"),)}, Change(UPDATED, frozenset({"services"}))),
        ({"services": (a_service("МУЖСКАЯ СТРИЖКА", 1500, id="18356041"),)}, Change(UPDATED, frozenset({"price"}))),
        ({"attendance": "confirmed"}, Change(None, note="the client confirmed")),
        ({"attendance": "arrived"}, Change(None, note="the client has come")),
        ({"attendance": "no_show"}, Change(None, note="a no-show is not a cancellation")),
        ({"attendance": "no_show", "staff": Staff("Рамзан", "5")}, Change(None, note="a no-show is not a cancellation")),
        ({"paid": True}, Change(None, note="only the payment differs")),
        ({"comment": "кофе"}, Change(None, note="only the comment differs")),
        ({"extra": {"visit_id": 7}}, Change(None, note="nothing that the client could see differs")),
        ({"cancelled": True}, Change(CANCELLED)),
        ({"cancelled": True, "attendance": "no_show"}, Change(CANCELLED)),
        ({"cancelled": True, "staff": Staff("Рамзан", "5")}, Change(CANCELLED, frozenset({"staff"}))),
    ],
)
def test_something_is_announced(now: dict[str, Any], expected: Change) -> None:
    """An announced booking against its next state."""
    assert compare(Past(announced=TOLD, seen=True, created=True), a_booking(**now), NOON) == expected


def test_another_phone() -> None:
    """A new phone is a new booking, with the reason why the old one hears nothing."""
    change = compare(Past(announced=TOLD, seen=True), a_booking(phone="+79000000099"), NOON)
    assert (change.type, change.changed) == (CREATED, frozenset({"phone"}))
    assert change.note == "another phone: the new one is told of the booking, the old one of nothing"


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ({"cancelled": True}, Change(None, note="the cancellation has been told already")),
        ({}, Change(CREATED)),
        ({"visit_at": VISIT + timedelta(hours=2)}, Change(CREATED)),
        ({"attendance": "arrived"}, Change(None, note="the client has come")),
        ({"attendance": "no_show"}, Change(None, note="a no-show is not a cancellation")),
    ],
)
def test_a_cancellation_is_announced(now: dict[str, Any], expected: Change) -> None:
    """A booking the client knows as cancelled: once; and live again it is new."""
    assert compare(Past(announced=with_(TOLD, cancelled=True), seen=True), a_booking(**now), NOON) == expected


@pytest.mark.parametrize(
    ("announced", "now"),
    [
        (None, {}),
        (None, {"comment": "кофе"}),
        (TOLD, {"visit_at": VISIT + timedelta(hours=2)}),
        (TOLD, {"cancelled": True}),
        (TOLD, {"phone": "+79000000099"}),
        (with_(TOLD, cancelled=True), {}),
    ],
)
def test_what_failed_is_not_tried_again(announced: Booking | None, now: dict[str, Any]) -> None:
    """The same state a second time after a failure is silent, whatever kind of message failed; unless it was hindered."""
    state = a_booking(**now)
    past = Past(announced=announced, attempted=state, seen=True, created=True)
    assert compare(past, state, NOON) == Change(None, note=TRIED)
    assert compare(msgspec.structs.replace(past, hindered=True), state, NOON).type is not None


@pytest.mark.parametrize(
    "visible", [{"visit_at": VISIT + timedelta(hours=3)}, {"staff": Staff("Рамзан", "5")}, {"phone": "+79000000099"}]
)
def test_what_failed_is_tried_for_something_visible(visible: dict[str, Any]) -> None:
    """Something the client could see differs from what was attempted: it is told."""
    assert compare(Past(attempted=TOLD, seen=True, created=True), a_booking(**visible), NOON).type == CREATED


def test_a_failed_change_and_a_deletion() -> None:
    """A deletion after a failed change is another message than the one that failed."""
    past = Past(announced=TOLD, attempted=a_booking(visit_at=VISIT + timedelta(hours=2)), seen=True)
    assert compare(past, a_booking(visit_at=VISIT + timedelta(hours=2), cancelled=True), NOON).type == CANCELLED


def test_an_unsent_change_stays_one() -> None:
    """While a first change waits it stays a change, until a creation is seen; deleted meanwhile, it is a cancellation."""
    waiting = Past(seen=True, waiting=UPDATED)
    assert compare(waiting, a_booking(), NOON).type == UPDATED
    assert compare(msgspec.structs.replace(waiting, created=True), a_booking(), NOON).type == CREATED
    assert compare(waiting, a_booking(cancelled=True), NOON).type == CANCELLED


def test_what_is_not_said_does_not_differ() -> None:
    """A gap on either side is no difference."""
    bare = Booking()
    assert differences(TOLD, bare) == differences(bare, TOLD) == frozenset()


def test_ids_before_names() -> None:
    """A renamed service or master is the same one; without ids the names decide."""
    renamed = a_booking(services=(a_service("Стрижка", id="18356041"),), staff=Staff("Бари Г.", "2895125"))
    assert differences(TOLD, renamed) == frozenset()
    plain = a_booking(services=(a_service("A"),), staff=Staff("Бари"))
    assert differences(plain, a_booking(services=(a_service("B"),), staff=Staff("Рамзан"))) == {"services", "staff"}


def test_the_same_moment_in_another_zone() -> None:
    """The same moment said with another offset is no other time."""
    assert differences(TOLD, a_booking(visit_at=VISIT.astimezone(UTC))) == frozenset()


def test_a_service_twice() -> None:
    """Services are compared with their counts: the same one twice is more than once."""
    line = a_service("СТРИЖКА", 0, id="1")
    assert differences(a_booking(services=(line,)), a_booking(services=(line, line))) == {"services"}


@pytest.mark.parametrize(
    ("services", "expected"),
    [
        (None, None),
        ((), (Decimal(0), Decimal(0))),
        ((a_service("A", 1000, 2000), a_service("B", 500)), (Decimal(1500), Decimal(2500))),
        ((a_service("A", 1000), Service("B")), None),
    ],
)
def test_price(services: tuple[Service, ...] | None, expected: tuple[Decimal, Decimal] | None) -> None:
    """The totals to pay and before the discount; unknown where a line does not say its cost."""
    assert price(a_booking(services=services)) == expected


LINES = st.lists(
    st.builds(lambda n, cost: a_service(f"У{n}", cost, id=str(n)), st.integers(1, 4), st.integers(0, 5000)), max_size=4
).map(tuple)
STATES = st.builds(
    lambda minutes, lines, who, phone, paid, gone: a_booking(
        visit_at=VISIT + timedelta(minutes=minutes),
        services=lines,
        staff=Staff(f"М{who}", str(who)),
        phone=phone,
        paid=paid,
        cancelled=gone,
    ),
    st.integers(-60, 60),
    LINES,
    st.integers(1, 3),
    st.sampled_from(["+79000000088", "+79000000099"]),
    st.booleans(),
    st.booleans(),
)


@given(STATES)
def test_what_was_told_is_not_told_again(state: Booking) -> None:
    """Whatever the state: once announced, the same state tells nothing."""
    assert compare(Past(announced=state, seen=True, created=True), state, NOON).type is None


@given(STATES, st.randoms())
def test_order_of_services_means_nothing(state: Booking, chance: Any) -> None:
    """Services in any order are the same services."""
    mixed = list(state.services or ())
    chance.shuffle(mixed)
    assert differences(state, with_(state, services=tuple(mixed))) == frozenset()


@given(STATES, STATES)
def test_differences_are_mutual(one: Booking, other: Booking) -> None:
    """What differs from here to there differs from there to here."""
    assert differences(one, other) == differences(other, one)


@given(STATES, STATES)
def test_live_states_of_one_phone(one: Booking, other: Booking) -> None:
    """Two live states of one phone: an update exactly when something differs."""
    before, now = with_(one, cancelled=False, phone="+79000000088"), with_(other, cancelled=False, phone="+79000000088")
    change = compare(Past(announced=before, seen=True), now, NOON)
    assert change.changed == differences(before, now)
    assert change.type == (UPDATED if change.changed else None)
