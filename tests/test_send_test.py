"""`vestnik send-test` over stand-ins: every step is told, the delivery or why it is not known included."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from core.cli.send_test import TEXT, SendTest
from core.errors import VestnikError
from stand_ins import Scenario
from tests.test_cascade import PHONE, Play, Stage, _play
from tests.test_cli import PLAIN, vestnik, written
from tests.test_stop_words import CHANNELS

REPORTING = {**{name: kind for name, kind in CHANNELS.items() if name not in ("telegram", "max")}, "smsc": "sms", "smsru": "sms"}


@pytest.fixture
def both(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    """The app and its gateways on sockets, on both databases; the command looks and asks without taking its time."""
    monkeypatch.setattr("core.cli.send_test._LOOK", 0.01)
    monkeypatch.setattr("core.cli.send_test._ASK", 0.05)
    monkeypatch.setattr("core.pipeline.callback._STATUS_WAITS", timedelta(0))
    now = datetime.now(UTC) + timedelta(minutes=1)  # the command has no clock but the real one
    return lambda story, *names, **options: asyncio.run(_play(database_url, tmp_path, story, names, now=now, **options))


@contextlib.asynccontextmanager
async def working(app: Stage) -> AsyncIterator[None]:
    """The running server: callbacks are taken in as they come."""

    async def work() -> None:
        while True:
            await app.vestnik.worker.callbacks.step()
            await asyncio.sleep(0.01)

    task = asyncio.create_task(work())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def tried(app: Stage, channel: str | None = None, wait: float = 20, port: int | None = 1) -> list[str]:
    """The lines of the command; what it raises is the last of them. `port`: where it believes the server to be; `None`: where it is."""
    run, shown = app.vestnik.run, io.StringIO()
    server = msgspec.structs.replace(run.config.server, port=port or app.http.base_url.port)
    config = msgspec.structs.replace(run.config, server=server)
    command = SendTest(config, run.hooks, run.store, 962302, timedelta(seconds=wait), Console(file=shown, soft_wrap=True))
    said = []
    try:
        async with working(app):
            await command.run(PHONE, channel)
    except VestnikError as error:
        said = [str(error)]
    return [*shown.getvalue().splitlines(), *said]


@pytest.mark.parametrize("name", REPORTING)
def test_the_delivery_is_told(both: Play, name: str) -> None:
    """By callback or by asking: the last step says that it was delivered, or even read, and the row says the same."""

    async def story(app: Stage) -> None:
        app[name].always(Scenario())
        await app.vestnik.run.store.people.wrote(PHONE, 0, app.clock())
        said = await tried(app)
        assert [line.partition(":")[0] for line in said][:4] == ["1. route", "2. probe", "3. render", "4. send"]
        assert said[0] == f"1. route: {REPORTING[name]} over {name}, account of all salons, to +7900…88"
        asked = "whatsapp_cloud cannot be asked how it is" if name == "whatsapp_cloud" else "the account works"
        assert said[1:3] == [f"2. probe: {asked}", f"3. render: {TEXT}"]
        assert said[-1].partition(" after ")[0] in ("5. delivery: delivered", "5. delivery: read")
        assert [taken.text for taken in app[name].ledger] == [TEXT]
        (row,) = await app.messages()
        assert (row["status"] in ("delivered", "read"), row["is_test"], row["source"]) == (True, True, "vestnik")

    both(story, name, channels=(REPORTING[name],))


def test_an_answer_that_is_lost_is_found(both: Play) -> None:
    """The connection breaks after the message was taken: unclear, until the callback tells."""

    async def story(app: Stage) -> None:
        app["waha"].plan(Scenario("drop"))
        said = await tried(app)
        assert said[3].startswith("4. send: Unclear ")
        assert said[-1].startswith(("5. delivery: delivered", "5. delivery: read"))

    both(story, "waha", channels=("whatsapp",))


def test_the_gateway_gives_it_up(both: Play) -> None:
    """Taken, and then not to be delivered: the reason, and the command fails."""

    async def story(app: Stage) -> None:
        app["green_api"].always(Scenario(report=("noAccount",)))
        said = await tried(app)
        assert said[-2].startswith("5. delivery: failed after ")
        assert said[-1].startswith("send.green_api: the gateway says that it was not delivered: ")

    both(story, "green_api")


def test_what_is_not_taken_is_said(both: Play) -> None:
    """A wrong key: the probe says so, and so does the send; nothing is waited for, and the row is no message that waits."""

    async def story(app: Stage) -> None:
        app["green_api"].plan("error.401")
        said = await tried(app)
        assert said[3] == "4. send: Retry HTTP 401: base_url, id_instance or token is wrong"
        assert said[4:] == ["send.green_api did not take it: HTTP 401: base_url, id_instance or token is wrong"]
        (row,) = await app.messages()
        assert (row["status"], row["error"]) == ("failed", "HTTP 401: base_url, id_instance or token is wrong")

    both(story, "green_api")


def test_why_no_report_came(both: Play) -> None:
    """No server; one that refuses the callbacks; one that hears nothing; one that hears of something else: each has its sentence."""

    async def story(app: Stage) -> None:
        async def why(port: int | None) -> str:
            return (await tried(app, wait=0.3, port=port))[-1]

        assert await why(1) == (
            "5. delivery: not known after 0.3 s: no server answers at http://127.0.0.1:1, so nobody takes the gateway's callback; "
            "run `vestnik serve` meanwhile"
        )
        assert await why(None) == (
            "5. delivery: not known after 0.3 s: no callback of green_api came, though a server is up; is "
            "https://…/callback/green_api set in the gateway's console?"
        )
        kept, type(app["green_api"]).config = app["green_api"].config, {**app["green_api"].config, "webhook_token": "another"}
        try:
            app["green_api"].plan(Scenario(report=("sent",)))
            assert await why(None) == (
                "5. delivery: not known after 0.3 s: 1 callbacks of green_api came and were refused: its secret is not the one in "
                "[send.green_api]"
            )
        finally:
            type(app["green_api"]).config = kept
        app["green_api"].plan(Scenario(report=("sent",)))
        assert await why(None) == (
            "5. delivery: not known after 0.3 s: callbacks of green_api came, none about this delivery yet; try a longer --wait"
        )

    both(story, "green_api")


def test_a_gateway_that_is_asked_and_does_not_know(both: Play) -> None:
    """SMSC calls nobody back: it was asked, and that is said."""

    async def story(app: Stage) -> None:
        assert (await tried(app, wait=0.2))[-1] == (
            "5. delivery: not known after 0.2 s: smsc was asked and does not know yet; try a longer --wait"
        )

    both(story, "smsc", channels=("sms",))


def test_a_bot_reports_nothing(both: Play) -> None:
    """Not bound: it says so. Bound: the message leaves to the bound chat, and nobody waits for a report that never comes."""

    async def story(app: Stage) -> None:
        assert (await tried(app))[-1] == "send.telegram did not take it: the client has not bound the bot"
        await app["telegram"].write(PHONE, contact=True)
        await app.settle()
        assert (await tried(app))[-1] == "5. delivery: telegram does not report it; look at the phone"

    both(story, "telegram", channels=("telegram",))


def test_it_counts_nowhere(both: Play) -> None:
    """No statistic, no cap, no channel that won, no call, no alert: it was a test."""

    async def story(app: Stage) -> None:
        app["green_api"].always(Scenario(report=("sent", "delivered")))
        await tried(app)
        look = app.vestnik.run.store.look
        ((person,),) = (await app.vestnik.run.store.people.known([(PHONE, 962302)], app.clock()),)
        assert (person.contact.sent_at, person.won_channel) == ((), None)
        app["green_api"].always(Scenario(report=("failed",)))
        await tried(app)
        await app.settle(3600)
        assert await app.rows("SELECT * FROM notification_stats_24h") == []
        assert await look.ask("dead_letters", since=app.clock() - timedelta(days=1), most=9) == []
        assert (await app.to_call(), await app.alerts()) == ([], [])
        assert len(app["green_api"].ledger) == 2

    both(story, "green_api", "smsc", alert={"phone": "+79990000001"})


def test_a_wrong_setting_is_caught_before_anything_leaves(tmp_path: Path) -> None:
    """The command starts the plugins as a server does, and stops them: what one says of its table is the error, and nothing is sent."""
    written(tmp_path, PLAIN + '[filter.only_phones]\nphones = ["nobody"]\n')
    code, out, said = vestnik(tmp_path, "send-test", PHONE)
    assert (code, out) == (1, "")
    assert said == "config.toml [filter.only_phones] phones: `nobody` is no phone number; write it as +79000000088\n"


def test_plugins_are_started_and_stopped(tmp_path: Path) -> None:
    """What a plugin opens in `startup` is there when it sends, and is closed by `shutdown`."""
    (tmp_path / "mine" / "record").mkdir(parents=True)
    (tmp_path / "mine" / "record" / "ledger.py").write_text(
        "from core import hookimpl\n@hookimpl\nasync def startup():\n    print('opened')\n@hookimpl\nasync def shutdown():\n    print('closed')\n"
        "@hookimpl\nasync def record(outcome):\n    pass\n",
        encoding="utf-8",
    )
    written(tmp_path, PLAIN + '[record.ledger]\n[plugins]\npath = ["mine"]\n')
    code, out, said = vestnik(tmp_path, "send-test", PHONE)
    assert (code, said) == (0, "")
    lines = out.splitlines()
    assert (lines[0], lines[-1]) == ("opened", "closed")
    assert any(line.startswith("4. send: Sent") for line in lines)


RETRIES = """from datetime import timedelta

from core import Channel, Retry, hookimpl

@hookimpl
def channel():
    return Channel("whatsapp")

@hookimpl
async def send(message):
    return Retry("code 9: something broke", within=timedelta(hours=1))
"""


def test_what_may_have_been_taken(tmp_path: Path) -> None:
    """A `Retry` with `within` is no refusal: the command says so, and does not fail."""
    (tmp_path / "mine" / "send").mkdir(parents=True)
    (tmp_path / "mine" / "send" / "kurier.py").write_text(RETRIES, encoding="utf-8")
    written(tmp_path, PLAIN.replace("[send.console]", '[send.kurier]\n[plugins]\npath = ["mine"]'))
    code, out, said = vestnik(tmp_path, "send-test", PHONE, "--wait", "100ms")
    assert (code, said) == (0, "")
    assert (
        "4. send: Retry: it may have been taken (code 9: something broke); a server sends it again within 3600 s, "
        "while the gateway knows the repeat\n"
    ) in out
