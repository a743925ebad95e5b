"""What becomes of a message at its gateway: Green-API over real HTTP, against a stand-in with a ledger; time moves by a clock."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from core.model import Received
from core.pipeline import receive
from core.spools import Spools
from core.store import beside, engine
from core.store.reports import Report
from core.store.values import when
from stand_ins import Accepted, Scenario, StandIn, serving
from stand_ins.green_api import GreenApi
from tests.conftest import Clock, Driver, body, drive, settings

PRIVATE = str(Path(__file__).parent / "plugins_for_tests")
Story = Callable[["Driver", GreenApi], Awaitable[Any]]
Deliver = Callable[..., Any]


@pytest.fixture
def deliver(database_url: str, tmp_path: Path) -> Deliver:
    """`deliver(story, sms=True)`: one app, one stand-in gateway that reports nothing by itself; `sms` adds a second channel."""

    def run(story: Story, *, sms: bool = False, kind: type[GreenApi] = GreenApi, **config: Any) -> Any:
        clock = Clock()
        gateway = kind("http://vestnik/callback/green_api", clock=clock)
        gateway.always(Scenario(report=()))

        async def whole(app: Driver) -> Any:
            gateway.http = app.http
            async with asyncio.timeout(60), serving(gateway, port=port):
                return await story(app, gateway)

        port = free_port()
        send: dict[str, Any] = {"console": None, "green_api": {**kind.settings(f"http://127.0.0.1:{port}"), **config}}
        if sms:
            send["other_sms"] = {}
        raw = settings(database_url, send=send, plugins={"path": [PRIVATE]})
        return drive(raw, tmp_path, whole, clock=clock)

    return run


class Absent(GreenApi):
    """A gateway that knows nobody's number."""

    async def _check(self, request: Any) -> Any:
        return self.recorded("check_whatsapp.ok_absent")


def free_port() -> int:
    import socket

    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        return int(listening.getsockname()[1])


async def one(app: Driver) -> dict[str, Any]:
    """The only message."""
    (row,) = await app.messages()
    return row


async def told(app: Driver) -> dict[str, Any]:
    """Post the plain booking, do what is due, give the message."""
    await app.tell(body("record_create_discount50"))
    return await one(app)


def at(row: dict[str, Any], column: str) -> datetime:
    """A time of a row, whatever the driver makes of it."""
    found = when(row[column])
    assert found is not None
    return found


def test_accepted_is_sent_with_the_gateways_id(deliver: Deliver) -> None:
    """The gateway took it: `sent`, with its id, the text that left, and the time."""

    async def story(app: Driver, gateway: StandIn) -> None:
        row = await told(app)
        (taken,) = gateway.ledger
        assert (row["status"], row["provider_message_id"], row["message"]) == ("sent", taken.id, taken.text)
        assert (row["attempts"], at(row, "sent_at"), taken.phone) == (1, app.clock(), "+79000000088")

    deliver(story)


def test_statuses_only_rise(deliver: Deliver) -> None:
    """sent → delivered → read, each with its time; repeats and late lower ones change nothing."""

    async def story(app: Driver, gateway: StandIn) -> None:
        await told(app)
        seen = []
        for state in ("sent", "delivered", "delivered", "read", "delivered", "sent", "read"):
            app.clock.now += timedelta(seconds=10)
            await gateway.report(gateway.ledger[0], state)
            await app.settle()
            seen.append((await one(app))["status"])
        assert seen == ["sent", "delivered", "delivered", "read", "read", "read", "read"]
        row = await one(app)
        assert at(row, "delivered_at") < at(row, "read_at")
        assert len(gateway.ledger) == 1

    deliver(story)


def test_a_late_delivery_wins_over_a_failure(deliver: Deliver) -> None:
    """`failed`, and then `delivered` after all: the message is delivered, and what is announced stands again."""

    async def story(app: Driver, gateway: StandIn) -> None:
        await told(app)
        for state, status, announced in (
            ("failed", "failed", False),
            ("delivered", "delivered", True),
            ("failed", "delivered", True),
        ):
            await gateway.report(gateway.ledger[0], state)
            await app.settle()
            assert (await one(app))["status"] == status
            (known,) = await app.rows("SELECT announced FROM appointments_cache")
            assert (known["announced"] is not None) is announced, state

    deliver(story)


def test_a_status_may_come_before_the_answer(deliver: Deliver) -> None:
    """A status that is posted before the send is answered waits, and is matched as soon as the id is known."""

    async def story(app: Driver, gateway: StandIn) -> None:
        gateway.plan(Scenario(report=("sent", "delivered"), before_answer=True))
        await told(app)
        await app.settle(6)
        row = await one(app)
        assert (row["status"], row["provider_message_id"]) == ("delivered", gateway.ledger[0].id)

    deliver(story)


def test_a_foreign_status_is_kept_and_given_up(deliver: Deliver) -> None:
    """A status of a message that nobody knows (sent by hand from the phone) waits five minutes, then is done with."""

    async def story(app: Driver, gateway: StandIn) -> None:
        row = await told(app)
        await gateway.report(Accepted("3EB0FOREIGN", "+79000000099", "by hand", app.clock()), "delivered")
        for _ in range(62):
            await app.settle(6)
        (kept,) = await app.rows("SELECT status, reason FROM callbacks")
        assert (kept["status"], kept["reason"]) == ("processed", "no message has this id")
        assert (await one(app))["status"] == row["status"] == "sent"

    deliver(story)


def test_too_many_requests_wait_from_the_stored_row(deliver: Deliver) -> None:
    """429: pending with one attempt and a time that honours Retry-After; not a moment earlier, then sent once."""

    async def story(app: Driver, gateway: StandIn) -> None:
        gateway.plan(Scenario("error.429", retry_after=90))
        row = await told(app)
        assert (row["status"], row["attempts"], gateway.ledger) == ("pending", 1, [])
        wait = at(row, "due_at") - app.clock()
        assert timedelta(seconds=90) <= wait <= timedelta(seconds=99)
        await app.settle(89)
        assert (await one(app))["attempts"] == 1
        await app.settle(11)
        row = await one(app)
        assert (row["status"], row["attempts"], len(gateway.ledger)) == ("sent", 2, 1)

    deliver(story)


def test_a_gateway_that_is_away_is_tried_again(database_url: str, tmp_path: Path) -> None:
    """Connection refused: pending, the waits grow; the fourth leaves the account alone for a while; sent once when it is back."""
    clock, port = Clock(), free_port()
    gateway = GreenApi(clock=clock)

    async def story(app: Driver) -> None:
        await app.tell(body("record_create_discount50"))
        waits = []
        for n in range(1, 5):
            row = await one(app)
            assert (row["status"], row["attempts"], row["sent_at"]) == ("pending", n, None)
            assert row["error"] == "the gateway cannot be reached: no connection"
            waits.append((at(row, "due_at") - clock()).total_seconds())
            if n < 4:
                clock.now = at(row, "due_at")
                await app.settle()
        assert all(0.5 * 2**n <= wait <= 2**n for n, wait in enumerate(waits[:3], 1))
        assert 30 <= waits[3] <= 60
        async with serving(gateway, port=port):
            clock.now = at(await one(app), "due_at")
            await app.settle()
        row = await one(app)
        assert (row["status"], row["attempts"], len(gateway.ledger)) == ("sent", 5, 1)

    send = {"console": None, "green_api": GreenApi.settings(f"http://127.0.0.1:{port}")}
    drive(settings(database_url, send=send), tmp_path, story, clock=clock)


@pytest.mark.parametrize("answer", ["drop", "hang"])
def test_a_lost_answer_is_unclear_and_never_repeated(deliver: Deliver, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """Reset or no answer after the request was written: unclear; nothing is sent again; a status by phone resolves it."""
    monkeypatch.setattr("core.http.TIMEOUT", httpx.Timeout(connect=5, read=0.3, write=5, pool=5))

    async def story(app: Driver, gateway: StandIn) -> None:
        gateway.plan(Scenario(answer, report=()))
        row = await told(app)
        assert (row["status"], row["provider_message_id"], row["attempts"]) == ("unclear", None, 1)
        (known,) = await app.rows("SELECT announced, snapshot FROM appointments_cache")
        assert known["announced"] == known["snapshot"]
        for minutes in (1, 60, 600):
            await app.settle(minutes * 60)
        assert len(gateway.ledger) == 1
        await gateway.report(gateway.ledger[0], "delivered")
        await app.settle()
        row = await one(app)
        assert (row["status"], row["provider_message_id"], len(gateway.ledger)) == ("delivered", gateway.ledger[0].id, 1)

    deliver(story)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [("error.466_quota", "the tariff's quota is used up"), ("error.401", "HTTP 401: base_url, id_instance or token is wrong")],
)
def test_an_account_that_is_out_of_order_is_paused(deliver: Deliver, answer: str, reason: str) -> None:
    """466 or 401: the account is paused, the next message waits unsent, an alert stands; `/ready` stays 200 and says so; it heals."""

    async def story(app: Driver, gateway: StandIn) -> None:
        gateway.plan(answer)
        row = await told(app)
        assert (row["status"], row["error"], row["attempts"]) == ("pending", reason, 1)
        await app.tell(body("record_create_discount50", id=5, resource_id=5))
        waiting = (await app.messages())[1]
        assert (waiting["status"], waiting["attempts"], gateway.ledger) == ("pending", 0, [])
        ready = await app.http.get("/ready")
        assert (ready.status_code, ready.json()["transports"]) == (
            200, [{"transport": "green_api", "account": 0, "working": False, "reason": reason}]
        )  # fmt: skip
        (health,) = await app.vestnik.run.store.health.all()
        assert health.reason == reason
        alerts = await app.vestnik.run.store.look.ask("alerts", since=app.clock() - timedelta(days=1))
        assert [alert["text"].partition(". ")[0] for alert in alerts] == [f"green_api не работает ({reason})"]
        await app.settle(15 * 60)
        assert [row["status"] for row in await app.messages()] == ["sent", "sent"]
        assert (await app.http.get("/ready")).json()["transports"][0]["working"] is True

    deliver(story)


def test_a_recipient_without_whatsapp_gets_the_next_channel(deliver: Deliver) -> None:
    """The number is not there: the same message goes on by SMS at once, another row of the same notification, and announced moves."""

    async def story(app: Driver, gateway: StandIn) -> None:
        await told(app)
        await gateway.report(gateway.ledger[0], "noAccount")
        await app.settle()
        first, second = await app.messages()
        assert (first["status"], first["channel"], first["error"]) == ("failed", "whatsapp", "the number has no account")
        assert (second["status"], second["channel"], second["transport"]) == ("sent", "sms", "other_sms")
        assert (first["notification_id"], first["step"], second["step"]) == (second["notification_id"], 0, 1)
        assert taken() == [("+79000000088", second["message"])]
        assert second["message"].startswith("Вы записаны: 21 августа в 14:30")

    deliver(story, sms=True)


def test_a_number_that_is_looked_up_first_gets_the_next_channel(deliver: Deliver) -> None:
    """Asked before (`check_number`), an absent number costs no message: SMS at once."""

    async def story(app: Driver, gateway: StandIn) -> None:
        await app.tell(body("record_create_discount50"))
        first, second = await app.messages()
        assert (first["status"], first["error"]) == ("failed", "the number is not on WhatsApp")
        assert (second["status"], second["channel"]) == ("sent", "sms")
        assert (gateway.ledger, len(taken())) == ([], 1)
        (known,) = await app.rows("SELECT announced, snapshot FROM appointments_cache")
        assert known["announced"] == known["snapshot"]

    deliver(story, sms=True, kind=Absent, check_number=True)


def test_accepted_and_not_delivered_falls_back(deliver: Deliver) -> None:
    """Ten minutes after WhatsApp took it without delivering, SMS goes; a delivery known in time spares it."""

    async def story(app: Driver, gateway: StandIn) -> None:
        await told(app)
        await app.settle(599)
        assert len(await app.messages()) == 1
        await app.settle(2)
        await app.settle()
        first, second = await app.messages()
        assert [(row["status"], row["channel"]) for row in (first, second)] == [("sent", "whatsapp"), ("sent", "sms")]
        await app.tell(body("record_create_discount50", id=7, resource_id=7))
        await gateway.report(gateway.ledger[1], "delivered")
        await app.settle(3600)
        assert [(row["status"], row["channel"]) for row in (await app.messages())[2:]] == [("delivered", "whatsapp")]

    deliver(story, sms=True)


def test_an_old_failure_brings_no_old_news(deliver: Deliver) -> None:
    """WhatsApp gives up the first message after a newer one was told: no SMS goes, neither with the old state nor with the new."""

    async def story(app: Driver, gateway: StandIn) -> None:
        await told(app)
        await app.tell(moved(16))
        await app.tell(moved(14, minute=30, change=20))
        await gateway.report(gateway.ledger[1], "failed")
        await app.settle()
        assert [(row["status"], row["channel"]) for row in await app.messages()] == [
            ("sent", "whatsapp"), ("failed", "whatsapp"), ("sent", "whatsapp")
        ]  # fmt: skip
        assert taken() == []

    deliver(story, sms=True)


def test_what_a_fallback_told_is_known(deliver: Deliver) -> None:
    """After WhatsApp gave up and SMS told it, a change is `booking_updated`, and a cancellation is told, too."""

    async def story(app: Driver, gateway: StandIn) -> None:
        await told(app)
        await gateway.report(gateway.ledger[0], "noAccount")
        await app.settle()
        await app.tell(moved(16))
        rows = [(row["notification_type"], row["channel"], row["status"]) for row in await app.messages()]
        assert rows == [
            ("booking_created", "whatsapp", "failed"), ("booking_created", "sms", "sent"), ("booking_updated", "whatsapp", "sent")
        ]  # fmt: skip

    deliver(story, sms=True)


def test_after_the_deadline_it_is_expired(deliver: Deliver) -> None:
    """A message that could not leave before the visit began is expired, never sent, and can be seen."""

    async def story(app: Driver, gateway: StandIn) -> None:
        gateway.always("session_down")
        await told(app)
        app.clock.now = datetime.fromisoformat("2025-08-21T14:29:00+03:00")
        await app.settle()
        await app.settle(120)
        gateway.always("accept")
        await app.settle(3600)
        row = await one(app)
        assert (row["status"], gateway.ledger) == ("expired", [])
        dead = await app.vestnik.run.store.look.ask("dead_letters", since=app.clock() - timedelta(days=2), most=5)
        assert [letter["notification_id"] for letter in dead] == [row["notification_id"]]

    deliver(story)


def taken() -> list[tuple[str, str]]:
    """What the SMS plugin took since it was loaded."""
    return next(
        module.TAKEN for module in list(sys.modules.values()) if getattr(module, "__file__", None) == f"{PRIVATE}/send/other_sms.py"
    )  # type: ignore[no-any-return]


def test_while_the_database_is_away_events_are_spooled(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database cannot be written: each webhook is answered 200 all the same, lies in the spool, and is drained later in order."""
    whole = engine.databases.Database
    monkeypatch.setattr(
        engine.databases, "Database", lambda url, **options: whole(url, **({"timeout": 0.2} if "timeout" in options else options))
    )  # SQLite is waited for 0.2 s, not 10 s

    async def story(app: Driver) -> None:
        await app.tell(body("record_create_discount50"))
        posted = []
        async with away(database_url):
            for hour in (15, 16, 17):
                answered = await app.post(moved(hour))
                assert (answered.status_code, answered.json()["success"]) == (200, True)
                posted.append(answered.json()["eventId"])
            ready = await app.http.get("/ready")
            assert (ready.status_code, ready.json()["spooled"]) == (200, 3)
            assert await app.vestnik.empty_spool() == 0
        assert await app.vestnik.empty_spool() == 3
        await app.settle()
        stored = await app.rows("SELECT event_id, status FROM webhook_events ORDER BY id")
        assert [row["event_id"] for row in stored][1:] == posted
        assert {row["status"] for row in stored} == {"processed", "suppressed"}
        assert [text.splitlines()[2] for text in await app.texts()] == ["📅 21 августа в 14:30", "📅 21 августа в 17:00"]
        assert (await app.http.get("/ready")).json()["spooled"] == 0

    drive(settings(database_url), tmp_path, story)


def test_events_of_a_process_that_is_gone_are_stored_by_another(play: Callable[..., Any], tmp_path: Path) -> None:
    """Two served while the database was away, and one does not come back: what it has answered 200 is told all the same."""

    async def story(app: Driver) -> None:
        found = app.vestnik.config
        gone = Spools(beside(found.database.url, found.folder, "spool"))
        received = [Received("evt_x", "record.created", json.dumps(body("record_create_discount50")), 962302, 1)]
        await gone.append([msgspec.to_builtins(event) for event in receive.rows("yclients", received, app.clock())])
        gone.close()
        assert await app.vestnik.empty_spool() == 1
        await app.settle()
        assert [row["event_id"] for row in await app.rows("SELECT event_id FROM webhook_events")] == ["evt_x"]
        assert [text.splitlines()[2] for text in await app.texts()] == ["📅 21 августа в 14:30"]

    play(story)


def moved(hour: int, minute: int = 0, change: int | None = None) -> dict[str, Any]:
    """The plain booking moved to another hour, at 11:`change` of the day before."""
    change = hour if change is None else change
    visit, stamp = f"{hour}:{minute:02}:00", f"2025-08-20T11:{change}:00+0300"
    changed = {"date": f"2025-08-21 {visit}", "datetime": f"2025-08-21T{visit}+03:00", "last_change_date": stamp}
    return body("record_create_discount50", status="update", **changed)


@contextlib.asynccontextmanager
async def away(url: str) -> AsyncIterator[None]:
    """Nobody can write: SQLite's file is locked by another; PostgreSQL throws everybody out and lets nobody in."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")
        return
    import asyncpg

    head, _, query = url.partition("?")
    base, _, name = head.rpartition("/")
    connection = await asyncpg.connect(f"{base}/postgres?{query}")
    await connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
    try:
        yield
    finally:
        await connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await connection.close()


def test_a_status_by_phone_needs_one_message(play: Callable[..., Any]) -> None:
    """Of two unclear messages to one phone, a status without a known id marks neither: a wrong "delivered" would keep a person from calling."""

    async def story(app: Driver) -> None:
        store = app.vestnik.run.store
        for second in range(2):
            await app.tell(body("record_create_discount50", id=71 + second, last_change_date=f"2025-08-20T11:00:0{second}+0300"))
        engine = store.engine
        async with engine.connection() as connection:
            await connection.execute("UPDATE booking_notifications SET status = 'unclear', provider_message_id = NULL")
        report = Report("console", 0, "delivered", app.clock.now, provider_id="unknown", phone="+79000000088")
        assert [found.row for found in await store.reports.match([report])] == [None]
        assert {row["status"] for row in await app.messages()} == {"unclear"}

    play(story)


def test_an_unclear_message_is_sent_again_by_hand(play: Callable[..., Any], tmp_path: Path) -> None:
    """A person says that an unclear message did not arrive: it is sent once more, and a comment meanwhile does not take it away."""

    async def story(app: Driver) -> None:
        told = await app.tell(body("record_create_discount50"))
        engine = app.vestnik.run.store.engine
        async with engine.connection() as connection:
            await connection.execute("UPDATE booking_notifications SET status = 'unclear'")
        again = await app.vestnik.run.store.reports.resend(
            told["event_id"], None, app.clock.now, app.clock.now + timedelta(hours=24)
        )
        assert again is not None
        later = {"comment": "просила у окна", "last_change_date": "2025-08-20T11:59:00+0300"}
        await app.tell(body("record_create_discount50", status="update", **later))
        assert [(row["status"], row["attempts"]) for row in await app.messages()] == [("failed", 1), ("sent", 1)]
        moved = {
            "date": "2025-08-21 16:00:00",
            "datetime": "2025-08-21T16:00:00+03:00",
            "last_change_date": "2025-08-20T11:59:30+0300",
        }
        await app.tell(body("record_create_discount50", status="update", **moved))
        assert [row["notification_type"] for row in await app.messages()][2:] == ["booking_updated"]

    play(story)


def test_echoes_tell_several_unclear_messages_apart(deliver: Deliver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two answers to one phone are lost. The gateway's echo says which message is which; then their statuses are known by id."""
    monkeypatch.setattr("core.http.TIMEOUT", httpx.Timeout(connect=5, read=0.3, write=5, pool=5))

    async def story(app: Driver, gateway: StandIn) -> None:
        gateway.plan(Scenario("drop", report=()), Scenario("drop", report=()))
        await told(app)
        await app.tell(moved(16))
        first, second = gateway.ledger
        assert [(row["status"], row["message"]) for row in await app.messages()] == [
            ("unclear", first.text),
            ("unclear", second.text),
        ]
        await gateway.report(second, "delivered")
        await app.settle(10)
        assert [row["status"] for row in await app.messages()] == ["unclear", "unclear"]
        await echo(app, second.id, second.phone, second.text)
        await app.settle(10)
        assert [(row["status"], row["provider_message_id"]) for row in await app.messages()] == [
            ("unclear", None),
            ("delivered", second.id),
        ]
        await echo(app, first.id, first.phone, first.text)
        await app.settle()
        assert [row["status"] for row in await app.messages()] == ["sent", "delivered"]

    deliver(story)


def test_somebody_elses_echo_is_done_with_at_once(deliver: Deliver, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another program sends from the salon's number is none of ours: it resolves nothing and waits for nothing."""
    monkeypatch.setattr("core.http.TIMEOUT", httpx.Timeout(connect=5, read=0.3, write=5, pool=5))

    async def story(app: Driver, gateway: StandIn) -> None:
        gateway.plan(Scenario("drop", report=()))
        await told(app)
        await echo(app, "3EB0FFFF", gateway.ledger[0].phone, "Ваш заказ готов")
        await app.settle()
        assert (await one(app))["status"] == "unclear"
        assert [row["status"] for row in await app.rows("SELECT status FROM callbacks")] == ["processed"]

    deliver(story)


async def echo(app: Driver, number: str, phone: str, text: str) -> None:
    """The gateway tells back what was sent through it."""
    hook = GreenApi("").body("webhook.outgoing_api_echo")
    hook |= {"idMessage": number, "timestamp": int(app.clock().timestamp())}
    hook["senderData"]["chatId"] = f"{phone.removeprefix('+')}@c.us"
    hook["messageData"] = {"typeMessage": "textMessage", "textMessageData": {"textMessage": text}}
    said = await app.post(hook, path="/callback/green_api", headers={"authorization": "Bearer green-hook"})
    assert said.status_code == 200


def test_a_status_by_phone_waits_for_an_open_request(play: Callable[..., Any]) -> None:
    """One message to a phone is unclear, another's request is open: a status without a known id may mean either, so it waits."""

    async def story(app: Driver) -> None:
        store = app.vestnik.run.store
        for second in range(2):
            await app.tell(body("record_create_discount50", id=71 + second, last_change_date=f"2025-08-20T11:00:0{second}+0300"))
        async with store.engine.connection() as connection:
            await connection.execute("UPDATE booking_notifications SET status = 'unclear', provider_message_id = NULL")
            await connection.execute("UPDATE booking_notifications SET status = 'sending' WHERE record_id = 72")
        report = Report("console", 0, "delivered", app.clock.now, provider_id="unknown", phone="+79000000088")
        assert [(found.row, found.waits) for found in await store.reports.match([report])] == [(None, True)]
        assert {row["status"] for row in await app.messages()} == {"unclear", "sending"}

    play(story)
