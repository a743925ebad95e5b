"""What gateways report, spelled otherwise than in the recorded bodies: what is meant is heard, and nothing else moves. Real HTTP."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core import Retry
from stand_ins import ALL
from tests.conftest import Driver, drive
from tests.test_cascade import PHONE, Play, Stage, _play
from tests.test_stop_words import CHANNELS
from tests.timed import booking, gateway, paced, told

TIMES = ("timestamp", "messageTimestamp", "date", "dateTime")
JSON = sorted(set(CHANNELS) - {"max", "telegram"})
HALF_AN_EMOJI = b', "profile": {"name": "\\ud83d\\u0000 \xff"}}'


@pytest.fixture
def one(tmp_path: Path) -> Play:
    return lambda story, *names, **options: asyncio.run(_play(f"sqlite:///{tmp_path / 'v.db'}", tmp_path, story, names, **options))


def changed(hook: Any, change: Callable[[str, Any], Any], key: str = "") -> Any:
    """Every value in it, by its key, as `change` has it."""
    if isinstance(hook, dict):
        return {name: changed(value, change, name) for name, value in hook.items()}
    return [changed(value, change, key) for value in hook] if isinstance(hook, list) else change(key, hook)


def as_text(key: str, value: Any) -> Any:
    return str(value) if type(value) is int else value


def another_day(key: str, value: Any) -> Any:
    return "вчера" if key in TIMES else value


def spelled(hook: Any) -> dict[str, bytes]:
    plain = json.dumps({**hook, "unknown": [{"a": [[]]}]}).encode()
    return {
        "numbers as text": json.dumps(changed(hook, as_text)).encode(),
        "no time": json.dumps(changed(hook, another_day)).encode(),
        "half an emoji": plain[:-1] + HALF_AN_EMOJI,
        "a mark in front": b"\xef\xbb\xbf" + plain,
    }


@pytest.mark.parametrize("name", JSON)
@pytest.mark.parametrize("how", sorted(spelled({})))
def test_a_delivery_is_heard(one: Play, name: str, how: str) -> None:
    """Delivered, however the rest of the body is spelled: nothing goes on by SMS. The client's СТОП is heard, too."""

    async def story(app: Stage) -> None:
        gateway = app[name]

        async def post(hook: Any) -> None:
            raw = spelled(hook)[how]
            answered = await app.http.post(
                f"/callback/{name}", content=raw, headers={"content-type": "application/json", **gateway.proof(raw)}
            )
            assert answered.status_code == 200
            await app.settle()

        await app.book()
        await post(gateway.status_hook(gateway.ledger[0], "delivered"))
        assert await app.states() == [(CHANNELS[name], "delivered")]
        await post(gateway.text_hook(PHONE[1:], "СТОП"))
        assert await app.rows("SELECT COUNT(*) AS stopped FROM contacts WHERE opted_out_at IS NOT NULL") == [{"stopped": 1}]

    templates = {"booking_created": [{"name": "new"}]}
    options = {"keys": {name: {"templates": templates}}} if name == "whatsapp_cloud" else {}
    one(story, name, "smsc", channels=(CHANNELS[name], "sms"), filter={"recent_chat": None}, **options)


@pytest.mark.parametrize("name", ["max", "telegram"])
@pytest.mark.parametrize("how", sorted(spelled({})))
def test_a_client_of_a_bot_is_heard(one: Play, name: str, how: str) -> None:
    """Bound by his contact: his СТОП counts, and so does that he has left the bot, however the body is spelled."""

    async def story(app: Stage) -> None:
        bot = app[name]
        await bot.write(PHONE, contact=True)
        await app.settle()
        for text, left in (("СТОП", 1), ("/stop", 0)):
            raw = spelled(bot.text_hook(PHONE[1:], text))[how]
            assert (await app.http.post(f"/callback/{name}", content=raw, headers=bot.proof(raw))).status_code == 200
            await app.settle()
            assert len(await app.rows("SELECT * FROM contacts WHERE opted_out_at IS NOT NULL")) == 1
            assert len(await app.rows("SELECT * FROM bindings WHERE NOT gone")) == left

    one(story, name, channels=(name,))


def test_a_clock_that_is_ahead_puts_nothing_off(one: Play) -> None:
    """The gateway lives three hours ahead: its failure leads to an SMS now, and who wrote "in three hours" has written now."""

    async def story(app: Stage) -> None:
        clock, ahead = app.clock, app.clock() + timedelta(hours=3)
        await app.book()
        await app["green_api"]._post(
            {**app["green_api"].status_hook(app["green_api"].ledger[0], "failed"), "timestamp": int(ahead.timestamp())}
        )
        await app.settle()
        assert await app.states() == [("whatsapp", "failed"), ("sms", "sent")]
        await app["green_api"]._post({**app["green_api"].text_hook(PHONE[1:], "Привет"), "timestamp": int(ahead.timestamp())})
        await app.settle(360)
        assert [row["wrote_at"] for row in await app.rows("SELECT wrote_at FROM contacts")] == [
            (clock() - timedelta(seconds=360)).isoformat(" ", "microseconds")[:26]
        ]

    one(story, "green_api", "smsc")


RULE = '''"""Says no from a moment on."""

from core import Suppressed, hookimpl

CLOSED = []


@hookimpl
def filter(case, now):
    return Suppressed("closed", call={call}) if CLOSED and now >= CLOSED[0] else None
'''


@pytest.mark.parametrize("call", [False, True])
def test_what_a_rule_keeps_back_at_the_last_moment(database_url: str, tmp_path: Path, call: bool) -> None:
    """A cancellation has to wait, and then a rule says no: on the list to call where the rule wants that, and nowhere else."""

    async def story(app: Driver) -> None:
        await told(app, booking(1))
        gateway().ANSWERS.append(Retry("later"))
        await told(app, booking(1, status="delete", deleted=True))
        sys.modules["vestnik_private.filter.closed"].CLOSED.append(app.clock())
        await app.settle(60)
        assert [row["status"] for row in await app.messages()] == ["sent", "failed" if call else "superseded"]
        assert len(await app.vestnik.run.store.look.to_call(app.clock())) == call
        assert await app.vestnik.run.store.look.ask("dead_letters", since=app.clock() - timedelta(days=1), most=9) == []

    raw = paced(database_url, tmp_path)
    folder = tmp_path / "private" / "filter"
    folder.mkdir(parents=True)
    (folder / "closed.py").write_text(RULE.format(call=call), encoding="utf-8")
    raw["filter"]["closed"] = {}
    drive(raw, tmp_path, story)


def test_every_transport_that_posts_json_is_here() -> None:
    """SMS.ru posts forms, SMSC nothing, the bots no deliveries."""
    assert set(JSON) == set(ALL) - {"smsc", "smsru", "max", "telegram"}
