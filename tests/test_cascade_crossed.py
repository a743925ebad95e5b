"""Two things at once: a word of the client, the night, a late report and a fallback that meet each other. Real HTTP, both databases."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from stand_ins import Scenario
from tests.test_cascade import OTHER, PHONE, Play, Stage, _play

EVENING = datetime.fromisoformat("2025-08-20T21:55:00+03:00")


@pytest.fixture
def both(database_url: str, tmp_path: Path) -> Play:
    return lambda story, *names, **options: asyncio.run(_play(database_url, tmp_path, story, names, **options))


def sms(app: Stage) -> list[str]:
    return [taken.phone for taken in app["smsc"].ledger]


def test_stop_while_it_is_unclear(both: Play) -> None:
    """The answer was lost, then СТОП: no SMS takes over; that it arrived is heard all the same."""

    async def story(app: Stage) -> None:
        app["green_api"].plan(Scenario("drop", report=()))
        await app.book()
        await app["green_api"].write(PHONE, "СТОП")
        await app.settle(3600)
        assert (sms(app), (await app.states())[0]) == ([], ("whatsapp", "unclear"))
        await app.delivered("green_api", 0)
        await app.settle(3600)
        assert (sms(app), (await app.states())[0]) == ([], ("whatsapp", "delivered"))

    both(story, "green_api", "smsc", filter={"recent_chat": None})


def test_start_again_before_the_fallback_is_due(both: Play) -> None:
    """СТОП and СТАРТ within ten minutes: the fallback goes on as if nothing had been said."""

    async def story(app: Stage) -> None:
        await app.book()
        await app["green_api"].write(PHONE, "СТОП")
        await app.settle(60)
        await app["green_api"].write(PHONE, "Старт")
        await app.settle(600)
        assert sms(app) == [PHONE]

    both(story, "green_api", "smsc", filter={"recent_chat": None})


def test_start_from_who_never_stopped(both: Play) -> None:
    """It changes nothing: one short answer, and messages as before."""

    async def story(app: Stage) -> None:
        await app["green_api"].write(PHONE, "START")
        await app.settle()
        await app.book()
        assert [text.partition(" ")[0] for text in (taken.text for taken in app["green_api"].ledger)] == ["Снова", "✅"]

    both(story, "green_api", "smsc", filter={"recent_chat": None})


def test_delivered_late_while_the_fallback_sleeps(both: Play) -> None:
    """The fallback fell into the night and waits for the morning; at eleven the first channel delivers: no SMS in the morning."""

    async def story(app: Stage) -> None:
        await app.book(at="18:30")
        await app.settle(3600)
        assert await app.states() == [("whatsapp", "sent"), ("sms", "pending")]
        await app.delivered("green_api")
        assert await app.states() == [("whatsapp", "delivered"), ("sms", "superseded")]
        await app.settle(12 * 3600)
        assert sms(app) == []

    both(story, "green_api", "smsc", now=EVENING, filter={"quiet_hours": {}})


def test_stop_while_the_fallback_sleeps(both: Play) -> None:
    """The fallback waits for the morning; the client says СТОП at night: nothing in the morning."""

    async def story(app: Stage) -> None:
        await app.book(at="18:30")
        await app.settle(3600)
        await app["green_api"].write(PHONE, "stop")
        await app.settle(12 * 3600)
        assert sms(app) == []

    both(story, "green_api", "smsc", now=EVENING, filter={"quiet_hours": {}, "recent_chat": None})


def test_moved_while_the_fallback_sleeps(both: Play) -> None:
    """The fallback waits for the morning; the visit moves at night: one message in the morning, of the new hour."""

    async def story(app: Stage) -> None:
        await app.book(at="18:30")
        await app.settle(3600)
        await app.book(at="19:45")
        await app.settle(12 * 3600)
        texts = [taken.text for name in ("green_api", "smsc") for taken in app[name].ledger]
        assert [("18:30" in text, "19:45" in text) for text in texts] == [(True, False), (False, True)]

    both(story, "green_api", "smsc", now=EVENING, filter={"quiet_hours": {}})


@pytest.mark.parametrize("late", ["read", "failed", "sent"])
def test_the_first_channel_speaks_after_the_second_was_sent(both: Play, late: str) -> None:
    """Three channels: whatever the first says of the message that the second has taken, the third is left alone until its time."""

    async def story(app: Stage) -> None:
        await app.book()
        await app.settle(600)
        assert (len(app["green_api_max"].ledger), sms(app)) == (1, [])
        await app.delivered("green_api", state=late)
        await app.delivered("green_api", state=late)
        assert (len(app["green_api_max"].ledger), sms(app)) == (1, [])
        await app.settle(600)
        await app.settle(3600)
        assert sms(app) == ([] if late == "read" else [PHONE])
        states = await app.states()
        assert states[0] == ("whatsapp", "failed" if late == "failed" else late)
        await app.book(at="16:00")
        assert (await app.messages())[-1]["notification_type"] == "booking_updated"

    both(story, "green_api", "green_api_max", "smsc", channels=("whatsapp", "max", "sms"))


def test_the_second_delivers_and_the_first_fails(both: Play) -> None:
    """The SMS arrived; that WhatsApp gives up afterwards is no reason to write or to call."""

    async def story(app: Stage) -> None:
        await app.book()
        await app.settle(600)
        app["smsc"].ledger[0].state = "delivered"
        await app.settle(60)
        await app.check()
        await app.delivered("green_api", state="failed")
        await app.settle(12 * 3600)
        assert (len(app["green_api"].ledger), len(sms(app)), await app.to_call()) == (1, 1, [])
        assert await app.states() == [("whatsapp", "failed"), ("sms", "delivered")]

    both(story, "green_api", "smsc")


def test_one_client_of_two_salons(both: Play) -> None:
    """СТОП to one salon's own number silences that salon on every channel; the other one goes on, by SMS too."""

    async def story(app: Stage) -> None:
        second = app["second"]
        hook = second.text_hook(PHONE[1:], "СТОП")
        await second._post({**hook, "instanceData": {**hook["instanceData"], "idInstance": 1101000002}})
        await app.settle()
        taken = len(app["second"].ledger)
        await app.book(1, company_id=962303)
        await app.book(2)
        await app.book(3, OTHER, company_id=962303)
        await app.settle(600)
        assert [entry.phone for entry in app["second"].ledger[taken:]] == [OTHER]
        assert [entry.phone for entry in app["green_api"].ledger] == [PHONE]
        assert sorted(sms(app)) == [PHONE, OTHER]

    both(story, "green_api", "smsc", second=True, filter={"recent_chat": None})


def test_a_salon_has_a_route_of_its_own(both: Play) -> None:
    """One salon writes by SMS alone, the other by WhatsApp and then SMS; what won in one says nothing of the other."""

    async def story(app: Stage) -> None:
        await app.book(1, company_id=962303)
        await app.book(2)
        assert await app.states() == [("sms", "sent"), ("whatsapp", "sent")]
        app["smsc"].ledger[0].state = "delivered"
        await app.settle(60)
        await app.check()
        await app.book(3)
        assert (await app.states())[-1] == ("whatsapp", "sent")
        await app.settle(600)
        assert len(sms(app)) == 3

    both(story, "green_api", "smsc", second=True, salon={"962303": {"route": {"channels": ["sms"]}}}, filter={"recent_chat": None})


def test_what_won_is_a_clients_own_and_moves_with_the_next_delivery(both: Play) -> None:
    """SMS won for one client: the other begins with WhatsApp. SMS fails, WhatsApp delivers: from then on WhatsApp is first."""

    async def story(app: Stage) -> None:
        await app.vestnik.run.store.people.won(PHONE, 962302, "sms", app.clock())
        await app.book(1)
        await app.book(2, OTHER)
        assert await app.states() == [("sms", "sent"), ("whatsapp", "sent")]
        app["smsc"].ledger[0].state = "failed"
        await app.settle(60)
        await app.check()
        await app.delivered("green_api", -1)
        await app.book(3)
        assert [row["channel"] for row in await app.messages() if row["phone"] == PHONE] == ["sms", "whatsapp", "whatsapp"]

    both(story, "green_api", "smsc")


def test_a_booking_is_cancelled_while_its_message_is_unclear(both: Play) -> None:
    """The answer was lost, the booking is cancelled: the cancellation leaves, and nothing of the old message follows."""

    async def story(app: Stage) -> None:
        app["green_api"].plan(Scenario("drop", report=()))
        await app.book()
        await app.book(status="delete", deleted=True)
        await app.delivered("green_api", -1)
        await app.settle(3600)
        assert [(row["notification_type"], row["status"]) for row in await app.messages()] == [
            ("booking_created", "unclear"),
            ("booking_cancelled", "delivered"),
        ]
        assert sms(app) == []
        await app.delivered("green_api", 0)
        await app.settle(timedelta(hours=3).total_seconds())
        assert (len(app["green_api"].ledger), sms(app)) == (2, [])

    both(story, "green_api", "smsc")
