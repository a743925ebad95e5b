"""СТОП and СТАРТ over the real callbacks of each transport: silence, messages again, and one short answer."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from core.pipeline.answer import meant
from tests.conftest import Driver, drive, settings
from tests.telling import said
from tests.test_cascade import OTHER, PHONE, Play, Stage, _play

CHANNELS = {
    "green_api": "whatsapp", "waha": "whatsapp", "evolution": "whatsapp", "wazzup": "whatsapp", "whatsapp_cloud": "whatsapp",
    "green_api_max": "max", "max": "max", "telegram": "telegram",
}  # fmt: skip
STOPPED = "Больше не будем писать вам о записях. Чтобы вернуть сообщения, ответьте СТАРТ."
STARTED = "Снова будем писать вам о записях. Чтобы отказаться, ответьте СТОП."
DAY = 24 * 3600


@pytest.fixture
def both(database_url: str, tmp_path: Path) -> Play:
    """The app and its gateways on sockets, on both databases."""
    return lambda story, *names, **options: asyncio.run(_play(database_url, tmp_path, story, names, **options))


async def say(app: Stage, name: str, text: str, phone: str = PHONE) -> None:
    await app[name].write(phone, text)
    await app.settle()


async def bind(app: Stage, name: str) -> None:
    if name == "green_api_max":  # MAX names a client by a chat of its own, which is known once a message was sent there
        await app.book(9)
        app[name].ledger.clear()
    if name in ("telegram", "max"):
        await app[name].write(PHONE, contact=True)
        await app.settle()


def read(app: Stage, name: str) -> list[str]:
    return [taken.text for taken in app[name].ledger]


async def answers(app: Stage) -> list[tuple[str, str]]:
    return [(row["notification_type"], row["status"]) for row in await app.messages() if row["source"] == "vestnik"]


@pytest.mark.parametrize("name", CHANNELS)
def test_stop_and_start_on_every_transport(both: Play, name: str) -> None:
    """СТОП is answered where it was said and silences; СТАРТ is answered the next day and brings the messages back."""

    async def story(app: Stage) -> None:
        await bind(app, name)
        await say(app, name, "Стоп.")
        assert read(app, name) == [STOPPED]
        await app.book()
        assert (read(app, name), (await app.rows("SELECT rule FROM webhook_events ORDER BY id"))[-1]["rule"]) == (
            [STOPPED],
            "opt_out",
        )
        app.clock.now = app.clock.now.replace(hour=12)
        await app.settle(DAY)
        await say(app, name, "старт!")
        assert read(app, name) == [STOPPED, STARTED]
        await app.book(2, visit=app.clock.now.replace(day=30))
        assert len(read(app, name)) == 3

    both(story, name, channels=(CHANNELS[name],), filter={"recent_chat": None})


@pytest.mark.parametrize("text", ["Стоп, я перепутала", "не стоп", "stop it", "СТОПСТОП", "старт когда?", "", "стоп\nпожалуйста"])
def test_the_word_among_others_means_nothing(both: Play, text: str) -> None:
    """Only the whole message is an opt-out: the client is told of the booking, and nobody answers."""

    async def story(app: Stage) -> None:
        await say(app, "green_api", text)
        await app.book()
        assert (await app.states(), await answers(app)) == ([("whatsapp", "sent")], [])

    both(story, "green_api", filter={"recent_chat": None})


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("СТОП", "opted_out"), ("  стоп \n", "opted_out"), ("«СТОП!»", "opted_out"), ("СТОП!!!", "opted_out"), ("*Стоп*", "opted_out"),
        ("CTOП", "opted_out"), ("ctop".replace("c", "с"), None), ("СTОП.", "opted_out"), ("SТОР", "opted_out"), ("Stop…", "opted_out"),
        ("\ufeffстоп\u200b", "opted_out"), ("СТАРТ", "opted_in"), ("CTAPT", "opted_in"), (" start! ", "opted_in"), ("\"Старт\"", "opted_in"),
        ("стоп?", None), ("с т о п", None), ("стоп-кран", None), ("стопп", None), ("стор", None), ("\u0301", None), ("стоп старт", None),
    ],
)  # fmt: skip
def test_how_the_word_is_written(text: str, kind: str | None) -> None:
    """Marks around it, any case, and letters that look alike in the other alphabet; nothing else."""
    assert meant(text) == kind


def test_one_answer_a_day(both: Play) -> None:
    """СТОП, СТАРТ, СТОП within a day: one answer, the last word holds; the next day there is one again. A callback told twice is one."""

    async def story(app: Stage) -> None:
        for text in ("СТОП", "СТАРТ", "СТОП", "stop"):
            await say(app, "green_api", text)
        assert read(app, "green_api") == [STOPPED]
        await app.book()
        assert read(app, "green_api") == [STOPPED]
        await app.settle(DAY - 1)
        await say(app, "green_api", "СТОП")
        assert read(app, "green_api") == [STOPPED]
        await app.settle(1)
        await say(app, "green_api", "СТАРТ")
        assert read(app, "green_api") == [STOPPED, STARTED]

    both(story, "green_api", filter={"recent_chat": None})


def test_it_is_answered_over_the_channel_it_was_said_on(both: Play) -> None:
    """SMS won last time and stands first in the route; СТОП came in Telegram: the answer goes to Telegram, and to no other channel."""

    async def story(app: Stage) -> None:
        await bind(app, "telegram")
        await app.vestnik.run.store.people.won(PHONE, 962302, "sms", app.clock())
        await say(app, "telegram", "СТОП")
        assert (read(app, "telegram"), read(app, "smsc")) == ([STOPPED], [])
        await app.settle(3600)
        assert (read(app, "telegram"), read(app, "smsc")) == ([STOPPED], [])

    both(story, "telegram", "smsc", channels=("sms", "telegram"))


def test_neither_night_nor_cap_puts_the_answer_off(both: Play) -> None:
    """The client is awake and writing: quiet hours and the frequency cap let the answer pass, and it counts as no message."""

    async def story(app: Stage) -> None:
        await app.book()
        await say(app, "green_api", "СТОП")
        assert await answers(app) == [("opted_out", "sent")]
        ((person,),) = (await app.vestnik.run.store.people.known([(PHONE, 962302)], app.clock()),)
        assert len(person.contact.sent_at) == 1

    rules = {"quiet_hours": {"from": "12:30", "to": "12:00"}, "frequency_cap": {"messages": 1}}
    both(story, "green_api", filter=rules)


def test_a_trial_run_answers_nobody_else(both: Play) -> None:
    """`only_phones` holds for answers too; the word itself is kept."""

    async def story(app: Stage) -> None:
        await say(app, "green_api", "СТОП", OTHER)
        await say(app, "green_api", "СТОП")
        assert [taken.phone for taken in app["green_api"].ledger] == [PHONE]
        ((person,),) = (await app.vestnik.run.store.people.known([(OTHER, 962302)], app.clock()),)
        assert person.contact.opted_out_at is not None

    both(story, "green_api", filter={"only_phones": {"phones": [PHONE]}})


def test_no_rule_no_promise(both: Play) -> None:
    """Without `opt_out` messages go on, so nobody is told that they end."""

    async def story(app: Stage) -> None:
        await say(app, "green_api", "СТОП")
        assert await answers(app) == []
        await app.book()
        assert await app.states() == [("whatsapp", "sent")]

    both(story, "green_api", filter={"opt_out": None, "recent_chat": None})


def test_stop_silences_what_waits_and_is_still_answered(both: Play) -> None:
    """A retry waits when СТОП comes: it never leaves, the answer does."""

    async def story(app: Stage) -> None:
        app["green_api"].plan("rate_limited")
        await app.book()
        assert await app.states() == [("whatsapp", "pending")]
        await say(app, "green_api", "СТОП")
        for _ in range(10):
            await app.settle(300)
        assert read(app, "green_api") == [STOPPED]
        assert await app.states() == [("whatsapp", "failed"), ("whatsapp", "sent")]

    both(story, "green_api", filter={"recent_chat": None})


def test_an_answer_too_late_is_none(both: Play) -> None:
    """The account is down for two hours: the answer expires, raises no alert of its own, and is no dead letter."""

    async def story(app: Stage) -> None:
        app["green_api"].working = False
        await say(app, "green_api", "СТОП")
        for _ in range(8):
            await app.settle(900)
        app["green_api"].working = True
        for _ in range(8):
            await app.settle(900)
        assert (read(app, "green_api"), await answers(app)) == ([], [("opted_out", "expired")])
        assert await app.vestnik.run.store.look.ask("dead_letters", since=app.clock.now.replace(year=2020), most=9) == []

    both(story, "green_api")


def test_start_at_one_salon_ends_the_stop_for_all(both: Play) -> None:
    """СТОП to the account of all salons, СТАРТ to the salon's own: it says that it writes again, so it does."""

    async def story(app: Stage) -> None:
        people = app.vestnik.run.store.people

        async def opted(company: int) -> bool:
            return (await people.known([(PHONE, company)], app.clock()))[0].contact.opted_out_at is not None

        await people.opt(PHONE, 0, app.clock())
        await people.opt(PHONE, 962303, app.clock())
        assert (await opted(962302), await opted(962303)) == (True, True)
        await people.opt(PHONE, 962303, None)
        assert (await opted(962302), await opted(962303)) == (False, False)
        await people.opt(PHONE, 962303, app.clock())
        assert (await opted(962302), await opted(962303)) == (False, True)
        await people.opt(PHONE, 0, None)
        assert await opted(962303) is False

    both(story, "green_api")


def test_the_salons_own_words(both: Play, tmp_path: Path) -> None:
    """The answers are texts like all others: a salon's own file replaces them."""
    (tmp_path / "texts.toml").write_text('opted_out = "*Поняли*, {salon} молчит."', encoding="utf-8")

    async def story(app: Stage) -> None:
        await say(app, "green_api", "СТОП")
        assert read(app, "green_api") == ["*Поняли*, Барбершоп молчит."]

    tables: dict[str, Any] = {"render": {"booking": {"texts": str(tmp_path / "texts.toml")}}}
    both(story, "green_api", salon={}, **tables)


async def to_call(app: Stage) -> list[tuple[str, str]]:
    return [(row["notification_type"], row["phone"]) for row in await app.to_call()]


def test_who_said_stop_is_called_where_silence_is_in_vain(both: Play) -> None:
    """Opted out: a new booking and another master are nobody's worry; a new time is, and then the cancellation, with phone and text."""

    async def story(app: Stage) -> None:
        await app.book(2)
        await say(app, "green_api", "СТОП")
        await app.book(1)
        await app.book(2, staff={"id": 5, "name": "Сергей"})
        assert await to_call(app) == []
        await app.book(2, at="16:00", staff={"id": 5, "name": "Сергей"})
        assert await to_call(app) == [("booking_updated", PHONE)]
        await app.book(2, at="16:00", staff={"id": 5, "name": "Сергей"}, status="delete", deleted=True)
        assert await to_call(app) == [("booking_cancelled", PHONE)]
        (call,) = await app.to_call()
        assert call["message"].startswith("❌ *Ваша запись отменена*\n\nБыла на: 21 августа в 14:30")
        assert call["error"] == "opt_out: the client said СТОП on 20.08.2025 at 09:00 UTC"
        assert len(read(app, "green_api")) == 2  # the booking and the answer
        assert await app.vestnik.run.store.look.ask("dead_letters", since=app.clock.now.replace(year=2020), most=9) == []

    both(story, "green_api", filter={"recent_chat": None})


@pytest.mark.parametrize("first", ["opt_out", "unchanged"])
def test_what_another_rule_keeps_quiet_needs_no_call(database_url: str, tmp_path: Path, first: str) -> None:
    """A shift of two minutes is not worth a message, СТОП or not, in whatever order the rules stand; one of ten minutes is."""

    async def story(app: Driver) -> None:
        await app.tell(said())
        await app.vestnik.run.store.people.opt(PHONE, 0, app.clock())
        small = await app.tell(said("update", at="11:10", hour="14:32"))
        assert (small["status"], small["rule"]) == ("suppressed", first)
        assert await app.vestnik.run.store.look.to_call(app.clock()) == []
        await app.tell(said("update", at="11:20", hour="14:40"))
        assert len(await app.vestnik.run.store.look.to_call(app.clock())) == 1

    raw = settings(database_url)
    raw["filter"] = {first: {}, "unchanged": {}, "opt_out": {}}
    drive(raw, tmp_path, story)


def test_back_again_the_client_is_told(both: Play) -> None:
    """The new time was held back; after СТАРТ the next change is told from what the client really knows."""

    async def story(app: Stage) -> None:
        await app.book()
        await say(app, "green_api", "СТОП")
        await app.book(at="16:00")
        await say(app, "green_api", "СТАРТ")
        await app.book(at="17:00")
        assert read(app, "green_api")[-1].startswith("📝 *Ваша запись изменена*\n\n📅 21 августа в 17:00")
        assert await to_call(app) == []

    both(story, "green_api", filter={"recent_chat": None})
