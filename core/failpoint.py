"""Named steps at which a test ends the process: `VESTNIK_FAILPOINT="after_commit:3"` ends it when `after_commit` is reached the third time.

It ends as by kill -9: nothing is flushed, closed or told. Without the variable `reach` does nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable

STEPS = (
    "before_commit",  # the statement that stores an event, and commits, is about to run
    "after_commit",  # committed, not answered
    "events_claimed",
    "decided",  # decisions are committed
    "messages_claimed",
    "marked_sending",  # committed, the request not begun
    "answered",  # the gateway has answered, nothing is written of it
    "draining",  # spooled events are in the database and still in the spool
)
KILLED = 137  # the exit code of a process that was killed


def _armed(setting: str) -> Callable[[str], None]:
    name, _, count = setting.partition(":")
    if name not in STEPS:
        raise ValueError(f"VESTNIK_FAILPOINT: there is no step {name}; there are {', '.join(STEPS)}")
    left = int(count or 1)

    def reach(step: str) -> None:
        nonlocal left
        if step == name:
            left -= 1
            if left <= 0:
                os._exit(KILLED)

    return reach


def _nothing(step: str) -> None:
    return None


reach: Callable[[str], None] = _armed(found) if (found := os.environ.get("VESTNIK_FAILPOINT")) else _nothing
