"""An app with exactly these plugins, as a plugin's author drives it."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import pytest

from core import Booking, Event, Recipient
from core.testing import NOON, PHONE, ConfigError, PluginError, a_booking, a_gateway, an_app

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"
RULE = '''"""Stays silent about bookings of one phone, and waits for those of another."""

from datetime import datetime, timedelta

from core import Case, Deferred, Suppressed, Verdict, hookimpl


@hookimpl
def filter(case: Case, now: datetime) -> Verdict:
    if case.booking.comment == "silent":
        return Suppressed("it says so")
    if case.contact.wrote_at == now:
        return Suppressed("the client is writing")
    return Deferred(now + timedelta(minutes=5), "not yet") if case.booking.comment == "later" and now.minute < 5 else None
'''


@pytest.fixture
def private(tmp_path: Path) -> Path:
    folder = tmp_path / "private"
    (folder / "filter").mkdir(parents=True)
    (folder / "filter" / "quiet.py").write_text(RULE, encoding="utf-8")
    return folder


def test_a_booking_lives_its_life() -> None:
    """Made, changed, cancelled: each call tells what left, and why nothing did."""
    with an_app() as app:
        made = app.book(a_booking())
        assert (made.status, made.why, made.texts[0].splitlines()[2]) == ("processed", None, "📅 21 августа в 14:30")
        assert (made.messages[0].type, made.messages[0].channel, made.messages[0].status) == ("booking_created", "whatsapp", "sent")
        assert app.change(a_booking("2026-08-21 16:00")).messages[0].type == "booking_updated"
        same = app.change(a_booking("2026-08-21 16:00"))
        assert (same.texts, same.why) == ([], "nothing that the client could see differs")
        assert app.book(a_booking(phone="+79000000099"), id="A-17").texts
        assert app.cancel().texts[0].startswith("❌")
        assert [row.type for row in app.messages] == ["booking_created", "booking_updated", "booking_created", "booking_cancelled"]
        assert len(app.texts) == 4


def test_only_these_plugins_are_on(private: Path) -> None:
    """The rule that is named judges, nobody else does, and what it said is told in its own words."""
    with an_app(path=private, filter={"quiet": {}}) as app:
        assert app.book(a_booking(comment="WhatsApp, past visit"), id=1).texts
        told = app.book(a_booking(comment="silent"), id=2)
        assert (told.status, told.rule, told.why) == ("suppressed", "quiet", "quiet: it says so")


def test_what_stands_below_a_salon() -> None:
    """Keys of the salon's own change a rule, a salon beside it does not; both are read as config.toml's."""
    own = {962302: {"filter": {"staff_tells": {"names": ["Лев"]}}}, 5: {"timezone": "Asia/Almaty"}}
    with an_app(path=EXAMPLES, filter={"staff_tells": {"names": ["Бари"]}}, salons=own) as app:
        assert app.book(a_booking(), id=1).texts
        assert app.book(a_booking(staff="Лев"), id=2).why == "staff_tells: Лев tells the clients himself"
    with an_app(path=EXAMPLES, filter={"staff_tells": {"names": ["Бари"]}}, salons={5: own[962302]}) as app:
        assert app.book(a_booking(), id=1).why == "staff_tells: Бари tells the clients himself"
    with (
        pytest.raises(
            ConfigError, match=r"config.toml \[salon.5.filter.staff_tells\]: unknown key `name`, did you mean `names`\?$"
        ),
        an_app(path=EXAMPLES, salons={5: {"filter": {"staff_tells": {"name": ["Бари"]}}}}),
    ):
        pass


def test_time_passes_only_when_it_is_told_to(private: Path) -> None:
    """A deferred message waits for the clock; `wait` takes seconds or a duration."""
    with an_app(path=str(private), filter={"quiet": {}}) as app:
        told = app.book(a_booking(comment="later"))
        assert (told.status, told.why) == ("deferred", "quiet: not yet")
        app.wait("4m")
        assert (app.texts, app.told(told.event_id).status) == ([], "deferred")
        app.wait(60)
        assert (len(app.texts), app.told(told.event_id).status) == (1, "processed")
        assert (app.now - NOON).total_seconds() == 300


@pytest.mark.parametrize(
    ("rules", "status", "why"),
    [
        ({"past_visit": {}}, "suppressed", "past_visit: the visit began on 20.08.2026 at 12:02"),
        ({}, "processed", "its time is over: quiet put it off (not yet)"),
    ],
    ids=["past_visit", "without it"],
)
def test_a_wait_past_the_visit_ends_in_silence(private: Path, rules: dict[str, dict[str, str]], status: str, why: str) -> None:
    """As the tutorial of the rule says: `past_visit` names it, and without that rule its time is over."""
    with an_app(path=private, filter={"quiet": {}, **rules}) as app:
        told = app.book(a_booking("2026-08-20 12:02", comment="later"))
        app.wait("6m")
        told = app.told(told.event_id)
        assert (app.texts, told.status, told.why) == ([], status, why)


def test_all_that_falls_due_on_the_way_is_done(private: Path) -> None:
    """Five paced messages, two seconds apart: they have left when a quarter of a minute has passed."""
    folder = private / "send"
    folder.mkdir(exist_ok=True)
    code = (
        "from datetime import timedelta\nfrom core import Channel, Sent, hookimpl\n\n@hookimpl\ndef channel():\n"
        '    return Channel("whatsapp", gap=timedelta(seconds=2), reports_delivery=False)\n\n'
        "@hookimpl\nasync def send(message):\n    return Sent(None)\n"
    )
    (folder / "slow.py").write_text(code, encoding="utf-8")
    with an_app(path=private, send={"slow": {}}) as app:
        for number in range(5):
            app.book(a_booking(), id=number)
        app.wait("15s")
        assert [row.status for row in app.messages] == ["sent"] * 5


def test_the_client_may_have_been_writing(private: Path) -> None:
    """`wrote` feeds what rules know of the contact."""
    with an_app(path=private, filter={"quiet": {}}) as app:
        app.wrote(PHONE)
        assert app.book(a_booking()).why == "quiet: the client is writing"


def test_events_without_a_booking() -> None:
    """Any event can happen: a text made elsewhere leaves as it is."""
    with an_app() as app:
        told = app.happens(Event("created", text="Ваш заказ готов", recipient=Recipient(PHONE)))
        assert told.texts == ["Ваш заказ готов"]


def test_a_transport_speaks_to_a_gateway() -> None:
    """Over real HTTP: what was asked, a callback, a refusal, a broken connection, and a status that was asked for."""
    table = {"token": "t", "webhook_token": "w"}
    with a_gateway({"id": "m1"}) as gateway, an_app(path=EXAMPLES, send={"pigeon": {"base_url": gateway.url, **table}}) as app:
        assert app.book(a_booking()).texts[0].startswith("Вы записаны: 21 августа")
        asked = gateway.asked[0]
        assert (asked.method, asked.path, asked.json["to"]) == ("POST", "/messages", PHONE)
        assert asked.headers["authorization"] == "Bearer t"
        assert app.post("/callback/pigeon", {"id": "m1", "state": "read"}).status_code == 401
        assert app.post("/callback/pigeon", {"id": "m1", "state": "delivered"}, headers={"x-token": "w"}).status_code == 200
        assert app.messages[0].status == "delivered"
        gateway.answers({"error": "unknown_number"}, 422)
        assert app.book(a_booking(), id=2).why == "the number cannot be reached"
        gateway.hangs_up()
        assert [row.status for row in app.book(a_booking(), id=3).messages] == ["unclear"]
        gateway.answers({"state": "delivered"})
        app.wait("5m")
        assert [row.status for row in app.messages] == ["delivered", "failed", "delivered"]


def test_a_source_is_posted_to() -> None:
    """A webhook goes in at the source's own address; an answer other than 200 fails the test in words."""
    body = '{"id": 7, "place": 962302, "state": "booked", "changed": "2026-08-20T10:00:00+03:00", "at": "2026-08-21T19:00:00+03:00", "phone": "8 900 000-00-88", "guests": 2}'
    with an_app(path=EXAMPLES, source={"tables": {"secret": "s"}}) as app:
        assert "Столик, гостей: 2" in app.webhook("tables", body, query={"secret": "s"}).texts[0]
        with pytest.raises(AssertionError, match=r"^POST /webhook/tables was answered 401: "):
            app.webhook("tables", body)
        assert app.post("/webhook/tables", body).status_code == 401


def test_a_mistake_is_told_as_at_the_start(private: Path) -> None:
    """A table without its plugin, and a key that is not known."""
    with (
        pytest.raises(PluginError, match=r"\[filter.quite\]: there is no such plugin, did you mean `quiet`\?$"),
        an_app(path=private, filter={"quite": {}}),
    ):
        pass
    with (
        pytest.raises(ConfigError, match=r"\[filter.quiet\]: unknown key `from`"),
        an_app(path=private, filter={"quiet": {"from": 1}}),
    ):
        pass


def test_it_is_quick_enough_to_be_used_everywhere() -> None:
    """A real SQLite file, and still far below a second."""
    started = perf_counter()
    with an_app() as app:
        app.book(Booking(NOON, phone=PHONE))
    assert perf_counter() - started < 5  # ordinarily 0.2
