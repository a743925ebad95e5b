"""The `vestnik` command, run as people run it: its own process, its words, its exit code."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from stand_ins import ALL
from tests.conftest import Clock, Driver, body, drive, settings

ROOT = Path(__file__).parents[1]
PLAIN = """
[server]
token = "operators-token"
[source.yclients]
[filter.same_event]
[filter.stale]
[filter.unchanged]
[filter.own_comment]
[render.booking]
[render.discount]
[send.console]
[salon.962302]
address = "Малаховка, Южная улица, 38"
timezone = "Europe/Moscow"
"""
DONE_WITHIN = 60  # seconds


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("VESTNIK_", "YCLIENTS_"))}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "COLUMNS": "300", "NO_COLOR": "1", **more}


def vestnik(folder: Path, *words: str, **more: str) -> tuple[int, str, str]:
    """Run a command in `folder`: exit code, what it printed, what it complained of."""
    done = subprocess.run(
        [sys.executable, "-m", "core", *words],
        cwd=folder, env=environment(**more), capture_output=True, text=True, encoding="utf-8", timeout=DONE_WITHIN, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def written(folder: Path, text: str, name: str = "config.toml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


@contextmanager
def served(folder: Path, addition: str = "") -> Iterator[httpx.Client]:
    """A server on a free port, until the block ends; SIGTERM must end it well."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    written(folder, PLAIN.replace("[server]", f"[server]\nport = {port}") + addition)
    with (folder / "serve.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen([sys.executable, "-m", "core", "serve"], cwd=folder, env=environment(), stdout=log, stderr=log)
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
                until(lambda: up(http) or process.poll() is not None)
                yield http
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(timeout=DONE_WITHIN)
    assert code in (0, -signal.SIGTERM), (folder / "serve.log").read_text(encoding="utf-8")


def up(http: httpx.Client) -> bool:
    try:
        return http.get("/health").status_code == 200
    except httpx.TransportError:
        return False


def until(wanted: object) -> None:
    """Ask until it is so; fail when it takes too long."""
    ends = time.monotonic() + DONE_WITHIN
    while not wanted():  # type: ignore[operator]
        assert time.monotonic() < ends, "it took too long"
        time.sleep(0.05)


# --- what is wrong


@pytest.mark.parametrize("command", ["check", "serve", "worker", "plugins", "stats"])
def test_a_mistake_ends_the_command(tmp_path: Path, command: str) -> None:
    """One sentence on stderr, nothing on stdout, exit code 1, no traceback."""
    written(tmp_path, PLAIN.replace("[filter.own_comment]", "[filter.own_comment]\nmraks = []"))
    assert vestnik(tmp_path, command) == (1, "", "config.toml [filter.own_comment]: unknown key `mraks`, did you mean `marks`?\n")


MISTAKES = [
    ("[filters.stale]", "config.toml [filters]: unknown table, did you mean `filter`?"),
    ("[filter.resent_chat]", "config.toml [filter.resent_chat]: there is no such plugin, did you mean `recent_chat`?"),
    (
        '[filter.settle]\nwait = "soon"',
        'config.toml [filter.settle] wait: `soon` is not a duration: write it as "20s", "10m", "24h" or "90d"',
    ),
    (
        '[salon.5]\ntimezone = "Europe/Moskow"',
        "config.toml [salon.5] timezone: there is no time zone `Europe/Moskow`, did you mean `Europe/Moscow`?",
    ),
    (
        "[salon.mine]",
        "config.toml [salon.mine]: a salon is named by its number (company_id), such as [salon.962302]; where its sender has a text, let the source's table give it a number of yours",
    ),
    (
        '[record.metrics]\n[alert]\nphone = { env = "NO_SUCH" }',
        "config.toml [alert] phone: the environment variable NO_SUCH is not set; set it, or add `optional = true` to leave the key at its default",
    ),
    (
        "[filter.stale]",
        "config.toml: is not TOML: cannot declare ('filter', 'stale') twice (at line 15, column 14); [filter.stale] stands twice; make one table of the two",
    ),
    (
        "[send.waha]",
        "config.toml: [send.console] and [send.waha] both carry whatsapp; "
        'say which one under [route]: transport.whatsapp = "console", or switch one off',
    ),
    (
        "[send.telegram]",
        'config.toml [send.telegram] token: missing; write it in, as token = { env = "NAME" } if it is secret, or switch the table off with `enabled = false`',
    ),
    (
        '[filter.only_phones]\nphones = ["12"]',
        "config.toml [filter.only_phones] phones: `12` is no phone number; write it as +79000000088",
    ),
    (
        '[database]\nurl = "mysql://localhost/x"',
        "config.toml [database] url: `mysql` is no database we know; write sqlite:///vestnik.db or postgresql://user@host/db",
    ),
]


@pytest.mark.parametrize("command", ["check", "serve"])
@pytest.mark.parametrize(("addition", "sentence"), MISTAKES, ids=[addition.partition("\n")[0] for addition, _ in MISTAKES])
def test_check_and_serve_say_the_same(tmp_path: Path, command: str, addition: str, sentence: str) -> None:
    """What stops `serve`, `check` finds before, in the same words."""
    written(tmp_path, PLAIN + addition + "\n")
    code, out, err = vestnik(tmp_path, command)
    assert (code, out, err.splitlines()[-1:]) == (1, "", [sentence])
    assert "Traceback" not in err


@pytest.mark.parametrize("command", ["check", "serve"])
def test_an_open_address_without_a_secret_is_refused(tmp_path: Path, command: str) -> None:
    """Neither command says yes to a server that anybody could post to."""
    written(tmp_path, PLAIN.replace("[server]", '[server]\nhost = "0.0.0.0"'))
    assert vestnik(tmp_path, command) == (
        1,
        "",
        "config.toml [source.yclients] secret: none is set, and [server] host 0.0.0.0 is open to the world; "
        'set one, or write secret = "none" if that is meant\n',
    )


def test_no_file(tmp_path: Path) -> None:
    """The sentence names the file that was looked for, by default, by option and by variable."""
    sentence = "there is no such file; name one with --config, or copy the shipped config.toml here\n"
    assert vestnik(tmp_path, "check") == (1, "", f"config.toml: {sentence}")
    assert vestnik(tmp_path, "serve", "--config", "other.toml") == (1, "", f"other.toml: {sentence}")
    assert vestnik(tmp_path, "check", VESTNIK_CONFIG="third.toml") == (1, "", f"third.toml: {sentence}")


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    """`--debug` is for whoever writes a plugin."""
    code, _, err = vestnik(tmp_path, "check", "--debug")
    assert (code, "Traceback" in err) == (1, True)
    rule = tmp_path / "mine" / "filter" / "vip.py"
    rule.parent.mkdir(parents=True)
    rule.write_text("def helper():\n    return nonsense\n\nhelper()\n", encoding="utf-8")
    written(tmp_path, PLAIN + '[plugins]\npath = ["mine"]\n[filter.vip]\n')
    sentence = f"config.toml [filter.vip]: {rule} line 2: NameError: name 'nonsense' is not defined"
    assert vestnik(tmp_path, "check") == (1, "", f"{sentence}\n")
    code, _, err = vestnik(tmp_path, "check", "--debug")
    assert (code, f'File "{rule}", line 4' in err, f"PluginError: {sentence}" in err) == (1, True, True)


@pytest.mark.parametrize(
    "words",
    [(), ("frobnicate",), ("check", "--nope"), ("trace",), ("check", "extra"), ("send-test",), ("erase",), ("stats", "--config")],
)
def test_usage(tmp_path: Path, words: tuple[str, ...]) -> None:
    """A command that cannot be understood is exit code 2."""
    assert vestnik(tmp_path, *words)[0] == 2


# --- what is right


def test_check_says_what_is_on(tmp_path: Path) -> None:
    """A right file is said to be right, with a warning for what is open."""
    written(tmp_path, PLAIN)
    assert vestnik(tmp_path, "check") == (
        0,
        "config.toml: right. 8 plugins are on, 1 salons served, database sqlite.\n",
        "warning: [source.yclients] has no secret: whoever knows the address can post events\n",
    )
    assert not (tmp_path / "vestnik.db").exists()


def test_a_database_in_no_folder(tmp_path: Path) -> None:
    """`check` sees it, and `serve` says the same without a traceback."""
    written(tmp_path, PLAIN + '[database]\nurl = "sqlite:///no/such/v.db"\n')
    for command in ("check", "serve"):
        code, out, err = vestnik(tmp_path, command)
        sentence = f"config.toml [database] url: there is no folder {tmp_path}/no/such; make it, or mend the url\n"
        assert (code, out, err.endswith(sentence), "Traceback" in err) == (1, "", True, False)


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    """The last line says what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        written(tmp_path, PLAIN.replace("[server]", f"[server]\nport = {port}"))
        code, _, err = vestnik(tmp_path, "serve")
    sentence = (
        f"config.toml [server] host, port: cannot listen at 127.0.0.1:{port}; "
        "end the other program that has the port, or name another one, and a host of this machine"
    )
    assert (code, err.splitlines()[-1]) == (1, sentence)


def test_check_with_none_written(tmp_path: Path) -> None:
    """`secret = "none"` is taken at its word, also on an open address, and still warned of."""
    text = PLAIN.replace("[server]", '[server]\nhost = "0.0.0.0"').replace(
        "[source.yclients]", '[source.yclients]\nsecret = "none"'
    )
    written(tmp_path, text)
    code, _, err = vestnik(tmp_path, "check")
    assert (code, err) == (0, "warning: [source.yclients] has no secret: whoever knows the address can post events\n")


def test_the_shipped_file_is_right(tmp_path: Path) -> None:
    """config.toml as shipped starts with nothing set."""
    written(tmp_path, (ROOT / "config.toml").read_text(encoding="utf-8"))
    code, out, _ = vestnik(tmp_path, "check")
    assert (code, out.startswith("config.toml: right.")) == (0, True)


PRIVATE = '''"""Lets nobody be written to on Mondays [sic]."""

from core import Settings, hookimpl

on_error = "hold"


class Config(Settings, frozen=True):
    days: tuple[str, ...] = ("monday",)  # [mon] to [sun]
    api_token: str = ""  # of the calendar


@hookimpl
def filter(case):
    return None
'''


def private(tmp_path: Path) -> str:
    """A folder with one rule of the salon's own, and the table that names it."""
    (tmp_path / "mine" / "filter").mkdir(parents=True)
    written(tmp_path / "mine" / "filter", PRIVATE, "mondays.py")
    return '[plugins]\npath = ["mine"]\n'


def test_plugins(tmp_path: Path) -> None:
    """All that is on, stage by stage: where from, for whom, which hooks, what it does, each key; then what is off, and what there is."""
    own = "[filter.mondays]\n[salon.962302.filter.stale]\nenabled = false\n[salon.5.filter.own_comment]\nmarks = []\n"
    written(tmp_path, PLAIN + private(tmp_path) + own + "[send.smsc]\nenabled = false\n")
    code, out, _ = vestnik(tmp_path, "plugins")
    assert code == 0
    lines = [line.rstrip() for line in out.splitlines()]
    assert [line for line in lines if not line.startswith(" ")][:5] == ["source", "filter", "render", "send", "record"]
    assert "  source.yclients: built in; on for all; receive, poll, normalize, examples" in lines
    assert "  filter.stale: built in; on for all but 962302; filter" in lines
    at = lines.index("  filter.own_comment: built in; on for all (own keys: 5); filter")
    assert lines[at + 1 : at + 4] == [
        "    Stays silent about a booking that the salon's own bot made: the bot has told the client already.",
        "    In the last 24 hours: said no 0 times, later 0 times.",
        '    marks  list of texts; ["AI Admin", "AI администратор", "WhatsApp"]  any of them in the comment, in small or capital letters',
    ]
    at = lines.index(f"  filter.mondays: {tmp_path / 'mine' / 'filter' / 'mondays.py'}; on for all; filter")
    assert lines[at + 1 : at + 5] == [
        "    Lets nobody be written to on Mondays [sic].",
        "    In the last 24 hours: said no 0 times, later 0 times.",
        '    days       list of texts; ["monday"]  [mon] to [sun]',
        '    api_token  text; ""                   of the calendar',
    ]
    assert "off: send.smsc" in lines
    absent = next(line for line in lines if line.startswith("no table in config.toml: "))
    assert "filter.recent_chat" in absent
    assert "send.telegram" in absent
    assert "own_comment" not in absent


def cells(out: str) -> list[list[str]]:
    """The rows of a table, without its heading."""
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in out.splitlines() if line.startswith("│")]


def test_one_plugin_in_full(tmp_path: Path) -> None:
    """Its words, file, hooks and keys, each with what it is now for everybody and for a salon of its own; a secret is only said to be set."""
    tables = '[filter.mondays]\napi_token = "s3cret-of-ours"\n[salon.5.filter.mondays]\ndays = ["friday"]\n'
    written(tmp_path, PLAIN + private(tmp_path) + tables)
    for name in ("filter.mondays", "mondays"):
        code, out, _ = vestnik(tmp_path, "plugins", name)
        assert code == 0
        assert out.startswith(f"filter.mondays ({tmp_path / 'mine' / 'filter' / 'mondays.py'}; on for all (own keys: 5))\n")
        for line in ("Lets nobody be written to on Mondays [sic].", "file: mine/filter/mondays.py", "hooks: filter"):
            assert line in out.splitlines()
        assert "if it breaks: the message is held" in out
        assert "In the last 24 hours: said no 0 times, later 0 times." in out
        assert cells(out) == [
            ["days", "list of texts", '["monday"]', '["monday"]', '["friday"]', "[mon] to [sun]"],
            ["api_token", "text", '""', "set", "set", "of the calendar"],
        ]
        assert "s3cret" not in out


def test_a_plugin_that_is_off_in_full(tmp_path: Path) -> None:
    """Its keys are there to be read before it is switched on; what is not there at all is one sentence with the near miss."""
    written(tmp_path, PLAIN)
    code, out, _ = vestnik(tmp_path, "plugins", "telegram")
    assert (code, out.partition("\n")[0]) == (0, "send.telegram (built in; off)")
    assert ["token", "text", '""', "the bot's token, from @BotFather"] in cells(out)
    code, out, _ = vestnik(tmp_path, "plugins", "same_event")
    assert (code, out.splitlines()[-1]) == (0, "It has no keys of its own.")
    code, out, err = vestnik(tmp_path, "plugins", "filter.own_coment")
    assert (code, out, err) == (1, "", "filter.own_coment: there is no such plugin, did you mean `filter.own_comment`?\n")


def test_a_plugin_that_nobody_has_switched_on(tmp_path: Path) -> None:
    """In a named folder without a table, in a folder that is not named, or switched off: it is shown, with what switches it on, and that works."""
    addition = private(tmp_path)
    keys = '  [filter.mondays]\n  days = ["monday"]  # [mon] to [sun]\n  api_token = ""     # of the calendar\n'
    written(tmp_path, PLAIN + addition)
    code, out, _ = vestnik(tmp_path, "plugins", "mondays")
    assert (code, out.partition("\n")[0]) == (0, f"filter.mondays ({tmp_path / 'mine' / 'filter' / 'mondays.py'}; off)")
    assert out.endswith(f"To switch it on, write into config.toml:\n{keys}")

    written(tmp_path, PLAIN)
    assert "not under [plugins] path in config.toml: mine/filter/mondays.py" in vestnik(tmp_path, "plugins")[1].splitlines()
    for name in ("mondays", "filter.mondays"):
        code, out, _ = vestnik(tmp_path, "plugins", name)
        assert (code, out.partition("\n")[0]) == (0, f"filter.mondays ({tmp_path / 'mine' / 'filter' / 'mondays.py'}; off)")
        head, _, lines = out.partition("To switch it on, write into config.toml:\n")
        assert lines == f'  [plugins]\n  path = ["mine"]\n\n{keys}'
        assert ["api_token", "text", '""', "of the calendar"] in cells(head)
    written(tmp_path, PLAIN + lines)
    assert f"mondays.py; on for all{')'}" in vestnik(tmp_path, "plugins", "mondays")[1]

    (tmp_path / "ours").mkdir()
    written(tmp_path, PLAIN + '[plugins]\npath = ["ours"]\n')
    out = vestnik(tmp_path, "plugins", "mondays")[1]
    assert '(instead of the `path` that stands there):\n  [plugins]\n  path = ["ours", "mine"]\n' in out

    written(tmp_path, PLAIN + addition + "[filter.mondays]\nenabled = false\n")
    out = vestnik(tmp_path, "plugins", "mondays")[1]
    assert out.endswith("To switch it on, take `enabled = false` out of [filter.mondays] in config.toml.\n")


def test_how_often_each_rule_said_no(tmp_path: Path, database_url: str) -> None:
    """Each rule that said no to an event counts it once, also where another one named the reason; a day ago is too long ago. Both databases."""
    by_bot = [body("record_create_by_bot_comment", id=number, resource_id=number) for number in (71, 72)]
    now = datetime.now(UTC)

    def post(bodies: list[dict[str, object]], at: datetime) -> None:
        async def story(driver: Driver) -> None:
            for found in bodies:
                await driver.tell(found)

        drive(settings(database_url), tmp_path, story, clock=Clock(at))

    post(by_bot[:1], now - timedelta(hours=25))
    post([by_bot[1], body("record_create_admin")], now)
    written(tmp_path, PLAIN.replace("[server]", f'[database]\nurl = "{database_url}"\n[server]') + "[filter.past_visit]\n")
    for rule, times in (("own_comment", "once"), ("past_visit", "2 times"), ("stale", "0 times")):
        code, out, _ = vestnik(tmp_path, "plugins", rule)
        assert (code, re.findall("said no (.*), later 0 times", out)) == (0, [times])


def test_each_hook_call_is_shown(tmp_path: Path) -> None:
    """`VESTNIK_TRACE=1` prints each call with its answer and time, and neither the text nor the phone."""
    written(tmp_path, PLAIN)
    code, _, err = vestnik(tmp_path, "send-test", "+79000000088", VESTNIK_TRACE="1")
    calls = [re.sub(r" \(\d+\.\d\d ms\)$", "", line) for line in err.splitlines() if " → " in line]
    assert code == 0
    assert [re.sub(r"console-\w+", "console-…", call) for call in calls if ".startup" not in call] == [
        "send.console.channel → Channel",
        "render.discount.parts → nothing",
        "render.booking.parts → address",
        "render.booking.render → Message",
        "send.console.send → Sent console-…",
    ]
    assert not re.search("Проверка|9000000088", err)
    assert " → " not in vestnik(tmp_path, "send-test", "+79000000088")[2]


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_schema(tmp_path: Path, database: str) -> None:
    """The full script, tables and views."""
    code, out, _ = vestnik(tmp_path, "schema", database)
    assert code == 0
    for name in ("webhook_events", "booking_notifications", "appointments_cache"):
        assert f"CREATE TABLE {name} (" in out
    for name in ("webhook_stats_24h", "notification_stats_24h"):
        assert f"CREATE VIEW {name} AS" in out


def test_schema_of_the_configured_database(tmp_path: Path) -> None:
    """Without a word it is the one that the file names; SQLite where there is no file."""
    at_first = vestnik(tmp_path, "schema")
    assert at_first == vestnik(tmp_path, "schema", "sqlite")
    (tmp_path / "other.toml").write_text('[database]\nurl = "postgresql://me@nowhere/x"\n', encoding="utf-8")
    assert vestnik(tmp_path, "schema", "--config", "other.toml") == vestnik(tmp_path, "schema", "postgresql") != at_first
    assert vestnik(tmp_path, "schema", VESTNIK_CONFIG="other.toml") == vestnik(tmp_path, "schema", "postgresql")
    code, _, err = vestnik(tmp_path, "schema", "--config", "none.toml")
    assert (code, err.startswith("none.toml: there is no such file")) == (1, True)


def test_every_command_takes_the_configuration() -> None:
    """`--config` stands with each of them, so that nobody has to know which may have it."""
    import typer

    from core.cli import cli

    group = vars(typer.main.get_command(cli))["commands"]
    without = [name for name, command in group.items() if "--config" not in [o for p in command.params for o in p.opts]]
    assert (without, len(group) >= 14) == ([], True)


def test_schema_of_another_database(tmp_path: Path) -> None:
    """One sentence."""
    code, _, err = vestnik(tmp_path, "schema", "mysql")
    assert (code, err) == (
        1,
        "config.toml [database] url: `mysql` is no database we know; write sqlite:///vestnik.db or postgresql://user@host/db\n",
    )


def test_send_test(tmp_path: Path) -> None:
    """One message over the real way, told step by step; a phone or a channel that cannot be is one sentence."""
    written(tmp_path, PLAIN)
    code, out, _ = vestnik(tmp_path, "send-test", "8 900 000 00 88")
    assert code == 0
    assert [line.partition(": ")[0] for line in out.splitlines() if re.match(r"\d\. ", line)] == [
        "1. route",
        "2. probe",
        "3. render",
        "4. send",
        "5. delivery",
    ]
    assert "1. route: whatsapp over console, account of all salons, to +7900…88" in out
    assert "Проверка связи: сообщения от салона доходят." in out
    assert vestnik(tmp_path, "send-test", "12") == (1, "", "12: the phone cannot be read; write it as +79000000088\n")
    wrong = '--wait: `soon` is not a duration: write it as "20s", "10m", "24h" or "90d"\n'
    assert vestnik(tmp_path, "send-test", "+79000000088", "--wait", "soon") == (1, "", wrong)
    code, _, err = vestnik(tmp_path, "send-test", "+79000000088", "--channel", "pigeon")
    assert (code, err) == (1, "config.toml [route] channels: no transport carries pigeon; switch one on\n")


def test_nothing_is_there_yet(tmp_path: Path) -> None:
    """What is not there is one sentence that names the next step."""
    written(tmp_path, PLAIN)
    for words, sentence in (
        (("trace", "evt_1"), "evt_1: no event has this id and no booking this number; `vestnik stats` shows what there is"),
        (("trace", "77"), "77: no event has this id and no booking this number; `vestnik stats` shows what there is"),
        (("replay", "77"), "77: no event has this id and no booking this number; `vestnik stats` shows what there is"),
        (("resend", "77"), "77: nothing to resend: no such message, or it was delivered, or a newer one has replaced it"),
        (("erase", "12"), "12: the phone cannot be read; write it as +79000000088"),
    ):
        assert vestnik(tmp_path, *words) == (1, "", sentence + "\n")
    assert vestnik(tmp_path, "prune") == (0, "nothing is that old\n", "")
    assert vestnik(tmp_path, "erase", "+79000000088") == (0, "deleted: events 0, messages 0, bookings 0, contacts 0\n", "")
    assert vestnik(tmp_path, "stats")[0] == 0


def test_commands_beside_a_running_server(tmp_path: Path) -> None:
    """A webhook over the wire; then trace, stats, replay and erase beside the server that is up."""
    with served(tmp_path) as http:
        moved = {"date": "2099-08-21 14:30:00", "datetime": "2099-08-21T14:30:00+03:00"}
        key = http.post("/webhook/yclients", json=body("record_create_discount50", **moved)).json()["eventId"]
        by_bot = http.post("/webhook/yclients", json=body("record_create_by_bot_comment", **moved, id=77)).json()["eventId"]
        until(lambda: "own_comment" in vestnik(tmp_path, "trace", by_bot)[1])
        for asked in (key, "1213336367"):
            code, out, _ = vestnik(tmp_path, "trace", asked)
            assert code == 0
            assert f"{key}  record.created of booking 1213336367, salon 962302, source yclients" in out
            assert "booking_created, whatsapp over console to +7900…88: sent" in out
            assert "→ processed" in out
            assert "+79000000088" not in out
        code, out, _ = vestnik(tmp_path, "trace", "77")
        assert "→ suppressed by rule own_comment: " in out
        code, out, _ = vestnik(tmp_path, "stats")
        assert code == 0
        for title in ("Events of the last 24 hours", "Messages of the last 24 hours", "Rules that kept silent"):
            assert title in out
        code, out, _ = vestnik(tmp_path, "replay", by_bot)
        assert (code, out) == (0, f"{by_bot} (record.created) will be decided again by the running server or worker\n")
        until(lambda: vestnik(tmp_path, "trace", by_bot)[1].count("own_comment") > 2)
        code, out, err = vestnik(tmp_path, "resend", key)
        assert (code, err) == (
            1,
            f"{key}: nothing to resend: no such message, or it was delivered, or a newer one has replaced it\n",
        )
        code, out, _ = vestnik(tmp_path, "erase", "8 900 000-00-88")
        assert code == 0
        assert re.fullmatch(r"deleted: events \d+, messages 1, bookings 2, contacts \d+\n", out)
        assert vestnik(tmp_path, "trace", key)[0] == 1
    log = (tmp_path / "serve.log").read_text(encoding="utf-8")
    assert "warning: [source.yclients] has no secret" in log
    assert "~2000 руб~ 1000 руб (скидка 50%)" in log
    assert "Traceback" not in log


WALL = '''"""A gateway that refuses until a file is there."""

from pathlib import Path

from core import Channel, Rejected, Sent, hookimpl


@hookimpl
def channel():
    return Channel("pigeon")


@hookimpl
async def send(message):
    return Sent("p1") if Path("open").exists() else Rejected("the wall is shut", scope="content")
'''


def test_resend_and_prune(tmp_path: Path) -> None:
    """A message that failed is seen in `stats`, sent again by a person's word, and deleted with its event once it is old."""
    file = tmp_path / "mine" / "send" / "wall.py"
    file.parent.mkdir(parents=True)
    file.write_text(WALL, encoding="utf-8")
    addition = '[send.wall]\n[plugins]\npath = ["mine"]\n[route]\nchannels = ["pigeon"]\n'
    with served(tmp_path, addition) as http:
        moved = {"date": "2099-08-21 14:30:00", "datetime": "2099-08-21T14:30:00+03:00"}
        key = http.post("/webhook/yclients", json=body("record_create_discount50", **moved)).json()["eventId"]
        until(lambda: "the wall is shut" in vestnik(tmp_path, "trace", key)[1])
        code, out, _ = vestnik(tmp_path, "stats")
        assert (code, "Dead letters (vestnik resend)" in out, "the wall is shut" in out) == (0, True, True)
        (tmp_path / "open").touch()
        code, out, _ = vestnik(tmp_path, "resend", key)
        assert (code, out.endswith(" (booking_created, pigeon) will be sent by the running server or worker\n")) == (0, True)
        until(lambda: "booking_created, pigeon over wall to +7900…88: sent" in vestnik(tmp_path, "trace", key)[1])
        assert vestnik(tmp_path, "prune") == (0, "nothing is that old\n", "")
        written(tmp_path, PLAIN + addition + '[database]\nkeep = "1ms"\n', "strict.toml")
        code, out, _ = vestnik(tmp_path, "prune", "--config", "strict.toml")
        assert code == 0
        assert {"events: 1", "notifications: 2"} <= set(out.strip().split(", "))
        assert vestnik(tmp_path, "trace", key)[0] == 1


def test_a_second_server_is_told_so(tmp_path: Path) -> None:
    """One `serve` or `worker` per SQLite file: the second is refused in one sentence."""
    with served(tmp_path):
        code, out, err = vestnik(tmp_path, "worker")
        assert (code, out) == (1, "")
        assert err.splitlines()[-1] == (
            f"{tmp_path}/vestnik.db: another `vestnik serve` or `vestnik worker` has this file; stop it first (several nodes need PostgreSQL)"
        )


def test_a_second_server_without_a_worker_is_told_so(tmp_path: Path) -> None:
    """It would write beside the first one all the same, and decide test calls under its nose; alone it says that nothing is delivered."""
    with served(tmp_path):
        code, out, err = vestnik(tmp_path, "serve", "--no-worker")
        assert (code, out) == (1, "")
        assert f"{tmp_path}/vestnik.db: another `vestnik serve` or `vestnik worker` has this file" in err.splitlines()[-1]
        said = "warning: --no-worker: nothing is decided or delivered, because one process at a time has an SQLite file"
        assert said in err.splitlines()


def test_a_port_in_use(tmp_path: Path) -> None:
    """A port that another process holds is named, with exit code 1 and no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        written(tmp_path, PLAIN.replace("[server]", f"[server]\nport = {port}"))
        code, _, err = vestnik(tmp_path, "serve")
    assert code == 1
    assert str(port) in err
    assert "Traceback" not in err


def test_a_plugins_own_command(tmp_path: Path) -> None:
    """A plugin's `commands` adds to `vestnik`, however the file is named."""
    file = tmp_path / "mine" / "record" / "greet.py"
    file.parent.mkdir(parents=True)
    file.write_text(
        "import typer\nfrom core import hookimpl\n"
        "@hookimpl\nasync def record(outcome):\n    pass\n"
        "@hookimpl\ndef commands(cli):\n    @cli.command()\n    def greet():\n        print('hello')\n",
        encoding="utf-8",
    )
    written(tmp_path, PLAIN + '[plugins]\npath = ["mine"]\n[record.greet]\n', "other.toml")
    assert vestnik(tmp_path, "greet", VESTNIK_CONFIG="other.toml")[:2] == (0, "hello\n")
    assert vestnik(tmp_path, "check", "--config=other.toml")[0] == 0


# --- the demo


def test_demo(tmp_path: Path) -> None:
    """The main job, by itself: the three texts as the client reads them, and for each silence its rule."""
    written(tmp_path, (ROOT / "config.toml").read_text(encoding="utf-8"))
    code, out, err = vestnik(tmp_path, "demo", "--exit")
    assert (code, err) == (0, "")
    for words in (
        "✅ *Вы записаны!*\n",
        "📝 *Ваша запись изменена*\n",
        "❌ *Ваша запись отменена*\n",
        "💰 Стоимость: ~2000 руб~ 1000 руб (скидка 50%)\n",
        "Для отмены или переноса напишите мне здесь 👇\n",
        "rule same_event: ",
        "rule own_comment: ",
        "rule unchanged: ",
    ):
        assert words in out
    assert [file.name for file in tmp_path.iterdir()] == ["config.toml"]


@pytest.mark.parametrize("name", sorted(ALL))
def test_demo_over_every_transport(tmp_path: Path, name: str) -> None:
    """The same over the stand-in of each messaging API: three messages leave over it, as its clients read them."""
    written(tmp_path, (ROOT / "config.toml").read_text(encoding="utf-8"))
    code, out, err = vestnik(tmp_path, "demo", "--exit", "--channel", name)
    assert (code, err) == (0, "")
    told = [line.partition(" over ") for line in out.splitlines() if line.startswith("  ") and " over " in line]
    assert [rest for _, _, rest in told] == [
        f"{name}: {kind}" for kind in ("booking_created", "booking_updated", "booking_cancelled")
    ]
    ends = ALL[name].reports[-1] if name not in ("max", "telegram", "smsc") else "sent"  # they report nothing, or only when asked
    assert [verdict.strip() for verdict, _, _ in told] == [ends] * 3
    for words in ("МУЖСКАЯ СТРИЖКА", "14:30", "16:00"):
        assert words in out


def test_demos_at_once(tmp_path: Path) -> None:
    """Several begin at the same moment: each finds a port of its own."""
    written(tmp_path, (ROOT / "config.toml").read_text(encoding="utf-8"))
    command = [sys.executable, "-m", "core", "demo", "--exit"]
    running = [subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL) for _ in range(4)]
    assert [one.wait(DONE_WITHIN) for one in running] == [0] * 4


def test_the_demo_does_not_hang_on_the_secrets_of_the_environment(tmp_path: Path) -> None:
    """Whoever has exported the secret sees the same."""
    written(tmp_path, (ROOT / "config.toml").read_text(encoding="utf-8"))
    code, out, err = vestnik(
        tmp_path, "demo", "--exit", YCLIENTS_WEBHOOK_SECRET="x", YCLIENTS_PARTNER_TOKEN="y", YCLIENTS_USER_TOKEN="z"
    )
    assert (code, err) == (0, "")
    assert "✅ *Вы записаны!*\n" in out


def test_the_demo_says_at_once_what_comes_later(tmp_path: Path) -> None:
    """A rule that wants to wait for hours is named; nobody waits for it."""
    (tmp_path / "filter").mkdir()
    (tmp_path / "filter" / "holidays.py").write_text(
        "from datetime import timedelta\nfrom core import Deferred, hookimpl\n"
        "@hookimpl\ndef filter(case, now):\n    return Deferred(now + timedelta(hours=9), 'a holiday')\n",
        encoding="utf-8",
    )
    code, out, err = vestnik(tmp_path, "demo", "--exit", "--plugin", "filter/holidays.py")
    assert (code, err) == (0, "")
    assert re.search(r"later: rule holidays: a holiday, until \d\d\.\d\d \d\d:\d\d\n", out)
    assert "no answer in time" not in out
