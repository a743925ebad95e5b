"""Any booking, case and notice that core could make, for suites that try a plugin with all of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec
from hypothesis import strategies as st

from core.model import Case, Staff
from core.testing.contracts.common import text
from core.testing.values import NOON, PHONE, SALON, VISIT, a_booking, a_case, a_contact, a_notice, a_service, an_event

TYPES = ("booking_created", "booking_updated", "booking_cancelled")
FIELDS = ("time", "services", "staff", "branch", "price", "phone")
SECOND = timedelta(seconds=1)
ELSEWHERE = msgspec.structs.replace(SALON, timezone="Asia/Vladivostok")
NOWHERE = msgspec.structs.replace(SALON, timezone=None)  # config.toml says no zone
SALONS = (SALON, ELSEWHERE, NOWHERE)

times = st.integers(-20 * 86400, 40 * 86400).map(lambda seconds: NOON + seconds * SECOND)  # of visits
past = st.integers(-20 * 86400, 0).map(lambda seconds: NOON + seconds * SECOND)  # of what has happened
moments = st.integers(0, 8 * 86400).map(lambda seconds: NOON + seconds * SECOND)  # at which a rule is asked: any hour and weekday
bookings = st.builds(
    a_booking,
    visit_at=st.none() | times,
    services=st.none() | st.just(()) | st.just((a_service(),)),
    staff=st.none() | st.sampled_from([Staff("Бари"), Staff("Лист ожидания"), Staff("")]),
    client_name=st.none() | st.sampled_from(["Арсен", ""]),
    phone=st.none() | st.just(PHONE),
    attendance=st.sampled_from(["expected", "confirmed", "arrived", "no_show"]),
    paid=st.booleans(),
    cancelled=st.booleans(),
    comment=text | st.just("Запись через AI администратора WhatsApp"),
    online=st.booleans(),
    notify=st.none() | st.booleans(),
    changed_at=st.none() | past,
)
cases = st.builds(
    a_case,
    type=st.sampled_from((None, *TYPES, "message")),
    booking=st.none() | bookings,
    announced=st.none() | bookings,
    changed=st.frozensets(st.sampled_from(FIELDS)),
    event=st.builds(
        an_event,
        at=past,
        since=past,
        changed_at=st.none() | past,
        known_changed_at=st.none() | past,
        stale=st.booleans(),
        repeat=st.booleans(),
    ),
    contact=st.builds(
        a_contact,
        phone=st.none() | st.just(PHONE),
        wrote_at=st.none() | past,
        opted_out_at=st.none() | past,
        sent_at=st.lists(past, max_size=8).map(lambda found: tuple(sorted(found))),
    ),
    salon=st.sampled_from(SALONS),
    test=st.booleans(),
    seen=st.booleans(),
    note=st.sampled_from(["", "only the payment differs"]),
)
notices = st.builds(
    a_notice,
    type=st.sampled_from(TYPES),
    booking=bookings,
    announced=st.none() | bookings,
    changed=st.frozensets(st.sampled_from(FIELDS)),
    salon=st.sampled_from(SALONS),
)

HOUR = timedelta(hours=1)
# A week in steps of seven hours, which come to every time of day, and the time around the plain visit.
MOMENTS = (
    *(NOON + number * 7 * HOUR for number in range(25)),
    *(VISIT.astimezone(NOON.tzinfo) + minutes * 60 * SECOND for minutes in (-180, -60, -10, 0, 10, 60)),
)
_BOOKED: tuple[dict[str, Any], ...] = (
    {},
    {"staff": "Лист ожидания"},
    {"staff": None},
    {"visit_at": None},
    {"visit_at": VISIT + 5 * 24 * HOUR},
    {"services": (a_service(cost=20000),)},
    {"comment": "Запись через AI администратора WhatsApp"},
    {"online": True},
    {"notify": False},
    {"paid": True},
    {"attendance": "confirmed"},
    {"attendance": "arrived"},
    {"phone": None},
)
_KNOWN: tuple[dict[str, Any], ...] = (
    {"contact": a_contact(wrote_at=NOON - 60 * SECOND)},
    {"contact": a_contact(opted_out_at=NOON - HOUR)},
    {"contact": a_contact(sent_at=tuple(NOON - number * HOUR for number in range(8, 0, -1)))},
    {"contact": a_contact(phone=None)},
    {"event": an_event(stale=True, known_changed_at=NOON + SECOND)},
    {"event": an_event(repeat=True)},
    {"test": True},
    {"salon": ELSEWHERE},
    {"salon": NOWHERE},
    {"salon": NOWHERE, "test": True},
)


def plain() -> Iterator[Case]:
    """The plain booking as each notification has it, with one thing different at a time."""
    for kind in (*TYPES, None, "message"):
        for fields in _BOOKED:
            yield a_case(**_told(kind, fields))
        for known in _KNOWN:
            yield a_case(**{**_told(kind, {}), **known})


def _told(kind: str | None, fields: dict[str, Any]) -> dict[str, Any]:
    booking = a_booking(**{**fields, "cancelled": kind == "booking_cancelled"}) if kind != "message" else None
    announced = a_booking(**{**fields, "visit_at": VISIT - HOUR}) if kind in TYPES[1:] else None
    changed = frozenset({"time"}) if kind == "booking_updated" else frozenset()
    return {"type": kind, "booking": booking, "announced": announced, "changed": changed, "seen": announced is not None}


def around(case: Case | None, at: datetime | None) -> Iterator[tuple[Case, datetime]]:
    """Every plain case at every moment; and those of the suite's caller with all of the other."""
    cases, moments = list(plain()), [*MOMENTS, *([at] if at else [])]
    yield from ((one, moment) for one in [*([case] if case else []), *cases] for moment in moments)
