"""The documents and the shipped config.toml say what the code does."""

from __future__ import annotations

import ast
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

from core import (
    Address,
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
    contract,
    hooks,
    hookspecs,
)
from core import config as configuration
from core.pipeline import record
from core.testing import NOON, PHONE, SALON, WHATSAPP, a_case, a_notice

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONFIG = (ROOT / "config.toml").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")

SPECS = {name: spec for name, spec in vars(hookspecs).items() if hasattr(spec, f"{hookspecs.PROJECT}_spec")}
RULES = sorted((ROOT / "plugins" / "filter").glob("[!_]*.py"))
EXAMPLES = re.findall(r"^`private/(\w+)/(\w+)\.py`:\n\n```python\n(.*?)^```", GUIDE, re.M | re.S)


def rows(name: str) -> list[list[str]]:
    """The cells of the README's table between `<!-- name -->` and `<!-- /name -->`, without its heading."""
    block = README.split(f"<!-- {name} -->")[1].split(f"<!-- /{name} -->")[0]
    return [[cell.strip().strip("`") for cell in line.strip("|").split(" | ")] for line in block.strip().splitlines()[2:]]


def first_sentence(text: str | None) -> str:
    found = re.match(r".+?\.(?=\s|$)", " ".join((text or "").split()))
    assert found, text
    return found.group()


def test_the_hook_table_is_the_contract() -> None:
    """Every hook stands in the README once, in order, with its stage, its kind and the first sentence of its docstring."""
    stage_of = {hook: stage for stage, names in contract.STAGE_HOOKS.items() for hook in names}
    expected = [
        [stage_of.get(name, "any"), name, "async def" if inspect.iscoroutinefunction(spec) else "def", first_sentence(spec.__doc__)]
        for name, spec in SPECS.items()
    ]
    assert rows("hooks") == expected


def test_the_rules_table_is_the_folder() -> None:
    """Every rule stands in the README once, with the first line of its docstring."""
    expected = [
        [file.stem, (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").splitlines()[0]] for file in RULES
    ]
    assert rows("rules") == expected


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
    """No hook without a plugin, or a test plugin, that implements it."""
    kind = "async def" if inspect.iscoroutinefunction(SPECS[hook]) else "def"
    written = re.compile(rf"^@hookimpl.*\n{kind} {hook}\(", re.M)
    files = [*(ROOT / "plugins").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    assert [file for file in files if written.search(file.read_text(encoding="utf-8"))]


def loaded(folder: Path, **tables: Any) -> hooks.Hooks:
    raw = {"plugins": {"path": [folder.name]}, **tables}
    return hooks.load(configuration.build(raw, folder.parent / "config.toml", {}))


def test_the_hooks_of_any_stage_are_called() -> None:
    """A private plugin is started, told, stopped, and may add a command."""
    found = loaded(ROOT / "tests" / "private", record={"ledger": {"heading": "begun"}})
    outcome = Outcome(NOON, "evt_1", "yclients", 962302, 1, "processed")

    async def live() -> None:
        await hooks.start(found)
        await record.tell(found, [outcome])
        await hooks.stop(found)

    asyncio.run(live())
    cli = typer.Typer()
    assert [said.error for said in found.every("commands", cli=cli)] == [None]
    assert found.plugins[0].module.LINES == ["begun", "evt_1 processed", "closed"]
    assert [command.name for command in cli.registered_commands] == ["ledger"]


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> hooks.Hooks:
    """The example files of docs/plugins.md, loaded as a salon's private plugins."""
    folder = tmp_path_factory.mktemp("salon") / "private"
    for stage, name, code in EXAMPLES:
        (folder / stage).mkdir(parents=True)
        (folder / stage / f"{name}.py").write_text(code, encoding="utf-8")
    return loaded(
        folder,
        source={"tables": {"secret": "s"}},
        filter={"staff_tells": {"names": ["Бари"]}},
        send={"pigeon": {"token": "t", "webhook_token": "w"}},
    )


def test_the_guide_has_a_rule_a_transport_and_a_source(guide: hooks.Hooks) -> None:
    """Every example file of docs/plugins.md fits the contract."""
    assert sorted(plugin.name for plugin in guide.plugins) == ["filter.staff_tells", "send.pigeon", "source.tables"]
    assert len(EXAMPLES) == 3


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
    assert guide.ask("callback", plugin, request=proven, now=NOON) == [DeliveryStatus("delivered", "m1")]
    with pytest.raises(Refused):
        guide.ask("callback", plugin, request=Request("POST", "/callback/pigeon", {}, {}, body), now=NOON)


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
