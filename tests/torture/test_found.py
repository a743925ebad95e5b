"""What torture found, each as a small story, so that it stays mended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.pipeline.decide import Decider
from core.pipeline.send import LEASE
from tests.conftest import Driver, body

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
            taken = await inbox.claim("dead", 1, app.clock(), LEASE, 200)
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
            taken = await deliveries.claim("dead", 1, app.clock(), LEASE, 100, [])
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
