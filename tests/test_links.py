"""A client binds the salon's bot by a link: made, opened, bound, and the message arrives there."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from core.cli.link import make
from core.errors import VestnikError
from tests.test_cascade import OTHER, PHONE, Play, Stage, _play

SITES = {"telegram": "https://t.me/salon_demo_bot?start=", "max": "https://max.ru/salon_demo_bot?start="}


@pytest.fixture
def both(database_url: str, tmp_path: Path) -> Play:
    """The app and its gateways on sockets, on both databases."""
    return lambda story, *names, **options: asyncio.run(_play(database_url, tmp_path, story, names, **options))


async def link(app: Stage, channel: str | None = None, phone: str = PHONE) -> str:
    run = app.vestnik.run
    return await make(run.config, run.hooks, run.store, phone, channel, 962302, app.clock())


async def opens(app: Stage, name: str, address: str, chat: str = PHONE) -> None:
    """Someone opens the link and starts the bot; `chat` is whose messenger it is."""
    await app[name].write(chat, f"/start {address.partition('start=')[2]}")
    await app.settle()


@pytest.mark.parametrize("name", SITES)
def test_from_the_link_to_the_message(both: Play, name: str) -> None:
    """Nobody is bound, so the SMS leaves; the client opens the link, and the next message arrives at the bot."""

    async def story(app: Stage) -> None:
        await app.book(1)
        assert (len(app[name].ledger), len(app["smsc"].ledger)) == (0, 1)
        address = await link(app, name)
        assert re.fullmatch(re.escape(SITES[name]) + r"[A-Za-z0-9_-]{22}", address)
        await opens(app, name, address)
        await app.book(2)
        assert (len(app[name].ledger), len(app["smsc"].ledger)) == (1, 1)
        assert app[name].ledger[0].phone == PHONE
        assert "Вы записаны" in app[name].ledger[0].text

    both(story, name, "smsc", channels=(name, "sms"))


@pytest.mark.parametrize("name", SITES)
def test_a_link_is_good_once(both: Play, name: str) -> None:
    """Passed on, it binds nobody else: a stranger must not read a client's bookings."""

    async def story(app: Stage) -> None:
        address = await link(app, name)
        await opens(app, name, address)
        await opens(app, name, address, OTHER)
        await opens(app, name, SITES[name] + "guessed", "+79000000077")
        await app.book()
        assert [taken.phone for taken in app[name].ledger] == [PHONE]

    both(story, name, channels=(name,))


def test_opened_twice_by_the_same_client_it_stays_bound(both: Play) -> None:
    """The client presses "start" again: nothing is lost."""

    async def story(app: Stage) -> None:
        address = await link(app)
        await opens(app, "telegram", address)
        await opens(app, "telegram", address)
        await app.book()
        assert len(app["telegram"].ledger) == 1

    both(story, "telegram", channels=("telegram",))


def test_a_link_grows_old(both: Play) -> None:
    """After 30 days it binds nobody, and retention takes it away."""

    async def story(app: Stage) -> None:
        address = await link(app)
        await app.settle(31 * 24 * 3600)
        await opens(app, "telegram", address)
        assert [row["phone"] for row in await app.rows("SELECT phone FROM bindings")] == [None]
        await app.settle(60 * 24 * 3600)
        await app.vestnik.worker.prune()
        assert await app.rows("SELECT token FROM binding_tokens") == []

    both(story, "telegram", channels=("telegram",))


def test_what_cannot_be_linked_is_a_sentence(both: Play) -> None:
    """No phone, no such bot, two bots, a token that the messenger refuses: each is said with the next step, and no token is kept."""

    async def story(app: Stage) -> None:
        async def why(channel: str | None, phone: str = PHONE) -> str:
            with pytest.raises(VestnikError) as raised:
                await link(app, channel, phone)
            return str(raised.value)

        assert await why(None, "12") == "12: the phone cannot be read; write it as +79000000088"
        assert await why("whatsapp") == "[send]: no bot for whatsapp is on; switch on one that clients bind, with its token"
        assert await why(None) == "several bots are on; say which: --channel telegram or max"
        for name in ("telegram", "max"):
            type(app[name]).config, kept = {**type(app[name]).config, "token": "another"}, type(app[name]).config
            try:
                said = f"[send.{name}] the messenger does not say the bot's name: HTTP 401, token or base_url is wrong"
                assert await why(name) == said
            finally:
                type(app[name]).config = kept
        assert await app.rows("SELECT token FROM binding_tokens") == []

    both(story, "telegram", "max", channels=("telegram", "max"))
