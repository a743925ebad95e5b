"""No statement walks through what lies in the database, however much that is: each finds its rows by an index."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from core.store import sql
from core.store.engine import PLANS
from tests.bench import past, servers
from tests.bench.databases import Opened, opened
from tests.conftest import fresh_postgres

MANY = 20_000
LARGE = ("webhook_events", "appointments_cache", "booking_notifications", "journal", "contacts", "callbacks")
# They are about all that waits, and read nothing else.
OF_THE_QUEUE = {
    "orphan_events", "orphan_notifications", "renew_events", "renew_notifications", "release_events", "release_notifications", "waiting",
    "orphan_callbacks", "release_callbacks", "put_off",
}  # fmt: skip
# Asked rarely: every body is searched for a phone; the last few by id; when a salon's last webhook came, where a poll knew more.
OF_ALL = {
    "erase_events", "erase_notifications", "erase_steps", "erase_bindings", "erase_callbacks",
    "blot_bookings", "blot_notifications", "blot_events", "blot_journal", "blot_alerts", "latest_events", "last_webhook",
}  # fmt: skip
FEW = {
    "webhook_events_parked",
    "webhook_events_unreadable",
    "booking_notifications_unheard",
    "callbacks_parked",
}  # what went wrong: such an index may be read as a whole
SMALL = {
    "alerts",
    "binding_tokens",
    "poll_turns",
    "refusals",
    "refused_templates",
    "transport_health",
    "webhook_stats_24h",
    "notification_stats_24h",
}
NAMES = sorted(sql.queries("sqlite").keys() - OF_THE_QUEUE - OF_ALL - {"hold_message"})  # which reads no table


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """A database in a quiet moment of its life: much is past, nothing waits, and PostgreSQL has just taken its statistics."""
    folder = tmp_path_factory.mktemp("plans")
    url = f"sqlite:///{folder / 'vestnik.db'}"
    if request.param == "postgresql":
        url = asyncio.run(fresh_postgres(request.getfixturevalue("postgres_url")))
    with servers.running(["tests.bench.gateway", str(port := servers.free_port()), "0"], port, folder / "gateway.log"):
        past.fill(url, folder, port, MANY)
    with opened(url) as database:
        if request.param == "postgresql":
            # Statistics are a guess from a sample, another each time: here one that makes reading a table as a whole look cheap.
            database.run(*PLANS.split("; "), "SET cpu_index_tuple_cost = 0.1")
        else:
            database.run("DELETE FROM sqlite_stat1", "ANALYZE sqlite_schema")  # nobody takes any there; the second reads that
        yield database


def test_past_is_as_the_pipeline_leaves_it(filled: Opened) -> None:
    """Every message has its event, every event its story and every booking its events; nothing waits."""
    assert filled.one("SELECT COUNT(*) FROM webhook_events") >= MANY
    assert filled.one(past.OPEN) == 0
    orphans = {
        "booking_notifications": "SELECT COUNT(*) FROM booking_notifications n LEFT JOIN webhook_events e ON e.event_id = n.event_id",
        "journal": "SELECT COUNT(*) FROM journal j LEFT JOIN webhook_events e ON e.event_id = j.event_id",
        "appointments_cache": """SELECT COUNT(*) FROM appointments_cache a LEFT JOIN webhook_events e ON e.source = a.source
            AND e.company_id = a.company_id AND e.record_id = a.record_id""",
    }
    assert {table: filled.one(f"{statement} WHERE e.id IS NULL") for table, statement in orphans.items()} == dict.fromkeys(
        orphans, 0
    )
    assert (
        filled.one("SELECT COUNT(*) FROM booking_notifications WHERE status = 'delivered' AND finished_at IS NOT NULL") > MANY / 2
    )
    assert filled.one("SELECT MAX(created_at) FROM webhook_events") > filled.one("SELECT MIN(created_at) FROM webhook_events")


@pytest.mark.parametrize("name", NAMES)
def test_statement_finds_its_rows_by_an_index(filled: Opened, name: str) -> None:
    """Neither the whole table nor a whole index of it is walked through."""
    assert walked(filled, sql.queries(filled.kind)[name]) == []


@pytest.mark.parametrize(
    "names",
    [
        ("touch_bookings", "mark_sending"),
        ("close_events", "add_journal", "add_notifications"),
        ("move_announced", "judge_event", "add_journal", "add_notifications"),
    ],
)
def test_so_do_several_that_go_as_one(filled: Opened, names: tuple[str, ...]) -> None:
    """What a transaction writes at once is one statement on PostgreSQL, whose batches wait for one another."""
    if filled.kind == "postgresql":
        known = sql.queries("postgresql")
        assert walked(filled, sql.in_order([known[name] for name in names])) == []


def walked(database: Opened, query: sql.Query) -> list[str]:
    """The lines of the plan that read a large table without a key to it."""
    return _on_sqlite(database, query) if database.kind == "sqlite" else _on_postgresql(database, query)


def _on_sqlite(database: Opened, query: sql.Query) -> list[str]:
    plan = [row[3] for row in database.rows("EXPLAIN QUERY PLAN " + re.sub(r"(?<![:\w]):[a-z_]+", "NULL", query.text))]
    scans = [re.match(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?", line) for line in plan if "VIRTUAL TABLE" not in line]
    few = SMALL | set(re.findall(r"WITH (\w+) AS", query.text))  # what the statement has picked itself
    return [scan.string for scan in scans if scan and _table(scan[1], query) not in few and scan[2] not in FEW]


def _table(name: str, query: sql.Query) -> str:
    """The plan calls a table by its alias."""
    found = re.search(rf"(?:FROM|JOIN) (\w+) {name}\b", query.text)
    return found[1] if found else name


def _on_postgresql(database: Opened, query: sql.Query) -> list[str]:
    database.run(f"PREPARE asked AS {query.text}")
    try:
        given = f"({', '.join('NULL' for _ in query.names)})" if query.names else ""
        plan = json.loads(database.one(f"EXPLAIN (FORMAT JSON) EXECUTE asked{given}"))
    finally:
        database.run("DEALLOCATE asked")
    return _without_a_key(plan[0]["Plan"], first_only=False)


def _without_a_key(node: dict[str, Any], *, first_only: bool) -> list[str]:
    """`first_only`: the node above takes one row and goes."""
    kind, below = node["Node Type"], node.get("Plans", [])
    large = node.get("Relation Name") in LARGE or str(node.get("Index Name", "")).startswith(LARGE)
    keyed = (
        "Index Cond" in node or kind == "Bitmap Heap Scan" or node.get("Index Name") in FEW or (first_only and "Filter" not in node)
    )
    found = (
        [f"{kind} {node.get('Relation Name', '')} {node.get('Index Name', '')}"] if "Scan" in kind and large and not keyed else []
    )
    parts = [_without_a_key(part, first_only=kind == "Limit") for part in below]
    if kind == "BitmapAnd" and [] in parts:  # one key is enough; a part of the queue beside it costs little
        return found
    return [*found, *(line for part in parts for line in part)]
