"""Of several nodes one asks a source about a salon, and each salon is asked as often as its table says."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.config import build
from core.pipeline import poll
from core.testing.driver import driven
from tests.conftest import SALON, Clock, Driver, settings

ASKS = """
from core import Duration, Settings, hookimpl

ASKED = []
WRONG = []


class Config(Settings, frozen=True):
    poll_every: Duration = Duration("5m")  # how often


@hookimpl
def receive(request):
    return []


@hookimpl
async def normalize(received):
    pass


@hookimpl
async def poll(salon, now):
    ASKED.append(salon.id)
    if WRONG:
        raise WRONG.pop()
    return []
"""


@pytest.fixture
def raw(database_url: str, tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "asks.py").write_text(ASKS, encoding="utf-8")
    return settings(database_url, source={"yclients": None, "asks": {}}, plugins={"path": [str(tmp_path)]})


def module_of(app: Driver) -> Any:
    plugin = app.vestnik.hooks.get("source", "asks")
    assert plugin is not None
    return plugin.module


def test_one_of_two_nodes_asks(raw: dict[str, Any], tmp_path: Path) -> None:
    """Who asked goes on asking. Once it is silent for half as long again, or has stopped, or fails, the other does."""

    async def run() -> None:
        found, clock = build(raw, tmp_path / "config.toml", {}), Clock()

        async def asked(*apps: Driver) -> list[int]:
            before = [len(module_of(app).ASKED) for app in apps]
            for app in apps:
                await app.vestnik.worker.polls.once("asks")
            return [len(module_of(app).ASKED) - count for app, count in zip(apps, before, strict=True)]

        async with driven(found, clock) as other:
            async with driven(found, clock) as first:
                assert await asked(first, other) == [1, 0]
                clock.now += timedelta(minutes=5)
                assert await asked(other, first) == [0, 1]
                clock.now += timedelta(minutes=7)
                assert await asked(other) == [0]
                clock.now += timedelta(minutes=1)
                assert await asked(other, first) == [1, 0]
                module_of(other).WRONG.append(OSError("no way out"))
                assert await asked(other, first) == [1, 1]
                assert await asked(other) == [0]
            assert await asked(other) == [1]  # the first has stopped

    asyncio.run(run())


def test_a_dead_node_holds_no_turn(raw: dict[str, Any], tmp_path: Path) -> None:
    """Its spool's lock proves it dead: whoever comes asks at the start."""

    async def run() -> None:
        found, clock = build(raw, tmp_path / "config.toml", {}), Clock()
        async with driven(found, clock) as first:
            await first.vestnik.worker.polls.once("asks")
            first.vestnik.spool.close()  # as the system does for the dead
            async with driven(found, clock) as second:
                await second.vestnik.worker.polls.once("asks")
                assert module_of(second).ASKED == [962302]

    asyncio.run(run())


def test_each_salon_as_often_as_it_says(raw: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`poll_every` below a salon is that salon's."""
    raw["salon"]["5"] = {**SALON, "source": {"asks": {"poll_every": "2m"}}}

    async def run() -> None:
        async with driven(build(raw, tmp_path / "config.toml", {}), Clock()) as app:
            slept = [0.0]

            async def sleep(seconds: float) -> None:
                slept[0] += seconds
                if slept[0] > 600:
                    raise asyncio.CancelledError

            loop = SimpleNamespace(time=lambda: slept[0])
            monkeypatch.setattr(poll, "asyncio", SimpleNamespace(sleep=sleep, get_running_loop=lambda: loop))
            with pytest.raises(asyncio.CancelledError):
                await app.vestnik.worker.polls._poll("asks")
            assert module_of(app).ASKED == [962302, 5, 5, 5, 962302, 5, 5, 962302, 5]

    asyncio.run(run())
