"""Any booking, case and notice that core could make, for suites that try a plugin with all of them."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import strategies as st

from core.model import Staff
from core.testing.values import NOON, PHONE, a_booking, a_case, a_contact, a_notice, a_service, an_event

TYPES = ("booking_created", "booking_updated", "booking_cancelled")
FIELDS = ("time", "services", "staff", "branch", "price", "phone")
SECOND = timedelta(seconds=1)

times = st.integers(-20 * 86400, 40 * 86400).map(lambda seconds: NOON + seconds * SECOND)  # of visits
past = st.integers(-20 * 86400, 0).map(lambda seconds: NOON + seconds * SECOND)  # of what has happened
moments = st.integers(0, 3 * 86400).map(lambda seconds: NOON + seconds * SECOND)  # at which a rule is asked
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
    comment=st.text(max_size=20) | st.just("Запись через AI администратора WhatsApp"),
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
)
