"""What torture found, each as a small story, so that it stays mended."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from core.config import build
from core.model import Sent
from core.pipeline.decide import Decider
from core.retry import LEASE
from core.store.reports import Report
from core.testing.driver import driven
from core.worker import Worker
from tests.conftest import Clock, Driver, body, settings

LATER = {"date": "2025-08-21 16:00:00", "datetime": "2025-08-21T16:00:00+03:00", "last_change_date": "2025-08-20T11:30:00+0300"}


def test_create_decided_after_its_update(play: Callable[..., Any]) -> None:
    """An update decided before its create (whose worker died with it) becomes the creation's message; it is not silenced as stale."""

    async def story(app: Driver) -> None:
        created = body("record_create_admin")
        await app.post({**body("record_create_admin", **LATER), "status": "update"})
        await Decider(app.vestnik.run).step()
        assert [row["notification_type"] for row in await app.messages()] == ["booking_updated"]
        told = await app.tell(created)
        assert (told["status"], told["rule"]) == ("processed", None)
        (text,) = await app.texts()
        assert text.splitlines()[:3] == ["✅ *Вы записаны!*", "", "📅 21 августа в 16:00"]

    play(story)


def test_neighbours_are_not_suspected_for_ever(play: Callable[..., Any]) -> None:
    """Whatever was in hand when its worker died is tried one by one: of three events, four deaths park the culprit alone."""

    async def story(app: Driver) -> None:
        for number in (1, 2, 3):
            await app.post(body("record_create_admin", id=number, resource_id=number))
        inbox, decider = app.vestnik.run.store.inbox, app.vestnik.worker.decider

        async def die() -> list[str]:
            dead = ("dead", 1, app.clock(), LEASE)
            taken = await inbox.claim(*dead, 200) or await inbox.claim_suspect(*dead)
            app.clock.now += 2 * LEASE
            return [row.event_id for row in taken]

        together = await die()
        assert [len(together), len(await die())] == [3, 1]
        assert [await decider.step(), await decider.step()] == [1, 1]  # the others, before the culprit has its next turn
        assert await die() == together[:1]
        await app.settle()
        events = await app.rows("SELECT status FROM webhook_events ORDER BY id")
        assert [row["status"] for row in events] == ["parked", "processed", "processed"]
        assert len(await app.texts()) == 2

    play(story)


def test_waiting_messages_are_not_suspected_for_ever(play: Callable[..., Any]) -> None:
    """The same for messages: of three, the culprit alone is given up."""

    async def story(app: Driver) -> None:
        for number in (1, 2, 3):
            await app.post(body("record_create_admin", id=number, resource_id=number))
        await Decider(app.vestnik.run).step()
        deliveries, sender = app.vestnik.run.store.deliveries, app.vestnik.worker.sender

        async def die() -> list[int]:
            dead = ("dead", 1, app.clock(), LEASE)
            taken = await deliveries.claim(*dead, 100, []) or await deliveries.claim_suspect(*dead, [])
            app.clock.now += 2 * LEASE
            return [row.id for row in taken]

        together = await die()
        assert [len(together), len(await die())] == [3, 1]
        for _ in (2, 3):  # the others, before the culprit has its next turn
            assert await sender.step() == 1
            await sender.finish()
        assert await die() == together[:1]
        await app.settle()
        assert [row["status"] for row in await app.messages()] == ["failed", "sent", "sent"]

    play(story)


def test_suspects_of_both_loops_are_not_tried_together(play: Callable[..., Any]) -> None:
    """While one is tried, nothing else that may have killed a worker is claimed: its death would count against both."""

    async def story(app: Driver) -> None:
        worker = app.vestnik.worker
        await app.post(body("record_create_admin"))
        await app.vestnik.run.store.inbox.claim("dead", 1, app.clock(), LEASE, 200)
        await app.post(body("record_create_admin", id=2, resource_id=2))
        app.clock.now += 2 * LEASE
        async with app.vestnik.run.alone:
            step = asyncio.create_task(worker.decider.step())
            async with asyncio.timeout(10):
                while (events := await app.rows("SELECT status, claims FROM webhook_events ORDER BY id"))[1][
                    "status"
                ] == "received":
                    await asyncio.sleep(0)
            for _ in range(5):  # time enough to claim it, if it could be
                events = await app.rows("SELECT status, claims FROM webhook_events ORDER BY id")
            assert [(row["status"], row["claims"]) for row in events] == [("received", 1), ("processed", 0)]
        assert await step == 2
        await app.settle()
        assert len(await app.texts()) == 2

    play(story)


def test_a_suspect_waits_behind_nothing_for_long(play: Callable[..., Any]) -> None:
    """Where there is always something fresh, a suspect's turn comes between two batches."""

    async def story(app: Driver) -> None:
        decider, inbox = app.vestnik.worker.decider, app.vestnik.run.store.inbox
        await app.post(body("record_create_admin"))
        await inbox.claim("dead", 1, app.clock(), LEASE, 200)
        app.clock.now += 2 * LEASE
        taken = []
        for number in range(2, 5):
            await app.post(body("record_create_admin", id=number, resource_id=number))
            taken.append(await decider.step())
        assert taken == [2, 1, 1]

    play(story)


@pytest.mark.parametrize("what", ["event", "message"])
def test_what_died_alone_is_tried_before_anything_else(
    play: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """A server that dies of something else soon after each start gives up nothing that is innocent: it is told at the start already."""

    async def story(app: Driver) -> None:
        worker, store = app.vestnik.worker, app.vestnik.run.store
        await app.post(body("record_create_admin"))
        if what == "message":
            await Decider(app.vestnik.run).step()
        for token in (1, 2):  # in company, and alone
            dead = ("dead", token, app.clock(), LEASE)
            if what == "event":
                taken: Any = await store.inbox.claim(*dead, 200) or await store.inbox.claim_suspect(*dead)
            else:
                taken = await store.deliveries.claim(*dead, 100, []) or await store.deliveries.claim_suspect(*dead, [])
            assert len(taken) == 1
            app.clock.now += 2 * LEASE
        monkeypatch.setattr(worker, "_loop", nothing)  # it dies before they come to anything
        await worker.start()
        await worker.sender.finish()
        assert [(row["status"], row["claims"]) for row in await app.messages()] == [("sent", 0)]

    play(story)


def test_a_restart_waits_for_no_lease_of_the_dead(database_url: str, tmp_path: Path) -> None:
    """The spool's lock proves the process before dead: what it had in hand is told at once, what it had open is unclear; other nodes keep theirs."""

    async def story() -> None:
        found, clock = build(settings(database_url), tmp_path / "config.toml", {}), Clock()
        async with driven(found, clock) as first:
            run, now = first.vestnik.run, clock()
            inbox, deliveries = run.store.inbox, run.store.deliveries
            for number in (1, 2, 3):
                await first.post(body("record_create_admin", id=number, resource_id=number))
                await Decider(run).step()
            await first.post(body("record_create_admin", id=4, resource_id=4))
            assert len(await inbox.claim(run.owner, 1, now, LEASE, 200)) == 1
            opened, _ = await deliveries.claim(run.owner, 1, now, LEASE, 2, [])
            assert await deliveries.mark_sending([(opened, "text", None, None)], now, LEASE) == [True]
            assert len(await deliveries.claim("another node", 2, now, LEASE, 1, [])) == 1
            first.vestnik.spool.close()  # as the system does for the dead
            async with driven(found, clock) as second:
                await second.vestnik.worker.take_over()
                await second.settle()
                assert [row["status"] for row in await second.messages()] == ["unclear", "sent", "pending", "sent"]
                clock.now += LEASE + timedelta(seconds=1)
                await second.settle()
                assert [row["status"] for row in await second.messages()] == ["unclear", "sent", "sent", "sent"]

    asyncio.run(story())


def test_what_came_later_is_not_decided_first(play: Callable[..., Any]) -> None:
    """A deletion whose worker died with it is tried alone; the booking's return waits for it, and is not undone by the older deletion."""

    async def story(app: Driver) -> None:
        deleted = {"deleted": True, "last_change_date": "2025-08-20T11:20:00+0300"}
        await app.post(body("record_create_admin"))
        await app.post({**body("record_create_admin", **deleted), "status": "delete"})
        assert len(await app.vestnik.run.store.inbox.claim("dead", 1, app.clock(), LEASE, 200)) == 2
        app.clock.now += 2 * LEASE
        await app.post({**body("record_create_admin", **LATER), "status": "update"})
        await app.settle()
        assert [row["is_cancelled"] for row in await app.rows("SELECT is_cancelled FROM appointments_cache")] == [0]
        assert (await app.texts())[-1].splitlines()[2] == "📅 21 августа в 16:00"

    play(story)


def test_a_repeat_while_the_database_goes_away(play: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Between storing a repeat and noting what the rules say of it: it is stored, so it is answered 200."""

    async def story(app: Driver) -> None:
        first = await app.tell(body("record_create_admin"))
        monkeypatch.setattr(app.vestnik.run.store.decisions, "note", fail)
        again = await app.post(body("record_create_admin"))
        assert (again.status_code, again.json()) == (200, {"success": True, "eventId": first["event_id"]})
        assert [row["repeats"] for row in await app.rows("SELECT repeats FROM webhook_events")] == [1]

    play(story)


async def nothing(*_: object) -> None:
    pass


def test_what_failed_is_let_go(play: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """An event whose decision could not be written is decided once its lease lapses, though its worker lives on and renews its leases."""

    async def story(app: Driver) -> None:
        worker, decisions = app.vestnik.worker, app.vestnik.run.store.decisions
        await app.post(body("record_create_admin"))
        with monkeypatch.context() as patch:
            patch.setattr(decisions, "save", fail)
            with pytest.raises(ConnectionError):
                await worker.decider.step()
        await told_within_a_lease(app)

    play(story)


def away(app: Driver) -> Callable[..., Awaitable[Any]]:
    """What the driver raises while the database is full or gone."""

    async def fails(*_: object) -> Any:
        if app.vestnik.run.store.engine.dialect == "sqlite":
            raise sqlite3.OperationalError("database or disk is full")
        raise asyncpg.exceptions.DiskFullError("could not extend file")

    return fails


def test_what_the_database_could_not_take_waits_for_no_lease(play: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Back again, and an event that could not be decided five times over is decided without a further second; nobody says that it killed its worker."""

    async def story(app: Driver) -> None:
        worker, decisions = app.vestnik.worker, app.vestnik.run.store.decisions
        await app.post(body("record_create_admin"))
        with monkeypatch.context() as patch:
            patch.setattr(decisions, "save", away(app))
            for _ in range(5):
                with pytest.raises((sqlite3.OperationalError, asyncpg.PostgresError)):
                    await worker.decider.step()
                assert await worker.decider.step() == 0  # leased still
                await worker.renew()
        assert [row["claims"] for row in await app.rows("SELECT claims FROM webhook_events")] == [1]
        await app.settle()
        assert [row["status"] for row in await app.messages()] == ["sent"]
        assert (worker.decider.dropped, worker.sender.dropped) == ({}, {})

    play(story)


@pytest.mark.parametrize("where", ["known", "mark_sending"])
def test_nor_does_a_message(play: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """Claimed and not judged, or judged and not marked: the same; it is sent once."""

    async def story(app: Driver) -> None:
        worker, store = app.vestnik.worker, app.vestnik.run.store
        await app.post(body("record_create_admin"))
        await Decider(app.vestnik.run).step()
        with monkeypatch.context() as patch:
            patch.setattr(store.people if where == "known" else store.deliveries, where, away(app))
            for _ in range(5):
                with contextlib.suppress(sqlite3.OperationalError, asyncpg.PostgresError):
                    await worker.sender.step()
                await worker.sender.finish()
                await worker.renew()
        assert [(row["status"], row["claims"]) for row in await app.messages()] == [("pending", 1)]
        await app.settle()
        assert [(row["status"], row["attempts"]) for row in await app.messages()] == [("sent", 1)]

    play(story)


def test_what_another_has_taken_is_not_let_go(play: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The lease lapsed meanwhile, and another node has the event: letting go is ours alone, by our token."""

    async def story(app: Driver) -> None:
        worker, store = app.vestnik.worker, app.vestnik.run.store
        await app.post(body("record_create_admin"))
        with monkeypatch.context() as patch:
            patch.setattr(store.decisions, "save", away(app))
            with pytest.raises((sqlite3.OperationalError, asyncpg.PostgresError)):
                await worker.decider.step()
        app.clock.now += LEASE + timedelta(seconds=1)
        assert len(await store.inbox.claim_suspect("another node", 7, app.clock(), LEASE)) == 1
        await worker.renew()
        assert await worker.decider.step() == 0
        assert [row["lease_token"] for row in await app.rows("SELECT lease_token FROM webhook_events")] == [7]

    play(story)


def test_a_lease_lasts_no_longer_when_the_clock_is_put_back(play: Callable[..., Any]) -> None:
    """By an hour: what a dead node had in hand is free, and what it had open is unclear, one lease later."""

    async def story(app: Driver) -> None:
        worker, store = app.vestnik.worker, app.vestnik.run.store
        for number in (1, 2):
            await app.post(body("record_create_admin", id=number, resource_id=number))
            await Decider(app.vestnik.run).step()
        await app.post(body("record_create_admin", id=3, resource_id=3))
        taken, _ = await store.deliveries.claim("dead", 1, app.clock(), LEASE, 2, [])
        assert await store.deliveries.mark_sending([(taken, "text", None, None)], app.clock(), LEASE) == [True]
        assert len(await store.inbox.claim("dead", 2, app.clock(), LEASE, 200)) == 1
        app.clock.now -= timedelta(hours=1)
        await worker.housekeep()
        await app.settle()
        assert [row["status"] for row in await app.messages()] == ["sending", "pending"]  # who lives has this lease to renew his
        app.clock.now += LEASE + timedelta(seconds=1)
        await worker.housekeep()
        await app.settle()
        assert [row["status"] for row in await app.messages()] == ["unclear", "sent", "sent"]

    play(story)


def test_a_clock_that_is_a_little_ahead_is_no_jump(play: Callable[..., Any]) -> None:
    """A node whose clock is 15 seconds ahead keeps its leases: nobody cuts them."""

    async def story(app: Driver) -> None:
        worker, store = app.vestnik.worker, app.vestnik.run.store
        await app.post(body("record_create_admin"))
        await store.inbox.claim("ahead", 1, app.clock() + timedelta(seconds=15), LEASE, 200)
        before = await app.rows("SELECT lease_until FROM webhook_events")
        await worker.housekeep()
        assert await app.rows("SELECT lease_until FROM webhook_events") == before

    play(story)


def test_a_message_that_could_not_be_marked_is_let_go(play: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for a message that found no slot free at its decision: the database was away when it was to be marked."""

    async def none_free(*_: object) -> bool:
        return False

    async def story(app: Driver) -> None:
        worker, deliveries = app.vestnik.worker, app.vestnik.run.store.deliveries
        await app.post(body("record_create_admin"))
        with monkeypatch.context() as patch:
            patch.setattr(worker.sender.slots, "take_free", none_free)
            patch.setattr(deliveries, "mark_sending", fail)
            await worker.decider.step()
            await worker.sender.finish()
        assert [row["status"] for row in await app.messages()] == ["pending"]
        await told_within_a_lease(app)

    play(story)


async def fail(*_: object, **__: object) -> None:
    raise ConnectionError("the database is away")


async def told_within_a_lease(app: Driver) -> None:
    """Time passes as it does for a worker that lives: it renews what it has in hand every five seconds."""
    for _ in range(5):
        app.clock.now += timedelta(seconds=5)
        await app.vestnik.worker.renew()
        await app.vestnik.worker.take_over()
        await app.settle()
    assert [row["status"] for row in await app.messages()] == ["sent"]


def test_an_answer_outlives_an_outage(play: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """What the gateway said is written once the database is back: the message is sent, not unclear."""
    monkeypatch.setattr("core.pipeline.deliver._DATABASE_AWAY", (0, 0, 0))

    async def story(app: Driver) -> None:
        deliveries, failures = app.vestnik.run.store.deliveries, [ConnectionError(), ConnectionError()]
        whole: Callable[..., Awaitable[list[bool]]] = deliveries.finish

        async def finish(ends: Any) -> list[bool]:
            if failures:
                raise failures.pop()
            return await whole(ends)

        monkeypatch.setattr(deliveries, "finish", finish)
        await app.tell(body("record_create_admin"))
        assert [row["status"] for row in await app.messages()] == ["sent"]
        assert not failures

    play(story)


def open_request(app: Driver, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """The next request is taken and stays open until the event is set; then its answer is there."""
    answered = asyncio.Event()

    async def send(*_: object) -> Sent:
        await answered.wait()
        return Sent("id7")

    monkeypatch.setattr(worker.sender.transports, "ask", send)
    return answered


async def until_open(app: Driver) -> None:
    await app.post(body("record_create_admin"))
    await app.vestnik.worker.decider.step()
    async with asyncio.timeout(10):
        while [row["status"] for row in await app.messages()] != ["sending"]:
            await asyncio.sleep(0)


def test_a_clock_that_jumps_forward_makes_nobody_dead(play: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour passes in no time while a request is open: its own worker does not take it for lost."""

    async def story(app: Driver) -> None:
        answered = open_request(app, app.vestnik.worker, monkeypatch)
        await until_open(app)
        app.clock.now += timedelta(hours=1)
        await app.vestnik.worker.take_over()
        assert [row["status"] for row in await app.messages()] == ["sending"]
        answered.set()
        await app.vestnik.worker.sender.finish()
        assert [(row["status"], row["provider_message_id"]) for row in await app.messages()] == [("sent", "id7")]

    play(story)


def test_an_answer_after_all(play: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Another node took a worker that stood still for dead; then the answer comes: nothing is unclear, and its status is matched by id."""

    async def story(app: Driver) -> None:
        worker, store = app.vestnik.worker, app.vestnik.run.store
        answered = open_request(app, worker, monkeypatch)
        await until_open(app)
        app.clock.now += 2 * LEASE
        await store.deliveries.lapse(app.clock(), worker.sender.fate.lapsed, {})
        assert [row["status"] for row in await app.messages()] == ["unclear"]
        (before,) = await app.rows("SELECT announced, revision FROM appointments_cache")
        answered.set()
        await worker.sender.finish()
        assert [(row["status"], row["provider_message_id"]) for row in await app.messages()] == [("sent", "id7")]
        assert await app.rows("SELECT announced, revision FROM appointments_cache") == [before]
        await store.reports.match([Report("console", 0, "delivered", app.clock(), provider_id="id7")])
        assert [row["status"] for row in await app.messages()] == ["delivered"]

    play(story)


def test_a_clock_that_is_put_back_delays_nothing(play: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Events and messages that wait when the clock goes back an hour are told at once, in order and once; so is what comes after."""

    async def story(app: Driver) -> None:
        worker = app.vestnik.worker
        await app.post(body("record_create_admin"))
        await Decider(app.vestnik.run).step()  # decided, and not sent
        await app.post(body("record_create_admin", id=2, resource_id=2))  # stored, and not decided
        app.clock.now -= timedelta(hours=1)
        await app.settle()
        assert await app.texts() == []
        await worker.housekeep()
        await app.tell({**body("record_create_admin", **LATER), "status": "update"})
        for _ in range(3):
            assert sorted((row["status"], row["notification_type"]) for row in await app.messages()) == [
                ("sent", "booking_created"),
                ("sent", "booking_created"),
                ("superseded", "booking_created"),
            ]
            await app.settle(3600)
            await worker.housekeep()

    play(story)
