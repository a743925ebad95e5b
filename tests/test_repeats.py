"""A gateway that knows a repeat for a minute: it is repeated within that minute and never after it. Wazzup over real HTTP, and a scripted one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core import Retry, Sent, TransportState
from stand_ins import Scenario, serving
from stand_ins.wazzup import Wazzup
from tests.conftest import Clock, Driver, drive, settings
from tests.test_delivery import free_port
from tests.timed import booking, gateway, paced, run_for, seen, sms, told

FAILED = Retry("it may have been taken", timedelta(seconds=10), within=timedelta(seconds=50))
Repeat = Callable[..., Any]


@pytest.fixture
def repeat(database_url: str, tmp_path: Path) -> Repeat:
    """`repeat(story, sms=True, gap="2s")`: the scripted gateway on both databases."""

    def run(story: Callable[[Driver], Any], *, sms: bool = False, **keys: Any) -> Any:
        return drive(paced(database_url, tmp_path, sms=sms, **keys), tmp_path, story)

    return run


def test_it_is_repeated_within_the_window_and_then_unclear(repeat: Repeat) -> None:
    """Each answer leaves the fate open: the tries come within 50 seconds of the first; then it is unclear, and told to the client nowhere twice."""

    async def story(app: Driver) -> None:
        gateway().ANSWERS.extend([FAILED] * 20)
        await told(app, booking(1))
        await run_for(app, timedelta(minutes=5))
        tries = [(at - gateway().TAKEN[0][0]).total_seconds() for at, *_ in gateway().TAKEN]
        assert len(tries) >= 3
        assert max(tries) < 50
        assert await seen(app) == [("whatsapp", "unclear")]
        (known,) = await app.rows("SELECT snapshot, announced FROM appointments_cache")
        assert known["announced"] == known["snapshot"]

    repeat(story)


def test_a_repeat_that_is_taken(repeat: Repeat) -> None:
    """The second try is taken: sent, and nothing is open any more."""

    async def story(app: Driver) -> None:
        gateway().ANSWERS.extend([FAILED, Sent(None)])
        await told(app, booking(1))
        await run_for(app, timedelta(minutes=5))
        assert (await seen(app), len(gateway().TAKEN)) == ([("whatsapp", "sent")], 2)

    repeat(story)


def test_who_was_away_for_longer_does_not_repeat_it(repeat: Repeat) -> None:
    """We were down while the window passed: nothing is sent again; the next channel takes over as from any unclear message."""

    async def story(app: Driver) -> None:
        gateway().ANSWERS.append(FAILED)
        await told(app, booking(1))
        assert await seen(app) == [("whatsapp", "pending")]
        await app.settle(60)
        assert (await seen(app), len(gateway().TAKEN)) == ([("whatsapp", "unclear")], 1)
        await app.settle(600)
        assert (await seen(app), len(sms().TAKEN)) == ([("whatsapp", "unclear"), ("sms", "sent")], 1)

    repeat(story, sms=True)


def test_what_would_have_to_wait_beyond_the_window(repeat: Repeat) -> None:
    """Its account is paused before the second try: it is unclear at once, and not sent late."""

    async def story(app: Driver) -> None:
        gateway().ANSWERS.append(FAILED)
        await told(app, booking(1))
        await app.vestnik.worker.sender.accounts.says("timed", 0, TransportState(False, "out of order"), app.clock())
        gateway().WRONG.append("out of order")
        await run_for(app, timedelta(minutes=2))
        assert (await seen(app), len(gateway().TAKEN)) == ([("whatsapp", "unclear")], 1)

    repeat(story)


def test_wazzup_fails_after_taking_it(database_url: str, tmp_path: Path) -> None:
    """500 after the message was taken: the repeat carries the same crmMessageId, Wazzup knows it, and one message was written to the client."""
    clock, port = Clock(), free_port()
    gateway = Wazzup("http://vestnik/callback/wazzup", clock=clock)
    gateway.always(Scenario(report=()))

    async def story(app: Driver) -> None:
        gateway.http = app.http
        async with asyncio.timeout(60), serving(gateway, port=port):
            gateway.plan(Scenario("error.500", taken=True, report=()))
            await told(app, booking(1))
            assert await seen(app) == [("whatsapp", "pending")]
            await run_for(app, timedelta(minutes=3))
            assert (await seen(app), len(gateway.ledger)) == ([("whatsapp", "sent")], 1)

    send = {"console": None, "wazzup": Wazzup.settings(f"http://127.0.0.1:{port}")}
    drive(settings(database_url, send=send), tmp_path, story, clock=clock)
