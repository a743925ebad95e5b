"""Any order of events, repeats, delays, crashes and answers, found by Hypothesis: the promises hold after every step, and at rest."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

import core.app
import core.endpoints.webhooks
import core.pipeline.decide
import core.pipeline.deliver
import core.store.inbox
from core import config as configuration
from core import hooks as plugin_hooks
from core.failpoint import STEPS
from core.store.rows import read_booking
from tests import conftest
from tests.conftest import NOON, Clock, Driver, body, fresh_postgres
from tests.torture.scripted import Script

MOSCOW = timezone(timedelta(hours=3))
PLACES = (core.app, core.endpoints.webhooks, core.pipeline.decide, core.pipeline.deliver, core.store.inbox)
LAPSED = timedelta(seconds=25)
GOOD = ("sent", "delivered", "read", "unclear")
LIVE = (*GOOD, "pending", "sending", "withheld")
BOOKINGS = st.integers(0, 1)


class Crash(BaseException):
    """The process is gone: nobody may catch it."""


class Machine(RuleBasedStateMachine):
    """Two bookings. Each state of one has a time of its own, and a later `last_change_date` than the one before."""

    url: Callable[[], str]
    folder: Path

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.name = uuid.uuid4().hex
        self.script = Script.scripts[self.name] = Script()
        self.clock = Clock(NOON)
        self.bodies: dict[int, list[dict[str, Any]]] = {}  # every state there ever was, oldest first
        self.held: dict[int, list[dict[str, Any]]] = {}  # not delivered yet
        self.posted: dict[str, int] = {}
        self.told: dict[int, set[int]] = {}  # booking → the states that were answered 200
        self.step_to_die: str | None = None
        self.here = self.folder / self.name
        self.here.mkdir()
        raw = conftest.settings(
            type(self).url(), send={"console": None, "scripted": {"module": "tests.torture.scripted", "script": self.name}}
        )
        self.config = configuration.build(raw, self.here / "config.toml", {})
        for place in PLACES:
            place.reach = self.reach  # type: ignore[attr-defined]
        self.runner.run(self.start())

    # --- the process

    def reach(self, step: str) -> None:
        if step == self.step_to_die:
            self.step_to_die = None
            self.dead.set()
            raise Crash

    async def start(self) -> None:
        self.dead = asyncio.Event()
        app = core.app.create_app(
            self.config, plugin_hooks.load(self.config), now=self.clock, by_hand=True, chance=random.Random(1)
        )
        await app.state.vestnik.start()
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://vestnik")
        self.driver = Driver(app, self.http, self.clock)
        await self.driver.vestnik.worker.take_over()

    async def drop(self) -> None:
        """What the system does for a dead process: tasks are gone, files and sockets are closed. Nothing is handed back."""
        own = asyncio.current_task()
        vestnik = self.driver.vestnik
        for task in asyncio.all_tasks():
            if task is not own:
                task.cancel()
        await asyncio.gather(*(task for task in asyncio.all_tasks() if task is not own), return_exceptions=True)
        await self.http.aclose()
        await vestnik.run.close()
        await vestnik.run.store.engine.disconnect()
        vestnik.spool.close()

    async def crash(self) -> None:
        await self.drop()
        self.step_to_die = None
        self.clock.now += LAPSED
        await self.start()

    async def alive(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Do something; `None` if the process died of it, and is there again."""
        task, dead = asyncio.ensure_future(work), asyncio.ensure_future(self.dead.wait())
        await asyncio.wait({task, dead}, return_when=asyncio.FIRST_COMPLETED)
        if self.dead.is_set():
            await self.crash()
            return None
        dead.cancel()
        return await task

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(self.alive(work))

    # --- what happens

    def make(self, number: int, status: str, minutes: int) -> dict[str, Any]:
        before = self.bodies.setdefault(number, [])
        at = datetime(2025, 8, 27, 9 + number, 0, tzinfo=MOSCOW) + timedelta(minutes=10 * minutes)
        changed = datetime(2025, 8, 20, 9, 0, tzinfo=MOSCOW) + timedelta(seconds=len(before))
        made = body(
            "record_create_admin",
            status=status,
            resource_id=8_000_000 + number,
            id=8_000_000 + number,
            date=f"{at:%Y-%m-%d %H:%M:%S}",
            datetime=at.isoformat(),
            last_change_date=f"{changed:%Y-%m-%dT%H:%M:%S}+0300",
            deleted=status == "delete",
        )
        made["data"]["client"]["phone"] = f"+7901000000{number}"
        before.append(made)
        return made

    def post(self, number: int, made: dict[str, Any]) -> None:
        answered = None
        while answered is None:  # a sender that got no answer tries again
            answered = self.run(self.driver.post(made))
        assert answered.status_code == 200
        self.posted[answered.json()["eventId"]] = number
        self.told.setdefault(number, set()).add(self.bodies[number].index(made))

    @rule(number=BOOKINGS, moved=st.integers(1, 3))
    def change(self, number: int, moved: int) -> None:
        first = not self.bodies.get(number)
        self.post(number, self.make(number, "create" if first else "update", moved + 3 * len(self.bodies.get(number, []))))

    @rule(number=BOOKINGS)
    @precondition(lambda self: self.bodies)
    def touch(self, number: int) -> None:
        """Something that no client sees."""
        if self.bodies.get(number) and self.bodies[number][-1]["status"] != "delete":
            last = self.bodies[number][-1]["data"]
            made = self.make(number, "update", 0)
            made["data"].update(date=last["date"], datetime=last["datetime"], comment=f"{len(self.bodies[number])}")
            self.post(number, made)

    @rule(number=BOOKINGS)
    @precondition(lambda self: self.bodies)
    def delete(self, number: int) -> None:
        if self.bodies.get(number) and self.bodies[number][-1]["status"] != "delete":
            last = self.bodies[number][-1]["data"]
            made = self.make(number, "delete", 0)
            made["data"].update(date=last["date"], datetime=last["datetime"])
            self.post(number, made)

    @rule(number=BOOKINGS)
    def hold(self, number: int) -> None:
        """A change whose webhook is late."""
        first = not self.bodies.get(number)
        made = self.make(number, "create" if first else "update", 3 * len(self.bodies.get(number, [])) + 2)
        self.held.setdefault(number, []).append(made)

    @rule(number=BOOKINGS, decided=st.booleans())
    def overtaken(self, number: int, decided: bool) -> None:
        """Two changes, of which the later one arrives first, and may be decided first."""
        before = len(self.bodies.get(number, []))
        older = self.make(number, "update" if before else "create", 3 * before + 1)
        self.post(number, self.make(number, "update", 3 * before + 4))
        if decided:
            self.decide()
        self.post(number, older)

    @rule(number=BOOKINGS, which=st.integers(0, 5))
    @precondition(lambda self: any(self.held.values()))
    def late(self, number: int, which: int) -> None:
        if waiting := self.held.get(number):
            self.post(number, waiting.pop(which % len(waiting)))

    @rule(number=BOOKINGS, which=st.integers(0, 9))
    @precondition(lambda self: self.told)
    def repeat(self, number: int, which: int) -> None:
        if known := sorted(self.told.get(number, ())):
            self.post(number, self.bodies[number][known[which % len(known)]])

    @rule()
    def decide(self) -> None:
        """Decided, and not sent yet."""
        self.run(self.driver.vestnik.worker.decider.step())

    @rule()
    def work(self) -> None:
        self.run(self.driver.settle())

    @rule(seconds=st.sampled_from((1, 5, 40, 1200)))
    def time_passes(self, seconds: int) -> None:
        self.run(self.driver.settle(seconds))

    @rule(seconds=st.sampled_from((-7200, -30, 30, 7200)))
    def clock_jumps(self, seconds: int) -> None:
        """Somebody sets it; a worker that lives notices within seconds."""
        self.clock.now += timedelta(seconds=seconds)
        self.run(self.driver.vestnik.worker.housekeep())

    @rule(
        answers=st.lists(st.sampled_from(("sent", "retry", "down", "rejected", "unclear", "unclear_taken")), min_size=1, max_size=3)
    )
    def gateway_will(self, answers: list[str]) -> None:
        self.script.answers = answers

    @rule(which=st.integers(0, 9), status=st.sampled_from(("delivered", "read", "failed")))
    def status(self, which: int, status: str) -> None:
        """The gateway reports on a message; a failure only of the latest one, and not after a delivery.

        No precondition: what has been taken when a process dies is a matter of moments, and the choice of steps must not depend on that.
        """
        if not self.script.ledger:
            return
        taken = self.script.ledger[which % len(self.script.ledger)]
        if status == "failed":
            taken = self.script.ledger[-1]
        told = {"id": taken.id, "phone": taken.phone, "status": status}
        self.run(self.driver.post(told, path="/callback/scripted"))
        self.run(self.driver.settle())
        rows = self.rows("SELECT reference, status FROM booking_notifications")
        taken.failed = any(row["reference"] == taken.reference and row["status"] == "failed" for row in rows)

    @rule(step=st.sampled_from([step for step in STEPS if step != "draining"]))
    def will_die_at(self, step: str) -> None:
        self.step_to_die = step

    @rule()
    def dies(self) -> None:
        self.runner.run(self.crash())

    # --- what must hold

    def rows(self, statement: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.runner.run(self.driver.rows(statement))
        return found

    @invariant()
    def one_live_message_for_a_revision(self) -> None:
        rows = self.rows("SELECT record_id, revision, step, status FROM booking_notifications WHERE step = 0")
        live = [(row["record_id"], row["revision"]) for row in rows if row["status"] in LIVE]
        assert len(live) == len(set(live)), live

    @invariant()
    def never_older_and_never_known(self) -> None:
        """What leaves tells a later state than what left before, and one that differs from what the client knows."""
        rows = {row["reference"]: row for row in self.rows("SELECT * FROM booking_notifications")}
        before: dict[str, tuple[datetime, Any]] = {}
        for taken in self.script.ledger:
            told = read_booking(rows[taken.reference]["told"])
            assert told is not None
            assert told.changed_at is not None
            seen = (told.cancelled, None if told.cancelled else told.visit_at)
            if taken.phone in before:
                changed, known = before[taken.phone]
                assert told.changed_at >= changed, f"{taken.phone} was told an older state after a newer one"
                assert seen != known, f"{taken.phone} was told again what was known"
            before[taken.phone] = (told.changed_at, None if taken.failed else seen)

    def teardown(self) -> None:
        try:
            self.at_rest()
        finally:
            self.step_to_die = None
            self.runner.run(self.drop())
            self.runner.close()
            for place in PLACES:
                place.reach = core.failpoint.reach  # type: ignore[attr-defined]

    def at_rest(self) -> None:
        """Nothing goes wrong any more: everything is decided, and the client knows the newest state or there is a row that says why not."""
        self.step_to_die, self.script.answers = None, []
        for _ in range(8):
            self.run(self.driver.settle(1000))
            self.run(self.driver.vestnik.worker.take_over())
        events = {row["event_id"]: row["status"] for row in self.rows("SELECT event_id, status FROM webhook_events")}
        for number in self.posted:
            assert events.get(number) in ("processed", "suppressed"), (number, events.get(number))
        rows = self.rows("SELECT * FROM booking_notifications ORDER BY id")
        assert not [row for row in rows if row["status"] in ("pending", "sending")]
        self.never_older_and_never_known()
        states = {row["record_id"]: row for row in self.rows("SELECT * FROM appointments_cache")}
        for number, told in self.told.items():
            self.knows(
                states[8_000_000 + number],
                [row for row in rows if row["record_id"] == 8_000_000 + number],
                self.bodies[number][max(told)],
            )

    def knows(self, state: dict[str, Any], rows: list[dict[str, Any]], newest: dict[str, Any]) -> None:
        announced = read_booking(state["announced"])
        good = [row for row in rows if row["status"] in GOOD]
        story = json.dumps([(row["status"], row["notification_type"], row["error"]) for row in rows])
        last = read_booking(good[-1]["told"]) if good else None
        assert visible(announced) == visible(last), f"announced is not what the last message told: {story}"
        wanted = (
            newest["status"] == "delete",
            None if newest["status"] == "delete" else datetime.fromisoformat(newest["data"]["datetime"]),
        )
        if visible(announced) == wanted or (announced is None and wanted[0]):
            return
        failed = [visible(read_booking(row["told"])) for row in rows if row["status"] in ("failed", "expired")]
        assert wanted in failed, f"{wanted} was never told: announced {visible(announced)}; {story}"


def visible(booking: Any) -> tuple[bool, datetime | None] | None:
    return None if booking is None else (booking.cancelled, None if booking.cancelled else booking.visit_at)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_promises_hold(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Never two live messages for one revision, never older after newer, nothing that is known, nothing lost, at any order of things."""
    if database == "sqlite":

        def url() -> str:
            return f"sqlite:///{tmp_path / uuid.uuid4().hex}.db"

    else:
        base = request.getfixturevalue("postgres_url")

        def url() -> str:
            return asyncio.run(fresh_postgres(base))

    kind = type(f"On_{database}", (Machine,), {"url": staticmethod(url), "folder": tmp_path})
    bounds = settings(
        max_examples=25,
        stateful_step_count=20,
        deadline=None,
        derandomize=True,
        database=None,
        print_blob=False,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(kind, settings=bounds)
