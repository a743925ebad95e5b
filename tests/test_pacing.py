"""How fast an account sends, and how often one that fails is tried: stories on both databases, with a gateway that notes when it was called; time moves by a clock."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core import Retry
from core import config as configuration
from core import hooks as plugin_hooks
from core.app import create_app
from core.store.values import when
from tests.conftest import Clock, Driver, drive, fresh_postgres
from tests.timed import booking, gateway, paced, run_for, seen, steps, told

Pace = Callable[..., Any]


@pytest.fixture
def pace(database_url: str, tmp_path: Path) -> Pace:
    """`pace(story, gap="2s", sms=True)`: one story on both databases; keywords are the gateway's keys."""

    def run(story: Callable[[Driver], Any], *, sms: bool = False, clock: Clock | None = None, **keys: Any) -> Any:
        return drive(paced(database_url, tmp_path, sms=sms, **keys), tmp_path, story, clock=clock)

    return run


def test_a_burst_is_spread_over_the_gap(pace: Pace) -> None:
    """Thirty bookings at once: each leaves, none earlier than two seconds after the one before, and each is looked at about once more."""

    async def story(app: Driver) -> None:
        await told(app, *(booking(number) for number in range(30)))
        first, *waiting = await app.messages()
        assert (first["status"], {row["status"] for row in waiting}, len(gateway().TAKEN)) == ("sent", {"pending"}, 1)
        assert {row["error"] for row in waiting} == {"timed is paced: one message in 2 s"}
        dues = [when(row["due_at"]) for row in waiting]
        assert dues == sorted(dues, key=lambda due: due or app.clock())
        await run_for(app, timedelta(seconds=90))
        assert {row["status"] for row in await app.messages()} == {"sent"}
        assert min(steps()) >= 2
        assert sum(steps()) <= 29 * 3
        assert [phone for _, phone, _ in gateway().TAKEN] == [f"+7900000{number:04}" for number in range(30)]
        lines = await app.rows("SELECT verdict FROM journal WHERE stage = 'send' AND verdict = 'pending'")
        assert len(lines) == 29  # told once for each, however often it was looked at

    pace(story, gap="2s")


def test_no_gap_no_turn(pace: Pace) -> None:
    """Where nothing paces an account its messages leave at once, and nothing is noted of it."""

    async def story(app: Driver) -> None:
        await told(app, *(booking(number) for number in range(30)))
        assert {row["status"] for row in await app.messages()} == {"sent"}
        assert await app.rows("SELECT * FROM pacing") == []
        assert await app.rows("SELECT * FROM recipients") == []

    pace(story)


def test_one_account_never_delays_another(pace: Pace) -> None:
    """Twenty messages wait for one salon's account; the other salon's leave at once."""

    async def story(app: Driver) -> None:
        await told(app, *(booking(number) for number in range(20)))
        await told(app, *(booking(number, salon=962303) for number in range(50, 53)))
        taken = [whose for _, _, whose in gateway().TAKEN]
        assert (taken.count("ours"), taken.count("theirs")) == (1, 1)
        await run_for(app, timedelta(seconds=6))
        assert [whose for _, _, whose in gateway().TAKEN].count("theirs") == 3

    pace(story, gap="2s")


def test_a_restart_is_no_loophole(database_url: str, tmp_path: Path) -> None:
    """The process dies after a send: the next one, with the same database, keeps to the gap that was begun, and to the turns it promised."""
    clock = Clock()

    async def first(app: Driver) -> None:
        await told(app, booking(1), booking(2))
        assert len(gateway().TAKEN) == 1

    async def second(app: Driver) -> None:
        sent = gateway().TAKEN[0][0] if gateway().TAKEN else clock()
        gateway().TAKEN.clear()
        await app.settle(0.5)
        await told(app, booking(3))
        assert gateway().TAKEN == []
        await run_for(app, timedelta(minutes=1))
        assert [phone for _, phone, _ in gateway().TAKEN] == ["+79000000002", "+79000000003"]
        assert gateway().TAKEN[0][0] - sent >= timedelta(seconds=10)
        assert min(steps()) >= 10

    drive(paced(database_url, tmp_path, gap="10s"), tmp_path, first, clock=clock)
    drive(paced(database_url, tmp_path, gap="10s"), tmp_path, second, clock=clock)


def test_a_new_message_waits_for_those_that_still_wait_only(pace: Pace) -> None:
    """What was withdrawn frees its turn: the next booking does not wait for hundreds that are gone."""

    async def story(app: Driver) -> None:
        await told(app, *(booking(number) for number in range(40)))
        await told(app, *(booking(number, status="delete", deleted=True) for number in range(1, 40)))
        assert [row["status"] for row in await app.messages()].count("pending") == 0
        await app.settle(3)
        await told(app, booking(99))
        assert (len(gateway().TAKEN), (await app.messages())[-1]["status"]) == (2, "sent")

    pace(story, gap="2s")


def test_a_newer_state_takes_the_turn_of_the_older(pace: Pace) -> None:
    """A booking that is moved while its message waits keeps its place: it is not sent behind all that came meanwhile."""

    async def story(app: Driver) -> None:
        await told(app, *(booking(number) for number in range(10)))
        waiting = when((await app.messages())[1]["due_at"])
        await told(app, booking(1, hour="16:00", status="update", last_change_date="2025-08-20T11:59:00+0300"))
        rows = await app.messages()
        assert (rows[1]["status"], rows[-1]["status"], when(rows[-1]["due_at"])) == ("superseded", "pending", waiting)
        await run_for(app, timedelta(seconds=40))
        assert [phone for _, phone, _ in gateway().TAKEN] == [f"+7900000{number:04}" for number in range(10)]

    pace(story, gap="2s")


def test_who_cannot_be_told_in_time_goes_on_to_the_next_channel(pace: Pace) -> None:
    """Five minutes to the visit, a minute between messages: those whose turn comes too late are told by SMS at once, and trace says why."""

    async def story(app: Driver) -> None:
        await told(app, *(booking(number) for number in range(10)))
        rows = await app.messages()
        waiting = [row for row in rows if row["status"] == "pending"]
        late = [row for row in rows if row["status"] == "failed"]
        assert len(waiting) in (3, 4)
        assert {row["error"] for row in late} == {"timed is paced: one message in 60 s"}
        assert [row["status"] for row in rows if row["channel"] == "sms"] == ["sent"] * len(late)
        assert len(waiting) + len(late) == 9
        await run_for(app, timedelta(minutes=6))
        assert {row["status"] for row in await app.messages()} == {"sent", "failed"}

    pace(story, gap="60s", sms=True, clock=Clock(datetime.fromisoformat("2025-08-21T14:25:00+03:00")))


def test_the_deadline_holds(pace: Pace) -> None:
    """With no other channel, what cannot leave before the visit begins is expired, and nothing leaves afterwards."""

    async def story(app: Driver) -> None:
        await told(app, *(booking(number) for number in range(10)))
        assert [row["status"] for row in await app.messages()].count("expired") in (5, 6)
        await run_for(app, timedelta(hours=2))
        assert {row["status"] for row in await app.messages()} == {"sent", "expired"}
        assert max(at for at, _, _ in gateway().TAKEN) < datetime.fromisoformat("2025-08-21T14:30:00+03:00")

    pace(story, gap="60s", clock=Clock(datetime.fromisoformat("2025-08-21T14:25:00+03:00")))


def test_one_client_gets_two_messages_apart(pace: Pace) -> None:
    """Two bookings of one client: the second message waits for the gap of clients; another client does not wait behind it."""

    async def story(app: Driver) -> None:
        await told(app, booking(1, "+79000000088"), booking(2, "+79000000088"), booking(3))
        assert [phone for _, phone, _ in gateway().TAKEN] == ["+79000000088", "+79000000003"]
        assert (await app.messages())[1]["error"] == "timed is paced: one message in 6 s to one client"
        await app.settle(5.9)
        assert len(gateway().TAKEN) == 2
        await app.settle(0.1)
        assert len(gateway().TAKEN) == 3

    pace(story, recipient_gap="6s")


def test_new_clients_beyond_the_cap_get_the_next_channel(pace: Pace) -> None:
    """Three new clients a day: the fourth is told by SMS at once, with the reason; who is known by now is written to as before."""

    async def story(app: Driver) -> None:
        await told(app, *(booking(number) for number in range(4)))
        assert await seen(app) == [("whatsapp", "sent")] * 3 + [("whatsapp", "failed"), ("sms", "sent")]
        assert (await app.messages())[3]["error"] == "timed is paced: 3 new clients in 24 hours are the most for this number"
        story = await app.story("3")
        assert any("3 new clients in 24 hours" in (line["reason"] or "") for line in story["journal"])
        await told(app, booking(0, hour="16:00", status="update", last_change_date="2025-08-20T11:59:00+0300"))
        assert (await seen(app))[-1] == ("whatsapp", "sent")
        await app.vestnik.run.store.people.wrote("+79000000020", 962302, app.clock() - timedelta(days=3))
        await told(app, booking(20))
        assert (await seen(app))[-1] == ("whatsapp", "sent")

    pace(story, sms=True, first_contacts=3)


def test_who_has_no_place_does_not_wait_for_a_turn(pace: Pace) -> None:
    """Ten new clients at once, three places, ten seconds between messages: seven SMS leave in the same moment."""

    async def story(app: Driver) -> None:
        await told(app, *(booking(number) for number in range(10)))
        assert [row["status"] for row in await app.messages() if row["channel"] == "sms"] == ["sent"] * 7
        await run_for(app, timedelta(minutes=1))
        assert len(gateway().TAKEN) == 3
        assert min(steps()) >= 10

    pace(story, sms=True, first_contacts=3, gap="10s")


def test_new_clients_beyond_the_cap_wait_where_there_is_no_other_channel(pace: Pace) -> None:
    """They wait until a place is free, a day after the first ones; the cap holds over that day, too."""

    async def story(app: Driver) -> None:
        await told(app, booking(1), booking(2))
        await app.settle(3600)
        await told(app, *(booking(number, day="2025-08-25") for number in (3, 4, 5)))
        assert [status for _, status in await seen(app)] == ["sent", "sent", "pending", "pending", "pending"]
        await app.settle(22 * 3600 + 3599)
        assert len(gateway().TAKEN) == 2
        await app.settle(1)
        assert [status for _, status in await seen(app)] == ["sent"] * 4 + ["expired"]  # its place would come after its deadline
        await run_for(app, timedelta(hours=30))
        assert len(gateway().TAKEN) == 4

    pace(story, first_contacts=2)


def test_who_was_written_to_before_is_not_new(database_url: str, tmp_path: Path) -> None:
    """A cap that is switched on later knows whom the account has written to."""
    clock = Clock()

    async def before(app: Driver) -> None:
        await told(app, booking(1))

    async def after(app: Driver) -> None:
        clock.now += timedelta(hours=30)
        later = {"last_change_date": "2025-08-21T17:59:00+0300", "day": "2025-08-25"}
        await told(app, booking(1, status="update", **later), *(booking(number, **later) for number in (2, 3)))
        assert [row["status"] for row in await app.messages()] == ["sent", "sent", "sent", "expired"]

    drive(paced(database_url, tmp_path), tmp_path, before, clock=clock)
    drive(paced(database_url, tmp_path, first_contacts=1), tmp_path, after, clock=clock)


def test_two_nodes_share_one_gap(postgres_url: str, tmp_path: Path) -> None:
    """Two workers on one PostgreSQL take turns: together they are no faster than one."""
    url, clock = asyncio.run(fresh_postgres(postgres_url)), Clock()
    raw = paced(url, tmp_path, gap="2s")

    async def both(app: Driver) -> None:
        found = configuration.build(raw, tmp_path / "config.toml", {})
        other = create_app(found, plugin_hooks.load(found), now=clock, by_hand=True, chance=random.Random(2))
        async with other.router.lifespan_context(other):
            for number in range(8):
                await app.post(booking(number))
            await app.vestnik.worker.decider.step()
            first = app.vestnik.hooks.get("send", "timed").module.TAKEN  # each node has loaded the gateway for itself
            second = other.state.vestnik.hooks.get("send", "timed").module.TAKEN
            one, two = app.vestnik.worker.sender, other.state.vestnik.worker.sender
            for tick in range(120):  # the one alone, both at once, the other alone
                turn = [one] * (tick < 48) + [two] * (tick >= 16)
                await asyncio.gather(*(sender.step() for sender in turn))
                await asyncio.gather(*(sender.finish() for sender in turn))
                clock.now += timedelta(seconds=0.25)
        times = sorted(at for at, *_ in first + second)
        assert len(times) == 8
        assert first
        assert second
        assert min(later - sooner for sooner, later in itertools.pairwise(times)) >= timedelta(seconds=2)

    drive(raw, tmp_path, both, clock=clock)


def test_erasure_forgets_whom_an_account_wrote_to(pace: Pace) -> None:
    """152-FZ: the phone is gone from the list of recipients, too."""

    async def story(app: Driver) -> None:
        await told(app, booking(1))
        assert len(await app.rows("SELECT * FROM recipients")) == 1
        await app.vestnik.run.store.look.erase("+79000000001")
        assert await app.rows("SELECT * FROM recipients") == []

    pace(story, first_contacts=5)


def test_a_backlog_is_no_burst_when_the_account_returns(pace: Pace) -> None:
    """Forty messages wait for an account that is out of order. It returns: they leave a gap apart, and none after its visit has begun."""

    async def story(app: Driver) -> None:
        gateway().WRONG.append("the session is lost")
        gateway().ANSWERS.append(Retry("the session is lost", scope="transport", alert=True))
        soon = {"day": "2025-08-20", "hour": "13:02"}
        await told(app, *(booking(number) for number in range(30)), *(booking(number, **soon) for number in range(30, 40)))
        assert len(gateway().TAKEN) == 1
        await run_for(app, timedelta(minutes=59))  # to 12:59 in Moscow
        assert len(gateway().TAKEN) == 1
        gateway().WRONG.clear()
        await run_for(app, timedelta(hours=1))
        rows = await app.messages()
        assert min(steps()) >= 10
        assert {row["status"] for row in rows[:30]} == {"sent"}
        assert {row["status"] for row in rows[30:]} <= {"sent", "expired"}
        late = [
            row
            for row in rows[30:]
            if row["status"] == "sent" and when(row["sent_at"]) >= datetime.fromisoformat("2025-08-20T13:02:00+03:00")
        ]
        assert late == []
        assert any(row["status"] == "expired" for row in rows[30:])

    pace(story, gap="10s")


def test_an_account_that_only_says_that_it_works_is_tried_ever_more_rarely(pace: Pace) -> None:
    """Its probe finds nothing wrong and every message fails: the pauses grow to a quarter of an hour, until a message is taken."""

    async def story(app: Driver) -> None:
        gateway().ANSWERS.extend([Retry("nothing is taken", scope="transport")] * 12)
        await told(app, booking(1))
        await run_for(app, timedelta(hours=2))
        pauses = steps()
        assert len(gateway().TAKEN) == 13
        for pause, longest in zip(pauses, (60, 120, 240, 480, *[900] * 8), strict=True):
            assert longest / 2 <= pause <= longest + 10
        assert [status for _, status in await seen(app)] == ["sent"]
        (health,) = await app.vestnik.run.store.health.all()
        assert (health.reason, health.failures) == (None, 0)
        gateway().ANSWERS.append(Retry("nothing is taken", scope="transport"))
        await told(app, booking(2))
        await run_for(app, timedelta(minutes=2))
        assert steps()[-1] <= 70

    pace(story)


def test_failing_together_counts_once(pace: Pace) -> None:
    """Two requests that were open at once fail: one failure, one pause of a minute at most."""

    async def story(app: Driver) -> None:
        gateway().ANSWERS.extend([Retry("nothing is taken", scope="transport")] * 2)
        for number in (1, 2):
            await app.post(booking(number))
        await app.settle()
        assert len(gateway().TAKEN) == 2
        (health,) = await app.vestnik.run.store.health.all()
        assert health.failures == 1
        assert health.paused_until is not None
        assert health.paused_until - app.clock() <= timedelta(minutes=2)

    pace(story)


def test_a_probe_that_finds_it_out_of_order_counts_as_no_failure(pace: Pace) -> None:
    """A session is lost over night and asked for ever more rarely; when it is back, the first failure is the first one again."""

    async def story(app: Driver) -> None:
        gateway().WRONG.append("the session is lost")
        gateway().ANSWERS.append(Retry("the session is lost", scope="transport"))
        await told(app, booking(1))
        await run_for(app, timedelta(hours=8))
        (health,) = await app.vestnik.run.store.health.all()
        assert (health.failures, len(gateway().TAKEN)) == (1, 1)
        assert health.paused_until is not None
        assert timedelta(minutes=-1) < health.paused_until - app.clock() <= timedelta(minutes=15)
        gateway().WRONG.clear()
        await run_for(app, timedelta(minutes=20))
        assert [status for _, status in await seen(app)] == ["sent"]

    pace(story)
