"""A plugin that answers what its hook does not promise is broken, not the database: it is named at once, with hook and field."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core import Booking, Event, Later, Retry, Service, Staff
from core.answers import checked
from core.errors import Misfit
from core.store import Full, Store
from core.store.engine import Engine
from tests.conftest import Driver, body

TRANSPORT = """from datetime import datetime, timedelta
from core import *

@hookimpl
def channel(): return Channel("whatsapp")

@hookimpl
async def send(message, address): return {send}

@hookimpl
def callback(request): return {callback}

@hookimpl
async def check(attempt): return {check}
"""


def kurier(folder: Path, send: str = "Sent('k1')", callback: str = "[]", check: str = "None") -> dict[str, Any]:
    """A private transport with these answers, and the tables that switch it on."""
    (folder / "send").mkdir(exist_ok=True)
    text = TRANSPORT.format(send=send, callback=callback, check=check)
    (folder / "send" / "kurier.py").write_text(text, encoding="utf-8")
    return {"plugins": {"path": ["."]}, "send": {"console": None, "kurier": {}}}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("Retry('x', after='30 s')", "send: Retry.after is str; give a timedelta or a number of seconds"),
        ("Retry('x', scope='account')", 'send: Retry.scope is `account`; give "recipient" or "transport"'),
        ("Sent([5])", "send: Sent.id is list; give a text"),
        ("Sent(True)", "send: Sent.id is bool; give a text"),
        ("Rejected(None)", "send: Rejected.reason is NoneType; give a text"),
        ("'sent'", "send answered str; return Sent, Retry, Rejected or Unclear"),
        ("None", "send answered NoneType; return Sent, Retry, Rejected or Unclear"),
    ],
)
def test_a_transport_that_answers_nonsense_is_unclear_at_once(
    play: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture, answer: str, said: str
) -> None:
    """Nobody waits two minutes for a database that is there; the message is never repeated, and the sentence says the mend."""

    async def story(app: Driver) -> None:
        began = time.monotonic()
        (message,) = (await app.tell(body("record_create_discount50")))["notifications"]
        assert (message["status"], message["error"], message["attempts"]) == ("unclear", f"the transport broke: {said}", 1)
        assert time.monotonic() - began < 5
        assert "written_later" not in caplog.text
        assert f"plugin=send.kurier outcome=Unclear reason={said}" in caplog.text

    play(story, **kurier(tmp_path, answer))


def test_seconds_may_be_a_number(play: Callable[..., Any], tmp_path: Path) -> None:
    """`Retry("HTTP 503", after=30)` is what it reads like."""
    assert Retry("x", after=30) == Retry("x", after=timedelta(seconds=30))
    assert (Retry("x", within=1.5).within, Later("x", 7).after) == (timedelta(seconds=1.5), timedelta(seconds=7))

    async def story(app: Driver) -> None:
        (message,) = (await app.tell(body("record_create_discount50")))["notifications"]
        assert (message["status"], message["error"], message["attempts"]) == ("pending", "HTTP 503", 1)
        assert timedelta(seconds=30) <= message["due_at"] - app.clock.now <= timedelta(seconds=33)

    play(story, **kurier(tmp_path, "Retry(reason='HTTP 503', after=30)"))


def test_a_number_may_be_an_id_and_a_sum(play: Callable[..., Any], tmp_path: Path) -> None:
    """JSON has them so, and it can be meant in one way alone: no message is doubted, and no booking parked, for it."""
    booking = checked(
        "normalize", Event("created", Booking(services=(Service("Стрижка", id=5, cost=99.5),), staff=Staff("Бари", id=7)))
    ).booking
    assert booking.services == (Service("Стрижка", id="5", cost=Decimal("99.5")),)
    assert booking.staff == Staff("Бари", id="7")
    assert checked("parts", {"price": 1000}) == {"price": "1000"}

    async def story(app: Driver) -> None:
        (message,) = (await app.tell(body("record_create_discount50")))["notifications"]
        assert (message["status"], message["provider_message_id"]) == ("sent", "5")

    play(story, **kurier(tmp_path, "Sent(5)"))


def test_a_bug_after_the_gateway_answered_is_unclear_at_once(
    play: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever breaks while the answer is written down, the message is not left as being sent, nor sent again, and the log has the place."""

    async def story(app: Driver) -> None:
        async def breaks(*_: Any) -> None:
            raise KeyError("a bug of ours")

        monkeypatch.setattr(app.vestnik.worker.sender.accounts, "works", breaks)
        began = time.monotonic()
        (message,) = (await app.tell(body("record_create_discount50")))["notifications"]
        assert (message["status"], message["error"]) == (
            "unclear", "what became of it could not be taken up: KeyError; the log says where"
        )  # fmt: skip
        assert time.monotonic() - began < 5
        assert "a bug of ours" in caplog.text

    play(story)


def test_a_row_that_cannot_be_written_is_unclear_at_once(play: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """So where the store refuses what we give it; a database that is away is waited for, as ever."""

    async def story(app: Driver) -> None:
        deliveries, errors = app.vestnik.run.store.deliveries, [OSError("away"), ValueError("invalid input for query argument")]
        finish = deliveries.finish

        async def refuses(ends: Any) -> Any:
            if errors:
                raise errors.pop(0)
            return await finish(ends)

        monkeypatch.setattr(deliveries, "finish", refuses)
        (message,) = (await app.tell(body("record_create_discount50")))["notifications"]
        assert (message["status"], message["error"]) == (
            "unclear", "what became of it could not be taken up: ValueError; the log says where"
        )  # fmt: skip
        assert not errors

    play(story)


def test_what_a_database_that_is_away_raises() -> None:
    """Not there, locked, full: waited for. A value that it cannot take, and any bug, is not."""
    import asyncpg

    engines = [Engine("sqlite:///x.db"), Engine("postgresql://postgres@/x")]
    away = [OSError("x"), TimeoutError("x"), ConnectionResetError("x"), sqlite3.OperationalError("database is locked")]
    away += [asyncpg.AdminShutdownError("x"), asyncpg.DiskFullError("x"), asyncpg.DeadlockDetectedError("x")]
    away += [asyncpg.CannotConnectNowError("x"), asyncpg.ReadOnlySQLTransactionError("x")]
    bugs = [TypeError("x"), KeyError("x"), ValueError("x"), Misfit("x"), sqlite3.IntegrityError("x"), sqlite3.ProgrammingError("x")]
    bugs += [asyncpg.DataError("x"), asyncpg.UniqueViolationError("x"), asyncpg.UndefinedColumnError("x")]
    assert [error for engine in engines for error in away if not engine.is_away(error)] == []
    assert [error for engine in engines for error in bugs if engine.is_away(error)] == []
    assert all(Store(engine).is_away(Full()) and not Store(engine).is_away(KeyError("x")) for engine in engines)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("[DeliveryStatus('gone', id='k1')]", 'DeliveryStatus.status is `gone`; give "sent", "delivered", "read" or "failed"'),
        ("[DeliveryStatus('read', at=datetime(2026, 1, 1))]", "DeliveryStatus.at is a datetime without an offset; give a datetime with an offset: .replace(tzinfo=…)"),
        ("Reply((Received('e', 't', '{}'),))", "Reply.items is a list with Received in it; give a list of DeliveryStatus, InboundMessage, Binding or TransportState"),
    ],
)  # fmt: skip
def test_a_callback_of_the_wrong_kind_is_unreadable(play: Callable[..., Any], tmp_path: Path, answer: str, said: str) -> None:
    """Its body is kept with the sentence, its gateway is answered 200."""

    async def story(app: Driver) -> None:
        assert (await app.http.post("/callback/kurier", json={})).status_code == 200
        (row,) = await app.rows("SELECT status, reason FROM callbacks")
        assert (row["status"], row["reason"]) == ("unreadable", f"callback: {said}")

    play(story, **kurier(tmp_path, callback=answer))


def test_a_check_of_the_wrong_kind_is_asked_again(
    play: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The message stays what it was, and the log names field and mend."""

    async def story(app: Driver) -> None:
        (message,) = (await app.tell(body("record_create_discount50")))["notifications"]
        app.clock.now += timedelta(minutes=2)
        await app.vestnik.worker.callbacks.ask_gateways()
        (row,) = await app.rows("SELECT status FROM booking_notifications")
        assert (message["status"], row["status"]) == ("sent", "sent")
        said = 'check: DeliveryStatus.status is `ok`; give "sent", "delivered", "read" or "failed"'
        assert f"plugin=send.kurier outcome=asked_again_later reason={said}" in caplog.text

    with caplog.at_level(logging.WARNING):
        play(story, **kurier(tmp_path, check="DeliveryStatus('ok', id='k1')"))


def test_no_answer_is_quoted() -> None:
    """A value may be a phone: its type is said, and a word only where it looks like one."""
    from core import DeliveryStatus, Event

    for value in (DeliveryStatus("+79000000088"), DeliveryStatus("Арсен")):  # type: ignore[arg-type]
        with pytest.raises(Misfit, match="status is another text; give "):
            checked("check", value)
    with pytest.raises(Misfit, match=r"^normalize: Event.kind is tuple; give a text$"):
        checked("normalize", Event("created", kind=(79000000088,)))  # type: ignore[arg-type]
    assert checked("filter", None) is None
    assert checked("record", object()) is not None  # nothing is wanted of it
