"""The message arrives, fine print: what two accounts share, what a limit is not, and what a gateway took although it said that it failed."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from stand_ins import Scenario
from tests.conftest import SALON
from tests.test_cascade import OTHER, PHONE, Play, Stage, _booking, _play

TEMPLATES = {"booking_created": [{"name": "new"}], "booking_cancelled": [{"name": "gone"}], "booking_updated": [{"name": "moved"}]}
SECOND, OWN_CHANNEL = 962303, "0a7d1f2e-0000-4000-8000-000000000002"


@pytest.fixture
def both(database_url: str, tmp_path: Path) -> Play:
    """The app and its gateways on sockets, on both databases."""
    return lambda story, *names, **options: asyncio.run(_play(database_url, tmp_path, story, names, **options))


@pytest.mark.parametrize("end", ["sent", "delivered", "read"])
def test_what_was_taken_although_it_failed_is_known(both: Play, end: str) -> None:
    """Meta says "try again" and had taken it: a status tells so. No second message leaves, and a cancellation is told."""

    async def story(app: Stage) -> None:
        app["whatsapp_cloud"].plan(Scenario("error.131000_unknown", taken=True, report=()))
        await app.book()
        assert await app.states() == [("whatsapp", "pending")]
        await app.delivered("whatsapp_cloud", state=end)
        assert await app.states() == [("whatsapp", end)]
        await app.settle(60)
        await app.book(status="delete", deleted=True)
        assert [row["notification_type"] for row in await app.messages()] == ["booking_created", "booking_cancelled"]
        assert len(app["whatsapp_cloud"].ledger) == 2

    both(story, "whatsapp_cloud", keys={"whatsapp_cloud": {"templates": TEMPLATES}})


def test_what_was_taken_and_is_never_delivered_falls_back(both: Play) -> None:
    """The same, and only "sent" is ever said: the SMS leaves after the time of the route."""

    async def story(app: Stage) -> None:
        app["whatsapp_cloud"].plan(Scenario("error.131000_unknown", taken=True, report=()))
        await app.book()
        await app.delivered("whatsapp_cloud", state="sent")
        await app.settle(599)
        assert app["smsc"].ledger == []
        await app.settle(1)
        assert [taken.text[:12] for taken in app["smsc"].ledger] == ["Вы записаны:"]

    both(story, "whatsapp_cloud", "smsc", keys={"whatsapp_cloud": {"templates": TEMPLATES}})


def test_an_old_sent_does_not_undo_a_failure(both: Play) -> None:
    """Reports come in any order: "sent" after "failed" is the older one, and only a delivery wins over a failure."""

    async def story(app: Stage) -> None:
        await app.book()
        await app.delivered("green_api", state="failed")
        await app.delivered("green_api", state="sent")
        assert await app.states() == [("whatsapp", "failed")]
        await app.delivered("green_api")
        assert await app.states() == [("whatsapp", "delivered")]

    both(story, "green_api")


def of_second(number: int, phone: str = PHONE) -> dict[str, Any]:
    """A booking at the second salon."""
    found = _booking(number, phone)
    found["company_id"] = found["data"]["company_id"] = SECOND
    return found


@pytest.mark.parametrize("name", ["wazzup", "smsru"])
def test_two_salons_behind_one_address_hear_their_own_reports(both: Play, name: str) -> None:
    """Two accounts have one proof, and a report names none of them: it is about whoever sent that message."""

    async def story(app: Stage) -> None:
        await app.book(1)
        await app.tell(of_second(2, OTHER))
        assert [status for _, status in await app.states()] == ["sent", "sent"]
        assert [row["account"] for row in await app.messages()] == [0, SECOND]
        for which in (0, 1):
            await app.delivered(name, which)
        assert [status for _, status in await app.states()] == ["delivered", "delivered"]

    own = {"wazzup": {"channel_id": "0a7d1f2e-0000-4000-8000-000000000002"}, "smsru": {"sender": "SALON"}}[name]
    channels = ("sms",) if name == "smsru" else ("whatsapp",)
    both(story, name, channels=channels, salon={str(SECOND): {**SALON, "send": {name: own}}})


def test_what_is_written_to_one_channel_is_not_written_to_another(both: Play) -> None:
    """Wazzup posts for all its channels to one address: СТОП to the second salon's number silences that salon alone."""

    async def story(app: Stage) -> None:
        hook = app["wazzup"].text_hook(PHONE.removeprefix("+"), "СТОП")
        hook["messages"][0]["channelId"] = OWN_CHANNEL
        await app["wazzup"]._post(hook)
        await app.settle()
        await app.book(1)
        await app.tell(of_second(2))
        rows = [row for row in await app.messages() if row["source"] != "vestnik"]
        assert [(row["company_id"], row["status"]) for row in rows] == [(962302, "sent")]

    both(
        story,
        "wazzup",
        channels=("whatsapp",),
        filter={"recent_chat": None},
        salon={str(SECOND): {**SALON, "send": {"wazzup": {"channel_id": OWN_CHANNEL}}}},
    )


def test_one_callback_of_meta_for_two_numbers(both: Play) -> None:
    """Meta puts what it has of two numbers into one body: each salon hears its own."""

    async def story(app: Stage) -> None:
        meta = app["whatsapp_cloud"]
        meta.config = {**meta.config}  # type: ignore[misc]
        await app.book(1)
        meta.config["phone_number_id"] = "2222"
        await app.tell(of_second(2, OTHER))
        first, second = (meta.status_hook(taken, "delivered") for taken in meta.ledger)
        second["entry"][0]["changes"][0]["value"]["metadata"]["phone_number_id"] = "2222"
        await meta._post({**first, "entry": [*first["entry"], *second["entry"]]})
        await app.settle()
        assert [status for _, status in await app.states()] == ["delivered", "delivered"]

    own = {"phone_number_id": "2222"}
    both(
        story,
        "whatsapp_cloud",
        keys={"whatsapp_cloud": {"templates": TEMPLATES}},
        salon={str(SECOND): {**SALON, "send": {"whatsapp_cloud": own}}},
    )


def test_an_account_over_its_rate_is_waited_for(both: Play) -> None:
    """ "Too many requests" means a moment later, not another channel: nobody pays for an SMS because of it, and no alert stands."""

    async def story(app: Stage) -> None:
        app["green_api"].plan(Scenario("rate_limited", retry_after=5))
        for number in (1, 2, 3):
            await app.book(number, f"+7900000030{number}")
        assert await app.states() == [("whatsapp", "pending")] * 3
        await app.settle(120)
        assert await app.states() == [("whatsapp", "sent")] * 3
        assert (app["smsc"].ledger, await app.alerts()) == ([], [])

    both(story, "green_api", "smsc")


def test_a_limit_longer_than_a_fallback_is_not_waited_for(both: Play) -> None:
    """An hour is longer than an undelivered message is waited for: the next channel at once."""

    async def story(app: Stage) -> None:
        app["green_api"].plan(Scenario("rate_limited", retry_after=3600))
        for number in (1, 2):
            await app.book(number, f"+7900000030{number}")
        assert await app.states() == [("whatsapp", "failed"), ("sms", "sent")] * 2

    both(story, "green_api", "smsc")


def test_out_of_order_while_it_waits_for_its_rate(both: Play) -> None:
    """The limit hid a lost session: as soon as the gateway says so, all that waits goes by SMS."""

    async def story(app: Stage) -> None:
        app["green_api"].plan(Scenario("rate_limited", retry_after=60))
        for number in (1, 2):
            await app.book(number, f"+7900000030{number}")
        await app["green_api"].session(working=False)
        await app.settle(120)
        assert await app.states() == [("whatsapp", "failed")] * 2 + [("sms", "sent")] * 2

    both(story, "green_api", "smsc")


def test_what_was_written_elsewhere_opens_no_window(both: Play) -> None:
    """The client wrote to the Telegram bot: Meta knows nothing of it, so a template leaves. Written on WhatsApp: text."""

    async def story(app: Stage) -> None:
        for name, start in (("telegram", "new: "), ("whatsapp_cloud", "✅ *Вы записаны!*")):
            await app["telegram"].write(PHONE, contact=True)
            await app.settle()
            await app[name].write(PHONE, "Привет")
            await app.settle(60)
            await app.book(len(app["whatsapp_cloud"].ledger) + 1)
            assert app["whatsapp_cloud"].ledger[-1].text.startswith(start), name

    keys = {"whatsapp_cloud": {"templates": TEMPLATES}}
    both(story, "whatsapp_cloud", "telegram", channels=("whatsapp",), keys=keys, filter={"recent_chat": None})


def test_a_window_is_not_closed_by_what_is_written_elsewhere(both: Play) -> None:
    """Written on WhatsApp, an hour later to the Telegram bot: Meta still takes text until a day after the former, and no template is needed."""

    async def story(app: Stage) -> None:
        await app["telegram"].write(PHONE, contact=True)
        await app.settle()
        await app["whatsapp_cloud"].write(PHONE, "Привет")
        await app.settle(3600)
        await app["telegram"].write(PHONE, "Привет")
        await app.settle(60)
        await app.book(1)
        assert app["whatsapp_cloud"].ledger[0].text.startswith("✅ *Вы записаны!*")
        await app.settle(24 * 3600 - 3700)  # a day after WhatsApp, not a day after Telegram
        await app.book(2, visit=datetime.fromisoformat("2025-08-25T14:30:00+03:00"))
        assert (len(app["whatsapp_cloud"].ledger), len(await app.alerts())) == (2, 0)
        await app.settle(200)
        await app.book(3, visit=datetime.fromisoformat("2025-08-26T14:30:00+03:00"))
        assert (len(app["whatsapp_cloud"].ledger), len(await app.alerts())) == (2, 1)

    both(story, "whatsapp_cloud", "telegram", channels=("whatsapp",), filter={"recent_chat": None})


def test_who_comes_at_the_right_time_is_not_called(both: Play) -> None:
    """Another master that was not told of is nobody's worry; a new time that was not told of is, also once the master changes again."""

    async def story(app: Stage) -> None:
        async def undelivered(**change: Any) -> list[str]:
            await app.book(1, **change)
            await app.delivered("green_api", state="failed")
            return [row["notification_type"] for row in await app.to_call()]

        await app.book(1)
        assert await undelivered(staff={"id": 5, "name": "Сергей"}) == []
        assert await undelivered(at="16:00", staff={"id": 5, "name": "Сергей"}) == ["booking_updated"]
        assert await undelivered(at="16:00", staff={"id": 6, "name": "Лев"}) == ["booking_updated"]
        assert await undelivered(at="14:30", staff={"id": 6, "name": "Лев"}) == []
        assert await undelivered(status="delete", deleted=True) == ["booking_cancelled"]

    both(story, "green_api", channels=("whatsapp",))


@pytest.mark.parametrize("name", ["waha", "green_api", "evolution"])
def test_who_hides_the_number_is_known_by_a_report(both: Play, name: str) -> None:
    """WhatsApp names clients by a @lid ever more often. A report about our message says whose it is, so СТОП from there is heard."""

    async def story(app: Stage) -> None:
        def hidden(hook: Any) -> Any:
            return json.loads(re.sub(rf"{PHONE[1:]}@(c\.us|s\.whatsapp\.net)", "5566@lid", json.dumps(hook)))

        await app.book(1)
        await app[name]._post(hidden(app[name].status_hook(app[name].ledger[0], "delivered")))
        await app.settle()
        assert await app.states() == [("whatsapp", "delivered")]
        await app[name]._post(hidden(app[name].text_hook(PHONE[1:], "СТОП")))
        await app.settle()
        await app.book(2, at="16:00")
        assert [taken.text for taken in app[name].ledger if "16:00" in taken.text] == []
        assert len(await app.rows("SELECT * FROM contacts WHERE opted_out_at IS NOT NULL")) == 1

    both(story, name, channels=("whatsapp",), filter={"recent_chat": None})


@pytest.mark.parametrize(("word", "status", "said"), [("meta-word", 200, "1158201444"), ("another", 403, ""), ("", 403, "")])
def test_meta_verifies_the_address(both: Play, word: str, status: int, said: str) -> None:
    """The word in the query is ours: its challenge comes back as plain text; else it is refused, and nothing comes back."""

    async def story(app: Stage) -> None:
        query = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": word}
        answered = await app.http.get("/callback/whatsapp_cloud", params=query)
        assert (answered.status_code, "1158201444" in answered.text) == (status, bool(said))
        if said:
            assert (answered.text, answered.headers["content-type"].partition(";")[0]) == (said, "text/plain")

    both(story, "whatsapp_cloud")


@pytest.mark.parametrize("name", ["telegram", "max"])
def test_who_left_the_bot_comes_back_by_a_link(both: Play, name: str) -> None:
    """The bot is left: nothing is tried there. A new contact, or a new link, binds it again."""

    async def story(app: Stage) -> None:
        await app[name].write(PHONE, contact=True)
        await app[name].write(PHONE, "/stop")
        await app.settle()
        await app.book(1)
        assert (await app.states(), app[name].ledger) == ([(name, "failed"), ("sms", "sent")], [])
        await app[name].write(PHONE, contact=True)
        await app.settle()
        await app.book(2, at="16:00")
        assert (await app.states())[2:] == [(name, "sent")]

    both(story, name, "smsc", channels=(name, "sms"))


@pytest.mark.parametrize(
    ("name", "word"), [("telegram", "/back"), ("telegram", "/start"), ("max", "/start"), ("max", "Я тут"), ("telegram", "я")]
)
def test_who_left_the_bot_comes_back_without_one(both: Play, name: str, word: str) -> None:
    """Unblocked, started again, or simply written to: it is the chat of the same client."""

    async def story(app: Stage) -> None:
        for said in ("", "/stop"):
            await app[name].write(PHONE, said, contact=not said)
            await app.settle()
        await app.book(1)
        assert await app.states() == [(name, "failed"), ("sms", "sent")]
        await app[name].write(PHONE, word)
        await app.settle()
        await app.book(2, at="16:00")
        assert (await app.states())[2:] == [(name, "sent")]

    both(story, name, "smsc", channels=(name, "sms"), filter={"recent_chat": None})


@pytest.mark.parametrize("name", ["green_api", "waha", "evolution", "wazzup", "green_api_max"])
def test_a_lost_session_is_seen_everywhere(both: Play, name: str) -> None:
    """The gateway says that its session is lost, before any message: it is in /ready and /metrics, messages go by SMS; then it heals."""
    channel = "max" if name == "green_api_max" else "whatsapp"

    async def story(app: Stage) -> None:
        async def working() -> bool:
            (entry,) = [entry for entry in (await app.http.get("/ready")).json()["transports"] if entry["transport"] == name]
            shown = (await app.http.get("/metrics")).text
            assert f'vestnik_transport_up{{account="0",transport="{name}"}} {float(entry["working"])}' in shown
            return bool(entry["working"])

        await app[name].session(working=False)
        await app.settle()
        assert not await working()
        await app.book(1)
        assert await app.states() == [(channel, "failed"), ("sms", "sent")]
        assert len(await app.alerts()) == 1
        await app[name].session(working=True)
        await app.settle()
        assert await working()
        await app.book(2, OTHER)
        assert (await app.states())[2:] == [(channel, "sent")]

    both(story, name, "smsc", channels=(channel, "sms"))
