"""The real server with a rule, a recorder and a source that hang: the bookings go on, and the story says what was left out."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx

from stand_ins.green_api import GreenApi
from tests.core.store.kit import rows
from tests.core.test_hooks import HEAD, Bench
from tests.test_cli import vestnik
from tests.test_restart import Live, Server, coming, live, until

__all__ = ["live"]
RULE = HEAD + (
    "import time\n@hookimpl\ndef filter(case):\n    if case.booking and case.booking.phone == '+79000000003':\n"
    "        while True:\n            pass\n    if case.booking and case.booking.phone == '+79000000004':\n        time.sleep(3600)\n"
)
RECORDER = HEAD + "import asyncio, time\n@hookimpl\nasync def record(outcome):\n    await asyncio.Event().wait()\n"
SOURCE = (
    HEAD + "@hookimpl\ndef receive(request):\n    while True:\n        pass\n@hookimpl\nasync def normalize(received):\n    pass\n"
)


def test_bookings_go_on_beside_plugins_that_hang(live: Live) -> None:
    """Of eight bookings a rule hangs over two, and a recorder over all: every client is told, once, and the trace names the rule."""

    async def story(server: Server, gateway: GreenApi, http: httpx.AsyncClient) -> None:
        bench = Bench(server.config.parent)
        for name, text in (("filter.slow", RULE), ("record.slow", RECORDER), ("source.slow", SOURCE)):
            bench.plugin(name, text)
        text = server.config.read_text(encoding="utf-8")
        server.config.write_text(
            f'{text}\n[plugins]\npath = ["mine"]\n[filter.slow]\n[record.slow]\n[source.slow]\n', encoding="utf-8"
        )
        await server.start(http)
        begun = time.monotonic()
        answers = await asyncio.gather(*(http.post(f"{server.url}/webhook/yclients", content=coming(n)) for n in range(8)))
        assert [answer.status_code for answer in answers] == [200] * 8
        await until(lambda: sent(server, 8), server.log)
        assert time.monotonic() - begun < 60
        assert sorted(taken.phone for taken in gateway.ledger) == [f"+790000{n:05}" for n in range(8)]
        assert (await http.post(f"{server.url}/webhook/slow", content=b"{}")).status_code == 200
        (unread,) = await server.store(lambda store: rows(store, "SELECT * FROM webhook_events WHERE source = 'slow'"))
        assert (unread["status"], unread["reason"]) == ("unreadable", "source.slow could not read it: took longer than 1 s")
        for number in (3, 4):
            code, told, _ = await asyncio.to_thread(vestnik, bench.folder, "trace", str(number))
            assert (code, "broken abstained: took longer than 1 s" in told) == (0, True), told
            assert "sent  green_api: slow abstained: " in told, told
        await until(lambda: recorder_named(server), server.log)
        metrics = (await http.get(f"{server.url}/metrics")).text
        assert 'vestnik_plugin_failures_total{hook="filter",kind="hung",plugin="filter.slow"} 3.0' in metrics
        assert 'vestnik_plugin_failures_total{hook="filter",kind="rests",plugin="filter.slow"}' in metrics
        assert 'vestnik_plugin_failures_total{hook="record",kind="hung",plugin="record.slow"}' in metrics

    async def sent(server: Server, count: int) -> bool:
        return [row["status"] for row in await server.messages()] == ["sent"] * count

    async def recorder_named(server: Server) -> bool:
        found: list[dict[str, Any]] = await server.store(lambda store: rows(store, "SELECT * FROM journal WHERE stage = 'record'"))
        return any((line["plugin"], line["reason"]) == ("slow", "took longer than 5 s") for line in found)

    live(story, settle="0s")
