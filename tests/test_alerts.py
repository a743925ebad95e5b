"""A person is needed: the owner hears of it over another channel, once, whatever dies; and it counts as no client's message."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core import config as configuration
from core.alerts import Cause
from core.errors import ConfigError
from core.model import Received
from tests.conftest import Driver, body, drive, settings
from tests.test_cascade import PHONE, Play, Stage, _play

OWNER = "+79990000001"
ALERT = {"phone": OWNER}
SMS = {"sms": "+79990000002"}
DOWN = "the instance is not authorized: scan its QR code"


@pytest.fixture
def both(database_url: str, tmp_path: Path) -> Play:
    """The app and its gateways on sockets, on both databases, with an owner to tell."""
    return lambda story, *names, **options: asyncio.run(_play(database_url, tmp_path, story, names, **{"alert": ALERT, **options}))


def to_owner(app: Stage, name: str, owner: str = OWNER) -> list[str]:
    """What the owner has read on a channel."""
    return [taken.text for taken in app[name].ledger if taken.phone == owner]


async def alerts(app: Driver) -> list[tuple[str, str]]:
    """Every message to an owner: its channel, and what became of it."""
    return [(row["channel"], row["status"]) for row in await app.messages() if row["notification_type"] == "alert"]


async def cancelled(app: Stage, number: int = 1, phone: str = PHONE) -> None:
    """A booking is told and delivered, then cancelled."""
    await app.book(number, phone)
    await app.delivered("green_api")
    await app.settle(60)
    await app.book(number, phone, status="delete", deleted=True)


def test_a_dead_session_is_told_once_over_another_channel(both: Play) -> None:
    """Three clients in vain are one alert, by SMS; healed and dead again is a second one, but not within the hour."""

    async def story(app: Stage) -> None:
        await app["green_api"].session(False)
        for number in (1, 2, 3):
            await app.book(number, f"+7900000010{number}")
        expected = f"green_api не работает ({DOWN}). Клиентам пишем по другим каналам, если они есть. Проверьте кабинет и ключи."
        assert (to_owner(app, "smsc"), to_owner(app, "green_api")) == ([expected], [])
        assert await alerts(app) == [("sms", "sent")]
        for seconds, told in ((600, 1), (3600, 2)):
            await app["green_api"].session(True)
            await app.settle(seconds)
            await app.book(20 + told, PHONE)
            await app["green_api"].session(False)
            await app.book(30 + told, PHONE)
            assert len(to_owner(app, "smsc")) == told

    both(story, "green_api", "smsc", alert={**ALERT, "channels": ["whatsapp", "sms"]})


def test_where_the_only_channel_is_dead_nothing_is_sent(both: Play) -> None:
    """No other channel: the alert stands in `stats`, and no message to the owner waits for the dead account."""

    async def story(app: Stage) -> None:
        await app["green_api"].session(False)
        await app.book()
        assert await alerts(app) == []
        assert len(await app.alerts()) == 1

    both(story, "green_api", channels=("whatsapp",))


def test_a_wrong_template_is_told_once_until_one_is_taken(both: Play) -> None:
    """Two refusals are one alert with the gateway's reason; a text that is taken ends it, a later refusal is told anew."""

    async def story(app: Stage) -> None:
        wrong = "error.132001_template_missing"
        app["whatsapp_cloud"].plan(wrong, wrong)
        for number, phone in enumerate((PHONE, "+79000000077", "+79000000078", "+79000000079"), 1):
            await app.vestnik.run.store.people.wrote(phone, 0, app.clock())
            if number == 4:
                app["whatsapp_cloud"].plan(wrong)
                await app.settle(3600)
                await app.vestnik.run.store.people.wrote(phone, 0, app.clock())
            await app.book(number, phone)
            assert len(to_owner(app, "smsc")) == (1 if number < 4 else 2)
        assert to_owner(app, "smsc")[0].startswith("whatsapp_cloud не принимает сообщение «новая запись» (")

    both(story, "whatsapp_cloud", "smsc", filter={"recent_chat": None})


def test_whom_to_call_is_told_with_phone_and_time(both: Play) -> None:
    """A cancellation that reached nobody: one message with the client's phone; the list that everybody sees has it masked."""

    async def story(app: Stage) -> None:
        await cancelled(app)
        await app.delivered("green_api", state="noAccount")
        await app.delivered("smsc", state="failed")
        await app.settle(60)
        await app.check()
        call = f"Позвоните клиенту: {PHONE} Арсен, запись отменена, была на 21.08 в 14:30. Сообщение до него не дошло."
        assert to_owner(app, "telegram") == [call]
        (alert,) = await app.rows("SELECT text FROM alerts")
        assert PHONE not in alert["text"]
        assert "+7900…88" in alert["text"]
        for _ in range(4):
            await app.settle(3600)
        assert to_owner(app, "telegram") == [call]

    both(bound(story), "green_api", "smsc", "telegram", alert={**ALERT, "channels": ["telegram"]})


def test_many_to_call_are_one_message(both: Play) -> None:
    """Seven clients at once: five are named, the rest is counted, and none is told again."""

    async def story(app: Stage) -> None:
        for number in range(1, 8):
            await cancelled(app, number, f"+7900000010{number}")
        for taken in list(app["green_api"].ledger[1::2]):
            await app["green_api"].report(taken, "noAccount")
        await app.settle()
        for taken in [taken for taken in app["smsc"].ledger if taken.phone != OWNER]:
            await app["smsc"].report(taken, "failed")
        await app.settle(60)
        await app.check()
        lines = [text.splitlines() for text in to_owner(app, "telegram")]
        assert [len(text) for text in lines] == [7]
        assert (lines[0][0], lines[0][-1]) == ("Позвоните клиентам, сообщения до них не дошли:", "и ещё 2: vestnik stats")
        await app.settle(3600)
        assert len(to_owner(app, "telegram")) == 1

    both(bound(story), "green_api", "smsc", "telegram", alert={**ALERT, "channels": ["telegram"]})


def bound(story: Callable[[Stage], Awaitable[None]]) -> Callable[[Stage], Awaitable[None]]:
    """The owner has bound the salon's Telegram bot."""

    async def with_bot(app: Stage) -> None:
        await app["telegram"].write(OWNER, contact=True)
        await app.settle()
        await story(app)

    return with_bot


def test_each_salon_tells_its_own_owner(both: Play) -> None:
    """`[salon.ID.alert]`: the account of one salon dies, and its owner hears of it; the other owner does not."""

    async def story(app: Stage) -> None:
        app["second"].working = False
        found = body("record_create_discount50", id=7, resource_id=7, company_id=962303)
        found["data"]["company_id"] = 962303
        await app.tell(found)
        assert (to_owner(app, "smsc"), len(to_owner(app, "smsc", "+79990000003"))) == ([], 1)
        await app["green_api"].session(False)
        await app.book()
        assert (len(to_owner(app, "smsc")), len(to_owner(app, "smsc", "+79990000003"))) == (1, 1)

    second = {"962303": {"alert": {"phone": "+79990000003"}}}
    both(story, "green_api", "smsc", second=True, salon=second)


def test_what_concerns_all_goes_to_each_owner(both: Play) -> None:
    """No owner of all is named: the shared account's death goes to the owners of the salons, once to each phone."""

    async def story(app: Stage) -> None:
        await app["green_api"].session(False)
        await app.book()
        assert sorted(taken.phone for taken in app["smsc"].ledger if "не работает" in taken.text) == [
            "+79990000003",
            "+79990000004",
        ]

    owners = {str(number): {"alert": {"phone": phone}} for number, phone in ((962302, "+79990000003"), (962303, "+79990000004"))}
    both(story, "green_api", "smsc", alert={}, salon={**owners, "962304": owners["962303"]})


def test_an_alert_that_fails_raises_none(both: Play) -> None:
    """WhatsApp is dead, and the SMS gateway refuses the alert's text: no alert about the alert, however long it takes."""

    async def story(app: Stage) -> None:
        await app["green_api"].session(False)
        app["smsc"].plan_for(OWNER, "error.6")
        await app.book()
        for _ in range(30):
            await app.settle(3600)
        assert await alerts(app) == [("sms", "failed")]
        assert len(await app.alerts()) == 1

    both(story, "green_api", "smsc")


def test_two_dead_channels_are_two_alerts(both: Play) -> None:
    """Each is told of over the other, so both wait: two messages, no loop; the one that is healed first carries the other's."""

    async def story(app: Stage) -> None:
        await app["green_api"].session(False)
        app["smsc"].working = False
        await app.book()
        for _ in range(5):
            await app.settle(900)
        assert sorted(await alerts(app)) == [("sms", "pending"), ("whatsapp", "pending")]
        await app["green_api"].session(True)
        await app.settle(900)
        assert len(to_owner(app, "green_api")) == 1
        assert to_owner(app, "green_api")[0].startswith("smsc не работает")
        assert sorted(await alerts(app)) == [("sms", "superseded"), ("whatsapp", "sent")]  # what is over is not told late

    both(story, "green_api", "smsc")


def test_an_alert_survives_a_restart(database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Noted, and the process dies before it is sent: the next one sends it, and does not raise it again."""
    raw = settings(database_url, alert={"phone": OWNER, "channels": ["sms"]}, send={"console": {"channel": "sms"}})

    async def dies(app: Driver) -> None:
        await app.vestnik.run.alerts.out_of_order("green_api", 0, "no money")
        assert await alerts(app) == [("sms", "pending")]

    async def lives(app: Driver) -> None:
        await app.vestnik.run.load_health()
        await app.vestnik.run.alerts.out_of_order("green_api", 0, "no money")
        await app.settle()
        assert await alerts(app) == [("sms", "sent")]

    drive(raw, tmp_path, dies)
    drive(raw, tmp_path, lives)
    assert capsys.readouterr().out.count("green_api не работает (no money)") == 1


def test_it_counts_as_no_clients_message(both: Play) -> None:
    """The owner is a client too: the alert is in no statistic, not in the frequency cap, and does not choose their channel."""

    async def story(app: Stage) -> None:
        await app.vestnik.run.alerts.tell(Cause("silent", "yclients", 962302), "Проверьте вебхуки", 962302, "none comes")
        await app.settle()
        await app.delivered("smsc")
        await app.settle(60)
        await app.check()
        assert await alerts(app) == [("sms", "delivered")]
        assert await app.rows("SELECT * FROM notification_stats_24h") == []
        ((person,),) = (await app.vestnik.run.store.people.known([(OWNER, 962302)], app.clock()),)
        assert (person.contact.sent_at, person.won_channel) == ((), None)
        await app.book(phone=OWNER, visit=app.clock() + timedelta(days=2))
        assert [(row["channel"], row["status"]) for row in await app.messages()][1:] == [("whatsapp", "sent")]
        assert [row["total_sent"] for row in await app.rows("SELECT total_sent FROM notification_stats_24h")] == [1]

    now = datetime.now(UTC)  # the statistics are those of the database's own last 24 hours
    both(story, "green_api", "smsc", now=now, alert={**ALERT, "channels": ["sms"]}, filter={"frequency_cap": {"messages": 1}})


def test_no_rule_keeps_it_back(both: Play) -> None:
    """A trial run, the night, and an owner who said СТОП as a client: the alert leaves all the same."""

    async def story(app: Stage) -> None:
        await app.vestnik.run.store.people.opt(OWNER, 0, app.clock())
        await app.vestnik.run.alerts.out_of_order("green_api", 0, "no money")
        await app.settle()
        assert await alerts(app) == [("sms", "sent")]

    rules = {"only_phones": {"phones": ["+79000000077"]}, "quiet_hours": {"from": "00:00", "to": "23:59"}}
    both(story, "green_api", "smsc", filter=rules)


def test_it_takes_the_next_channel_where_it_is_not_delivered(both: Play) -> None:
    """The owner's own cascade: WhatsApp took it and did not deliver, the SMS follows."""

    async def story(app: Stage) -> None:
        await app.vestnik.run.alerts.tell(Cause("silent", "yclients", 962302), "Проверьте вебхуки", 962302, "none comes")
        await app.settle()
        await app.settle(600)
        assert await alerts(app) == [("whatsapp", "sent"), ("sms", "sent")]

    both(story, "green_api", "smsc")


def test_another_reason_is_another_cause(both: Play, caplog: pytest.LogCaptureFixture) -> None:
    """No money, then a wrong key within the hour: both are told, each once; healed, both are over; one that comes back is not over."""

    async def story(app: Stage) -> None:
        told = app.vestnik.run.alerts

        async def out(reason: str, minutes: int = 1) -> list[str]:
            app.clock.now += timedelta(minutes=minutes)
            await told.load()  # as another node, or a restart, sees it
            await told.out_of_order("green_api", 0, reason)
            await app.settle()
            return [text.partition("(")[2].partition(")")[0] for text in to_owner(app, "smsc")]

        async def over() -> list[tuple[str, bool]]:
            found = await app.vestnik.run.store.look.ask("alerts", since=app.clock() - timedelta(days=1))
            return sorted((row["text"].partition("(")[2].partition(")")[0], row["over_at"] is not None) for row in found)

        assert [len(await out(reason)) for reason in ("no money", "no money", "wrong key", "no money", "wrong key")] == [
            1,
            1,
            2,
            2,
            2,
        ]
        assert await out("wrong key") == ["no money", "wrong key"]
        assert [line.partition("outcome=alert ")[2] for line in caplog.text.splitlines() if "outcome=alert" in line] == [
            "key=transport_green_api_0 reason=green_api is out of order: no money",
            "key=transport_green_api_0 reason=green_api is out of order: wrong key",
        ]
        assert await over() == [("no money", False), ("wrong key", False)]
        app.clock.now += timedelta(minutes=1)
        await told.works("green_api", 0)
        assert await over() == [("no money", True), ("wrong key", True)]
        assert len(await out("no money")) == 2  # told less than an hour ago
        assert await over() == [("no money", False), ("wrong key", True)]
        assert len(await out("no money", 60)) == 3
        app.clock.now += timedelta(minutes=1)
        await told.works("green_api", 0)
        assert (await over(), told.open) == ([("no money", True), ("wrong key", True)], frozenset())

    both(story, "green_api", "smsc", alert={**ALERT, "channels": ["whatsapp", "sms"]})


def test_reasons_that_never_are_the_same(both: Play) -> None:
    """A gateway that puts a time or an id into its words says the same; one that says something new each time is heard three times an hour."""

    async def story(app: Stage) -> None:
        told = app.vestnik.run.alerts
        for n in range(5):
            await told.out_of_order("green_api", 0, f"HTTP 500: request 8f3a{n}12 failed at 2025-08-20 09:0{n}")
            await told.refused_content("green_api", 0, "booking_created", f"HTTP 500: request 8f3a{n}12 failed")
        await app.settle()
        assert len(to_owner(app, "smsc")) == 2
        for hours in (0, 2):
            app.clock.now += timedelta(hours=hours)
            for n in range(5):
                await told.out_of_order("waha", 0, f"trouble {'x' * (n + hours)}")
            await app.settle()
        assert len([text for text in to_owner(app, "smsc") if text.startswith("waha ")]) == 6

    both(story, "green_api", "smsc", alert={**ALERT, "channels": ["sms"]})


def test_what_is_quiet_for_a_day_was_over(both: Play) -> None:
    """A plugin hangs again and again: one message; a day without it, and the next time is told anew."""

    async def story(app: Stage) -> None:
        for hours, told in ((1, 1), (23, 1), (25, 2)):
            app.clock.now += timedelta(hours=hours)
            await app.vestnik.run.alerts.late("filter.slow", "took longer than 1 s")
            await app.settle()
            assert len(to_owner(app, "smsc")) == told

    both(story, "smsc", channels=("sms",))


def test_silent_webhooks_are_told_until_one_comes(both: Play) -> None:
    """Polls find what no webhook told: one alert; a webhook ends it; silent again is told again."""

    async def story(app: Stage) -> None:
        number = 0

        async def poll(*args: Any, **given: Any) -> list[Received]:
            nonlocal number
            number += 1
            return [Received(f"p{number}", "record.updated", "{}", 962302, number, digest=f"d{number}")]

        app.vestnik.run.hooks.ask_async = poll  # type: ignore[method-assign]
        worker = app.vestnik.worker
        await app.vestnik.run.store.inbox.set_poll_point("yclients", 962302, app.clock(), None)

        async def polled(hours: float = 1) -> int:
            app.clock.now += timedelta(hours=hours)
            await worker.polls.once("yclients")
            await app.vestnik.run.load_health()
            return len(await alerts(app))

        assert [await polled(), await polled()] == [1, 1]
        (text,) = [row["body"] for row in await app.messages() if row["body"]]
        assert text == "Вебхуков от yclients нет совсем, хотя записи меняются. Проверьте в его настройках адрес и секрет."
        await app.post(body("record_create_admin"))
        assert [await polled(), await polled()] == [1, 1]
        assert await polled(4) == 2

    both(story, "green_api")


def test_what_is_parked_is_told_until_it_is_replayed(both: Play, tmp_path: Path) -> None:
    """An event is parked: the owner is told once; nothing parked any more ends it."""

    async def story(app: Stage) -> None:
        run = app.vestnik.run
        cause = Cause("parked", "yclients", 962302)
        for _ in range(2):
            await run.alerts.tell(cause, "Событие не обработано", 962302, "parked")
        assert cause.key in run.alerts.open
        await run.alerts.look()
        await app.settle()
        assert (cause.key in run.alerts.open, to_owner(app, "smsc")) == (False, [])  # nothing is parked: it is over before it left

    both(story, "green_api", "smsc", alert={**ALERT, "channels": ["sms"]})


def test_a_person_who_is_erased_is_erased_from_alerts(both: Play) -> None:
    """152-FZ: what was written to the owner about a client goes too."""

    async def story(app: Stage) -> None:
        await cancelled(app)
        await app.delivered("green_api", state="noAccount")
        assert len(await alerts(app)) == 1
        await app.vestnik.run.store.look.erase(PHONE)
        assert await alerts(app) == []

    both(story, "green_api", "max", channels=("whatsapp",), alert={**ALERT, "channels": ["max"]})


@pytest.mark.parametrize(
    ("tables", "sentence"),
    [
        ({"alert": {"phone": "no"}}, "config.toml [alert] phone: the phone cannot be read; write it as +79000000088"),
        (
            {"salon": {"1": {"alert": {"phon": OWNER}}}},
            "config.toml [salon.1.alert]: unknown key `phon`, did you mean `phone`?",
        ),
        ({"alert": {"chanels": []}}, "config.toml [alert]: unknown key `chanels`, did you mean `channels`?"),
    ],
)
def test_a_mistake_is_a_sentence(tables: dict[str, Any], sentence: str) -> None:
    """A phone that is none, and a key that is none, stop the start."""
    with pytest.raises(ConfigError) as raised:
        configuration.build(tables, Path("config.toml"), {})
    assert str(raised.value) == sentence


def test_a_salon_keeps_what_it_does_not_override() -> None:
    """`[salon.ID.alert]` changes the phone alone; the channels are those of `[alert]`; phones are read as people write them."""
    raw = {"alert": {"phone": "8 999 000-00-01", "channels": ["sms"]}, "salon": {"1": {"alert": {"phone": "89990000003"}}, "2": {}}}
    found = configuration.build(raw, Path("config.toml"), {})
    assert [(found.alert_of(n).phone, found.alert_of(n).channels) for n in (None, 1, 2)] == [
        (OWNER, ("sms",)),
        ("+79990000003", ("sms",)),
        (OWNER, ("sms",)),
    ]
