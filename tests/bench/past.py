"""What 89 days of use leave in a database: a few bookings that the real server has worked off, multiplied in SQL.

So every table holds what the pipeline leaves there, whatever its columns are. A copy has event ids, numbers, phones and salons of its own,
spread over the indices as those that come are; it lies so far back in time as its place among the copies says.
"""

from __future__ import annotations

import functools
import http.client
import json
import os
import re
import time
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

from tests.bench import servers
from tests.bench.bookings import SALONS, SECRET, Frame, template
from tests.bench.databases import Opened, opened

FIRST_NEW = 20_000_000  # the past has smaller numbers
_SPAN, _BODIES = (
    89 * 86400,
    29 * 86400,
)  # seconds; a bit less than the shipped `keep` and `keep_bodies`, so that nothing is due for deletion
_PER_CLIENT = 5  # bookings
_COPIES = 2_000  # in one statement
_TABLES = ("webhook_events", "appointments_cache", "booking_notifications", "journal", "contacts", "callbacks")
_IDS = {"event_id": 4, "notification_id": 2, "reference": 1}  # ours begin, after so many letters, with the time
_FOREIGN = ("digest", "provider_message_id")  # those begin as chance wills
_BOOKINGS = 10
# what befalls a booking after it was made: of ten, three are moved, two cancelled, three attended (nobody is told)
_LATER: list[tuple[int, dict[str, Any]]] = [
    *((n, {"status": "update", "days": n + 2}) for n in (1, 2, 3)),
    *((n, {"status": "delete", "deleted": True}) for n in (4, 5)),
    *((n, {"status": "update", "attendance": 1, "visit_attendance": 1}) for n in (6, 7, 8)),
]
EVENTS = _BOOKINGS + len(_LATER)


def fill(url: str, folder: Path, gateway: int, past: int) -> int:
    """Put about `past` events into an empty database; how many bookings they were about."""
    with servers.vestnik(folder, url, gateway) as server, opened(url) as database:
        _live(server.port, database)
    copies = max(1, past // EVENTS)
    with opened(url) as database:
        _multiply(database, copies)
    if url.startswith("sqlite"):  # what the kernel still has to write would be written during the run
        file = os.open(url.partition("sqlite:///")[2], os.O_RDWR)
        os.fsync(file)
        os.close(file)
    return copies * _BOOKINGS


def forget_undecided(database: Opened) -> None:
    """What a server without a worker has taken in, so that nobody decides it later; the past stays."""
    database.run("DELETE FROM webhook_events WHERE status = 'received'")
    database.run("PRAGMA wal_checkpoint(TRUNCATE)" if database.kind == "sqlite" else "VACUUM webhook_events")


def _live(port: int, database: Opened) -> None:
    """The sample: posted, decided, sent, reported as delivered."""
    now = datetime.now(UTC)
    for number in range(_BOOKINGS):
        _tell(port, number, now - timedelta(minutes=5))
    _done(database)
    for number, changes in _LATER:
        _tell(port, number, now - timedelta(minutes=2), **changes)
    _done(database)
    for (sent,) in database.rows("SELECT provider_message_id FROM booking_notifications WHERE provider_message_id IS NOT NULL"):
        status = {"typeWebhook": "outgoingMessageStatus", "timestamp": int(time.time()), "idMessage": sent, "status": "delivered"}
        _post(port, "/callback/green_api", json.dumps(status).encode())
    _until(database, "SELECT COUNT(*) FROM booking_notifications WHERE status <> 'delivered'")
    found = database.one("SELECT COUNT(*) FROM booking_notifications")
    if found != _BOOKINGS + 5:
        raise SystemExit(f"the sample of the past told {found} messages, not {_BOOKINGS + 5}")


def _tell(port: int, number: int, at: datetime, days: int = 0, **changes: Any) -> None:
    frame = template(days or number + 1, last_change_date=at.isoformat(timespec="seconds"), **changes)
    _post(port, f"/webhook/yclients?secret={SECRET}", Frame(frame).fill(number))


def _post(port: int, path: str, sent: bytes) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", path, sent, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    if answer.status != 200:
        raise SystemExit(f"the sample of the past was answered {answer.status}: {answer.read()[:200]!r}")
    connection.close()


def _done(database: Opened) -> None:
    _until(database, OPEN)


def _until(database: Opened, count: str) -> None:
    end = time.monotonic() + 30
    while database.one(count):
        if time.monotonic() > end:
            raise SystemExit("the sample of the past was not worked off within 30 s")
        time.sleep(0.05)


OPEN = """SELECT (SELECT COUNT(*) FROM webhook_events WHERE status IN ('received', 'deferred'))
     + (SELECT COUNT(*) FROM booking_notifications WHERE status IN ('pending', 'sending'))"""


def _multiply(database: Opened, copies: int) -> None:
    if database.kind == "sqlite":
        database.run("PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF", "PRAGMA cache_size = -2000000")
    else:
        database.run("SET synchronous_commit = off")
    columns = {table: _columns(database, table) for table in _TABLES}
    for table in _TABLES:
        database.run(f"CREATE TEMP TABLE sample_{table} AS SELECT * FROM {table}")
    database.run("CREATE TEMP TABLE copies (n BIGINT PRIMARY KEY, back BIGINT)")
    database.run(
        "CREATE TEMP TABLE people AS SELECT client_phone AS phone, record_id - 100000000 AS number FROM appointments_cache"
    )
    for first in range(1, copies + 1, _COPIES):
        last = min(copies, first + _COPIES - 1)
        database.run("DELETE FROM copies", _numbers(database.kind, first, last, copies))
        for table in _TABLES:
            database.run(_copying(database.kind, table, columns[table], copies))
    if database.kind == "sqlite":
        database.run("ANALYZE", "PRAGMA journal_mode = WAL")
    else:
        database.run("VACUUM (ANALYZE)", "CHECKPOINT")


def _numbers(kind: str, first: int, last: int, copies: int) -> str:
    back = f"{_SPAN} - n * {_SPAN} / {copies}"  # the newest copy lies beside the sample itself
    if kind == "sqlite":
        series = f"WITH RECURSIVE s(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM s WHERE n < {last})"
        return f"INSERT INTO copies {series} SELECT n, {back} FROM s"
    return f"INSERT INTO copies SELECT n, {back} FROM generate_series({first}::bigint, {last}) AS s(n)"


def _columns(database: Opened, table: str) -> list[str]:
    if database.kind == "sqlite":
        return [row[1] for row in database.rows(f"PRAGMA table_info({table})") if row[1] != "id"]
    asked = f"SELECT column_name FROM information_schema.columns WHERE table_name = '{table}' ORDER BY ordinal_position"
    return [row[0] for row in database.rows(asked) if row[0] != "id"]


def _copying(kind: str, table: str, columns: list[str], copies: int) -> str:
    """INSERT … SELECT of every copy of the sample's rows; those of one copy lie together, the newest last."""
    clients = max(_BOOKINGS, copies * _BOOKINGS // _PER_CLIENT)
    whose = "p.number" if table in ("contacts", "callbacks", "journal") else "s.record_id - 100000000"
    number = f"({whose} + c.n * {_BOOKINGS})"
    picked = ", ".join(_value(kind, table, name, number, clients) for name in columns)
    people = "JOIN people p ON p.phone = s.phone" if table == "contacts" else ""
    once = f"WHERE {number} < {clients}" if table == "contacts" else ""
    order = "c.n" if table in ("appointments_cache", "contacts") else "c.n, s.id"
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT {picked} FROM copies c CROSS JOIN sample_{table} s {people} {once} ORDER BY {order}"


def _value(kind: str, table: str, name: str, number: str, clients: int) -> str:
    if name in _times():
        if kind == "sqlite":
            return f"strftime('%Y-%m-%d %H:%M:%f000', s.{name}, '-' || c.back || ' seconds')"
        return f"s.{name} - c.back * interval '1 second'"
    spread = f"md5(s.{name} || CAST(c.n AS TEXT))"
    if name in _FOREIGN:
        return f"substr({spread}, 1, length(s.{name}))"
    if name in _IDS:
        letters = _IDS[name]
        earlier = "'0' || CAST(1000000000 + c.n AS TEXT)"
        return f"substr(s.{name}, 1, {letters}) || {earlier} || substr({spread}, 1, length(s.{name}) - {letters + 11})"
    if name == "record_id":
        return f"100000000 + {number}"
    if name == "company_id" and table != "callbacks":
        return f"CASE WHEN s.company_id = 0 THEN 0 ELSE 962302 + {number} % {SALONS} END"
    if name in ("phone", "client_phone"):
        folded = f"'+' || CAST(79000000000 + ({number} % {clients}) * 48271 % 100000000 AS TEXT)"
        return f"CASE WHEN s.{name} IS NOT NULL THEN {folded} END"
    if name == "payload" and table == "webhook_events":
        return f"CASE WHEN c.back < {_BODIES} THEN s.payload END"
    return f"s.{name}"


@functools.cache
def _times() -> set[str]:
    """The columns that hold a time."""
    scripts = (resources.files("core.store") / "migrations").iterdir()
    return {name for script in scripts for name in re.findall(r"^\s+(\w+) @time", script.read_text(encoding="utf-8"), re.MULTILINE)}
