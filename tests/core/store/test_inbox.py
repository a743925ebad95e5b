"""`webhook_events`: what arrives is kept as it came, once, and many arrivals share one commit."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.model import Received
from core.pipeline import receive
from core.store import Full, Store, sql
from core.store.inbox import Stored
from core.store.rows import Key
from core.store.tx import Tx
from tests.conftest import Driver, body, fresh_postgres
from tests.core.store.kit import LEASE, NOW, an_arrival, execute, keep, rows


@pytest.mark.parametrize("number", [2**31 + 7, 2**53 + 1, 2**63 - 1, -(2**63) + 1])
def test_large_ids_are_kept_to_the_digit(database_url: str, number: int) -> None:
    """Record ids above 2^31 and 2^53 come back as they went in, from the event and from the booking's snapshot."""

    async def story(store: Store) -> None:
        await store.inbox.receive([an_arrival(record_id=number, company_id=number)])
        row = (await store.inbox.claim("w", 1, NOW, LEASE, 10))[0]
        assert (row.key, row.company_id) == (Key("yclients", number, number), number)
        assert (await store.look.story(str(number) if abs(number) < 10**18 else "evt_1"))[0]["record_id"] == number

    keep(database_url, story)


def test_large_ids_go_through_the_whole_pipeline(play: Callable[..., Any]) -> None:
    """A booking whose id lies above 2^53 is told, and its snapshot bears that id."""
    number = 2**53 + 1

    async def story(app: Driver) -> None:
        told = await app.tell(body("record_create_discount50", id=number, resource_id=number))
        assert (told["status"], told["record_id"]) == ("processed", number)
        assert [row["record_id"] for row in await app.messages()] == [number]
        assert [row["record_id"] for row in await app.rows("SELECT record_id FROM appointments_cache")] == [number]

    play(story)


@pytest.mark.parametrize("raw", ["7f3a-11", str(2**63), "9" * 40, "١٢٣"])
def test_other_ids_become_a_hash_and_keep_the_original(database_url: str, raw: str) -> None:
    """An id that is no BIGINT becomes a 63-bit hash, the same each time; the original stands in external_id."""
    first, second = receive.rows(
        "tables", [Received("a", "x.created", "{}", 1, raw), Received("b", "x.updated", "{}", 1, raw)], NOW
    )
    assert first.record_id == second.record_id
    assert first.record_id is not None
    assert 0 <= first.record_id < 2**63

    async def story(store: Store) -> None:
        await store.inbox.receive([first, second])
        found = await rows(store, "SELECT record_id, external_id FROM webhook_events ORDER BY id")
        assert found == [{"record_id": first.record_id, "external_id": raw}] * 2

    keep(database_url, story)


def test_strings_no_column_takes_are_cleaned(database_url: str) -> None:
    """NUL and lone surrogates in any text are replaced; what stands around them is kept, and so are its neighbours in the batch."""

    async def story(store: Store) -> None:
        odd = an_arrival(
            "evt_\x00odd", payload='{"name": "Ив\x00ан \ud83d"}', reason="\udc00why", external_id="a\x00b", status="unreadable"
        )
        plain = an_arrival("evt_plain", payload='{"name": "Иван 😀 \\u0000 \\\\u0000"}')
        stored = await asyncio.gather(store.inbox.receive([odd]), store.inbox.receive([plain]))
        assert [len(entry) for entry in stored] == [1, 1]
        found = await rows(store, "SELECT event_id, payload, reason, external_id FROM webhook_events ORDER BY event_id")
        assert found == [
            {"event_id": "evt_plain", "payload": plain.payload, "reason": None, "external_id": None},
            {"event_id": "evt_\ufffdodd", "payload": '{"name": "Ив\ufffdан ?"}', "reason": "?why", "external_id": "a\ufffdb"},
        ]

    keep(database_url, story)


def test_odd_strings_of_a_client_are_told(play: Callable[..., Any]) -> None:
    """A name with NUL and half an emoji in the body costs neither the event nor the message."""
    sent = json.dumps(
        body("record_create_discount50", comment="a\x00b\ud83d", client={"name": "Арс\x00ен\ud83d", "phone": "+79000000088"})
    )

    async def story(app: Driver) -> None:
        told = await app.tell(sent.encode())
        assert told["status"] == "processed"
        assert [row["status"] for row in await app.messages()] == ["sent"]
        assert "\x00" not in (await app.rows("SELECT client_name FROM appointments_cache"))[0]["client_name"]

    play(story)


def test_repeats_in_one_batch_are_folded(database_url: str) -> None:
    """The same event three times in one commit is one row with two repeats; a fourth, later, is the third repeat."""

    async def story(store: Store) -> None:
        first = await store.inbox.receive([an_arrival(), an_arrival("evt_2"), an_arrival(), an_arrival()])
        assert first == [Stored("evt_1", 0), Stored("evt_2", 0), Stored("evt_1", 2), Stored("evt_1", 2)]
        assert await store.inbox.receive([an_arrival(payload="other")]) == [Stored("evt_1", 3)]
        found = await rows(store, "SELECT event_id, repeats, payload FROM webhook_events ORDER BY id")
        assert found == [{"event_id": "evt_1", "repeats": 3, "payload": "{}"}, {"event_id": "evt_2", "repeats": 0, "payload": "{}"}]

    keep(database_url, story)


def test_many_arrivals_share_a_commit(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred webhooks at once cost a handful of transactions, and each is answered for itself."""
    begun = counted(monkeypatch)

    async def story(store: Store) -> None:
        begun.clear()
        stored = await asyncio.gather(*(store.inbox.receive([an_arrival(f"evt_{n}", record_id=n)]) for n in range(100)))
        assert [entry[0].event_id for entry in stored] == [f"evt_{n}" for n in range(100)]
        assert len(begun) <= 3
        assert (await rows(store, "SELECT COUNT(*) AS n FROM webhook_events"))[0]["n"] == 100

    keep(database_url, story)


def test_one_that_fails_spoils_no_other(database_url: str) -> None:
    """In a shared commit, a job that breaks is told so; the others are committed all the same, once."""

    async def broken(tx: Any, asked: list[Any]) -> list[Any]:
        raise ValueError("broken")

    async def story(store: Store) -> None:
        jobs = [store.inbox.receive([an_arrival(f"evt_{n}")]) for n in range(20)]
        lane = store.inbox._intake
        said = await asyncio.gather(*jobs[:10], lane.submit(broken, [None]), *jobs[10:], return_exceptions=True)
        assert [type(entry) for entry in said if not isinstance(entry, list)] == [ValueError]
        assert [entry for entry in said if isinstance(entry, list)] == [[Stored(f"evt_{n}", 0)] for n in range(20)]
        assert {row["repeats"] for row in await rows(store, "SELECT repeats FROM webhook_events")} == {0}

    keep(database_url, story)


def test_too_many_that_wait_are_turned_away(database_url: str) -> None:
    """Memory is bounded: beyond the limit of waiting rows a newcomer is told so at once, those before it are stored."""

    async def story(store: Store) -> None:
        first = [an_arrival(f"evt_{n}", record_id=n) for n in range(5_000)]
        waiting = asyncio.ensure_future(store.inbox.receive(first))
        await asyncio.sleep(0)
        with pytest.raises(Full):
            await store.inbox.receive([an_arrival("evt_late")])
        assert len(await waiting) == 5_000

    keep(database_url, story)


def test_a_claimed_event_is_nobody_elses_until_its_lease_lapses(database_url: str) -> None:
    """What a worker claimed is taken over the moment its lease is over, not before; the dead one's token is void."""

    async def story(store: Store) -> None:
        await store.inbox.receive([an_arrival()])
        dead = await store.inbox.claim("dead", 1, NOW, LEASE, 10)
        assert await store.inbox.claim_suspect("next", 2, NOW + LEASE - timedelta(seconds=1), LEASE) == []
        taken = await store.inbox.claim_suspect("next", 2, NOW + LEASE + timedelta(seconds=1), LEASE)
        assert [(row.event_id, row.token, row.claims) for row in (*dead, *taken)] == [("evt_1", 1, 1), ("evt_1", 2, 2)]

    keep(database_url, story)


def test_a_living_worker_keeps_its_lease(database_url: str) -> None:
    """A renewed lease holds, however long the decision takes; what is not in hand lapses; a graceful stop gives back and forgets the claim."""

    async def story(store: Store) -> None:
        later = NOW + timedelta(minutes=5)
        await store.inbox.receive([an_arrival(), an_arrival("evt_2", record_id=2)])
        held, _ = await store.inbox.claim("slow", 1, NOW, LEASE, 10)
        await store.inbox.renew({held.id: 1}, later + LEASE)
        assert [row.event_id for row in await store.inbox.claim_suspect("next", 2, later, LEASE)] == ["evt_2"]
        await store.inbox.release("slow")
        assert [row.claims for row in await store.inbox.claim("next", 3, later, LEASE, 10)] == [1]

    keep(database_url, story)


def test_a_claim_takes_the_whole_booking(database_url: str) -> None:
    """The other undecided events of a booking come along, even those that are not due yet; another booking's do not, nor do suspects."""

    async def story(store: Store) -> None:
        await store.inbox.receive(
            [
                an_arrival(), an_arrival("evt_2", at=NOW + timedelta(seconds=5)), an_arrival("evt_3", record_id=5, at=NOW + LEASE),
                an_arrival("evt_4", at=NOW + LEASE),
            ]
        )  # fmt: skip
        await execute(store, "UPDATE webhook_events SET claims = 1 WHERE event_id = 'evt_4'")
        taken = await store.inbox.claim("w", 1, NOW, LEASE, 1)
        assert sorted(row.event_id for row in taken) == ["evt_1", "evt_2"]
        assert await store.inbox.next_due(NOW) == NOW + LEASE

    keep(database_url, story)


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list that grows by one for each transaction."""
    begun: list[str] = []
    bare = Tx.bare

    async def counting(self: Tx, statement: str) -> None:
        if statement.startswith("BEGIN"):
            begun.append(statement)
        await bare(self, statement)

    monkeypatch.setattr(Tx, "bare", counting)
    return begun


def test_on_sqlite_the_lock_proves_a_worker_dead(tmp_path: Path) -> None:
    """Who gets the file's lock takes over at once what the last holder had claimed; a command beside a live server takes nothing."""
    url = f"sqlite:///{tmp_path / 'vestnik.db'}"

    async def claimed(store: Store) -> None:
        await store.inbox.receive([an_arrival()])
        assert len(await store.inbox.claim("dead", 1, NOW, LEASE, 10)) == 1

    async def beside(store: Store) -> None:
        assert await store.inbox.claim("command", 2, NOW, LEASE, 10) == []

    async def after(store: Store) -> None:
        assert [row.event_id for row in await store.inbox.claim_suspect("next", 3, NOW, LEASE)] == ["evt_1"]

    keep(url, claimed)
    keep(url, beside, alone=False)
    keep(url, after)


def test_the_least_suspect_is_tried_first(database_url: str) -> None:
    """Of events that were claimed in vain, one at a time is taken, the one with fewest deaths first: a killer stays behind the innocent."""

    async def story(store: Store) -> None:
        await store.inbox.receive([an_arrival(f"evt_{n}", record_id=n) for n in range(1, 4)])
        await execute(store, "UPDATE webhook_events SET claims = 1, lease_until = NULL WHERE event_id <> 'evt_1'")
        await execute(store, "UPDATE webhook_events SET claims = 3, lease_until = NULL WHERE event_id = 'evt_1'")
        order = []
        for token in range(2, 5):
            assert await store.inbox.claim("next", token, NOW, LEASE, 10) == []
            order += [row.event_id for row in await store.inbox.claim_suspect("next", token, NOW, LEASE)]
        assert order == ["evt_2", "evt_3", "evt_1"]

    keep(database_url, story)


def test_a_long_queue_is_not_walked_through_for_each_booking(postgres_url: str) -> None:
    """What a batch costs does not grow with what waits behind it. (The planner, which knows no statistics here, would rather walk.)"""
    waiting, batch = 3_000, 100
    events = [an_arrival(f"evt_{n}", record_id=n, at=NOW - timedelta(microseconds=waiting - n)) for n in range(waiting)]

    async def story(store: Store) -> None:
        await store.inbox.receive(events)
        query, values = sql.queries("postgresql")["claim_events"], {"owner": "w", "token": 1, "now": NOW, "until": NOW + LEASE}
        async with store.engine.connection() as connection:
            raw, given = connection.raw_connection, [{**values, "most": batch}[name] for name in query.names]
            plan = json.loads(await raw.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {query.text}", *given))
        assert 0 < touched(plan[0]["Plan"]) < 20 * batch

    keep(asyncio.run(fresh_postgres(postgres_url)), story, alone=False)


def touched(node: dict[str, Any]) -> float:
    """Rows that a plan has looked at, those included that it then threw away."""
    rows = node["Actual Rows"] + sum(node.get(name, 0) for name in ("Rows Removed by Filter", "Rows Removed by Join Filter"))
    return float(rows * node["Actual Loops"]) + sum(touched(part) for part in node.get("Plans", []))
