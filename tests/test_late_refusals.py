"""A text or template that is refused only after it was taken, by a status: the client goes on, the owner is told once. Real HTTP."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from tests.test_cascade import OTHER, PHONE, Play, Stage, _play
from tests.test_templates import ONE, REASON, THIRD, TWO, asked, count, keys, refused

CLIENTS = (PHONE, OTHER, THIRD)


@pytest.fixture
def both(database_url: str, tmp_path: Path) -> Play:
    return lambda story, *names, **options: asyncio.run(_play(database_url, tmp_path, story, names, **options))


async def fails(app: Stage, code: int | str, which: int = -1) -> None:
    """Meta says that a message which it had taken has failed, and why."""
    cloud = app["whatsapp_cloud"]
    hook = cloud.status_hook(cloud.ledger[which], "failed")
    hook["entry"][0]["changes"][0]["value"]["statuses"][0]["errors"] = [{"code": code, "title": "A title"}]
    await cloud._post(hook)
    await app.settle()


@pytest.mark.parametrize("code", [132000, "132015"])
def test_a_template_is_left_out_for_everybody(both: Play, code: int | str) -> None:
    """Refused late, of each client who was under way: one alert, an SMS to each, Meta not asked again before its time. That Meta takes it
    again proves nothing; a delivery does.
    """

    async def story(app: Stage) -> None:
        calls = count(app)
        for number, phone in enumerate(CLIENTS, 1):
            await app.book(number, phone)
        assert (asked(app), await app.states()) == (["new"] * 3, [("whatsapp", "sent")] * 3)
        for which in (0, 1, 2, 0):  # the last one again
            await fails(app, code, which)
        assert sorted(taken.phone for taken in app["smsc"].ledger) == sorted(CLIENTS)
        assert [row["status"] for row in await app.messages()] == ["failed"] * 3 + ["sent"] * 3
        assert [entry.partition(":")[0] for entry in await refused(app)] == ["whatsapp_cloud 0 new (ru)"]
        assert [alert.partition(" (ru")[0] for alert in await app.alerts()] == ["whatsapp_cloud не принимает шаблон «new"]
        await app.book(4, "+79000000066")
        assert (len(calls), len(app["smsc"].ledger)) == (3, 4)
        app.clock.now += timedelta(minutes=16)
        await app.book(5, "+79000000055")  # tried once more, taken, and refused: left out for half an hour
        assert (len(calls), len(await refused(app))) == (4, 1)
        await fails(app, code)
        app.clock.now += timedelta(minutes=29)
        await app.book(6, "+79000000044")
        assert (len(calls), len(await app.alerts())) == (4, 1)
        assert await app.rows("SELECT key FROM alerts WHERE over_at IS NOT NULL") == []
        app.clock.now += timedelta(minutes=2)
        await app.book(7, "+79000000033")
        await app.delivered("whatsapp_cloud")
        assert (len(calls), await refused(app)) == (5, [])
        assert await app.rows("SELECT key FROM alerts WHERE over_at IS NULL") == []

    both(story, "whatsapp_cloud", "smsc", keys=keys(ONE), filter={"recent_chat": None})


def test_the_next_template_of_the_list_is_taken(both: Play) -> None:
    """Who comes after the refusal is written to by the second template; he who met it gets an SMS."""

    async def story(app: Stage) -> None:
        await app.book(1)
        await fails(app, 132012)
        await app.book(2, OTHER)
        assert (asked(app), [taken.phone for taken in app["smsc"].ledger]) == (["new", "plain"], [PHONE])
        assert await refused(app) == [f"whatsapp_cloud 0 new (ru): {REASON}"]

    both(story, "whatsapp_cloud", "smsc", keys=keys(TWO), filter={"recent_chat": None})


def test_a_text_that_is_refused_late_is_one_alert(both: Play) -> None:
    """What is wrong is the text, not the template: each client goes on, the owner is told once, until one is delivered."""

    async def story(app: Stage) -> None:
        for number, phone in enumerate(CLIENTS, 1):
            await app.book(number, phone)
            await fails(app, 132005)
        assert (asked(app), await refused(app)) == (["new"] * 3, [])
        assert [taken.phone for taken in app["smsc"].ledger] == list(CLIENTS)
        assert [alert.partition(" (")[0] for alert in await app.alerts()] == [
            "whatsapp_cloud не принимает сообщение «новая запись»"
        ]
        await app.book(4, "+79000000066")
        assert len(await app.rows("SELECT key FROM alerts WHERE over_at IS NULL")) == 1
        await app.delivered("whatsapp_cloud")
        assert await app.rows("SELECT key FROM alerts WHERE over_at IS NULL") == []

    both(story, "whatsapp_cloud", "smsc", keys=keys(ONE), filter={"recent_chat": None})


def test_spam_is_left_alone_for_an_hour(both: Play) -> None:
    """Too many marked it as spam, says a status: the account rests as long as after an answer that says so."""

    async def story(app: Stage) -> None:
        await app.book(1)
        await fails(app, 131048)
        await app.settle(59 * 60)
        await app.book(2, OTHER)
        assert (len(app["whatsapp_cloud"].ledger), len(app["smsc"].ledger)) == (1, 2)
        await app.settle(10 * 60)
        await app.book(3, THIRD)
        assert len(app["whatsapp_cloud"].ledger) == 2

    both(story, "whatsapp_cloud", "smsc", keys=keys(ONE), filter={"recent_chat": None})


@pytest.mark.parametrize("code", [131026, 131049, 131050, 131047, 130472, 999999])
def test_what_is_said_of_one_client_is_no_alert(both: Play, code: int) -> None:
    """He goes on by the next channel; nobody else is touched."""

    async def story(app: Stage) -> None:
        await app.book(1)
        await fails(app, code)
        await app.book(2, OTHER)
        assert await app.states() == [("whatsapp", "failed"), ("sms", "sent"), ("whatsapp", "sent")]
        assert (await app.alerts(), await refused(app)) == ([], [])

    both(story, "whatsapp_cloud", "smsc", keys=keys(ONE), filter={"recent_chat": None})


def test_an_account_that_is_blamed_late_is_paused(both: Play) -> None:
    """Not paid for, says a status: the account rests, and the next client has an SMS."""

    async def story(app: Stage) -> None:
        await app.book(1)
        await fails(app, 131042)
        await app.book(2, OTHER)
        assert await app.states() == [("whatsapp", "failed"), ("sms", "sent"), ("whatsapp", "failed"), ("sms", "sent")]
        assert (len(app["whatsapp_cloud"].ledger), len(await app.alerts())) == (1, 1)

    both(story, "whatsapp_cloud", "smsc", keys=keys(ONE), filter={"recent_chat": None})


def test_wazzup_refuses_a_text_late(both: Play) -> None:
    """Spam, says a status of Wazzup: one alert, and an SMS to each. A wrong number is none."""

    async def story(app: Stage) -> None:
        for number, (phone, code) in enumerate(zip(CLIENTS, ("BAD_CONTACT", "SPAM", "TOO_LONG_TEXT"), strict=True), 1):
            await app.book(number, phone)
            hook = app["wazzup"].status_hook(app["wazzup"].ledger[-1], "failed")
            hook["statuses"][0]["error"] = {"error": code, "description": "words"}
            await app["wazzup"]._post(hook)
            await app.settle()
            assert len(await app.alerts()) == number - 1
        assert [taken.phone for taken in app["smsc"].ledger] == list(CLIENTS)

    both(story, "wazzup", "smsc", filter={"recent_chat": None})
