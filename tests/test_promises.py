"""The documents and the shipped config.toml say what the code does."""

from __future__ import annotations

import asyncio
import inspect
import re
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from core import (
    Outcome,
    docs,
    hooks,
)
from core import config as configuration
from core.docs.hooks import SPECS, labelled
from core.docs.modules import said
from core.errors import PluginError, VestnikError
from core.keys import keys
from core.testing import NOON, WHATSAPP, a_notice

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


@pytest.mark.parametrize("file", sorted((ROOT / "core").rglob("*.py")), ids=lambda file: file.relative_to(ROOT).as_posix())
def test_every_module_says_what_it_is_for(file: Path) -> None:
    """The first line of a module is one sentence about it; the map in docs/development.md is made of these."""
    assert said(file).endswith(".")


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
    with pytest.raises(
        PluginError, match=r"config.toml \[record.ledger\] file: there is no folder away; make it, or name another$"
    ):
        asyncio.run(hooks.start(loaded(EXAMPLES, record={"ledger": {"file": "away/ledger.txt"}})))


@pytest.fixture(scope="module")
def guide() -> hooks.Hooks:
    """The example files of docs/examples, loaded as a salon's private plugins."""
    return loaded(
        EXAMPLES,
        source={"tables": {"secret": "s", "api_key": "k"}},
        filter={"holidays": {}, "staff_tells": {"names": ["Бари"]}},
        render={"bonus": {}, "booking": {"parts": ["bonus"]}},
        send={"pigeon": {"token": "t", "webhook_token": "w"}},
        record={"ledger": {}},
    )


def test_the_guide_has_an_example_of_each_stage(guide: hooks.Hooks) -> None:
    """Every file of docs/examples fits the contract, has a tutorial and a test, and a default and a comment for every key."""
    files = [file.relative_to(EXAMPLES) for file in sorted(EXAMPLES.rglob("*.py")) if file.parent.name in configuration.STAGES]
    own = [plugin for plugin in guide.plugins if plugin.origin != "built in"]
    assert sorted(plugin.name for plugin in own) == sorted(".".join(file.with_suffix("").parts) for file in files)
    pages = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "plugins").glob("*.md"))
    assert [file for file in files if f"<!-- piece {file} top " not in pages] == []
    tests = [EXAMPLES / "tests" / f"test_{'_'.join(file.with_suffix('').parts)}.py" for file in files]
    assert [test.name for test in tests if f"<!-- piece tests/{test.name} TestContract -->" not in pages] == []
    for plugin in own:
        assert all(key.comment for key in keys(plugin.config_class)), plugin.name


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
