"""What torture found, each as a small story, so that it stays mended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.conftest import Driver, body

LATER = {"date": "2025-08-21 16:00:00", "datetime": "2025-08-21T16:00:00+03:00", "last_change_date": "2025-08-20T11:30:00+0300"}


def test_create_decided_after_its_update(play: Callable[..., Any]) -> None:
    """An update decided before its create (whose worker died with it) becomes the creation's message; it is not silenced as stale."""

    async def story(app: Driver) -> None:
        created = body("record_create_admin")
        await app.post({**body("record_create_admin", **LATER), "status": "update"})
        await app.vestnik.worker.decider.step()
        assert [row["notification_type"] for row in await app.messages()] == ["booking_updated"]
        told = await app.tell(created)
        assert (told["status"], told["rule"]) == ("processed", None)
        (text,) = await app.texts()
        assert text.splitlines()[:3] == ["✅ *Вы записаны!*", "", "📅 21 августа в 16:00"]

    play(story)
