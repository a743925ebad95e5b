"""A gateway that takes nothing: the client is told on the next channel, once, whether nobody is there or it says "later" for ever."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core import Retry, Sent
from stand_ins.green_api import GreenApi
from tests.conftest import Clock, Driver, body, drive, settings
from tests.test_delivery import PRIVATE, free_port
from tests.timed import booking, gateway, paced, run_for, seen, sms, told

LATER = Retry("the gateway did not accept it for now")
Away = Callable[..., Any]


@pytest.fixture
def later(database_url: str, tmp_path: Path) -> Away:
    """`later(story, sms=True)`: the scripted gateway on both databases."""
    return lambda story, *, sms=True, **keys: drive(paced(database_url, tmp_path, sms=sms, **keys), tmp_path, story)


def test_a_gateway_that_cannot_be_reached_is_out_of_order(database_url: str, tmp_path: Path) -> None:
    """Connection refused for ten seconds: the account is paused and named, the owner told, its messages go on; the next one at once."""
    clock = Clock()

    async def story(app: Driver) -> None:
        await app.tell(body("record_create_discount50"))
        assert await seen(app) == [("whatsapp", "pending")]
        await run_for(app, timedelta(seconds=30))
        assert await seen(app) == [("whatsapp", "failed"), ("sms", "sent")]
        (entry,) = [e for e in (await app.http.get("/ready")).json()["transports"] if e["transport"] == "green_api"]
        assert (entry["working"], entry["reason"]) == (False, "the gateway cannot be reached: no connection")
        alerts = await app.vestnik.run.store.look.ask("alerts", since=clock() - timedelta(days=1))
        assert [alert["key"].partition(" #")[0] for alert in alerts] == ["transport green_api 0"]  # behind it: the reason's mark
        await app.tell(body("record_create_discount50", id=5, resource_id=5))
        assert (await seen(app))[2:] == [("whatsapp", "failed"), ("sms", "sent")]

    send = {"console": None, "green_api": GreenApi.settings(f"http://127.0.0.1:{free_port()}"), "other_sms": {}}
    drive(settings(database_url, send=send, plugins={"path": [PRIVATE]}), tmp_path, story, clock=clock)


def test_a_short_absence_is_no_alert(later: Away) -> None:
    """Three refusals within five seconds, then it is back: sent by the same channel, and nobody is told."""

    async def story(app: Driver) -> None:
        gateway().ANSWERS.extend([Retry("the gateway cannot be reached: no connection")] * 3)
        await told(app, booking(1))
        await run_for(app, timedelta(minutes=1))
        assert await seen(app) == [("whatsapp", "sent")]
        assert await app.vestnik.run.store.look.ask("alerts", since=app.clock() - timedelta(days=1)) == []

    later(story)


def test_ways_of_not_being_there_are_one_cause(later: Away, caplog: pytest.LogCaptureFixture) -> None:
    """No connection, then a timeout, then the proxy, and again: one outage, and the owner is told once. The next one is told anew."""
    ways = [
        Retry(f"the gateway cannot be reached: {why}") for why in ("no connection", "timeout while connecting", "the proxy refused")
    ]

    def alerts() -> int:
        return caplog.text.count("outcome=alert key=transport_timed_0 reason=timed is out of order: the gateway cannot be reached")

    async def story(app: Driver) -> None:
        for outage in (1, 2):
            gateway().ANSWERS.extend(ways * 3)
            for number in range(9):
                await told(app, booking(10 * outage + number))
                await run_for(app, timedelta(minutes=2))
            await run_for(app, timedelta(hours=1))
            assert (gateway().ANSWERS, alerts()) == ([], outage)

    later(story, sms=False)


def test_who_is_not_handed_over_goes_on_after_the_time_of_the_route(later: Away) -> None:
    """ "Later" for ever: tried again for `fallback_after` (10 minutes), then the SMS, and WhatsApp is tried no more."""

    async def story(app: Driver) -> None:
        gateway().ANSWERS.extend([LATER] * 99)
        await told(app, booking(1))
        await run_for(app, timedelta(minutes=9, seconds=59))
        assert (await seen(app), sms().TAKEN) == ([("whatsapp", "pending")], [])
        tries = len(gateway().TAKEN)
        await run_for(app, timedelta(seconds=1))
        assert (await seen(app), len(sms().TAKEN)) == ([("whatsapp", "failed"), ("sms", "sent")], 1)
        await run_for(app, timedelta(hours=3))
        assert (len(gateway().TAKEN), len(sms().TAKEN)) == (tries, 1)

    later(story)


def test_one_that_is_paced_goes_on_too(later: Away) -> None:
    """The turns of a paced account do not begin the time anew."""

    async def story(app: Driver) -> None:
        gateway().ANSWERS.extend([LATER] * 99)
        await told(app, booking(1))
        await run_for(app, timedelta(minutes=11))
        assert await seen(app) == [("whatsapp", "failed"), ("sms", "sent")]

    later(story, gap="20s")


def test_who_has_no_other_channel_is_tried_until_it_is_taken(later: Away) -> None:
    """Without a next channel nothing is given up: after an hour it is taken."""

    async def story(app: Driver) -> None:
        gateway().ANSWERS.extend([LATER] * 8)
        await told(app, booking(1))
        await run_for(app, timedelta(hours=2))
        assert (await seen(app), len(gateway().TAKEN)) == ([("whatsapp", "sent")], 9)

    later(story, sms=False)


def test_what_may_have_been_taken_is_not_handed_on_as_if_it_were_not(later: Away) -> None:
    """A repeat that is known as one for an hour: within it no SMS leaves beside it, though `fallback_after` is over."""

    async def story(app: Driver) -> None:
        gateway().ANSWERS.extend(
            [Retry("it may have been taken", timedelta(minutes=4), within=timedelta(hours=1))] * 4 + [Sent("g")]
        )
        await told(app, booking(1))
        await run_for(app, timedelta(minutes=15))
        assert sms().TAKEN == []

    later(story)
