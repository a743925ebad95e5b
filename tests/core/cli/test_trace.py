"""What `vestnik trace` and `vestnik replay` print of stored events."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from core.cli import show
from core.cli.events import told_again
from tests.conftest import Clock, Driver, body
from tests.telling import with_gateway

NIGHT = datetime(2025, 8, 20, 19, 30, tzinfo=UTC)  # 22:30 in Moscow
QUIET = {"quiet_hours": {"from": "22:00", "to": "10:00"}}


async def traced(app: Driver, key: str) -> list[str]:
    """As the command prints it."""
    file = io.StringIO()
    config = app.vestnik.run.config
    events = await app.vestnik.run.store.look.story(key)
    show.story(
        events[::-1],
        lambda company: config.salon_of(company).timezone or "UTC",
        Console(file=file, soft_wrap=True, highlight=False),
    )
    return file.getvalue().splitlines()


async def replayed(app: Driver, key: str) -> list[str]:
    found, _ = await told_again(app.vestnik.run.store, app.vestnik.run.config, key, app.clock())
    return found


def test_a_message_is_told_with_its_text_and_the_gateways_id(play: Callable[..., Any], tmp_path: Path) -> None:
    """Dates, the zone, the text that left, line by line, and the id at the gateway; once the text is gone, that is said."""

    async def story(app: Driver) -> None:
        told = await app.tell(body("record_create_discount50"))
        lines = await traced(app, told["event_id"])
        assert lines[0] == "Times are UTC; what is put off waits until a time in the salon's own zone."
        assert lines[2] == f"{told['event_id']}  record.created of booking 1213336367, salon 962302, source yclients"
        assert lines[3] == "  2025-08-20 09:00:00  receive    stored"
        at = lines.index("  2025-08-20 09:00:00  send       sent  scripted: the gateway's id is g1")
        assert lines[at + 1 : at + 6] == [
            "  2025-08-20 09:00:00  message    booking_created, whatsapp over scripted to +7900…88: sent  sent 2025-08-20 09:00:00",
            f"{'':34}│ ✅ *Вы записаны!*",
            f"{'':34}│",
            f"{'':34}│ 📅 21 августа в 14:30",
            f"{'':34}│ 💇 МУЖСКАЯ СТРИЖКА",
        ]
        assert lines[-2] == "  → processed"
        assert "+79000000088" not in "".join(lines)
        async with app.vestnik.run.store.engine.connection() as connection:
            await connection.execute("UPDATE booking_notifications SET message = NULL")
        assert await traced(app, told["event_id"]) == [*lines[: at + 2], f"{'':34}its text is not kept any more", *lines[-2:]]
        await app.vestnik.run.store.look.erase("+79000000088")
        assert (await traced(app, told["event_id"]))[2:] == []

    play(story, **with_gateway(tmp_path))


def test_the_oldest_event_comes_first(play: Callable[..., Any]) -> None:
    """A booking by its number: as it happened."""

    async def story(app: Driver) -> None:
        await app.tell(body("record_create_discount50"))
        app.clock.now += timedelta(days=1)
        await app.tell(body("record_update_comment_only"))
        lines = await traced(app, "1213336367")
        assert [line.partition("  receive")[0] for line in lines if "  receive " in line] == [
            "  2025-08-20 09:00:00",
            "  2025-08-21 09:00:00",
        ]

    play(story)


def test_what_is_put_off_says_until_when_and_by_whom(play: Callable[..., Any]) -> None:
    """By the salon's clock, in `trace` and by `replay`, which has the rules asked again: they put it off again, or no longer do."""

    async def story(app: Driver) -> None:
        told = await app.tell(body("record_create_discount50"))
        until = "until 2025-08-21 10:00:00 (Europe/Moscow)"
        reason = told["reason"]
        assert (told["status"], told["rule"]) == ("deferred", "quiet_hours")
        assert f"  2025-08-20 19:30:00  filter     deferred  quiet_hours: {reason}; {until}" in await traced(app, told["event_id"])
        for _ in (1, 2):
            assert await replayed(app, told["event_id"]) == [
                f"{told['event_id']} (record.created) still waits {until}, by rule quiet_hours: {reason}; it is asked again now, and waits on "
                "unless [filter.quiet_hours] was changed or switched off"
            ]
            await app.settle(60)
            assert (await app.story(told["event_id"]))["status"] == "deferred"
        await replayed(app, told["event_id"])
        app.clock.now = datetime(2025, 8, 21, 5, 0, tzinfo=UTC)  # its rule lets it pass before the moment that it named
        app.vestnik.run.hooks.plugins[:] = [plugin for plugin in app.vestnik.run.hooks.plugins if plugin.short != "quiet_hours"]
        app.vestnik.run.hooks._walks.clear()
        await app.settle()
        assert (await app.story(told["event_id"]))["status"] == "processed"

    play(story, clock=Clock(NIGHT), filter=QUIET)


def test_a_message_that_a_rule_puts_off(play: Callable[..., Any], tmp_path: Path) -> None:
    """Decided, and put off when it is about to leave: the same words."""
    (tmp_path / "filter").mkdir()
    (tmp_path / "filter" / "late.py").write_text(
        "from datetime import timedelta\nfrom core import Deferred, hookimpl\n\nASKED = []\n\n@hookimpl\ndef filter(case, now):\n"
        "    ASKED.append(now)\n    return Deferred(now + timedelta(minutes=5), 'not yet') if len(ASKED) > 1 else None\n",
        encoding="utf-8",
    )

    async def story(app: Driver) -> None:
        told = await app.tell(body("record_create_discount50"))
        assert (told["status"], told["notifications"][0]["status"]) == ("processed", "pending")
        line = "  2025-08-20 09:00:00  send       deferred  console: late: not yet; until 2025-08-20 12:05:00 (Europe/Moscow)"
        assert line in await traced(app, told["event_id"])

    play(story, plugins={"path": ["."]}, filter={"late": {}})


def test_what_was_replayed_waits_since_the_replay(play: Callable[..., Any]) -> None:
    """While no worker runs, `trace` says that it waits for one and since when, and not what had been decided before; then it does again."""

    async def story(app: Driver) -> None:
        told = await app.tell(body("record_update_comment_only"))
        before = (await traced(app, told["event_id"]))[-2]
        assert before.startswith("  → suppressed by rule own_comment: ")
        app.clock.now += timedelta(hours=1)
        await replayed(app, told["event_id"])
        assert (await traced(app, told["event_id"]))[-2] == (
            "  → received: waits to be decided again, since the replay of 2025-08-20 10:00:00; "
            "a running `vestnik serve` or `vestnik worker` does that"
        )
        await app.settle()
        assert (await traced(app, told["event_id"]))[-2].startswith("  → suppressed by rule unchanged: ")

    play(story)


def test_what_nobody_has_decided_waits_since_it_came(play: Callable[..., Any]) -> None:
    """A server without a worker: the same sentence, without a replay."""

    async def story(app: Driver) -> None:
        event = (await app.post(body("record_create_discount50"))).json()["eventId"]
        assert (await traced(app, event))[-2] == (
            "  → received: waits to be decided, since 2025-08-20 09:00:00; a running `vestnik serve` or `vestnik worker` does that"
        )

    play(story)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("status = 'received'", "is not decided yet; a running `vestnik serve` or `vestnik worker` does that"),
        ("payload = NULL", "cannot be decided again: its body was deleted by retention ([database] keep_bodies)"),
        (
            "event_type = 'unreadable', reason = 'read again: evt_2'",
            "was read already, and its events are decided by themselves: read again: evt_2",
        ),
    ],
)
def test_why_nothing_is_replayed(play: Callable[..., Any], change: str, said: str) -> None:
    """One reason, not three guesses."""

    async def story(app: Driver) -> None:
        told = await app.tell(body("record_create_discount50"))
        async with app.vestnik.run.store.engine.connection() as connection:
            await connection.execute(f"UPDATE webhook_events SET {change}")
        (line,) = await replayed(app, told["event_id"])
        assert line.partition(") ")[2] == said

    play(story)
