"""Stored callbacks: each is applied by one node, once; what goes wrong is tried again, and a person hears of what never works."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.store import Store, open_store
from core.store.reports import Report, Reports
from core.store.rows import read_booking
from core.store.tx import Tx
from tests.conftest import Driver, body
from tests.core.store.kit import KEY, LEASE, NOW, a_decision, a_notification, an_arrival, keep, rows

Play = Callable[..., Any]
SEND = {"console": None, "green_api": {"base_url": "http://127.0.0.1:9", "id_instance": "1", "token": "t"}}  # nobody listens there
STOP = {
    "typeWebhook": "incomingMessageReceived", "timestamp": 1755680000, "senderData": {"chatId": "79000000088@c.us"},
    "messageData": {"textMessageData": {"textMessage": "СТОП"}},
}  # fmt: skip
COLUMNS = "SELECT status, reason, failures, tries FROM callbacks"


def a_callback(**fields: Any) -> dict[str, Any]:
    plain = {"transport": "console", "account": 0, "payload": "{}", "items": "[]", "status": "received", "reason": None, "at": NOW}
    return {**plain, **fields}


def test_a_callback_is_in_one_hand(database_url: str) -> None:
    """Who claims has it until the lease ends; who comes too late closes nothing; a graceful stop and a dead owner give it back."""

    async def story(store: Store) -> None:
        held = store.callbacks
        await held.add([a_callback(), a_callback(at=NOW - timedelta(seconds=1))])
        second, first = await held.claim("a", 1, NOW, LEASE)
        assert (second.id, first.id) == (2, 1)  # the older one first
        assert await held.claim("b", 2, NOW, LEASE) == []
        await held.renew({first.id: 1}, NOW + 2 * LEASE)
        later = NOW + LEASE + timedelta(seconds=1)
        assert [row.id for row in await held.claim("b", 2, later, LEASE)] == [second.id]
        end = {"status": "processed", "reason": None, "failures": 0, "due_at": NOW}
        await held.close([{**end, "id": row.id, "token": 1} for row in (first, second)])
        assert [row["status"] for row in await rows(store, f"{COLUMNS} ORDER BY id")] == ["processed", "received"]
        await held.release("b")
        assert [row.id for row in await held.claim("c", 3, later, LEASE)] == [second.id]
        await store.orphan("b")
        assert await held.claim("d", 4, later, LEASE) == []
        await store.orphan("c")
        assert [row.id for row in await held.claim("d", 4, later, LEASE)] == [second.id]
        await held.renew({second.id: 4}, later + timedelta(hours=1))  # by a clock that has been put back since
        assert [row.id for row in await held.claim("e", 5, later, LEASE)] == [second.id]

    keep(database_url, story)


def test_two_reports_at_once_are_seen_one_after_the_other(
    next_postgres: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two nodes: "failed" has read the message as sent when "delivered" is written. It is delivered, and the client counts as told."""
    url = next_postgres()

    async def story(store: Store) -> None:
        await store.inbox.receive([an_arrival()])
        (row,) = await store.inbox.claim("w", 1, NOW, LEASE, 10)
        known = (await store.decisions.known([KEY]))[KEY]
        await store.decisions.save([a_decision(known, row, a_notification())])
        (message,) = await store.deliveries.claim("w", 1, NOW, LEASE, 1, [])
        assert message.told is not None
        async with store.engine.connection() as connection:
            await connection.execute("UPDATE booking_notifications SET status = 'sent', provider_message_id = 'g1'")
            await connection.execute("UPDATE appointments_cache SET announced = snapshot, revision = 1")
        other = await open_store(url, Path("/"), alone=False)
        has_read, whole = asyncio.Event(), Tx.fetch
        tasks: list[asyncio.Task[Any]] = []

        async def fetch(self: Tx, name: str, *args: Any, **values: Any) -> Any:
            if name == "set_status" and not tasks:  # "delivered" is about to be written
                tasks.append(asyncio.create_task(report(other.reports, "failed")))
                await has_read.wait()
            found = await whole(self, name, *args, **values)
            if name == "rows_of_statuses" and tasks:
                has_read.set()
            return found

        monkeypatch.setattr(Tx, "fetch", fetch)
        assert (await report(store.reports, "delivered")).status == "delivered"
        assert (await tasks[0]).status is None
        await other.close()
        assert await rows(store, "SELECT status FROM booking_notifications") == [{"status": "delivered"}]
        (booking,) = await rows(store, "SELECT announced FROM appointments_cache")
        assert read_booking(booking["announced"]) == message.told

    async def report(reports: Reports, status: str) -> Any:
        return (await reports.match([Report("console", 0, status, NOW, "g1")]))[0]

    keep(url, story)


def fails(app: Driver, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """The database hiccups so often when a СТОП is written."""
    people, left = app.vestnik.run.store.people, [times]
    whole = people.opt

    async def opt(*args: Any) -> None:
        if left[0]:
            left[0] -= 1
            raise OSError("connection reset")
        await whole(*args)

    monkeypatch.setattr(people, "opt", opt)


def test_a_hiccup_of_the_database_loses_no_stop(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """СТОП cannot be written twice, and is written a moment later: the next booking is silent."""

    async def story(app: Driver) -> None:
        fails(app, monkeypatch, 2)
        await app.http.post("/callback/green_api", json=STOP)
        await app.settle()
        assert await app.rows(COLUMNS) == [{"status": "received", "reason": "OSError: connection reset", "failures": 1, "tries": 1}]
        await app.settle(3)
        await app.settle(5)
        assert await app.rows(COLUMNS) == [{"status": "processed", "reason": None, "failures": 2, "tries": 3}]
        assert (await app.tell(body("record_create_discount50")))["rule"] == "opt_out"

    play(story, send=SEND, filter={"recent_chat": None})


def test_what_never_works_is_parked_and_replayed(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """After ten failures a person is called, and the row rests; mended and sent again, it is applied, and the alert is over."""
    from core.cli.events import told_again

    async def story(app: Driver) -> None:
        fails(app, monkeypatch, 10)
        await app.http.post("/callback/green_api", json=STOP)
        for _ in range(12):
            await app.settle(900)
        assert await app.rows(COLUMNS) == [{"status": "parked", "reason": "OSError: connection reset", "failures": 10, "tries": 10}]
        assert [row["text"] for row in await app.rows("SELECT text FROM alerts WHERE substr(key, 1, 6) = 'parked'")] == [
            "Сообщение от green_api (доставка или ответ клиента) не учтено (OSError: connection reset). "
            "Исправьте причину, затем: vestnik replay green_api"
        ]
        assert "parked green_api 0" in app.vestnik.run.alerts.open
        said = await told_again(app.vestnik.run.store, app.vestnik.config, "green_api", app.clock())
        assert said == (["1 parked callbacks of green_api will be applied again by the running server or worker"], True)
        await app.settle(1)
        assert await app.rows(COLUMNS) == [{"status": "processed", "reason": None, "failures": 0, "tries": 1}]
        assert len(await app.rows("SELECT phone FROM contacts WHERE opted_out_at IS NOT NULL")) == 1
        await app.vestnik.run.alerts.look()
        assert "parked green_api 0" not in app.vestnik.run.alerts.open

    play(story, send=SEND)


def test_what_cannot_be_read_never_can_be(play: Play) -> None:
    """A stored row that no Vestnik understands is told as unreadable at once."""

    async def story(app: Driver) -> None:
        await app.vestnik.run.store.callbacks.add([a_callback(items='[{"kind": "Unknown", "item": {}}]', at=app.clock())])
        await app.settle()
        assert await app.rows(COLUMNS) == [{"status": "unreadable", "reason": "KeyError: 'Unknown'", "failures": 0, "tries": 1}]

    play(story)
