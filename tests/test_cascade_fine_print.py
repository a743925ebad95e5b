"""The message arrives, fine print: what two accounts share, what a limit is not, and what a gateway took although it said that it failed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from stand_ins import Scenario
from tests.conftest import SALON
from tests.test_cascade import OTHER, PHONE, Play, Stage, _play

TEMPLATES = {"booking_created": [{"name": "new"}], "booking_cancelled": [{"name": "gone"}], "booking_updated": [{"name": "moved"}]}
SECOND = 962303


@pytest.fixture
def both(database_url: str, tmp_path: Path) -> Play:
    """The app and its gateways on sockets, on both databases."""
    return lambda story, *names, **options: asyncio.run(_play(database_url, tmp_path, story, names, **options))


@pytest.mark.parametrize("end", ["sent", "delivered", "read"])
def test_what_was_taken_although_it_failed_is_known(both: Play, end: str) -> None:
    """Meta says "try again" and had taken it: a status tells so. No second message leaves, and a cancellation is told."""

    async def story(app: Stage) -> None:
        app["whatsapp_cloud"].plan(Scenario("error.131000_unknown", taken=True, report=()))
        await app.book()
        assert await app.states() == [("whatsapp", "pending")]
        await app.delivered("whatsapp_cloud", state=end)
        assert await app.states() == [("whatsapp", end)]
        await app.settle(60)
        await app.book(status="delete", deleted=True)
        assert [row["notification_type"] for row in await app.messages()] == ["booking_created", "booking_cancelled"]
        assert len(app["whatsapp_cloud"].ledger) == 2

    both(story, "whatsapp_cloud", keys={"whatsapp_cloud": {"templates": TEMPLATES}})


def test_what_was_taken_and_is_never_delivered_falls_back(both: Play) -> None:
    """The same, and only "sent" is ever said: the SMS leaves after the time of the route."""

    async def story(app: Stage) -> None:
        app["whatsapp_cloud"].plan(Scenario("error.131000_unknown", taken=True, report=()))
        await app.book()
        await app.delivered("whatsapp_cloud", state="sent")
        await app.settle(599)
        assert app["smsc"].ledger == []
        await app.settle(1)
        assert [taken.text[:12] for taken in app["smsc"].ledger] == ["Вы записаны:"]

    both(story, "whatsapp_cloud", "smsc", keys={"whatsapp_cloud": {"templates": TEMPLATES}})


def test_an_old_sent_does_not_undo_a_failure(both: Play) -> None:
    """Reports come in any order: "sent" after "failed" is the older one, and only a delivery wins over a failure."""

    async def story(app: Stage) -> None:
        await app.book()
        await app.delivered("green_api", state="failed")
        await app.delivered("green_api", state="sent")
        assert await app.states() == [("whatsapp", "failed")]
        await app.delivered("green_api")
        assert await app.states() == [("whatsapp", "delivered")]

    both(story, "green_api")
