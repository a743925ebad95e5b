"""Our own server, endpoint and source, with an inbox that keeps nothing: what is left of an accept once it is not durable.

`python -m tests.bench.forgetful CONFIG`: the same routes, limits, secret, reading and event ids as `vestnik serve --no-worker`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from core import config, hooks, log
from core.app import create_app
from core.edge import make_server
from core.store.inbox import Inbox, NewEvent, Stored


async def forget(_: Inbox, events: Sequence[NewEvent]) -> list[Stored]:
    return [Stored(event.event_id, 0) for event in events]


if __name__ == "__main__":
    log.set_up()
    found = config.load(Path(sys.argv[1]))
    Inbox.receive = forget  # type: ignore[assignment, method-assign]
    make_server(create_app(found, hooks.load(found), with_worker=False), port=found.server.port).run()
