"""The log has one line for each outcome: what happened to whom, why, over what, and how long it took."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from core import log
from tests.conftest import Driver, body


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """The log as `vestnik serve` sets it up, into a string."""
    root = logging.getLogger()
    handlers, level, stream = root.handlers[:], root.level, io.StringIO()
    log.set_up(stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(written: io.StringIO) -> list[str]:
    """Without time and level; what took how long is a number."""
    return [re.sub(r" ms=\d+$", " ms=N", line.split(" ", 2)[2]) for line in written.getvalue().splitlines()]


def test_a_line_for_each_outcome(play: Callable[..., Any], written: io.StringIO) -> None:
    """Of an event that is told, of its message, and of one that a rule keeps silent; phones are shortened, what has blanks is quoted."""

    async def story(app: Driver) -> None:
        told = await app.tell(body("record_create_discount50"))
        silent = await app.tell(body("record_create_admin", id=7, resource_id=7, comment="AI Admin"))
        number, other = told["event_id"], silent["event_id"]
        assert lines(written) == [
            f"vestnik event={number} salon=962302 outcome=processed source=yclients record=1213336367 type=booking_created phone=+7900…88 ms=N",
            f"vestnik event={number} salon=962302 outcome=sent plugin=console source=yclients record=1213336367 type=booking_created "
            "channel=whatsapp phone=+7900…88 ms=N",
            f"vestnik event={other} salon=962302 outcome=suppressed source=yclients record=7 rule=own_comment "
            r'reason="the comment bears the mark \"AI Admin\"" ms=N',
        ]  # fmt: skip

    play(story)


def test_no_line_is_built_that_nobody_reads(
    play: Callable[..., Any], written: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the level is above INFO an outcome costs one question."""
    monkeypatch.setattr(log, "line", lambda *_, **__: pytest.fail("a line was built"))
    logging.getLogger().setLevel(logging.WARNING)
    logging.getLogger("vestnik").setLevel(logging.NOTSET)

    async def story(app: Driver) -> None:
        assert (await app.tell(body("record_create_discount50")))["status"] == "processed"
        assert written.getvalue() == ""

    play(story)
