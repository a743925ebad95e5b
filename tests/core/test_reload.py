"""A changed config.toml is taken up by what runs: right as a whole, or not at all; plugins begin and end as they should."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from core import config as configuration
from core import reload
from core.app import create_app
from core.reload import Reloader
from tests.conftest import TOKEN, Driver, body, drive
from tests.core.test_hooks import HEAD, RULE, Bench

PLAIN = """
[plugins]
path = ["mine"]
[source.yclients]
[filter.same_event]
[filter.unchanged]
[render.booking]
[send.console]
[salon.962302]
timezone = "Europe/Moscow"
"""
LEDGER = (
    HEAD
    + """
from pathlib import Path
LOG = Path(__file__).parents[2] / "log"
HERE = []  # what `startup` took

class Config(Settings, frozen=True):
    word: str = "one"  # said in the log

def say(*words):
    with LOG.open("a") as log:
        print(*words, file=log)

@hookimpl
async def startup(config):
    if config.word == "bad":
        raise ValueError("word: bad is not allowed")
    HERE.append(config.word)
    say("up", config.word)

@hookimpl
async def shutdown(config):
    say("down", config.word, HERE)
    HERE.clear()
"""
)
RECORDER = LEDGER + "\n@hookimpl\nasync def record(outcome, config):\n    say(outcome.status, config.word, HERE)\n"
Story = Callable[[Driver, Callable[[str], Awaitable[str | None]]], Awaitable[None]]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "mine").mkdir()
    return Bench(tmp_path)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No step is under way in these tests."""
    monkeypatch.setattr(reload, "_SETTLED", 0)
    monkeypatch.setattr(reload, "_LOOKS", 0)


def follow(bench: Bench, database_url: str, story: Story, addition: str = "") -> None:
    """Run an app on PLAIN; `write(text)` puts another file in place, has it taken up, and gives the sentence of a refusal."""
    head = f'[server]\ntoken = "{TOKEN}"\n[database]\nurl = "{database_url}"\n'
    bench.file.write_text(head + PLAIN + addition, encoding="utf-8")

    async def run(app: Driver) -> None:
        async def write(text: str) -> str | None:
            bench.file.write_text(text if text.startswith("[server]") else head + PLAIN + text, encoding="utf-8")
            await app.vestnik.reloader.reload()
            for _ in range(20):  # what is retired is shut down in a few turns of the loop
                await asyncio.sleep(0)
            return app.vestnik.reloader.problem

        await story(app, write)

    raw = configuration.read(bench.file)
    drive(raw, bench.folder, run)


def logged(bench: Bench) -> list[str]:
    file = bench.folder / "log"
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def test_a_rule_is_switched_on_and_off(bench: Bench, database_url: str) -> None:
    """What comes after the change is judged by it; order and keys of the file count as at a start."""

    async def story(app: Driver, write: Callable[[str], Awaitable[str | None]]) -> None:
        bench.plugin("filter.vip", RULE)  # a new file, while the server runs
        assert (await app.tell(body("record_create_discount50", id=1, resource_id=1)))["status"] == "processed"
        assert await write("[filter.vip]\n") is None
        told = await app.tell(body("record_create_discount50", id=2, resource_id=2))
        assert (told["status"], told["rule"]) == ("suppressed", "vip")
        assert await write("[filter.vip]\nenabled = false\n") is None
        assert (await app.tell(body("record_create_discount50", id=3, resource_id=3)))["status"] == "processed"
        assert len(await app.texts()) == 2

    follow(bench, database_url, story)


def test_a_source_and_the_token_are_taken_up(bench: Bench, database_url: str) -> None:
    """A source that is switched on answers at its address, one that is off no more; the operator's token is the new one."""

    async def story(app: Driver, write: Callable[[str], Awaitable[str | None]]) -> None:
        assert (await app.post({}, path="/webhook/altegio")).status_code == 404
        text = bench.file.read_text(encoding="utf-8").replace("[source.yclients]", "[source.altegio]").replace(TOKEN, "another")
        assert await write(text) is None
        assert (await app.post(body("record_create_discount50"), path="/webhook/altegio")).status_code == 200
        assert (await app.post(body("record_create_discount50"))).status_code == 404
        assert (await app.post({}, path="/activity", headers={"authorization": f"Bearer {TOKEN}"})).status_code == 401
        assert (await app.post({}, path="/activity", headers={"authorization": "Bearer another"})).status_code == 400

    follow(bench, database_url, story)


REFUSED = [
    ("[filter.resent_chat]\n", "{file} [filter.resent_chat]: there is no such plugin, did you mean `recent_chat`?"),
    ("[filter.settle]\nwait = 20\n", '{file} [filter.settle] wait: expected text such as "10m", got `20`'),
    ("[filter\n", "{file}: is not TOML: "),
    ("[filter.broken]\n", "{file} [filter.broken]: {folder}/mine/filter/broken.py line 1: ZeroDivisionError: division by zero"),
    ('[filter.settle]\nwait = {{ env = "NO_SUCH" }}\n', "{file} [filter.settle] wait: the environment variable NO_SUCH is not set; "),
    ('[record.ledger]\nword = "bad"\n', "{file} [record.ledger] word: bad is not allowed"),
    ('[filter.only_phones]\nphones = []\n[salon.962302.filter.only_phones]\nphones = ["12"]\n', "{file} [salon.962302.filter.only_phones] phones: `12` is no phone number; write it as "),
    ("[server]\n", "{file}: names no plugin; write the tables back"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "sentence"), REFUSED)
def test_a_wrong_file_is_refused(bench: Bench, tmp_path: Path, text: str, sentence: str) -> None:
    """The sentence stands in /ready and on the page, the old configuration goes on, and the corrected file is taken up."""
    bench.plugin("filter.vip", RULE)
    bench.plugin("filter.broken", "1 / 0\n")
    bench.plugin("record.ledger", RECORDER)

    async def story(app: Driver, write: Callable[[str], Awaitable[str | None]]) -> None:
        said = await write(text.replace("{{", "{").replace("}}", "}"))
        expected = sentence.format(file=bench.file, folder=bench.folder)
        assert said is not None
        assert said.startswith(expected)
        ready = (await app.http.get("/ready")).json()
        assert (ready["ready"], ready["config"]) == (True, f"{said}; until then the old configuration stays in force")
        page = (await app.http.get("/", headers={"authorization": f"Bearer {TOKEN}"})).text
        assert "config.toml изменён с ошибкой, действует прежняя настройка: " in page
        told = await app.tell(body("record_create_discount50"))
        assert (told["status"], told["rule"]) == ("suppressed", "vip")
        assert await write("[filter.vip]\nenabled = false\n") is None
        assert (await app.http.get("/ready")).json()["config"] == "ok"

    follow(bench, f"sqlite:///{tmp_path}/vestnik.db", story, "[filter.vip]\n")


def test_an_open_server_needs_its_secret(bench: Bench, tmp_path: Path) -> None:
    """A secret that is taken out of the file of a server open to the world is refused, also where the file says another host now."""

    async def story(app: Driver, write: Callable[[str], Awaitable[str | None]]) -> None:
        text = bench.file.read_text(encoding="utf-8")
        open_ = text.replace("[server]", '[server]\nhost = "0.0.0.0"').replace(
            "[source.yclients]", "[source.yclients]\nsecret = 'secret'"
        )
        assert await write(open_) is None
        app.vestnik.run.config = configuration.load(bench.file)  # as if it had been started so
        said = await write(text)
        assert said is not None
        assert "[source.yclients] secret: none is set, and [server] host 0.0.0.0 is open to the world" in said

    follow(bench, f"sqlite:///{tmp_path}/vestnik.db", story)


def test_what_needs_a_restart_is_said(bench: Bench, tmp_path: Path) -> None:
    """Host, port and database stay as they were, each with a sentence that does not print them; the rest is in force."""
    bench.plugin("filter.vip", RULE)

    async def story(app: Driver, write: Callable[[str], Awaitable[str | None]]) -> None:
        said = '[server]\nport = 9\nhost = "::1"\n[database]\nurl = "postgresql://u:password@h/d"\n'
        assert await write(said + PLAIN + "[filter.vip]\n") is None
        end = "has changed; restart Vestnik, which uses the old one until then"
        assert app.vestnik.reloader.later == [
            f"{bench.file} [{key}: {end}" for key in ("server] host", "server] port", "database] url")
        ]  # fmt: skip
        assert (await app.http.get("/ready")).json()["config"] == "; ".join(app.vestnik.reloader.later)
        assert (await app.tell(body("record_create_discount50")))["rule"] == "vip"
        config = app.vestnik.run.config
        assert (config.server.port, config.server.host, config.database.url) == (8080, "127.0.0.1", f"sqlite:///{tmp_path}/v.db")

    follow(bench, f"sqlite:///{tmp_path}/v.db", story)


def test_plugins_begin_and_end(bench: Bench, database_url: str) -> None:
    """On: `startup`. Another key: `startup` with it, then `shutdown` of the old, each with its own state. Off: `shutdown`. Nothing else: nothing."""
    bench.plugin("record.ledger", RECORDER)

    async def story(app: Driver, write: Callable[[str], Awaitable[str | None]]) -> None:
        assert await write("[record.ledger]\n") is None
        await app.tell(body("record_create_discount50"))
        assert await write('[record.ledger]\n[filter.settle]\nwait = "1s"\n') is None
        assert await write('[record.ledger]\nword = "two"\n') is None
        await app.tell(body("record_create_discount50", id=2, resource_id=2))
        assert await write("") is None
        assert logged(bench) == [
            "up one", "processed one ['one']", "sent one ['one']", "up two", "down one ['one']", "processed two ['two']", "sent two ['two']",
            "down two ['two']",
        ]  # fmt: skip

    follow(bench, database_url, story)
    assert len(logged(bench)) == 8


def test_a_start_that_fails_leaves_all_as_it_was(bench: Bench, tmp_path: Path) -> None:
    """What had been started for the refused file is shut down again, and a rule that keeps its state hears the old settings again."""
    bench.plugin("record.ledger", RECORDER)
    only_up = LEDGER.partition("@hookimpl\nasync def shutdown")[0]
    bench.plugin("filter.vip", only_up + "@hookimpl\ndef filter(case):\n    return None\n")

    async def story(app: Driver, write: Callable[[str], Awaitable[str | None]]) -> None:
        said = await write('[filter.vip]\nword = "two"\n[filter.bad]\n[record.ledger]\n')
        assert said == "filter.bad.startup: ZeroDivisionError: division by zero; mend it, or switch the plugin off"
        said = await write('[filter.vip]\nword = "two"\n[record.ledger]\n[record.worse]\n')
        assert said == "record.worse.startup: ZeroDivisionError: division by zero; mend it, or switch the plugin off"
        assert logged(bench) == ["up one", "up two", "up one", "up two", "up one", "down one ['one']", "up one"]
        assert [plugin.short for plugin in app.vestnik.hooks.stage("filter")] == ["same_event", "unchanged", "vip"]

    fails = "@hookimpl\nasync def startup():\n    1 / 0\n"
    bench.plugin("filter.bad", RULE + fails)
    bench.plugin("record.worse", HEAD + "@hookimpl\nasync def record(outcome):\n    pass\n" + fails)
    follow(bench, f"sqlite:///{tmp_path}/vestnik.db", story, "[filter.vip]\n")


SENDER = (
    LEDGER
    + """
from core import Sent
import asyncio
GO = asyncio.Event()

@hookimpl
def channel():
    return Channel("sms", short=True)

@hookimpl
async def send(message, config):
    say("begins", config.word, HERE)
    if config.word == "one":
        await GO.wait()
    say("sent", config.word, HERE)
    return Sent(config.word)
"""
)


@pytest.mark.parametrize("after", ['[send.pigeon]\nword = "two"\n', ""], ids=["changed", "switched off"])
def test_a_send_under_way_ends_with_what_it_began_with(bench: Bench, database_url: str, after: str) -> None:
    """The old plugin is shut down only when its last request has come back, and the message counts as sent."""
    bench.plugin("send.pigeon", SENDER)

    async def story(app: Driver, write: Callable[[str], Awaitable[str | None]]) -> None:
        (old,) = [plugin for plugin in app.vestnik.hooks.stage("send") if plugin.short == "pigeon"]
        worker = app.vestnik.worker
        await app.post(body("record_create_discount50"))
        while not (bench.folder / "log").read_text().endswith("begins one ['one']\n"):
            await worker.decider.step()
            await worker.sender.step()
            await asyncio.sleep(0.01)
        assert await write(after) is None
        assert not any(line.startswith("down") for line in logged(bench))
        old.module.GO.set()
        await worker.sender.finish()
        while app.vestnik.reloader._retiring:
            await asyncio.sleep(0.01)
        assert logged(bench)[-2:] == ["sent one ['one']", "down one ['one']"]
        assert [(row["status"], row["provider_message_id"]) for row in await app.messages()] == [("sent", "one")]

    follow(bench, database_url, story, '[send.pigeon]\n[route]\nchannels = ["sms"]\n')


def test_a_half_written_file_is_left_alone(bench: Bench, tmp_path: Path) -> None:
    """A file is taken up when it has stood still between two looks; one that is gone is said so."""

    async def story(app: Driver, write: Callable[[str], Awaitable[str | None]]) -> None:
        reloader, text = app.vestnik.reloader, bench.file.read_text(encoding="utf-8")
        reloader._done = reloader._seen = reload._stamp(bench.file)
        bench.file.write_text(text[: len(text) // 2], encoding="utf-8")
        await reloader.look()
        bench.file.write_text(text + "[filter.stale]\n", encoding="utf-8")
        await reloader.look()
        assert app.vestnik.hooks.get("filter", "stale") is None
        await reloader.look()
        assert app.vestnik.hooks.get("filter", "stale") is not None
        hooks = app.vestnik.hooks
        await reloader.look()
        assert app.vestnik.hooks is hooks
        bench.file.unlink()
        await reloader.look()
        await reloader.look()
        assert (reloader.problem or "").startswith(f"{bench.file}: there is no such file; ")

    follow(bench, f"sqlite:///{tmp_path}/vestnik.db", story)


def test_sources_that_ask_begin_again(bench: Bench, tmp_path: Path) -> None:
    """A salon that is added is asked about at once; an unchanged source is not asked a second time."""
    text = HEAD + (
        "from pathlib import Path\nLOG = Path(__file__).parents[2] / 'log'\n@hookimpl\ndef receive(request):\n    return []\n"
        "@hookimpl\nasync def normalize(received):\n    pass\n@hookimpl\nasync def poll(salon):\n"
        "    with LOG.open('a') as log:\n        print(salon.id, file=log)\n"
    )
    bench.plugin("source.asks", text)
    bench.file.write_text(f'[database]\nurl = "sqlite:///{tmp_path}/v.db"\n{PLAIN}[source.asks]\n', encoding="utf-8")

    async def run() -> None:
        app = create_app(configuration.load(bench.file))
        async with app.router.lifespan_context(app):
            reloader: Reloader = app.state.vestnik.reloader
            await asyncio.sleep(0.2)
            for addition in ("[filter.stale]\n", "[salon.5]\n"):
                bench.file.write_text(bench.file.read_text(encoding="utf-8") + addition, encoding="utf-8")
                assert await reloader.reload()
                await asyncio.sleep(0.2)

    asyncio.run(run())
    assert logged(bench) == ["962302", "962302", "5"]


def test_own_texts_are_seen_from_the_file(bench: Bench, database_url: str) -> None:
    """A path in config.toml is meant from its folder, whichever the working folder is, at the start and after a reload; what is not there is said."""
    (bench.folder / "own.toml").write_text('booking_created = "наш текст"', encoding="utf-8")
    (bench.folder / "other.toml").write_text('booking_created = "иной текст"', encoding="utf-8")
    own = '[salon.962302.render.booking]\ntexts = "{}"\n'
    missing = f"{bench.file} [salon.962302.render.booking] texts: there is no folder {bench.folder}/none; make it, or leave `texts` empty for the built-in ones"

    def booked(number: int) -> dict[str, Any]:
        return body("record_create_admin", id=number, resource_id=number)

    async def story(app: Driver, write: Callable[[str], Awaitable[str | None]]) -> None:
        await app.tell(booked(1))
        assert await write(own.format("none/own.toml")) == missing
        await app.tell(booked(2))
        assert await write(own.format("other.toml")) is None
        await app.tell(booked(3))
        assert await app.texts() == ["наш текст", "наш текст", "иной текст"]

    follow(bench, database_url, story, own.format("own.toml"))
