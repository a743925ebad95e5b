"""Retention and erasure: what is old goes, what is undecided stays, a phone leaves no trace."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from core.store import Store
from core.store.rows import JournalLine, read_booking, write_booking
from core.store.tx import Tx
from core.store.values import when
from core.testing import PHONE, a_booking
from tests.core.store.kit import KEY, LEASE, NOW, a_decision, a_notification, an_arrival, execute, keep, rows

DAY = timedelta(days=1)


async def count(store: Store, table: str) -> int:
    return int((await rows(store, f"SELECT COUNT(*) AS n FROM {table}"))[0]["n"])


def test_retention_deletes_in_batches_and_spares_the_undecided(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decided events older than `keep` go, a batch at a time; what waits stays, however old, with its body."""
    monkeypatch.setattr("core.store.look._BATCH", 20)
    taken: list[int] = []

    async def story(store: Store) -> None:
        old = NOW - 91 * DAY
        await store.inbox.receive([an_arrival(f"evt_{n}", at=old) for n in range(50)])
        await execute(store, "UPDATE webhook_events SET status = 'processed'")
        await store.inbox.receive([an_arrival("evt_waits", at=old), an_arrival("evt_new")])
        await store.deliveries.add([a_notification(f"n_{n}", status="sent", revision=n, created_at=old) for n in range(30)])
        await store.deliveries.add([a_notification("n_waits", revision=99, created_at=old)])
        whole = store.look._work.submit

        async def counting(job: Any, asked: list[Any]) -> list[Any]:
            found = await whole(job, asked)
            taken.append(len(found[0]))
            return found

        monkeypatch.setattr(store.look._work, "submit", counting)
        counts = await store.look.prune(NOW, 90 * DAY, 30 * DAY)
        assert counts == {"prune_bodies": 50, "prune_events": 50, "prune_notifications": 30}
        assert max(taken) == 20
        assert [row["event_id"] for row in await rows(store, "SELECT event_id FROM webhook_events ORDER BY id")] == [
            "evt_waits",
            "evt_new",
        ]
        assert [row["payload"] for row in await rows(store, "SELECT payload FROM webhook_events")] == ["{}", "{}"]
        assert [row["notification_id"] for row in await rows(store, "SELECT notification_id FROM booking_notifications")] == [
            "n_waits"
        ]

    keep(database_url, story)


def test_bodies_go_before_their_events(database_url: str) -> None:
    """Between `keep_bodies` and `keep` the event stays without its body; younger ones keep it."""

    async def story(store: Store) -> None:
        await store.inbox.receive([an_arrival("evt_old", at=NOW - 31 * DAY), an_arrival("evt_young", at=NOW - 29 * DAY)])
        await execute(store, "UPDATE webhook_events SET status = 'suppressed'")
        assert await store.look.prune(NOW, 90 * DAY, 30 * DAY) == {"prune_bodies": 1}
        found = await rows(store, "SELECT event_id, payload FROM webhook_events ORDER BY event_id")
        assert found == [{"event_id": "evt_old", "payload": None}, {"event_id": "evt_young", "payload": "{}"}]

    keep(database_url, story)


def test_bodies_that_are_gone_are_not_walked_over_again(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next round begins where the last one ended: it reads the rows of one hour, not those of sixty days."""
    monkeypatch.setattr("core.store.look._BATCH", 7)

    async def story(store: Store) -> None:
        async def arrive(number: int, at: datetime) -> None:
            await store.inbox.receive([an_arrival(f"evt_{number}", at=at)])
            await execute(store, f"UPDATE webhook_events SET status = 'processed' WHERE event_id = 'evt_{number}'")

        for n in range(30):
            await arrive(n, NOW - (60 - n % 3) * DAY)
        asked: list[tuple[datetime, int]] = []
        submit = store.look._work.submit

        async def watched(job: Any, given: list[Any]) -> list[Any]:
            found = await submit(job, given)
            if isinstance(given[0], dict) and "after" in given[0]:
                asked.append((given[0]["after"], len(found[0])))
            return found

        monkeypatch.setattr(store.look._work, "submit", watched)
        assert await store.look.prune(NOW, 90 * DAY, 30 * DAY) == {"prune_bodies": 30}
        assert [count for _, count in asked] == [7, 7, 7, 7, 2]
        assert [after for after, _ in asked] == sorted(after for after, _ in asked)
        asked.clear()
        await arrive(30, NOW - 30 * DAY + timedelta(minutes=30))
        assert await store.look.prune(NOW + timedelta(hours=1), 90 * DAY, 30 * DAY) == {"prune_bodies": 1}
        assert asked == [(NOW - 30 * DAY, 1)]
        assert [row["payload"] for row in await rows(store, "SELECT payload FROM webhook_events")] == [None] * 31
        await execute(
            store, "UPDATE webhook_events SET payload = '{}' WHERE event_id = 'evt_0'"
        )  # would be seen by who walks there
        assert await store.look.prune(NOW + timedelta(hours=2), 90 * DAY, 30 * DAY) == {}

    keep(database_url, story)


def test_erase_leaves_no_trace_of_a_phone(database_url: str) -> None:
    """After `erase` no table holds the phone, and another client's rows are all there."""
    other = "+79000000099"

    async def story(store: Store) -> None:
        for n, phone in enumerate((PHONE, other)):
            await store.inbox.receive([an_arrival(f"evt_{n}", record_id=n, payload=f'{{"phone": "{phone}"}}')])
            row = (await store.inbox.claim("w", n, NOW, LEASE, 10))[0]
            assert row.key is not None
            known = (await store.decisions.known([row.key]))[row.key]
            booking = a_booking(phone=phone)
            mine = a_notification(f"n_{n}", event_id=f"evt_{n}", record_id=n, phone=phone, told=booking)
            await store.decisions.save([a_decision(known, row, mine, snapshot=booking)])
            await execute(
                store, f"INSERT INTO binding_tokens (token, phone, created_at) VALUES ('t{n}', '{phone}', '2026-08-20 09:00:00+00')"
            )
            await store.people.wrote(phone, KEY.company_id, NOW)
            await store.people.bind("telegram", 0, f"chat{n}", phone, None, NOW)
            await store.callbacks.add(
                [{"transport": "console", "account": 0, "payload": f'{{"chat": "{phone[1:]}@c.us"}}', "items": "[]", "status": "processed",
                  "reason": None, "at": NOW}]
            )  # fmt: skip
        await store.inbox.receive([an_arrival(f"evt_{p}", record_id=5, payload=f'{{"phone": "{p}"}}') for p in (PHONE, other)])
        assert await store.look.erase(PHONE) == {"events": 2, "messages": 1, "bookings": 1, "contacts": 1}
        tables = ("booking_notifications", "appointments_cache", "journal", "contacts", "bindings", "binding_tokens", "callbacks")
        for table in ("webhook_events", *tables):
            assert await count(store, table) == (2 if table == "webhook_events" else 1), table
            assert PHONE[1:] not in str(await rows(store, f"SELECT * FROM {table}")), table
        assert await store.look.erase(PHONE) == {"events": 0, "messages": 0, "bookings": 0, "contacts": 0}

    keep(database_url, story)


def test_refusals_are_counted_no_longer_than_all_else(database_url: str) -> None:
    """An hour's count of refused webhooks goes with what is as old; a young one stays."""

    async def story(store: Store) -> None:
        for at in (NOW - 91 * DAY, NOW - 89 * DAY):
            await store.inbox.refuse("yclients", at)
        assert await store.look.prune(NOW, 90 * DAY, 30 * DAY) == {"prune_refusals": 1}
        assert [when(row["hour"]) for row in await rows(store, "SELECT hour FROM refusals")] == [NOW - 89 * DAY]

    keep(database_url, story)


async def everything(store: Store) -> str:
    """Every row of every table, as one text."""
    tables = (
        *(
            "webhook_events",
            "appointments_cache",
            "booking_notifications",
            "journal",
            "alerts",
            "contacts",
            "bindings",
            "binding_tokens",
        ),
        *("callbacks", "recipients", "transport_health", "refused_templates", "pacing", "poll_points", "refusals"),
    )
    return "\n".join([f"{table}: {row}" for table in tables for row in await rows(store, f"SELECT * FROM {table}")])


async def a_former_client(store: Store, other: str) -> None:
    """A booking of PHONE that is somebody else's by now, its first bodies pruned: only what was announced, attempted and said names PHONE."""
    was, now = a_booking(phone=PHONE, client_name="Прежняя"), a_booking(phone=other, client_name="Нынешняя")
    await store.inbox.receive([an_arrival("evt_0", payload=None), an_arrival("evt_1", payload=f'{{"phone": "{other}"}}')])
    first, row = await store.inbox.claim("w", 1, NOW, LEASE, 10)
    assert row.key is not None
    known = (await store.decisions.known([row.key]))[row.key]
    told = a_notification("n_0", event_id="evt_0", phone=PHONE, client_name="Прежняя", told=was)
    case = JournalLine(NOW, "evt_0", "filter", "processed", detail='{"verdicts": [], "case": {"phone": "' + PHONE + '"}}')
    await store.decisions.save([a_decision(known, first, told, snapshot=was, journal=(case,))])
    known = (await store.decisions.known([row.key]))[row.key]
    line = JournalLine(
        NOW,
        "evt_1",
        "filter",
        "processed",
        None,
        f"no longer {PHONE}",
        detail='{"verdicts": [["stale", "yes", ""]], "known": "' + PHONE + '"}',
    )
    again = a_notification("n_1", event_id="evt_1", phone=other, told=now, known_before=was, revision=1)
    await store.decisions.save([a_decision(known, row, again, snapshot=now, journal=(line,))])
    await execute(
        store,
        "UPDATE booking_notifications SET status = 'failed', error = 'no such chat: 79000000088@c.us' WHERE notification_id = 'n_0'",
    )
    for column in ("announced", "attempted"):
        await execute(store, f"UPDATE appointments_cache SET {column} = '{write_booking(was)}'")
    await store.alerts.note([("call n_0", "Позвоните клиенту: +7900…88 Прежняя, новая запись")], [], NOW, DAY)
    await store.alerts.note([("transport console 0", "console не работает (no chat 79000000088@c.us)")], [], NOW, DAY)


def test_erase_finds_a_former_client(database_url: str) -> None:
    """A booking has another phone by now, and no body is left of the former one. The phone and its name go; the other's message still waits."""
    other = "+79000000099"

    async def story(store: Store) -> None:
        await a_former_client(store, other)
        assert "Прежняя" in await everything(store)
        assert await store.look.erase(PHONE) == {"events": 1, "messages": 1, "bookings": 0, "contacts": 0}
        left = await everything(store)
        assert [word for word in (PHONE[2:], "Прежняя", "n_0", "evt_0") if word in left] == []
        (known,) = await rows(store, "SELECT client_phone, snapshot, announced, attempted, version FROM appointments_cache")
        assert (known["client_phone"], known["announced"], known["attempted"], known["version"]) == (other, None, None, 3)
        assert read_booking(known["snapshot"]) == a_booking(phone=other, client_name="Нынешняя")
        (message,) = await rows(store, "SELECT notification_id, status, told, known_before FROM booking_notifications")
        assert (message["notification_id"], message["status"], message["known_before"]) == ("n_1", "pending", None)
        assert read_booking(message["told"]) == a_booking(phone=other, client_name="Нынешняя")
        assert await rows(store, "SELECT event_id, reason, detail FROM journal") == [
            {"event_id": "evt_1", "reason": "no longer +7…", "detail": None}
        ]
        assert await rows(store, "SELECT text FROM alerts") == [{"text": "console не работает (no chat 7…@c.us)"}]

    keep(database_url, story)


@pytest.mark.parametrize("written", ["+79000000088", "8 (900) 000-00-88", "89000000088", "79000000088@c.us"])
def test_erase_reads_a_phone_as_people_write_it(database_url: str, written: str) -> None:
    """A body that no message came of has the phone as its sender writes it; what looks like a part of it stays."""

    async def story(store: Store) -> None:
        bodies = [f'{{"phone": "{written}"}}', '{"phone": "+79000000081", "date": "2026-08-20 09:00:00"}']
        await store.inbox.receive([an_arrival(f"evt_{n}", record_id=n, payload=text) for n, text in enumerate(bodies)])
        assert (await store.look.erase(PHONE))["events"] == 1
        assert await rows(store, "SELECT event_id FROM webhook_events") == [{"event_id": "evt_1"}]

    keep(database_url, story)


def test_erase_is_all_or_nothing(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It dies halfway: everything is as it was, so that the next one finds what hangs together."""

    async def story(store: Store) -> None:
        await a_former_client(store, "+79000000099")
        before = await everything(store)
        whole = Tx.fetch

        async def dying(self: Tx, name: str, *args: Any, **values: Any) -> Any:
            if name == "blot_alerts":
                raise RuntimeError("killed")
            return await whole(self, name, *args, **values)

        monkeypatch.setattr(Tx, "fetch", dying)
        with pytest.raises(RuntimeError):
            await store.look.erase(PHONE)
        assert await everything(store) == before
        monkeypatch.setattr(Tx, "fetch", whole)
        assert (await store.look.erase(PHONE))["messages"] == 1

    keep(database_url, story)
