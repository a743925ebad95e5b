"""The frame: other senders run through the whole pipeline with no change in core, and core names none of those it carries."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Driver

ROOT = Path(__file__).parents[1]
PRIVATE = str(ROOT / "tests" / "plugins_for_tests")
Play = Callable[..., Any]


def reserved(**changes: Any) -> dict[str, Any]:
    """A table for four, tomorrow at seven."""
    return {
        "reservation": "A-17", "restaurant": 962302, "state": "booked", "at": "2025-08-21T19:00:00+03:00", "guests": 4, "phone": "8 900 000-00-88",
        "changed": "2025-08-20T08:00:00Z", **changes,
    }  # fmt: skip


def through(play: Play, story: Callable[[Driver], Any], source: str, **tables: Any) -> None:
    play(story, plugins={"path": [PRIVATE]}, source={source: {}, "yclients": None}, **tables)


def test_a_table_reservation_lives_its_whole_life(play: Play) -> None:
    """Booked, moved, cancelled: three messages, each with what it tells, from ids that are no numbers."""

    async def story(app: Driver) -> None:
        for said in (
            reserved(),
            reserved(state="changed", at="2025-08-21T20:30:00+03:00", changed="2025-08-20T08:10:00Z"),
            reserved(state="cancelled", at="2025-08-21T20:30:00+03:00", changed="2025-08-20T08:20:00Z"),
        ):
            told = await app.tell(said, path="/webhook/tables")
            assert told["status"] == "processed"
        sent = await app.messages()
        assert [(row["notification_type"], row["status"], row["source"], row["phone"]) for row in sent] == [
            (f"booking_{name}", "sent", "tables", "+79000000088") for name in ("created", "updated", "cancelled")
        ]
        assert [text.splitlines()[2] for text in await app.texts()] == [
            "📅 21 августа в 19:00",
            "📅 21 августа в 20:30",
            "Была на: 21 августа в 20:30",
        ]
        assert all("Стол на 4" in text for text in await app.texts())
        (known,) = await app.rows("SELECT source, external_id, is_cancelled FROM appointments_cache")
        assert (known["source"], known["external_id"], bool(known["is_cancelled"])) == ("tables", "A-17", True)

    through(play, story, "tables")


def test_the_rules_hold_for_tables(play: Play) -> None:
    """Repeats, bursts, a change that nobody sees and СТОП are judged for tables as for anybody: by the rules of the file."""

    async def story(app: Driver) -> None:
        await app.tell(reserved(), path="/webhook/tables")
        await app.tell(reserved(), path="/webhook/tables")
        same = await app.tell(reserved(state="changed", changed="2025-08-20T08:05:00Z"), path="/webhook/tables")
        assert (same["status"], same["rule"]) == ("suppressed", "unchanged")
        await app.vestnik.run.store.people.opt("+79000000088", 0, app.clock())
        gone = await app.tell(reserved(state="changed", guests=6, changed="2025-08-20T08:10:00Z"), path="/webhook/tables")
        assert (gone["status"], gone["rule"]) == ("suppressed", "opt_out")
        assert len(await app.messages()) == 1

    through(play, story, "tables")


def test_two_sources_do_not_mix(play: Play) -> None:
    """The same booking number at two senders is two bookings."""

    async def story(app: Driver) -> None:
        from tests.conftest import body

        await app.tell(reserved(reservation="1213336367"), path="/webhook/tables")
        await app.tell(body("record_create_discount50"))
        assert [(row["source"], row["notification_type"]) for row in await app.messages()] == [
            ("tables", "booking_created"), ("yclients", "booking_created")
        ]  # fmt: skip
        assert len(await app.rows("SELECT * FROM appointments_cache WHERE record_id = 1213336367")) == 2

    play(story, plugins={"path": [PRIVATE]}, source={"tables": {}})


def test_a_ready_made_text_leaves_as_it_is(play: Play) -> None:
    """A receipt has no booking: its text leaves to the byte, once however often it comes, and a replay does not repeat it."""
    receipt = {"id": "r-1", "phone": "+79000000088", "text": "Чек на 2000 руб: *спасибо*\nhttps://example.org/r/1"}

    async def story(app: Driver) -> None:
        told = await app.tell(receipt, path="/webhook/texts")
        assert (told["status"], told["event_id"]) == ("processed", "texts_r-1")
        await app.tell({**receipt, "id": "r-2"}, path="/webhook/texts")
        await app.tell(receipt, path="/webhook/texts")
        await app.vestnik.run.store.inbox.replay("texts_r-1", None, app.clock())
        await app.settle()
        assert await app.texts() == [receipt["text"]] * 2
        assert [(row["notification_type"], row["record_id"], row["event_id"]) for row in await app.messages()] == [
            ("receipt", None, "texts_r-1"), ("receipt", None, "texts_r-2")
        ]  # fmt: skip
        assert await app.rows("SELECT * FROM appointments_cache") == []

    through(play, story, "texts")


def test_the_silences_of_a_text_have_reasons(play: Play) -> None:
    """No phone, an empty text, a body that cannot be read, СТОП: nothing leaves, and each event says why."""

    async def story(app: Driver) -> None:
        nobody = await app.tell({"id": "a", "phone": "", "text": "x"}, path="/webhook/texts")
        assert nobody["status"] == "suppressed"
        assert nobody["reason"]
        empty = await app.tell({"id": "b", "phone": "+79000000088", "text": ""}, path="/webhook/texts")
        assert (empty["status"], empty["reason"]) == ("ignored", "the text is empty")
        odd = await app.tell({"id": 5}, path="/webhook/texts")
        assert (odd["status"], odd["reason"]) == (
            "unreadable",
            "source.texts could not read it: ValidationError: Expected `str`, got `int` - at `$.id` in texts.py:24",
        )
        await app.vestnik.run.store.people.opt("+79000000088", 0, app.clock())
        stopped = await app.tell({"id": "c", "phone": "+79000000088", "text": "x"}, path="/webhook/texts")
        assert (stopped["status"], stopped["rule"]) == ("suppressed", "opt_out")
        assert await app.messages() == []

    through(play, story, "texts")


def test_a_private_source_keeps_its_secret(play: Play) -> None:
    """A wrong secret is a 401 and leaves no row; the right one is taken."""

    async def story(app: Driver) -> None:
        refused = await app.http.post("/webhook/tables", content=json.dumps(reserved()), headers={"x-secret": "wrong"})
        assert (refused.status_code, await app.rows("SELECT * FROM webhook_events")) == (401, [])
        taken = await app.http.post("/webhook/tables", content=json.dumps(reserved()), headers={"x-secret": "right"})
        assert taken.status_code == 200

    play(story, plugins={"path": [PRIVATE]}, source={"tables": {"secret": "right"}, "yclients": None})


RULES = sorted(file.stem for file in (ROOT / "plugins" / "filter").glob("[!_]*.py"))
ENGLISH = {"settle", "stale", "unchanged"}  # words that comments may use; a rule is meant where they stand in quotes
# The demo shows the shipped plugins, and the test kit speaks of them; what core itself folds or passes over bears the name of the rule that says why.
APART = ("core/cli/demo.py",)
FOLDED = {("core/pipeline/judge.py", "settle"), ("core/pipeline/judge.py", "stale")}
SOURCES = [
    (name, file.read_text(encoding="utf-8").splitlines())
    for file in sorted((ROOT / "core").rglob("*"))
    if file.suffix in (".py", ".sql")
    and (name := file.relative_to(ROOT).as_posix()) not in APART
    and not name.startswith("core/testing/")
]


@pytest.mark.parametrize("word", ["yclients", "altegio", "whatsapp", "green_api", "telegram", *RULES])
def test_core_names_nobody(word: str) -> None:
    """No line of core names a sender, a channel or a rule; the default of [route] channels is a setting, not knowledge."""
    wanted = rf"""["'.]{word}["'\]]""" if word in ENGLISH else rf"\b{word}\b"
    found = [
        f"{name}:{number}: {line.strip()}"
        for name, lines in SOURCES
        for number, line in enumerate(lines, 1)
        if re.search(wanted, line, re.IGNORECASE) and "channels: tuple[str, ...] = (" not in line and (name, word) not in FOLDED
    ]
    assert found == []
