"""A template that the gateway refuses: told to the owner once, left out for everybody, tried again later. Real HTTP, both databases."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core import Rejected, Sent
from tests.conftest import Driver, drive
from tests.test_cascade import OTHER, PHONE, QUIET, Play, Stage, _play
from tests.timed import booking, gateway, paced, seen, told

MISSING = "error.132001_template_missing"
THIRD = "+79000000077"
ONE = {"booking_created": [{"name": "new"}]}
TWO = {"booking_created": [{"name": "new"}, {"name": "plain", "language": "ru_RU"}]}
REASON = "the template does not fit"


@pytest.fixture
def both(database_url: str, tmp_path: Path) -> Play:
    return lambda story, *names, **options: asyncio.run(_play(database_url, tmp_path, story, names, **options))


def keys(templates: dict[str, Any]) -> dict[str, Any]:
    return {"whatsapp_cloud": {"templates": templates}}


async def refused(app: Stage) -> list[str]:
    said = (await app.http.get("/ready")).json()
    return [
        f"{entry['transport']} {entry['account']} {entry['template']}: {entry['reason']}"
        for entry in said.get("refused_templates", [])
    ]


def asked(app: Stage) -> list[str]:
    return [taken.text.partition(":")[0] for taken in app["whatsapp_cloud"].ledger]


def test_one_alert_and_nobody_else_is_burnt(both: Play) -> None:
    """Refused for the first client: one alert, an SMS to him and to the others; Meta is not asked for it again until its time. Then it works."""

    async def story(app: Stage) -> None:
        app["whatsapp_cloud"].always(MISSING)
        calls = count(app)
        for number, phone in enumerate((PHONE, OTHER, THIRD), 1):
            await app.book(number, phone)
        assert await app.states() == [("whatsapp", "failed"), ("sms", "sent")] * 3
        assert (len(calls), [taken.phone for taken in app["smsc"].ledger]) == (1, [PHONE, OTHER, THIRD])
        assert await refused(app) == [f"whatsapp_cloud 0 new (ru): {REASON}"]
        assert 'vestnik_refused_templates{account="0",transport="whatsapp_cloud"} 1.0' in (await app.http.get("/metrics")).text
        assert await app.alerts() == [
            f"whatsapp_cloud не принимает шаблон «new (ru)» ({REASON}). "
            "Пишем другим шаблоном или по другому каналу, если они есть: проверьте его."
        ]
        app.clock.now += timedelta(minutes=15)
        await app.book(4, "+79000000066")  # refused once more: left out for half an hour
        assert len(calls) == 2
        app.clock.now += timedelta(minutes=29)
        await app.book(5, "+79000000055")
        assert (len(calls), len(await app.alerts())) == (2, 1)
        app["whatsapp_cloud"].always(QUIET)
        await app.settle(2 * 60)
        assert await refused(app) == [f"whatsapp_cloud 0 new (ru): {REASON}"]  # until one leaves by it
        await app.book(6, "+79000000044")
        assert (asked(app), await refused(app), len(await app.alerts())) == (["new"], [], 1)
        assert await app.rows("SELECT key FROM alerts WHERE over_at IS NULL") == []

    both(story, "whatsapp_cloud", "smsc", keys=keys(ONE), filter={"recent_chat": None})


def test_the_next_template_of_the_list_is_taken(both: Play) -> None:
    """The first template is refused: the same message leaves by the second, and so do those after it."""

    async def story(app: Stage) -> None:
        app["whatsapp_cloud"].plan(MISSING)
        calls = count(app)
        await app.book(1)
        await app.book(2, OTHER)
        assert (await app.states(), asked(app), len(calls)) == ([("whatsapp", "sent")] * 2, ["plain", "plain"], 3)
        assert (await refused(app), len(await app.alerts())) == ([f"whatsapp_cloud 0 new (ru): {REASON}"], 1)
        assert len(await app.rows("SELECT key FROM alerts WHERE over_at IS NULL")) == 1  # that another works mends nothing

    both(story, "whatsapp_cloud", "smsc", keys=keys(TWO), filter={"recent_chat": None})


def test_where_there_is_no_other_channel_it_is_waited_for(both: Play) -> None:
    """WhatsApp alone: the messages wait; once the template is approved each client is told, once."""

    async def story(app: Stage) -> None:
        app["whatsapp_cloud"].always(MISSING)
        await app.book(1)
        await app.book(2, OTHER)
        assert await app.states() == [("whatsapp", "pending")] * 2
        app["whatsapp_cloud"].always(QUIET)
        await app.settle(16 * 60)
        assert await app.states() == [("whatsapp", "sent")] * 2
        await app.settle(3600)
        assert asked(app) == ["new", "new"]

    both(story, "whatsapp_cloud", channels=("whatsapp",), keys=keys(ONE), filter={"recent_chat": None})


def test_it_outlives_a_restart_and_ends_with_a_change_of_the_table(database_url: str, tmp_path: Path) -> None:
    """A new process does not ask for it either; one whose parameters or language the operator has changed is another, and is tried at once."""

    async def burn(app: Stage) -> None:
        app["whatsapp_cloud"].plan(MISSING)
        await app.book(1)
        assert await app.states() == [("whatsapp", "failed"), ("sms", "sent")]

    async def still(app: Stage) -> None:
        calls = count(app)
        await app.book(2, OTHER)
        assert (calls, len(app["smsc"].ledger)) == ([], 1)

    async def mended(app: Stage) -> None:
        await app.book(3, THIRD)
        assert asked(app) == ["new"]

    for story, templates in ((burn, ONE), (still, ONE), (mended, {"booking_created": [{"name": "new", "language": "ru_RU"}]})):
        asyncio.run(
            _play(database_url, tmp_path, story, ("whatsapp_cloud", "smsc"), keys=keys(templates), filter={"recent_chat": None})
        )


@pytest.mark.parametrize("sms", [False, True])
def test_a_transport_that_does_not_listen(database_url: str, tmp_path: Path, sms: bool) -> None:
    """It names a template and uses it again all the same: asked twice for the first message, and no loop. Then it is taken after all."""

    async def story(app: Driver) -> None:
        gateway().ANSWERS.extend([Rejected(REASON, "content", template="t")] * 2)
        await told(app, booking(1))
        assert len(gateway().TAKEN) == 2
        assert await seen(app) == ([("whatsapp", "failed"), ("sms", "sent")] if sms else [("whatsapp", "pending")])
        gateway().ANSWERS.append(Sent("m1", template="t"))
        await app.settle(16 * 60)
        if not sms:
            assert (await seen(app), len(gateway().TAKEN)) == ([("whatsapp", "sent")], 3)
            assert await app.rows("SELECT * FROM refused_templates") == []

    drive(paced(database_url, tmp_path, sms=sms), tmp_path, story)


def test_one_that_nobody_needs_is_forgotten(both: Play) -> None:
    """Taken out of config.toml, or no longer wanted: a day after its time it does not stand in /ready, and its row goes with all that is old."""

    async def story(app: Stage) -> None:
        app["whatsapp_cloud"].plan(MISSING)
        await app.book(1)
        await app.settle(24 * 3600)
        assert len(await refused(app)) == 1
        await app.settle(16 * 60)
        assert await refused(app) == []
        await app.settle(91 * 24 * 3600)
        await app.vestnik.worker.prune()
        assert await app.rows("SELECT * FROM refused_templates") == []

    both(story, "whatsapp_cloud", "smsc", keys=keys(ONE), filter={"recent_chat": None})


def count(app: Stage) -> list[Any]:
    """Every request for a message that comes to Meta from now on."""
    cloud, calls = app["whatsapp_cloud"], []
    take = cloud._planned

    def planned(phone: str) -> Any:
        calls.append(phone)
        return take(phone)

    cloud._planned = planned  # type: ignore[method-assign]
    return calls
