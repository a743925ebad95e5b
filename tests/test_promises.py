"""The documents and the shipped config.toml say what the code does."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import textwrap
import tomllib
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from typer.testing import CliRunner

from core import (
    Address,
    Attempt,
    Booking,
    DeliveryStatus,
    Event,
    Message,
    Outcome,
    Received,
    Refused,
    Rejected,
    Request,
    Sent,
    Service,
    Suppressed,
    docs,
    hooks,
)
from core import config as configuration
from core.docs.hooks import SPECS, labelled
from core.errors import PluginError, VestnikError
from core.keys import keys
from core.testing import NOON, PHONE, SALON, WHATSAPP, a_case, a_notice

ROOT = Path(__file__).parent.parent
CONFIG = (ROOT / "config.toml").read_text(encoding="utf-8")
EXAMPLES = ROOT / "docs" / "examples"
RULES = sorted((ROOT / "plugins" / "filter").glob("[!_]*.py"))


@pytest.mark.parametrize("page", docs.pages(), ids=lambda page: page.name)
def test_the_page_is_what_the_code_makes_of_it(page: Path) -> None:
    """No block between `<!-- … -->` marks is stale; `make docs` writes them anew."""
    text = page.read_text(encoding="utf-8")
    assert docs.made(text) == text


def test_a_stale_block_is_seen() -> None:
    """Whatever stands in a block is replaced; what stands around it is kept."""
    made = docs.made("before\n<!-- rules -->\nof yesterday\n<!-- /rules -->\nafter\n")
    assert made.startswith("before\n<!-- rules -->\n| rule |")
    assert made.endswith("|\n<!-- /rules -->\nafter\n")
    assert "of yesterday" not in made


def test_a_block_that_nobody_makes() -> None:
    """One sentence, with the near miss."""
    with pytest.raises(VestnikError, match=r"^<!-- ruels -->: no such block, did you mean `rules`\?$"):
        docs.made("<!-- ruels -->\n<!-- /ruels -->\n")


@pytest.mark.parametrize("page", docs.pages(), ids=lambda page: page.name)
def test_no_link_leads_nowhere(page: Path) -> None:
    """Each link to a file of ours finds it, and each anchor its heading."""
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("http"):
            continue
        place, _, anchor = target.partition("#")
        file = (page.parent / place).resolve() if place else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file.read_text(encoding="utf-8")), target


def anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("hook", SPECS)
def test_every_hook_says_when_what_and_what_if(hook: str) -> None:
    """Each spec is one sentence and three labelled ones, from which the reference is made."""
    first, said = labelled(hook)
    assert first.endswith(".")
    assert list(said) == ["When", "Answer", "If it raises"]
    assert all(text.endswith(".") for text in said.values())


def test_every_table_of_core_is_in_the_reference() -> None:
    """docs/config.md has a heading for each table that config.toml may hold, and each has keys with a comment."""
    text = (ROOT / "docs" / "config.md").read_text(encoding="utf-8")
    for name in ("server", "database", "route", "alert", "plugins", "salon.ID"):
        rows = text.partition(f"## [{name}]\n")[2].partition("\n## ")[0].splitlines()
        cells = [[cell.strip() for cell in row.split(" | ")] for row in rows if row.startswith("| `")]
        assert cells, name
        assert all(len(row) == 4 and row[3].rstrip(" |") for row in cells), name


def test_the_import_rules_know_every_module() -> None:
    """What CI forbids to plugins is all of core but its public names; the database is core.store's alone. No list can be out of date."""
    tables = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    rules = {table["name"]: table for table in tables}
    assert rules["plugins know core's public names only"]["forbidden_modules"] == ["core.*"]
    alone = rules["the database is touched in core.store alone"]
    assert (alone["source_modules"], alone["ignore_imports"]) == (["core", "plugins"], ["core.store.** -> *", "core.store -> *"])


def test_every_rule_is_in_the_shipped_config() -> None:
    """A salon finds every rule in config.toml, switched on or off."""
    assert sorted(tomllib.loads(CONFIG)["filter"]) == [file.stem for file in RULES]


def test_the_shipped_config_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """config.toml as shipped needs no environment variable, and every plugin switched on in it loads."""
    for name in re.findall(r'env = "(\w+)"', CONFIG):
        monkeypatch.delenv(name, raising=False)
    shipped = configuration.load(ROOT / "config.toml", {})
    on = {
        f"{stage}.{name}"
        for stage, tables in shipped.tables.items()
        for name, table in tables.items()
        if table.get("enabled", True)
    }
    assert {plugin.name for plugin in hooks.load(shipped).plugins} == on


def uncommented(text: str) -> list[str]:
    """Tables and keys that nobody explains: on their own line, on their table's line, or (a table) on the lines of its keys."""
    found, table, explained, has_keys = [], "", True, True
    for line in [*text.splitlines(), "[end] # closes the last table"]:
        if header := re.match(r"\[([\w.]+)\]", line):
            found += [] if has_keys or explained else [f"[{table}]"]
            table, explained, has_keys = header[1], "#" in line, False
        elif key := re.match(r"(\w+) = ", line):
            has_keys = True
            found += [] if explained or re.search(r"\s# \S", line) else [f"[{table}] {key[1]}"]
    return found


def test_every_key_of_the_shipped_config_is_explained() -> None:
    """Each table and key of config.toml has a comment on its line or on its table's."""
    assert uncommented("[bare]\n[full]\nkey = 1  # why\nother = 2\n") == ["[bare]", "[full] other"]
    assert uncommented(CONFIG) == []


@pytest.mark.parametrize("hook", SPECS)
def test_every_hook_is_used(hook: str) -> None:
    """No hook without a plugin, an example or a test plugin that implements it."""
    kind = "async def" if inspect.iscoroutinefunction(SPECS[hook]) else "def"
    written = re.compile(rf"^@hookimpl.*\n{kind} {hook}\(", re.M)
    files = [*(ROOT / "plugins").rglob("*.py"), *(ROOT / "tests").rglob("*.py"), *EXAMPLES.rglob("*.py")]
    assert [file for file in files if written.search(file.read_text(encoding="utf-8"))]


def loaded(folder: Path, **tables: Any) -> hooks.Hooks:
    raw = {"plugins": {"path": [folder.name]}, **tables}
    return hooks.load(configuration.build(raw, folder.parent / "config.toml", {}))


def test_the_hooks_of_any_stage_are_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example recorder is started, told, stopped, and adds a command; a folder that is not there stops the start."""
    monkeypatch.chdir(tmp_path)
    found = loaded(EXAMPLES, record={"ledger": {}})
    outcome = Outcome(NOON, "evt_1", "yclients", 962302, 1, "suppressed", reason="only the payment differs")

    async def live() -> None:
        await hooks.start(found)
        await found.every_async("record", outcome.company_id, outcome=outcome)
        await hooks.stop(found)

    asyncio.run(live())
    cli = typer.Typer()
    assert [said.error for said in found.every("commands", cli=cli)] == [None]
    assert Path("ledger.txt").read_text(encoding="utf-8").splitlines() == [
        "2026-08-20 09:00:00 evt_1 suppressed only the payment differs",
        "closed",
    ]
    assert CliRunner().invoke(cli, []).output == "2 lines\n"
    with pytest.raises(PluginError, match=r"^\[record.ledger\] file: there is no folder away; make it, or name another$"):
        asyncio.run(hooks.start(loaded(EXAMPLES, record={"ledger": {"file": "away/ledger.txt"}})))


@pytest.fixture(scope="module")
def guide() -> hooks.Hooks:
    """The example files of docs/examples, loaded as a salon's private plugins."""
    return loaded(
        EXAMPLES,
        source={"tables": {"secret": "s", "api_key": "k"}},
        filter={"staff_tells": {"names": ["Бари"]}},
        render={"bonus": {}, "booking": {"parts": ["bonus"]}},
        send={"pigeon": {"token": "t", "webhook_token": "w"}},
        record={"ledger": {}},
    )


def test_the_guide_has_an_example_of_each_stage(guide: hooks.Hooks) -> None:
    """Every file of docs/examples fits the contract, stands in docs/plugins.md, and has a default and a comment for every key."""
    files = [file.relative_to(EXAMPLES) for file in sorted(EXAMPLES.rglob("*.py"))]
    own = [plugin for plugin in guide.plugins if plugin.origin != "built in"]
    assert sorted(plugin.name for plugin in own) == sorted(".".join(file.with_suffix("").parts) for file in files)
    text = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    assert [file for file in files if f"<!-- example {file} -->" not in text] == []
    for plugin in own:
        assert all(key.comment for key in keys(plugin.config_class)), plugin.name


def test_the_guides_rule_judges(guide: hooks.Hooks) -> None:
    """The example rule keeps silent about a new booking with a listed master, and about nothing else."""
    verdicts = [guide.every("filter", case=a_case(type=kind), now=NOON)[0].value for kind in ("booking_created", "booking_updated")]
    assert verdicts == [Suppressed("Бари tells the clients himself", client_knows=True), None]


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [(200, {"id": "m1"}, Sent("m1")), (422, {"error": "unknown_number"}, Rejected("the number cannot be reached"))],
)
def test_the_guides_transport_sends(guide: hooks.Hooks, status: int, body: dict[str, str], expected: object) -> None:
    """The example transport posts the text to the phone and says what the gateway answered."""
    asked: list[httpx.Request] = []

    def gateway(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(status, json=body)

    async def send() -> object:
        async with httpx.AsyncClient(transport=httpx.MockTransport(gateway)) as http:
            plugin = guide.stage("send")[0]
            return await guide.ask_async(
                "send", plugin, message=Message("да"), address=Address(PHONE, reference="r1"), http=http, now=NOON
            )

    assert asyncio.run(send()) == expected
    assert json.loads(asked[0].content) == {"to": PHONE, "text": "да", "reference": "r1"}
    assert asked[0].headers["authorization"] == "Bearer t"


def test_the_guides_transport_reads_callbacks(guide: hooks.Hooks) -> None:
    """The example transport believes a proven callback only."""
    plugin, body = guide.stage("send")[0], b'{"id": "m1", "state": "delivered"}'
    proven = Request("POST", "/callback/pigeon", {"x-token": "w"}, {}, body)
    assert guide.ask("callback", plugin, request=proven, now=NOON) == (DeliveryStatus("delivered", "m1"),)
    with pytest.raises(Refused):
        guide.ask("callback", plugin, request=Request("POST", "/callback/pigeon", {}, {}, body), now=NOON)


def test_the_guides_transport_is_asked(guide: hooks.Hooks) -> None:
    """The example transport knows the fate of a message, or not yet; and whether the account works."""
    plugin, attempt = guide.stage("send")[0], Attempt(None, "r1", PHONE, NOON)

    async def ask(hook: str, status: int, body: object, **given: object) -> object:
        answered = httpx.MockTransport(lambda _: httpx.Response(status, json=body))
        async with httpx.AsyncClient(transport=answered) as http:
            return await guide.ask_async(hook, plugin, http=http, **given)

    assert asyncio.run(ask("check", 200, {"state": "read"}, attempt=attempt)) == DeliveryStatus("read", None, "r1")
    assert asyncio.run(ask("check", 200, {"state": "hatching"}, attempt=attempt)) is None
    assert asyncio.run(ask("check", 500, {"state": "read"}, attempt=attempt)) is None
    assert asyncio.run(ask("probe", 200, {})) is None
    assert asyncio.run(ask("probe", 401, {})) == "HTTP 401 when asked for the account"


def test_the_guides_renderer_writes(guide: hooks.Hooks) -> None:
    """The example renderer gives a piece to the built-in text, writes a message of its own, and leaves the others alone."""
    given = guide.every("parts", notice=a_notice(), channel=WHATSAPP)[0]
    assert (given.plugin.name, given.value) == ("render.bonus", {"bonus": "*100* баллов"})
    thanks = guide.first("render", notice=a_notice(type="visit_thanks"), channel=WHATSAPP, parts=given.value)
    assert thanks is not None
    assert thanks.value.text == "Спасибо, что были у нас! Начислено: *100* баллов"
    other = guide.first("render", notice=a_notice(), channel=WHATSAPP, parts={})
    assert other is not None
    assert other.plugin.name == "render.booking"


def test_the_guides_source_asks(guide: hooks.Hooks) -> None:
    """The example source asks for what was missed, gives the key of the webhook, and shows bodies that it reads."""
    plugin, asked = guide.stage("source")[0], []

    def book(request: httpx.Request) -> httpx.Response:
        asked.append(dict(request.url.params))
        return httpx.Response(200, content=b"[%s]" % shown[0].body)

    async def poll() -> Any:
        async with httpx.AsyncClient(transport=httpx.MockTransport(book)) as http:
            return await guide.ask_async("poll", plugin, since=NOON, salon=SALON, http=http, now=NOON)

    shown = guide.ask("examples", plugin, now=NOON)
    posted = [Request("POST", "/webhook/tables", {}, {"secret": "s"}, example.body) for example in shown]
    items = [guide.ask("receive", plugin, request=request, now=NOON)[0] for request in posted]
    assert asyncio.run(poll()) == items[:1]
    assert asked == [{"place": "962302", "changed_after": "2026-08-20T09:00:00+00:00"}]
    told = [asyncio.run(guide.ask_async("normalize", plugin, received=item, salon=SALON, http=None)) for item in items]
    assert [(event.action, event.booking.visit_at.hour) for event in told] == [("created", 19), ("updated", 20)]


def test_the_guides_source_reads(guide: hooks.Hooks) -> None:
    """The example source stores a reservation under a stable key, understands it, and refuses a wrong secret."""
    plugin = guide.stage("source")[0]
    body = '{"id": 7, "place": 3, "state": "booked", "version": 1, "at": "2026-08-21T19:00:00+03:00", "phone": "8 900 000-00-88", "guests": 2}'
    request = Request("POST", "/webhook/tables", {}, {"secret": "s"}, body.encode())
    (item,) = guide.ask("receive", plugin, request=request, now=NOON)
    assert item == guide.ask("receive", plugin, request=request, now=NOON)[0]
    assert item == Received(item.event_id, "table.booked", body, 3, 7)
    told = asyncio.run(guide.ask_async("normalize", plugin, received=item, salon=SALON, http=None))
    at = datetime.fromisoformat("2026-08-21T19:00:00+03:00")
    assert told == Event("created", Booking(at, (Service("Столик, гостей: 2"),), branch="3", phone=PHONE))
    with pytest.raises(Refused):
        guide.ask("receive", plugin, request=Request("POST", "/webhook/tables", {}, {}, body.encode()), now=NOON)


def test_the_salons_own_texts_are_accepted(tmp_path: Path) -> None:
    """The example of an own texts file in docs/salon.ru.md is one that `[render.booking]` takes."""
    guide = (ROOT / "docs" / "salon.ru.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"\n\n(    booking_created = .*?)\n\n(?=\S)", guide, re.S)
    own = tmp_path / "texts.toml"
    own.write_text(textwrap.dedent(example), encoding="utf-8")
    found = loaded(tmp_path, render={"booking": {"texts": str(own)}})
    asyncio.run(hooks.start(found))
    message = found.every("render", notice=a_notice(), channel=WHATSAPP, parts={"client": "Арсен"})[0].value
    assert message.text == "✅ *Арсен, ждём вас!*"
