"""The message arrives: stories of several channels over real sockets, with a stand-in for each messaging API; time moves by a clock."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from core import config as configuration
from core import hooks as plugin_hooks
from core.app import create_app
from core.pipeline.callback import Callbacks
from core.store.rows import Notification
from stand_ins import ALL, Accepted, Scenario, StandIn, serving
from stand_ins.green_api import GreenApi
from tests.conftest import SALON, Clock, Driver, body, settings

PHONE, OTHER = "+79000000088", "+79000000099"
QUIET = Scenario(report=())  # taken, and nothing is reported by itself
VISIT = "2025-08-21T{}:00+03:00"


class Counted(GreenApi):
    """Counts the requests for a message, those too that were refused."""

    calls = 0

    async def taking(self, request: Request) -> Response:
        self.calls += 1
        return await super().taking(request)


class Second(Counted):
    """Another salon's own account."""

    config = {**GreenApi.config, "id_instance": "1101000002", "token": "second-token"}

    def status_hook(self, accepted: Accepted, state: str) -> Any:
        hook = super().status_hook(accepted, state)
        return {**hook, "instanceData": {**hook["instanceData"], "idInstance": 1101000002}}


class Stage(Driver):
    """The app with its gateways, each by the name of its transport."""

    gateways: dict[str, StandIn]

    def __getitem__(self, name: str) -> StandIn:
        return self.gateways[name]

    async def book(self, number: int = 1, phone: str = PHONE, at: str = "14:30", **changes: Any) -> None:
        """A booking of one client, made or moved, with all that is due; `at` is its hour."""
        visit = changes.pop("visit", None) or datetime.fromisoformat(VISIT.format(at))
        when = {"datetime": visit.isoformat(), "date": visit.strftime("%Y-%m-%d %H:%M:%S")}
        found = body("record_create_discount50", id=number, resource_id=number, **when, **changes)
        found["data"]["client"] = {**found["data"]["client"], "phone": phone}
        found["data"]["last_change_date"] = self.clock().isoformat()
        await self.tell(found)

    async def check(self) -> None:
        """The gateways that are asked are asked."""
        await self.vestnik.worker.callbacks.ask_gateways()
        await self.settle()

    async def delivered(self, name: str, which: int = -1, state: str = "delivered") -> None:
        await self[name].report(self[name].ledger[which], state)
        await self.settle()

    async def states(self) -> list[tuple[str, str]]:
        return [(row["channel"], row["status"]) for row in await self.messages()]

    async def alerts(self) -> list[str]:
        found = await self.vestnik.run.store.look.ask("alerts", since=self.clock() - timedelta(days=40))
        return [alert["text"] for alert in found]

    async def to_call(self) -> list[dict[str, Any]]:
        return await self.vestnik.run.store.look.to_call(self.clock(), 10_000)


Story = Callable[[Stage], Awaitable[None]]
Play = Callable[..., None]


@pytest.fixture
def stage(tmp_path: Path) -> Play:
    """`stage(story, "green_api", "smsc", channels=[…])`: the app and the gateways, on SQLite, each on a socket."""
    return lambda story, *names, **options: asyncio.run(_play(f"sqlite:///{tmp_path / 'v.db'}", tmp_path, story, names, **options))


@pytest.fixture
def both(database_url: str, tmp_path: Path) -> Play:
    """The same on both databases."""
    return lambda story, *names, **options: asyncio.run(_play(database_url, tmp_path, story, names, **options))


async def _play(
    url: str, folder: Path, story: Story, names: tuple[str, ...], *, channels: tuple[str, ...] = ("whatsapp", "sms"),
    now: datetime | None = None, second: bool = False, route: dict[str, Any] | None = None, keys: dict[str, Any] | None = None, **tables: Any,
) -> None:  # fmt: skip
    clock = Clock(now) if now else Clock()
    async with asyncio.timeout(110), AsyncExitStack() as stack:
        gateways = {name: (Counted if name == "green_api" else ALL[name])(clock=clock) for name in names}
        if second:
            gateways["second"] = Second(clock=clock)
        send: dict[str, Any] = {"console": None}
        for name, gateway in gateways.items():
            gateway.always(QUIET)
            table = gateway.settings(await stack.enter_async_context(serving(gateway)))
            if name == "second":
                others = tables.get("salon", {})
                tables["salon"] = {**others, "962303": {**SALON, **others.get("962303", {}), "send": {"green_api": table}}}
            else:
                send[name] = {**table, **(keys or {}).get(name, {})}
        raw = settings(url, send=send, route={"channels": list(channels), **(route or {})}, **tables)
        found = configuration.build(raw, folder / "config.toml", {})
        app = create_app(found, plugin_hooks.load(found), now=clock, by_hand=True, chance=random.Random(1))
        await stack.enter_async_context(app.router.lifespan_context(app))
        address = await stack.enter_async_context(serving(cast(StandIn, SimpleNamespace(app=app))))
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=address, trust_env=False))
        for name, gateway in gateways.items():
            gateway.callback, gateway.http = f"{address}/callback/{'green_api' if name == 'second' else name}", http
        playing = Stage(app, http, clock)
        playing.gateways = gateways
        await story(playing)


def test_who_has_no_whatsapp_gets_an_sms_within_a_second(both: Play) -> None:
    """The number is not on WhatsApp: the SMS leaves in the same second, plain, and what was told is announced."""

    async def story(app: Stage) -> None:
        await app.book()
        await app.delivered("green_api", state="noAccount")
        assert await app.states() == [("whatsapp", "failed"), ("sms", "sent")]
        (sms,) = app["smsc"].ledger
        assert sms.at - app["green_api"].ledger[0].at < timedelta(seconds=1)
        assert sms.text.startswith("Вы записаны: 21 августа в 14:30")
        assert "*" not in sms.text
        await app.book(status="delete", deleted=True)
        assert [row["notification_type"] for row in await app.messages()][2:] == ["booking_cancelled"]

    both(story, "green_api", "smsc")


def test_accepted_and_undelivered_goes_on_after_the_time_of_the_route(both: Play) -> None:
    """WhatsApp took it and delivered nothing: the SMS leaves after `fallback_after`, not a second earlier; then all is quiet."""

    async def story(app: Stage) -> None:
        await app.book()
        await app.settle(20 * 60 - 1)
        assert app["smsc"].ledger == []
        await app.settle(1)
        assert len(app["smsc"].ledger) == 1
        await app.delivered("smsc")
        await app.check()
        await app.settle(12 * 3600)
        assert (len(app["green_api"].ledger), len(app["smsc"].ledger)) == (1, 1)

    both(story, "green_api", "smsc", route={"fallback_after": "20m"})


def test_the_fallback_is_at_most_a_quarter_of_the_time_to_the_visit(stage: Play) -> None:
    """Sixteen minutes before the visit the SMS comes after four minutes, not after ten."""

    async def story(app: Stage) -> None:
        await app.book()
        await app.settle(4 * 60 - 1)
        assert app["smsc"].ledger == []
        await app.settle(1)
        assert len(app["smsc"].ledger) == 1

    stage(story, "green_api", "smsc", now=datetime.fromisoformat("2025-08-21T14:14:00+03:00"))


def test_a_late_delivery_stops_the_fallback_that_waits(both: Play) -> None:
    """The SMS is queued and its account busy; then WhatsApp delivers: the SMS never leaves."""

    async def story(app: Stage) -> None:
        app["smsru"].plan("rate_limited")
        await app.book()
        await app.settle(600)
        assert await app.states() == [("whatsapp", "sent"), ("sms", "pending")]
        await app.delivered("green_api")
        assert await app.states() == [("whatsapp", "delivered"), ("sms", "superseded")]
        await app.settle(12 * 3600)
        assert app["smsru"].ledger == []

    both(story, "green_api", "smsru")


def test_a_late_delivery_after_the_fallback_left_sends_nothing_more(both: Play) -> None:
    """MAX had already taken over when WhatsApp delivered: no SMS follows, though MAX never reports, or fails."""

    async def story(app: Stage) -> None:
        for number, end in ((1, None), (2, "failed")):
            await app.book(number)
            await app.settle(600)
            assert len(app["green_api_max"].ledger) == number
            await app.delivered("green_api")
            if end:
                await app.delivered("green_api_max", state=end)
            await app.settle(12 * 3600 if number == 2 else 60)
        assert app["smsc"].ledger == []
        assert len(app["green_api"].ledger) + len(app["green_api_max"].ledger) == 4

    both(story, "green_api", "green_api_max", "smsc", channels=("whatsapp", "max", "sms"))


def test_two_channels_that_fail_lead_to_one_third(both: Play) -> None:
    """WhatsApp is late, MAX takes over, then both give up: one SMS, not two."""

    async def story(app: Stage) -> None:
        await app.book()
        await app.settle(600)
        await app.delivered("green_api", state="failed")
        assert app["smsc"].ledger == []
        await app.delivered("green_api_max", state="failed")
        assert [status for _, status in await app.states()] == ["failed", "failed", "sent"]
        assert len(app["smsc"].ledger) == 1
        await app.book(at="16:00")
        assert [row["notification_type"] for row in await app.messages()][3:] == ["booking_updated"]

    both(story, "green_api", "green_api_max", "smsc", channels=("whatsapp", "max", "sms"))


@pytest.mark.parametrize("name", ["green_api", "whatsapp_cloud", "waha", "evolution"])
def test_an_answer_that_was_lost_is_resolved_by_a_status(stage: Play, name: str) -> None:
    """Taken, and the connection broke: unclear, sent once only; a status tells, by the phone or our reference, that it arrived."""

    async def story(app: Stage) -> None:
        app[name].plan(Scenario("drop", report=()))
        if name == "whatsapp_cloud":
            await app.vestnik.run.store.people.wrote(PHONE, 0, app.clock())
        await app.book()
        assert await app.states() == [("whatsapp", "unclear")]
        await app.delivered(name)
        assert await app.states() == [("whatsapp", "delivered")]
        await app.settle(12 * 3600)
        assert (len(app[name].ledger), app["smsc"].ledger) == (1, [])

    stage(story, name, "smsc", filter={"recent_chat": None})


def test_a_lost_answer_of_an_sms_is_resolved_by_asking(both: Play) -> None:
    """SMSC took it and the connection broke: it is asked by our own id, and nothing is sent again."""

    async def story(app: Stage) -> None:
        app["smsc"].plan(Scenario("drop", report=()))
        await app.book()
        assert await app.states() == [("sms", "unclear")]
        app["smsc"].ledger[0].state = "delivered"
        await app.settle(60)
        await app.check()
        assert (await app.states(), len(app["smsc"].ledger)) == ([("sms", "delivered")], 1)

    both(story, "smsc", channels=("sms",))


def test_a_session_lost_in_mid_batch(both: Play) -> None:
    """The session goes after two of six: that account is left alone, the rest go by SMS, nothing comes late; the other salon is untouched."""

    async def story(app: Stage) -> None:
        green, second = cast(Counted, app["green_api"]), cast(Counted, app["second"])
        green.plan(QUIET, QUIET, *["session_down"] * 9)
        for number in range(1, 7):
            await app.post(_booking(number, f"+7900000010{number}"))
        await app.settle()
        assert len(green.ledger) == 2
        assert green.calls <= 2 + 2  # no more than were open at once
        assert len(app["smsc"].ledger) == 4
        called = green.calls
        await app.post(_booking(7, "+79000000107"))
        other = _booking(8, "+79000000108")
        other["company_id"] = other["data"]["company_id"] = 962303
        await app.post(other)
        await app.settle()
        assert (green.calls, len(app["smsc"].ledger), len(second.ledger), second.calls) == (called, 5, 1, 1)
        for gateway in (green, second):
            for taken in gateway.ledger:
                await gateway.report(taken, "delivered")
        green.working = False
        await app.settle(3600)  # the pause is over, and the probe says no
        assert green.calls == called
        green.working = True
        green._next.clear()
        await app.settle(3600)
        assert (len(green.ledger), green.calls, len(app["smsc"].ledger)) == (2, called, 5)
        await app.post(_booking(9, "+79000000109"))
        await app.settle()
        assert (len(green.ledger), green.calls) == (3, called + 1)
        assert [text for text in await app.alerts() if "green_api" in text] == [
            "green_api не работает (the instance is out of order or not paid for: see its console). "
            "Клиентам пишем по другим каналам, если они есть. Проверьте кабинет и ключи."
        ]

    both(story, "green_api", "smsc", second=True)


def test_a_wrong_template_is_one_alert_and_stops_nobody_else(stage: Play) -> None:
    """The template is missing at Meta: one alert, the message ends, the transport is not paused, and another client is reached."""

    async def story(app: Stage) -> None:
        app["whatsapp_cloud"].plan("error.132001_template_missing", "error.132001_template_missing")
        for number, phone in enumerate((PHONE, OTHER, "+79000000077"), 1):
            await app.vestnik.run.store.people.wrote(phone, 0, app.clock())
            await app.book(number, phone)
        assert await app.states() == [("whatsapp", "failed"), ("whatsapp", "failed"), ("whatsapp", "sent")]
        assert len(await app.alerts()) == 1
        assert [taken.phone for taken in app["whatsapp_cloud"].ledger] == ["+79000000077"]

    stage(story, "whatsapp_cloud", "smsc", filter={"recent_chat": None})


def test_no_template_at_all_is_one_alert(stage: Play) -> None:
    """Nothing in `templates` and nobody wrote: not one request leaves, one alert stands."""

    async def story(app: Stage) -> None:
        for number in (1, 2, 3):
            await app.book(number, f"+7900000020{number}")
        assert [status for _, status in await app.states()] == ["failed"] * 3
        assert (len(await app.alerts()), app["whatsapp_cloud"].ledger) == (1, [])

    stage(story, "whatsapp_cloud")


@pytest.mark.parametrize("word", ["СТОП", "stop", " Стоп. "])
def test_stop_silences_and_start_opens_again(both: Play, word: str) -> None:
    """СТОП holds for a retry that waits, and for all that follows; СТАРТ ends it."""

    async def story(app: Stage) -> None:
        app["green_api"].plan("rate_limited")
        await app.book()
        assert await app.states() == [("whatsapp", "pending")]
        await app["green_api"].write(PHONE, word)
        await app.settle(3600)
        assert (await app.states())[0] == ("whatsapp", "failed")
        await app.book(2, at="16:00")
        told = [*app["green_api"].ledger, *app["smsc"].ledger]
        assert [taken.text for taken in told if "записаны" in taken.text] == []
        app.clock.now += timedelta(days=0, minutes=10)
        await app["green_api"].write(PHONE, "СТАРТ")
        await app.settle(600)
        await app.book(3, at="18:00")
        assert "18:00" in app["green_api"].ledger[-1].text

    both(story, "green_api", "smsc", filter={"recent_chat": None})


def test_stop_silences_a_fallback_too(stage: Play) -> None:
    """СТОП comes while the fallback is due: no SMS."""

    async def story(app: Stage) -> None:
        await app.book()
        await app["green_api"].write(PHONE, "СТОП")
        await app.settle(12 * 3600)
        assert [taken.text for taken in app["smsc"].ledger if "записаны" in taken.text] == []

    stage(story, "green_api", "smsc", filter={"recent_chat": None})


def test_a_sentence_with_stop_is_no_opt_out(stage: Play) -> None:
    """«Стоп, я перепутала» is talk: messages go on."""

    async def story(app: Stage) -> None:
        await app["green_api"].write(PHONE, "Стоп, я перепутала")
        await app.settle(600)
        await app.book()
        assert await app.states() == [("whatsapp", "sent")]

    stage(story, "green_api", "smsc")


def test_a_fallback_that_falls_into_the_night_waits(both: Play) -> None:
    """Accepted at 21:55, undelivered: the SMS leaves at 09:00, not at 22:05."""

    async def story(app: Stage) -> None:
        await app.book(at="18:30")
        await app.settle(600)
        assert app["smsc"].ledger == []
        await app.settle(10 * 3600 + 54 * 60)
        assert app["smsc"].ledger == []
        await app.settle(60)
        assert [taken.at.astimezone().timestamp() for taken in app["smsc"].ledger] == [
            datetime.fromisoformat("2025-08-21T09:00:00+03:00").timestamp()
        ]

    both(story, "green_api", "smsc", now=datetime.fromisoformat("2025-08-20T21:55:00+03:00"), filter={"quiet_hours": {}})


@pytest.mark.parametrize("failed", [False, True])
def test_a_newer_state_ends_the_fallback(both: Play, failed: bool) -> None:
    """The booking moves before the fallback is due (or the gateway gives the old message up): only the new hour goes by SMS."""

    async def story(app: Stage) -> None:
        await app.book()
        await app.settle(300)
        await app.book(at="16:00")
        if failed:
            await app.delivered("green_api", 0, "failed")
        await app.settle(300)
        await app.settle(300)
        assert ["16:00" in taken.text for taken in app["smsc"].ledger] == [True]

    both(story, "green_api", "smsc")


def test_an_old_message_fails_while_a_newer_one_waits(both: Play) -> None:
    """The old one fails while the newer waits for its next attempt: the newer is told all the same, and nothing else."""

    async def story(app: Stage) -> None:
        await app.book()
        app["green_api"].plan("rate_limited")
        await app.book(at="16:00")
        await app.delivered("green_api", 0, "failed")
        await app.settle(3600)
        assert ["16:00" in taken.text for taken in app["green_api"].ledger] == [False, True]
        assert "14:30" not in "".join(taken.text for taken in app["smsc"].ledger)

    both(story, "green_api", "smsc")


def test_the_channel_that_won_is_tried_first_for_a_fortnight(both: Play) -> None:
    """SMS reached them: it is first for fourteen days, then WhatsApp again; where SMS fails too, no channel is tried twice."""

    async def story(app: Stage) -> None:
        await app.book(1)
        await app.settle(600)
        app["smsc"].ledger[0].state = "delivered"
        await app.settle(60)
        await app.check()
        assert await app.states() == [("whatsapp", "sent"), ("sms", "delivered")]
        await app.book(2, at="15:30")
        assert (await app.states())[2:] == [("sms", "sent")]
        app["smsc"].ledger[1].state = "failed"
        await app.settle(60)
        await app.check()
        assert (await app.states())[2:] == [("sms", "failed"), ("whatsapp", "sent")]
        await app.delivered("green_api", state="failed")
        await app.settle(3600)
        assert (await app.states())[2:] == [("sms", "failed"), ("whatsapp", "failed")]
        for days, number, first in ((13, 3, "sms"), (2, 4, "whatsapp")):
            app.clock.now += timedelta(days=days)
            await app.book(number, **_ahead(app.clock()))
            assert (await app.states())[-1] == (first, "sent")

    both(story, "green_api", "smsc")


def test_a_gateway_that_cannot_be_asked_is_asked_once_a_round(stage: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it hangs its other questions wait, so that none of them takes its time; later all are asked."""
    asked: list[int] = []

    async def hangs(_: Callbacks, row: Notification, __: datetime) -> None:
        asked.append(row.id)

    async def story(app: Stage) -> None:
        for number in (1, 2, 3):
            await app.book(number, phone=f"+7900000008{number}")
        for taken in app["smsc"].ledger:
            taken.state = "delivered"
        await app.settle(60)
        with monkeypatch.context() as patch:
            patch.setattr(Callbacks, "_check", hangs)
            await app.check()
        assert len(asked) == 1
        await app.settle(120)
        await app.check()
        assert await app.states() == [("sms", "delivered")] * 3

    stage(story, "smsc")


def test_what_won_is_asked_for_at_the_fall_back(stage: Play) -> None:
    """SMS reached the client meanwhile about another booking: a failed WhatsApp goes on by SMS, before MAX."""

    async def story(app: Stage) -> None:
        await app.book()
        await app.vestnik.run.store.people.won(PHONE, 962302, "sms", app.clock())
        await app.delivered("green_api", state="failed")
        assert await app.states() == [("whatsapp", "failed"), ("sms", "sent")]
        app["smsc"].ledger[0].state = "failed"
        await app.settle(60)
        await app.check()
        assert (await app.states())[2:] == [("max", "sent")]
        await app.delivered("green_api_max", state="failed")
        await app.settle(3600)
        assert [name for name, _ in await app.states()] == ["whatsapp", "sms", "max"]

    stage(story, "green_api", "green_api_max", "smsc", channels=("whatsapp", "max", "sms"))


@pytest.mark.parametrize("name", ["telegram", "max"])
@pytest.mark.parametrize("way", ["contact", "token"])
def test_a_bot_reaches_who_bound_it(both: Play, name: str, way: str) -> None:
    """Unbound: SMS. Bound by a shared contact or by the token of a link: the bot. Blocked: SMS at once, and unbound."""

    async def story(app: Stage) -> None:
        bot = app[name]
        await app.book(1)
        assert await app.states() == [(name, "failed"), ("sms", "sent")]
        if way == "token":
            await app.vestnik.run.store.people.add_token("link-1", PHONE, app.clock())
        await bot.write(PHONE, "/start link-1" if way == "token" else "", contact=way == "contact")
        await app.settle()
        await app.book(2, at="15:30")
        assert (await app.states())[2:] == [(name, "sent")]
        assert len(await app.rows("SELECT * FROM bindings WHERE NOT gone")) == 1
        bot.plan("error.403_blocked" if name == "telegram" else "error.403_suspended")
        await app.book(3, at="16:30")
        assert (await app.states())[3:] == [(name, "failed"), ("sms", "sent")]
        assert await app.rows("SELECT * FROM bindings WHERE NOT gone") == []
        await app.book(4, at="17:30")
        assert (await app.states())[5:] == [(name, "failed"), ("sms", "sent")]
        assert len(bot.ledger) == 1

    both(story, name, "smsc", channels=(name, "sms"))


def test_a_bot_that_everybody_has_stopped_is_not_approved(both: Play) -> None:
    """MAX says the same of one client who has left and of all while it has not approved the bot. The third in a row keeps the binding: the bot is
    out of order, the owner is told once, and whoever follows is told by SMS, without a question to MAX.
    """

    async def story(app: Stage) -> None:
        bot, phones = app["max"], [f"+7900000010{number}" for number in range(5)]
        for phone in phones:
            await bot.write(phone, "", contact=True)
        await app.settle()
        bot.plan(*["error.403_suspended"] * 3)
        for number, phone in enumerate(phones, 1):
            await app.book(number, phone=phone)
        assert await app.states() == [("max", "failed"), ("sms", "sent")] * 5
        assert {row["phone"] for row in await app.rows("SELECT phone FROM bindings WHERE NOT gone")} == set(phones[2:])
        (alert,) = await app.alerts()
        assert "MAX has not approved the bot, or has shut it" in alert
        assert bot.ledger == []  # the fourth would have been taken

    both(story, "max", "smsc", channels=("max", "sms"))


def test_what_nobody_delivered_is_on_the_list_to_call(both: Play) -> None:
    """A new hour that no channel delivers is listed with phone and text; the delivery of the last channel takes it off."""

    async def story(app: Stage) -> None:
        await app.book()
        await app.delivered("green_api")
        await app.book(at="16:00")
        await app.settle(600)
        assert (len(app["smsru"].ledger), await app.to_call()) == (1, [])
        await app.settle(3600)
        (listed,) = await app.to_call()
        assert listed["phone"] == PHONE
        assert "16:00" in listed["message"]
        await app.delivered("smsru")
        assert await app.to_call() == []

    both(story, "green_api", "smsru")


def test_a_month_with_whatsapp_at_forty_percent(both: Play) -> None:
    """Every change of a month is delivered, or listed for a call that day; no channel is tried twice, none after a known delivery."""
    chance = random.Random(40)

    async def story(app: Stage) -> None:
        seen: set[str] = set()
        called: set[str] = set()
        known: dict[str, datetime] = {}

        async def report() -> None:
            for name, share in (("green_api", 0.4), ("smsru", 0.9)):
                for taken in app[name].ledger:
                    if taken.id not in seen:
                        seen.add(taken.id)
                        if chance.random() < share:
                            await app[name].report(taken, "delivered")
            await app.settle()

        for day in range(30):
            for number in range(4):
                phone = f"+7900{day % 7:03}000{number}"
                record = day * 10 + number + 1
                await app.book(record, phone, **_ahead(app.clock()))
                await report()
                if number % 2:
                    await app.settle(60)
                    await app.book(record, phone, **_ahead(app.clock(), hours=30))
                    await report()
            for _ in range(3):
                await app.settle(600)
                await report()
            await app.settle(3600)
            called |= {row["notification_id"] for row in await app.to_call()}
            app.clock.now += timedelta(hours=22)
        rows = await app.messages()
        by_message: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            by_message.setdefault(row["notification_id"], []).append(row)
        for tries in by_message.values():
            reached = [row for row in tries if row["status"] in ("delivered", "read")]
            important = tries[0]["notification_type"] != "booking_created"
            assert reached or not important or tries[0]["notification_id"] in called, tries
            assert len({row["channel"] for row in tries}) == len(tries)
            for row in reached:
                known[row["notification_id"]] = _time(row["delivered_at"])
                later = [other for other in tries if other["sent_at"] and _time(other["sent_at"]) > known[row["notification_id"]]]
                assert later == []
        share = sum(1 for tries in by_message.values() if any(row["channel"] == "sms" for row in tries)) / len(by_message)
        assert 0.3 < share < 1.0
        assert len(by_message) == 180
        assert called

    both(story, "green_api", "smsru")


def test_the_readme_has_every_transport() -> None:
    """Each transport stands in the README's table, with the channel it carries."""
    root = Path(__file__).parents[1]
    readme = (root / "README.md").read_text(encoding="utf-8")
    rows = readme.partition("<!-- transports -->")[2].partition("<!-- /transports -->")[0].splitlines()
    told = {cells[1].strip(" `"): cells[2].strip(" `") for row in rows if len(cells := row.split("|")) > 6}
    carriers = {"whatsapp": "green_api", "max": "max", "sms": "smsc"}
    raw = settings("sqlite://", send={"console": None, **{name: {} for name in ALL}}, route={"transport": carriers})
    hooks = plugin_hooks.load(configuration.build(raw, root / "config.toml", {}))
    carried = {plugin.short: plugin_hooks.facts(plugin, None).name for plugin in hooks.stage("send") if plugin.short != "console"}
    assert set(carried) == set(ALL)
    assert {name: told.get(name) for name in carried} == carried
    assert "console" in told


def _booking(number: int, phone: str) -> dict[str, Any]:
    found = body("record_create_discount50", id=number, resource_id=number)
    found["data"]["client"] = {**found["data"]["client"], "phone": phone}
    return found


def _ahead(now: datetime, hours: int = 26) -> dict[str, Any]:
    """A visit some hours ahead of `now`, on the salon's clock."""
    return {"visit": (now + timedelta(hours=hours)).astimezone(ZoneInfo("Europe/Moscow"))}


def _time(value: Any) -> datetime:
    from core.store.values import when

    found = when(value)
    assert found is not None
    return found
