"""A plugin that hangs is ended: loops, sleeps, searches without end, awaits without end. The others do not wait for it."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core import limits
from core.errors import TooLong
from core.hooks import Hooks
from core.pipeline import filter as rules
from core.pipeline.render import render
from core.testing import NOON, WHATSAPP, a_case, a_notice
from tests.conftest import Driver, body
from tests.core.test_hooks import HEAD, RULE, Bench

ROOT = Path(__file__).parents[2]
Play = Callable[..., Any]
FOREVER = "        while True:\n            pass\n"
LOOPS = HEAD + "@hookimpl\ndef filter(case):\n    if case.booking:\n" + FOREVER
SHORT = 0.05  # seconds; the limits of these tests


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same limits, only sooner over."""
    monkeypatch.setattr(limits, "TICK", SHORT / 5)
    monkeypatch.setattr(limits, "BLOCKED", SHORT)
    short = dict.fromkeys(("filter", "parts", "render", "receive", "callback", "record", "normalize", "send"), SHORT)
    monkeypatch.setattr(limits, "SECONDS", {**limits.SECONDS, **short})
    monkeypatch.setattr(limits, "WATCH", limits.Watch())


# --- one call


HANGS = {
    "a loop": "    while True:\n        pass\n",
    "a sleep": "    time.sleep(600)\n",
    "a search": "    re.match(r'(a+)+$', 'a' * 60 + 'b')\n",
    "a socket": "    with socket.create_server(('127.0.0.1', 0)) as ear:\n        ear.accept()\n",
    "a loop that goes on after every error": "    while True:\n        try:\n            time.sleep(600)\n        except Exception:\n            pass\n",
}


@pytest.mark.parametrize("what", HANGS)
def test_whatever_hangs_is_ended(bench: Bench, what: str) -> None:
    """The rule abstains after its limit and the trace says so; its neighbours are asked."""
    bench.plugin("filter.slow", "import re, socket, time\n" + HEAD + "@hookimpl\ndef filter(case):\n" + HANGS[what])
    bench.plugin("filter.good", RULE)
    said = rules.ask(bench.load("[filter.slow]\n[filter.good]"), a_case(), NOON)
    assert said.verdicts == (("slow", "broken", "abstained: took longer than 0.05 s"), ("good", "no", "no"))
    assert said.abstained == ("slow abstained: took longer than 0.05 s",)


def test_a_safety_rule_that_hangs_holds(bench: Bench) -> None:
    """`on_error = "hold"` keeps the message back where the rule does not come back."""
    bench.plugin("filter.slow", "on_error = 'hold'\n" + LOOPS)
    said = rules.ask(bench.load("[filter.slow]"), a_case(), NOON)
    assert (said.verdict, said.held) == (None, "slow is broken: took longer than 0.05 s")
    assert said.verdicts == (("slow", "broken", "held: took longer than 0.05 s"),)


def test_quick_calls_are_left_alone(bench: Bench) -> None:
    """Thousands of quick calls, longer together than the limit, are no long call; then the timer stops by itself."""
    bench.plugin("filter.good", RULE)
    found, ends, count = bench.load("[filter.good]"), time.monotonic() + 3 * SHORT, 0
    while time.monotonic() < ends:
        assert rules.ask(found, a_case(), NOON).abstained == ()
        count += 1
    assert count > 100
    assert signal.getitimer(signal.ITIMER_REAL)[1] > 0
    time.sleep(3 * limits.TICK)  # ended by each tick: the second one finds nobody
    time.sleep(3 * limits.TICK)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


STANDS = """
import sys, time
from core import limits

def slow():
    print("called", flush=True)
    ends = time.monotonic() + 1  # the clock goes on while the machine stands still
    while time.monotonic() < ends:
        pass
    return "done"

limits.TICK = 0.1
print(limits.WATCH.call(1.2, slow), flush=True)
limits.WATCH.call(1, time.time)  # and a process that ends between two ticks ends well
"""


def test_a_machine_that_stood_still_blames_nobody() -> None:
    """Ticks are counted, not seconds: while the process is stopped (a laptop asleep, a node moved) none of them is met."""
    with subprocess.Popen([sys.executable, "-c", STANDS], stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "called\n"
        process.send_signal(signal.SIGSTOP)
        time.sleep(2)
        process.send_signal(signal.SIGCONT)
        assert process.stdout.read() == "done\n"
    assert process.returncode == 0


def test_it_rests_after_the_third_time(bench: Bench) -> None:
    """A rule that always hangs costs three limits a minute: then it is not asked, and after the minute it is."""
    bench.plugin("filter.slow", LOOPS)
    loaded = bench.load("[filter.slow]")
    at = [1000.0]
    found = Hooks(loaded.plugins, loaded.manager, clock=lambda: at[0])
    rests = "slow abstained: hung 3 times within 60 s, and is not asked for a while"
    late = "slow abstained: took longer than 0.05 s"
    assert [rules.ask(found, a_case(), NOON).abstained for _ in range(5)] == [(late,)] * 3 + [(rests,)] * 2
    at[0] += 60
    assert rules.ask(found, a_case(), NOON).abstained == (late,)
    assert rules.ask(found, a_case(booking=None), NOON).abstained == ()  # the first of the three is a minute ago: asked, and well


def test_a_renderer_and_its_pieces(bench: Bench) -> None:
    """Pieces that hang are left out, and the message says so; a renderer that hangs writes none."""
    head = HEAD + "from core import Message\n@hookimpl\n"
    bench.plugin("render.pieces", head + "def parts(notice):\n    if notice:\n" + FOREVER)
    bench.plugin("render.own", head + "def render(notice):\n    return Message('да')\n")
    bench.plugin("render.slow", head + "def render(notice):\n    if notice:\n" + FOREVER)
    said = render(bench.load("[render.pieces]\n[render.own]"), a_notice(), WHATSAPP)
    assert (said.message and said.message.text, said.left_out) == ("да", ("render.pieces: took longer than 0.05 s",))
    said = render(bench.load("[render.slow]\n[render.own]"), a_notice(), WHATSAPP)
    assert (said.message, said.error) == (None, "render.slow: took longer than 0.05 s")


# --- async def


def test_an_await_without_end_is_ended(bench: Bench) -> None:
    """An `async def` hook may wait up to its limit; others run meanwhile."""
    bench.plugin(
        "record.slow", "import asyncio\n" + HEAD + "@hookimpl\nasync def record(outcome):\n    await asyncio.Event().wait()\n"
    )
    found = bench.load("[record.slow]")
    (said,) = asyncio.run(found.every_async("record", None, outcome=None))
    assert str(said.error) == "took longer than 0.05 s"
    assert found.late == {"record.slow": "record took longer than 0.05 s"}


def test_between_two_awaits_the_loop_is_not_its_own(bench: Bench) -> None:
    """An `async def` hook that blocks is ended like a `def` one, also after it has waited."""
    text = (
        "import asyncio, time\n" + HEAD + "@hookimpl\nasync def record(outcome):\n    await asyncio.sleep(0)\n    time.sleep(600)\n"
    )
    bench.plugin("record.slow", text)
    (said,) = asyncio.run(bench.load("[record.slow]").every_async("record", None, outcome=None))
    assert isinstance(said.error, TooLong)


def test_its_own_errors_and_cancellations_stay_its_own(bench: Bench) -> None:
    """What is raised into an awaiting hook reaches it, and a timeout of its own is not taken for ours."""
    text = (
        "import asyncio\n"
        + HEAD
        + (
            "@hookimpl\nasync def record(outcome):\n    if outcome is None:\n        async with asyncio.timeout(0.001):\n"
            "            await asyncio.sleep(60)\n    try:\n        await asyncio.sleep(60)\n    except asyncio.CancelledError:\n"
            "        outcome.append('heard')\n        raise\n"
        )
    )
    bench.plugin("record.own", text)
    found, heard = bench.load("[record.own]"), list[str]()

    async def cancelled() -> None:
        task = asyncio.create_task(found.every_async("record", None, outcome=heard))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    (said,) = asyncio.run(found.every_async("record", None, outcome=None))
    assert type(said.error) is TimeoutError
    asyncio.run(cancelled())
    assert heard == ["heard"]


# --- in the pipeline


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that no good plugin reaches, not even with its first call on a busy machine."""
    monkeypatch.setattr(limits, "TICK", 0.1)
    monkeypatch.setattr(limits, "BLOCKED", 2)
    monkeypatch.setattr(limits, "SECONDS", {**dict.fromkeys(limits.SECONDS, 5.0), "filter": 0.5, "record": 0.5})


def private(folder: Path, **files: str) -> dict[str, Any]:
    """The tables that switch on these private plugins: private(tmp, filter__slow="…")."""
    tables: dict[str, Any] = {"plugins": {"path": [str(folder / "mine")]}}
    bench = Bench(folder)
    for name, text in files.items():
        stage, _, short = name.partition("__")
        bench.plugin(f"{stage}.{short}", text)
        tables.setdefault(stage, {})[short] = {}
    return tables


def test_a_booking_is_told_without_the_rule_that_hangs(play: Play, tmp_path: Path, patient: None) -> None:
    """The message leaves, its story names the rule, once when decided and once when sent, and a person is called."""

    async def story(app: Driver) -> None:
        told = await app.tell(body("record_create_discount50"))
        assert (told["status"], [row["status"] for row in told["notifications"]]) == ("processed", ["sent"])
        assert '["slow","broken","abstained: took longer than 0.5 s"]' in told["journal"][0]["detail"]
        assert told["journal"][-1]["reason"] == "slow abstained: took longer than 0.5 s"
        assert told["notifications"][0]["error"] == "slow abstained: took longer than 0.5 s"
        alerts = await app.rows("SELECT text FROM alerts")
        assert [row["text"] for row in alerts] == [
            "Плагин filter.slow тормозит работу (filter took longer than 0.5 s). Исправьте его или выключите."
        ]
        metrics = (await app.http.get("/metrics")).text
        assert 'vestnik_plugin_failures_total{hook="filter",kind="hung",plugin="filter.slow"}' in metrics

    play(story, **private(tmp_path, filter__slow=LOOPS))


def test_a_recorder_that_hangs_holds_nobody(play: Play, tmp_path: Path, patient: None) -> None:
    """Messages leave while a recorder hangs; the others are told; the story and the metrics name it."""
    good = HEAD + "HEARD = []\n@hookimpl\nasync def record(outcome):\n    HEARD.append(outcome.status)\n"
    slow = "import asyncio\n" + HEAD + "@hookimpl\nasync def record(outcome):\n    await asyncio.Event().wait()\n"

    async def story(app: Driver) -> None:
        worker = app.vestnik.worker
        await app.post(body("record_create_discount50"))
        await worker.decider.step()
        await worker.sender.step()
        await worker.sender.finish()
        assert await app.texts() != []  # the recorder has not come back yet
        await app.vestnik.run.recorders.finish()
        (recorder,) = [plugin for plugin in app.vestnik.hooks.stage("record") if plugin.short == "good"]
        assert recorder.module.HEARD == ["processed", "sent"]
        (event,) = await app.rows("SELECT event_id FROM webhook_events")
        told = await app.story(event["event_id"])
        lines = [(line["stage"], line["verdict"], line["plugin"], line["reason"]) for line in told["journal"]]
        assert lines.count(("record", "broken", "slow", "took longer than 0.5 s")) == 2
        metrics = (await app.http.get("/metrics")).text
        assert 'vestnik_plugin_failures_total{hook="record",kind="hung",plugin="record.slow"}' in metrics

    play(story, **private(tmp_path, record__slow=slow, record__good=good))
