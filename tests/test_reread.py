"""What no source could read, once a person replays it: `receive` is asked again, so that nothing is told twice and nothing older after newer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Driver, drive, settings

TABLE = {
    "secret": "s", "salon": "branch", "id": "id", "status": "event", "created": ["new"], "deleted": ["gone"], "start": "at", "phone": "tel",
    "changed": "ch",
}  # fmt: skip
AT = "/webhook/json?secret=s"


def body(hour: int, **changes: Any) -> dict[str, Any]:
    found = {
        "branch": 962302, "id": "A-1", "event": "new", "at": f"2025-08-21T{hour}:00:00+03:00", "tel": "+79000000088",
        "ch": f"2025-08-20T08:{hour}:00Z",
    }  # fmt: skip
    return {**found, **changes}


@pytest.mark.parametrize("listed", [True, False], ids=["listed", "every salon"])
@pytest.mark.parametrize("wrong", [{"id": "wrong"}, {"salon": "wrong"}, {"status": "wrong"}], ids=["id", "salon", "status"])
def test_a_mended_table_reads_what_was_unreadable(database_url: str, tmp_path: Path, wrong: dict[str, str], listed: bool) -> None:
    """Two changes of one booking, the same one twice, and the newer one replayed first: one message, of the newer."""

    def tables(**source: Any) -> dict[str, Any]:
        raw = settings(database_url, source={"yclients": None, "json": {**TABLE, **source}})
        return raw if listed else {key: value for key, value in raw.items() if key != "salon"}

    keys: list[str] = []

    async def before(app: Driver) -> None:
        for hour in (10, 12, 12):
            told = await app.tell(body(hour), path=AT)
            assert (told["status"], told["record_id"]) == ("unreadable", None)
            keys.append(told["event_id"])

    async def after(app: Driver) -> None:
        for key in reversed(keys):
            assert await app.vestnik.run.store.inbox.replay(key, None, app.clock())
            await app.settle(1)
            told = await app.story(key)
            assert (told["status"], told["reason"].split(" evt_")[0]) == ("processed", "read again:")
            assert not await app.vestnik.run.store.inbox.replay(key, None, app.clock())  # its event is a row of its own
        assert len(await app.messages()) == 1
        (text,) = await app.texts()
        assert "12:00" in text
        events = await app.vestnik.run.store.look.story("A-1")
        assert sorted((event["status"], event["rule"], event["repeats"]) for event in events) == [
            ("processed", None, 1),
            ("suppressed", "stale", 0),
        ]
        assert not await app.rows("SELECT * FROM webhook_events WHERE status IN ('parked', 'unreadable', 'ignored')")

    drive(tables(**wrong), tmp_path, before)
    drive(tables(), tmp_path, after)


@pytest.mark.parametrize("wrong", [{"id": "wrong"}, {"events": "wrong"}], ids=["an entry", "the list"])
def test_a_list_is_read_again(database_url: str, tmp_path: Path, wrong: dict[str, str]) -> None:
    """Entries that could not be read are stored one by one, without the list around them; a body without its list, as it came."""

    def tables(**source: Any) -> dict[str, Any]:
        return settings(database_url, source={"yclients": None, "json": {**TABLE, "events": "all", **source}})

    async def unreadable(app: Driver) -> list[str]:
        rows = await app.rows("SELECT event_id FROM webhook_events WHERE status = 'unreadable' ORDER BY id")
        return [row["event_id"] for row in rows]

    async def before(app: Driver) -> None:
        await app.tell({"all": [body(10, id="A-1"), body(12, id="A-2", tel="+79000000077")]}, path=AT)
        assert len(await unreadable(app)) == (2 if "id" in wrong else 1)

    async def after(app: Driver) -> None:
        for key in await unreadable(app):
            assert await app.vestnik.run.store.inbox.replay(key, None, app.clock())
            await app.settle(1)
            assert (await app.story(key))["status"] == "processed"
        assert {row["phone"] for row in await app.messages()} == {"+79000000088", "+79000000077"}
        assert len(await app.texts()) == 2

    drive(tables(**wrong), tmp_path, before)
    drive(tables(), tmp_path, after)


def test_what_is_still_unreadable_stays_so(database_url: str, tmp_path: Path) -> None:
    """The table is not mended, or mended in the wrong place: the row keeps its state, with the reason of now."""

    async def before(app: Driver) -> None:
        told = await app.tell(body(10), path=AT)
        await app.vestnik.run.store.inbox.replay(told["event_id"], None, app.clock())
        await app.settle()
        again = await app.story(told["event_id"])
        assert (again["status"], again["reason"]) == ("unreadable", told["reason"])
        assert len(await app.rows("SELECT * FROM webhook_events")) == 1

    drive(settings(database_url, source={"yclients": None, "json": {**TABLE, "id": "wrong"}}), tmp_path, before)


SOURCE = """
from core import Booking, Event, Received, Refused, Request, Settings, digest, hookimpl, same_secret
import json

class Config(Settings, frozen=True):
    broken: bool = False
    own_proof: bool = False

@hookimpl
def receive(request: Request, config: Config):
    if request.headers.get("x-key") != "right" if config.own_proof else not same_secret(request.headers.get("x-key"), "right"):
        raise Refused
    if config.broken:
        raise KeyError("uuid")
    found = json.loads(request.body)
    return [Received("evt_" + digest(item), "made", json.dumps(item), 962302, item["id"], digest=digest(item)) for item in found]

@hookimpl
async def normalize(received):
    return Event("created", text="text " + json.loads(received.payload)["text"], recipient=None)
"""


@pytest.mark.parametrize("own", [False, True])
def test_a_plugin_that_raised(database_url: str, tmp_path: Path, own: bool) -> None:
    """All events of its body are stored; a proof that a plugin makes of its own is not kept, and the reason says what to do."""
    folder = tmp_path / "private" / "source"
    folder.mkdir(parents=True)
    (folder / "odd.py").write_text(SOURCE, encoding="utf-8")

    def tables(broken: bool) -> dict[str, Any]:
        odd = {"broken": broken, "own_proof": own}
        return settings(database_url, source={"yclients": None, "odd": odd}, plugins={"path": [str(tmp_path / "private")]})

    keys: list[str] = []

    async def before(app: Driver) -> None:
        items = [{"id": 1, "text": "a"}, {"id": 2, "text": "b"}]
        assert (await app.post(items, path="/webhook/odd")).status_code == 401
        told = await app.tell(items, path="/webhook/odd", headers={"x-key": "right"})
        assert told["status"] == "unreadable"
        keys.append(told["event_id"])

    async def after(app: Driver) -> None:
        await app.vestnik.run.store.inbox.replay(keys[0], None, app.clock())
        await app.settle()
        told = await app.story(keys[0])
        if own:
            assert told["status"] == "unreadable"
            assert told["reason"].startswith("source.odd: its `receive` refuses a replay, which has no headers and no query; ")
            return
        assert told["status"] == "processed"
        rows = await app.rows("SELECT record_id FROM webhook_events WHERE event_type = 'made' ORDER BY record_id")
        assert [row["record_id"] for row in rows] == [1, 2]
        assert (await app.post([], path="/webhook/odd")).status_code == 401  # only the replay was vouched for

    drive(tables(True), tmp_path, before)
    drive(tables(False), tmp_path, after)
