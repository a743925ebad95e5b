"""The real server, its config.toml edited while webhooks come: nothing is lost, nothing is told twice, and each right file counts."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from pathlib import Path

import httpx

from stand_ins.green_api import GreenApi
from tests.core.store.kit import rows
from tests.core.test_hooks import RULE, Bench
from tests.test_restart import Live, Server, coming, live, until

__all__ = ["live"]


def put(file: Path, text: str) -> None:
    """As an editor saves: a new file in the place of the old one."""
    draft = file.with_suffix(".new")
    draft.write_text(text, encoding="utf-8")
    draft.replace(file)


def test_edited_while_webhooks_come(live: Live) -> None:
    """A rule on, a wrong file, the rule off, all while bookings come without a pause: each is answered 200 and told once, or kept silent by that rule."""

    async def story(server: Server, gateway: GreenApi, http: httpx.AsyncClient) -> None:
        Bench(server.config.parent).plugin("filter.vip", RULE)
        plain = server.config.read_text(encoding="utf-8") + '[plugins]\npath = ["mine"]\n'
        put(server.config, plain)
        await server.start(http)
        posted, going = 0, True

        async def post() -> None:
            nonlocal posted
            while going:
                posted += 1
                answer = await http.post(f"{server.url}/webhook/yclients", content=coming(posted))
                assert answer.status_code == 200
                await asyncio.sleep(0.02)

        async def config() -> str:
            return str((await http.get(f"{server.url}/ready")).json()["config"])

        async def says(words: str) -> bool:
            found = await config()
            return words in found if words else found == "ok"

        async def silent(count: int) -> bool:
            return await server.store(lambda store: counted(store, "rule = 'vip'")) >= count

        async def told(count: int) -> bool:
            return len(gateway.ledger) >= count

        posts = [asyncio.create_task(post()) for _ in range(3)]
        await until(lambda: told(3), server.log)
        put(server.config, plain + "[filter.vip]\n")
        await until(lambda: silent(3), server.log)
        put(server.config, plain + "[filter.vpi]\n")
        await until(lambda: says("[filter.vpi]: there is no such plugin, did you mean `vip`?"), server.log)
        assert await silent(3)
        put(server.config, plain)
        await until(lambda: says(""), server.log)
        before = len(gateway.ledger)
        await until(lambda: told(before + 3), server.log)
        put(server.config, plain + "[filter.vip]\n")
        server.process.send_signal(signal.SIGHUP)  # type: ignore[union-attr]
        quiet = await server.store(lambda store: counted(store, "rule = 'vip'"))
        await until(lambda: silent(quiet + 3), server.log)
        going = False
        await asyncio.gather(*posts)
        await until(lambda: decided(server, posted), server.log)
        events = await server.store(lambda store: rows(store, "SELECT record_id, status, rule FROM webhook_events"))
        kept = {row["record_id"] for row in events if row["rule"] == "vip"}
        assert sorted(row["record_id"] for row in events) == list(range(1, posted + 1))
        assert Counter(taken.phone for taken in gateway.ledger) == {
            f"+790000{n:05}": 1 for n in range(1, posted + 1) if n not in kept
        }  # fmt: skip
        log = server.log.read_text(encoding="utf-8")
        assert log.count("outcome=reloaded changed=+filter.vip") == 2
        assert log.count("outcome=reloaded changed=-filter.vip") == 1
        assert log.count("outcome=kept_old") == 1
        assert await server.end(signal.SIGTERM) < 10

    live(story, settle="0s")


async def counted(store: object, what: str) -> int:
    return int((await rows(store, f"SELECT count(*) AS n FROM webhook_events WHERE {what}"))[0]["n"])


async def decided(server: Server, count: int) -> bool:
    waiting = await server.store(lambda store: counted(store, "status IN ('received', 'deferred')"))
    leaving = any(row["status"] in ("pending", "sending") for row in await server.messages())
    return waiting == 0 and not leaving and await server.store(lambda store: counted(store, "1 = 1")) == count
