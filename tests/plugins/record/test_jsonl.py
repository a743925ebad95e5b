"""`record.jsonl`: each outcome as a line, through rotation and a disk that refuses, and nothing ever waits for it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core import Outcome, Rejected, hooks
from core import config as configuration
from core.errors import ConfigError, PluginError
from core.testing import NOON
from plugins.record import _lines, jsonl
from tests.conftest import Driver, body
from tests.telling import gateway, with_gateway

OUTCOME = Outcome(
    NOON, "evt_1", "yclients", 962302, 1213336367, "sent", "booking_created", channel="sms", transport="smsc", phone="+7900…88",
    seconds=0.25,
)  # fmt: skip
LINE = {
    "at": "2026-08-20T09:00:00Z", "event_id": "evt_1", "source": "yclients", "company_id": 962302, "record_id": 1213336367,
    "status": "sent", "type": "booking_created", "rule": None, "reason": None, "channel": "sms", "transport": "smsc",
    "phone": "+7900…88", "seconds": 0.25, "next": None,
}  # fmt: skip


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def note(path: Path, *outcomes: Outcome) -> None:
    """As a run of the app: told, then stopped."""

    async def run() -> None:
        config = jsonl.Config(path=path)
        await jsonl.startup(config)
        for outcome in outcomes:
            await jsonl.record(outcome, config)
        await jsonl.shutdown(config)

    asyncio.run(run())


def test_an_outcome_is_a_line(tmp_path: Path) -> None:
    """All that is known of it, and a file that is there already is added to."""
    path = tmp_path / "outcomes.jsonl"
    note(path, OUTCOME)
    note(path, OUTCOME, OUTCOME)
    assert lines(path) == [LINE] * 3


def test_the_story_of_a_day(play: Callable[..., Any], tmp_path: Path) -> None:
    """What becomes of an event and of its message are lines, in order, beside config.toml; no phone, name or text is in them."""

    async def story(app: Driver) -> None:
        await app.tell(body("record_create_discount50"))
        await app.tell(body("record_update_comment_only"))

    play(story, record={"jsonl": {}})
    path = tmp_path / "outcomes.jsonl"
    found = [(line["status"], line["type"], line["channel"], line["phone"]) for line in lines(path)]
    assert found[:2] == [
        ("processed", "booking_created", None, "+7900…88"),
        ("sent", "booking_created", "whatsapp", "+7900…88"),
    ]
    text = path.read_text(encoding="utf-8")
    assert not [secret for secret in ("79000000088", "Вы записаны", "Арсен", "СТРИЖКА") if secret in text]


def test_what_a_gateway_reports(play: Callable[..., Any], tmp_path: Path) -> None:
    """A channel that fails, with the one that is tried next; a delivery; a message that does not arrive in time. Their words bear no phone."""
    tables = with_gateway(tmp_path)
    tables["plugins"]["path"].append(str(Path(__file__).parents[2] / "plugins_for_tests"))

    async def story(app: Driver) -> None:
        gateway().ANSWERS[:] = [Rejected("79000000088 is not on WhatsApp")]
        await app.tell(body("record_create_discount50"))
        await app.tell(body("record_update_reschedule"))
        await app.http.post("/callback/scripted", content=b"g2 delivered")
        await app.settle()
        await app.tell(body("record_delete_full"))
        await app.settle(3600)

    tables["send"]["other_sms"] = {}
    play(story, record={"jsonl": {}}, **tables)
    found = [line for line in lines(tmp_path / "outcomes.jsonl") if line["channel"]]
    assert [(line["type"], line["channel"], line["status"], line["next"]) for line in found] == [
        ("booking_created", "whatsapp", "failed", "sms"),
        ("booking_created", "sms", "sent", None),
        ("booking_updated", "whatsapp", "sent", None),
        ("booking_updated", "whatsapp", "delivered", None),
        ("booking_cancelled", "whatsapp", "sent", None),
        ("booking_cancelled", "whatsapp", "undelivered", "sms"),
        ("booking_cancelled", "sms", "sent", None),
    ]
    assert found[0]["reason"] == "79000…88 is not on WhatsApp"


def test_a_rotated_file(tmp_path: Path) -> None:
    """Once the file was moved away or deleted, the next line begins a new one; what was truncated is added to."""
    path = tmp_path / "outcomes.jsonl"
    writer = _lines.Writer(path)

    def put(line: bytes) -> None:
        writer.put(line)
        writer.close()  # waits until it is written

    held = _lines.Writer(path)  # one that stays open all the while
    held._write(b"1\n")
    path.rename(tmp_path / "outcomes.jsonl.1")
    held._write(b"2\n")
    assert ((tmp_path / "outcomes.jsonl.1").read_text(), path.read_text()) == ("1\n", "2\n")
    path.unlink()
    held._write(b"3\n")
    assert path.read_text() == "3\n"
    os.truncate(path, 0)
    held._write(b"4\n")
    held._let_go()
    put(b"5")
    put(b"6")
    assert path.read_text() == "4\n5\n6\n"


def test_a_full_disk_is_named_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A disk that refuses costs lines and one warning, never an exception; one that takes again is trusted again."""
    path = tmp_path / "outcomes.jsonl"
    path.symlink_to("/dev/full")
    with caplog.at_level(logging.WARNING):
        note(path, OUTCOME, OUTCOME, OUTCOME)
    assert [record.getMessage() for record in caplog.records] == [
        f"path={path} outcome=lost reason=No space left on device; lines are lost until it can be written again"
    ]
    path.unlink()
    note(path, OUTCOME)
    assert lines(path) == [LINE]


def test_it_goes_on_once_the_disk_does(tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a line that got through ends there, so that the next one can be read; the second trouble is named again."""
    write, path = os.write, tmp_path / "outcomes.jsonl"
    writer = _lines.Writer(path)
    for full in (True, False, True):
        room = [4, None] if full else []

        def refusing(file: int, rest: Any, room: list[int | None] = room) -> int:
            if not room:
                return write(file, rest)
            if (size := room.pop(0)) is None:
                raise OSError(28, "No space left on device")
            return write(file, rest[:size])

        monkeypatch.setattr(_lines.os, "write", refusing)
        writer._write(b'{"a":1}\n')
    writer._let_go()
    assert path.read_text() == '{"a"\n{"a":1}\n{"a"'
    assert [record.getMessage().count("No space left") for record in caplog.records] == [1, 1]


def test_a_disk_that_hangs_holds_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines wait for it up to a limit, then they are lost; neither an outcome nor the stop waits."""
    path = tmp_path / "outcomes.jsonl"
    os.mkfifo(path)  # to open it hangs until somebody reads
    monkeypatch.setattr(_lines, "_MOST", 3)
    monkeypatch.setattr(_lines, "_STOP_WITHIN", 0.01)
    note(path, *[OUTCOME] * 10)
    assert [record.getMessage() for record in caplog.records] == [
        f"path={path} outcome=lost reason=the disk does not keep up; lines are lost until it can be written again"
    ]
    with path.open(encoding="utf-8") as reader:  # the disk is back: what had waited is written
        assert len(reader.readlines()) in (3, 4)


def test_each_salon_may_have_a_file(tmp_path: Path) -> None:
    """Two paths are two files."""
    note_all = [jsonl.Config(path=tmp_path / name) for name in ("a.jsonl", "b.jsonl")]

    async def run() -> None:
        for config in note_all:
            await jsonl.record(OUTCOME, config)
        await jsonl.shutdown(note_all[0])

    asyncio.run(run())
    assert [lines(config.path) for config in note_all] == [[LINE], [LINE]]


def start(tmp_path: Path, **keys: Any) -> hooks.Hooks:
    (tmp_path / "salon").mkdir(exist_ok=True)
    found = hooks.load(configuration.build({"record": {"jsonl": keys}}, tmp_path / "salon" / "config.toml", {}))
    asyncio.run(hooks.start(found))
    return found


def test_the_path_is_seen_from_the_file(tmp_path: Path) -> None:
    """A relative path, the default too, is meant from config.toml, wherever the server was started."""
    assert start(tmp_path).plugins[0].configs[0].path == tmp_path / "salon" / "outcomes.jsonl"
    assert start(tmp_path, path="../o.jsonl").plugins[0].configs[0].path == tmp_path / "salon" / "../o.jsonl"
    assert start(tmp_path, path=str(tmp_path / "o.jsonl")).plugins[0].configs[0].path == tmp_path / "o.jsonl"


def test_a_path_that_makes_no_sense(tmp_path: Path) -> None:
    """It stops the start and names the key."""
    place = tmp_path / "salon"
    with pytest.raises(PluginError) as error:
        start(tmp_path, path="nowhere/o.jsonl")
    assert (
        str(error.value)
        == f"{place / 'config.toml'} [record.jsonl] path: there is no folder {place / 'nowhere'}; make it, or name another file"
    )
    with pytest.raises(PluginError) as error:
        start(tmp_path, path="..")
    assert str(error.value) == f"{place / 'config.toml'} [record.jsonl] path: {place / '..'} is a folder; name a file in it"
    with pytest.raises(ConfigError) as wrong:
        start(tmp_path, path="")
    assert str(wrong.value).endswith("[record.jsonl] path: expected text such as \"outcomes.jsonl\", got `''`")


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    """0600, whatever the umask; a file that somebody made keeps its mode."""
    before = os.umask(0)
    try:
        note(tmp_path / "new.jsonl", OUTCOME)
        (tmp_path / "made.jsonl").touch(mode=0o640)
        note(tmp_path / "made.jsonl", OUTCOME)
    finally:
        os.umask(before)
    assert [(tmp_path / f"{name}.jsonl").stat().st_mode & 0o777 for name in ("new", "made")] == [0o600, 0o640]
