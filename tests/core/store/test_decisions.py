"""Who decides second decides again; nothing is told twice; what a dead worker held is taken over."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core import config as configuration
from core import hooks as plugin_hooks
from core.model import Booking, Message, Service, Staff
from core.pipeline.decide import Decider
from core.runtime import Runtime
from core.store import Store, open_store
from core.store.rows import Known
from core.worker import Worker
from tests.conftest import NOON, Clock, Driver, body, drive, settings
from tests.core.store.kit import KEY, LEASE, NOW, a_decision, a_notification, an_arrival, execute, keep, rows


def test_of_two_decisions_one_is_written(database_url: str) -> None:
    """Two deciders read the same version: the first is written whole, of the second nothing, and its event is undecided again."""

    async def story(store: Store) -> None:
        await store.inbox.receive([an_arrival("evt_1")])
        one = (await store.inbox.claim("a", 1, NOW, LEASE, 10))[0]
        await store.inbox.receive([an_arrival("evt_2")])
        two = (await store.inbox.claim("b", 2, NOW, LEASE, 10))[0]
        known = (await store.decisions.known([KEY]))[KEY]
        first, second = (
            a_decision(known, one, a_notification("n_1")),
            a_decision(known, two, a_notification("n_2", event_id="evt_2")),
        )
        assert [saved.stands for saved in await store.decisions.save([first])] == [True]
        assert [saved.stands for saved in await store.decisions.save([second])] == [False]
        assert [row["notification_id"] for row in await rows(store, "SELECT notification_id FROM booking_notifications")] == ["n_1"]
        assert [row["event_id"] for row in await rows(store, "SELECT event_id FROM journal")] == ["evt_1"]
        assert [row.event_id for row in await store.inbox.claim("b", 3, NOW, LEASE, 10)] == ["evt_2"]

    keep(database_url, story)


def test_two_deciders_on_one_booking(database_url: str, tmp_path: Path) -> None:
    """A create and its change, decided at the same moment by two workers, end in one message that tells the later state."""
    barrier = asyncio.Barrier(2)

    async def story(app: Driver) -> None:
        other = await open_store(database_url, tmp_path, alone=False)
        mine = app.vestnik.run
        theirs = Runtime(mine.config, mine.hooks, other, app.clock)
        for run in (mine, theirs):
            run.store.decisions.known = together(run.store.decisions.known)  # type: ignore[method-assign]
        await app.post(body("record_create_discount50"))
        one, two = Decider(mine), Decider(theirs)
        claimed = await mine.store.inbox.claim(mine.owner, 1, app.clock(), LEASE, 10)
        await app.post(moved())
        mine.store.inbox.claim = always(claimed)  # type: ignore[method-assign]
        assert await asyncio.gather(one.step(), two.step()) == [1, 1]
        del mine.store.inbox.claim, mine.store.decisions.known
        await other.close()
        await app.settle()
        said = await app.messages()
        assert Counter(row["status"] for row in said)["sent"] == 1
        assert [row["message"].splitlines()[0] for row in said if row["status"] == "sent"] == ["✅ *Вы записаны!*"]
        assert "📅 21 августа в 16:00" in (await app.texts())[0]
        assert {row["status"] for row in await app.rows("SELECT status FROM webhook_events")} == {"processed"}  # both had their say

    def together(known: Callable[..., Any]) -> Callable[..., Any]:
        async def read(keys: Any) -> Any:
            found = await known(keys)
            await barrier.wait()
            return found

        return read

    def always(claimed: list[Any]) -> Callable[..., Any]:
        async def claim(*_: Any) -> list[Any]:
            return claimed

        return claim

    drive(settings(database_url), tmp_path, story)


def test_one_live_notification_for_a_booking_and_revision(database_url: str) -> None:
    """The index itself forbids a second live message from one revision to the next, whoever writes it; a dead one makes room."""

    async def story(store: Store) -> None:
        await store.deliveries.add([a_notification("n_1")])
        await store.deliveries.add([a_notification("n_2")])
        assert [row["notification_id"] for row in await rows(store, "SELECT notification_id FROM booking_notifications")] == ["n_1"]
        for status in ("sent", "delivered", "read", "unclear", "withheld", "sending"):
            await execute(store, f"UPDATE booking_notifications SET status = '{status}'")
            await store.deliveries.add([a_notification("n_2")])
            assert (await rows(store, "SELECT COUNT(*) AS n FROM booking_notifications"))[0]["n"] == 1, status
        await store.deliveries.add([a_notification("n_next", revision=1)])
        await execute(store, "UPDATE booking_notifications SET status = 'failed' WHERE notification_id = 'n_1'")
        await store.deliveries.add([a_notification("n_2")])
        found = await rows(store, "SELECT notification_id FROM booking_notifications ORDER BY id")
        assert [row["notification_id"] for row in found] == ["n_1", "n_next", "n_2"]

    keep(database_url, story)


def test_no_decision_while_a_request_is_open(database_url: str) -> None:
    """A booking with a request open at a gateway is not decided: neither claimed, nor saved by who read it before."""

    async def story(store: Store) -> None:
        await store.inbox.receive([an_arrival()])
        row = (await store.inbox.claim("w", 1, NOW, LEASE, 10))[0]
        known = (await store.decisions.known([KEY]))[KEY]
        await store.deliveries.add([a_notification("n_0", status="sending")])
        assert [saved.stands for saved in await store.decisions.save([a_decision(known, row)])] == [False]
        assert await store.inbox.claim("w", 2, NOW, LEASE, 10) == []
        await execute(store, "UPDATE booking_notifications SET status = 'sent'")
        assert [row.event_id for row in await store.inbox.claim("w", 3, NOW, LEASE, 10)] == ["evt_1"]

    keep(database_url, story)


def test_a_booking_comes_back_as_it_was_written(database_url: str) -> None:
    """Everything that is known of a booking survives the table, its wall clock included."""
    booking = Booking(
        visit_at=NOON.astimezone(),
        services=(Service("Стрижка", "1"),),
        staff=Staff("Бари", "2"),
        phone="+79000000088",
        extra={"visit_id": 2**53 + 1},
    )

    async def story(store: Store) -> None:
        await store.inbox.receive([an_arrival()])
        row = (await store.inbox.claim("w", 1, NOW, LEASE, 10))[0]
        state = Known(
            KEY, booking, booking, 3, True, booking, "skip_staff", NOW, True, NOW - timedelta(days=1), True, "digest", "ext", 1
        )
        decision = msgspec.structs.replace(a_decision(Known(KEY), row), state=state)
        assert [saved.stands for saved in await store.decisions.save([decision])] == [True]
        assert await store.decisions.known([KEY]) == {KEY: state}
        found = await rows(store, "SELECT visit_id, services, staff FROM appointments_cache")
        assert found == [{"visit_id": 2**53 + 1, "services": "Стрижка", "staff": "Бари"}]

    keep(database_url, story)


def test_a_dead_workers_request_is_unclear(play: Callable[..., Any], tmp_path: Path) -> None:
    """A worker dies while a request is open: once its lease lapses the message is unclear, announced has moved, nothing is repeated.

    The recorders hear of it, once.
    """

    async def story(app: Driver) -> None:
        deliveries = app.vestnik.run.store.deliveries
        await app.post(body("record_create_discount50"))
        await Decider(app.vestnik.run).step()
        row = (await deliveries.claim("dead", 7, app.clock(), LEASE, 10, []))[0]
        assert await deliveries.mark_sending([(row, "text", row.told, None)], app.clock(), LEASE) == [True]
        app.clock.now += LEASE - timedelta(seconds=1)
        await app.vestnik.worker.take_over()
        assert [row["status"] for row in await app.messages()] == ["sending"]
        app.clock.now += timedelta(seconds=2)
        await app.vestnik.worker.take_over()
        await app.settle()
        assert [(row["status"], row["error"], row["attempts"]) for row in await app.messages()] == [
            ("unclear", "its worker died while the request was open", 1)
        ]
        known = await app.rows("SELECT revision, announced, snapshot FROM appointments_cache")
        assert [(row["revision"], row["announced"] == row["snapshot"]) for row in known] == [(1, True)]
        await app.tell(moved())
        assert [row["notification_type"] for row in await app.messages()] == ["booking_created", "booking_updated"]

    play(story, record={"jsonl": {"path": str(tmp_path / "outcomes.jsonl")}})
    told = [json.loads(line) for line in (tmp_path / "outcomes.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(line["status"], line["reason"]) for line in told if line["channel"]] == [
        ("unclear", "its worker died while the request was open"),
        ("sent", None),
    ]


def test_an_event_that_kills_its_worker_three_times_is_parked(play: Callable[..., Any]) -> None:
    """Claimed by three workers that died, an event is parked with a sentence, and told nobody; a replay takes it up again."""

    async def story(app: Driver) -> None:
        number = (await app.post(body("record_create_discount50"))).json()["eventId"]
        for n in range(3):
            inbox, dead = app.vestnik.run.store.inbox, (f"dead {n}", n, app.clock(), LEASE)
            assert len(await inbox.claim(*dead, 10) or await inbox.claim_suspect(*dead)) == 1
            app.clock.now += LEASE + timedelta(seconds=1)
        await app.settle()
        told = await app.story(number)
        assert (told["status"], told["reason"]) == ("parked", "it killed its worker 3 times; replay it once the cause is mended")
        assert await app.messages() == []
        await app.vestnik.run.store.inbox.replay(number, None, app.clock())
        await app.settle()
        assert [row["status"] for row in await app.messages()] == ["sent"]

    play(story)


def test_a_message_that_kills_its_worker_three_times_is_given_up(play: Callable[..., Any]) -> None:
    """A message claimed by three workers that died before they sent it fails, and its event is parked, for a person to see."""

    async def story(app: Driver) -> None:
        number = (await app.post(body("record_create_discount50"))).json()["eventId"]
        await Decider(app.vestnik.run).step()
        for n in range(3):
            deliveries, dead = app.vestnik.run.store.deliveries, (f"dead {n}", n, app.clock(), LEASE)
            assert len(await deliveries.claim(*dead, 10, []) or await deliveries.claim_suspect(*dead, [])) == 1
            app.clock.now += LEASE + timedelta(seconds=1)
        await app.settle()
        assert [(row["status"], row["error"]) for row in await app.messages()] == [("failed", "it killed its worker 3 times")]
        assert (await app.story(number))["status"] == "parked"

    play(story)


def test_two_workers_share_one_postgres(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers on one PostgreSQL both decide and both send; every booking is told exactly once."""
    from tests.conftest import fresh_postgres

    monkeypatch.setattr("core.pipeline.decide._BATCH", 10)
    monkeypatch.setattr("core.pipeline.deliver._BATCH", 10)
    url = asyncio.run(fresh_postgres(postgres_url))
    found = configuration.build(settings(url), tmp_path / "config.toml", {})
    sent: list[tuple[int, str]] = []

    async def story() -> None:
        clock = Clock()
        stores = [await open_store(url, tmp_path) for _ in range(2)]
        workers = [Worker(Runtime(found, plugin_hooks.load(found), store, clock)) for store in stores]
        for n, worker in enumerate(workers):
            worker.sender.transports.ask = sending(n)  # type: ignore[method-assign]
        hooks = workers[0].run.hooks
        plugin = hooks.get("source", "yclients")
        assert plugin is not None
        posted = [event for n in range(100) for event in arrived(hooks, plugin, n)]
        await stores[0].inbox.receive(posted)
        async with asyncio.timeout(60):
            await asyncio.gather(*(worker.drain() for worker in workers))
        counts = await rows(stores[0], "SELECT status, COUNT(*) AS n FROM booking_notifications GROUP BY status")
        assert counts == [{"status": "sent", "n": 100}]
        assert {worker for worker, _ in sent} == {0, 1}
        assert len({reference for _, reference in sent}) == len(sent) == 100
        for store in stores:
            await store.close()

    def sending(n: int) -> Callable[..., Any]:
        from core.model import Sent

        async def send(leaving: Any) -> Any:
            assert isinstance(leaving.message, Message)
            sent.append((n, leaving.row.reference))
            await asyncio.sleep(0)
            return Sent(leaving.row.reference)

        return send

    asyncio.run(story())


def arrived(hooks: Any, plugin: Any, n: int) -> list[Any]:
    """The rows of one webhook about the n-th booking."""
    import json

    from core.model import Request
    from core.pipeline import receive

    content = json.dumps(body("record_create_discount50", id=1000 + n, resource_id=1000 + n)).encode()
    events, _ = receive.read(hooks, plugin, Request("POST", "/webhook/yclients", {}, {}, content), NOON)
    return events


def moved() -> dict[str, Any]:
    """The same booking, moved to 16:00."""
    later = {"date": "2025-08-21 16:00:00", "datetime": "2025-08-21T16:00:00+03:00", "last_change_date": "2025-08-20T11:30:00+0300"}
    return body("record_create_discount50", status="update", **later)
