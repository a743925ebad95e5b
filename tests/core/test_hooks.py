"""Plugins are found, checked and called: each misfit is one sentence, and one file plus one table is a plugin."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import os
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from core import config as configuration
from core import discovery, hooks
from core.config import STAGES
from core.contract import STAGE_HOOKS
from core.docs.hooks import SPECS
from core.errors import ConfigError, PluginError
from core.hooks import Hooks
from core.model import Suppressed
from core.pipeline import filter as rules
from core.testing import NOON, SALON, a_case

HEAD = "from core import Case, Channel, Deferred, Settings, Suppressed, Verdict, hookimpl\n"
RULE = HEAD + "@hookimpl\ndef filter(case):\n    return Suppressed('no')\n"
CHANNEL = "@hookimpl\ndef channel():\n    return Channel('pigeon')\n"
SEND = "@hookimpl\nasync def send(message):\n    return None\n"


class Bench:
    """A salon's folder with private plugins beside its config.toml."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "config.toml"

    def plugin(self, name: str, text: str, folder: str = "mine") -> Path:
        stage, _, short = name.partition(".")
        path = self.folder / folder / stage / f"{short}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def load(self, tables: str, path: str = 'path = ["mine"]') -> Hooks:
        (self.folder / "mine").mkdir(exist_ok=True)
        return hooks.load(configuration.build(tomllib.loads(f"[plugins]\n{path}\n{tables}"), self.file, {}))

    def mistake(self, tables: str, path: str = 'path = ["mine"]') -> str:
        with pytest.raises(ConfigError) as caught:
            self.load(tables, path)
        return str(caught.value)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


WAY_OUT = (
    HEAD + "from pathlib import Path\nclass Config(Settings, frozen=True):\n    proxy: str = ''\n    ca_file: Path | None = None\n"
)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ('proxy = "socks5://u:secret@host"', 'proxy: only "http://…" and "https://…" are known'),
        ('proxy = "http://"', 'proxy: it names no host; write it as "http://user:password@host:3128"'),
        ('proxy = "http://u:secret@host:port"', 'proxy: it names no host; write it as "http://user:password@host:3128"'),
        ('ca_file = "none.pem"', "ca_file: {folder}/none.pem cannot be used (No such file or directory); name a PEM file"),
        ('ca_file = "config.toml"', "ca_file: {folder}/config.toml cannot be used (not a certificate); name a PEM file"),
    ],
)
@pytest.mark.parametrize("place", ["send.pigeon", "salon.1.send.pigeon"])
def test_a_wrong_way_out_stops_the_start(bench: Bench, place: str, key: str, said: str) -> None:
    """A proxy or a certificate that cannot be used is named when the file is read, not when the first message is lost; no password is shown."""
    bench.plugin("send.pigeon", WAY_OUT + CHANNEL + SEND)
    bench.file.write_text("", encoding="utf-8")
    assert bench.mistake(f"[{place}]\n{key}\n") == f"{bench.file} [{place}] {said.format(folder=bench.folder)}"


# --- finding


def test_built_in_names_are_the_files() -> None:
    """What stands in plugins/<stage>/ is what a table may be called; a leading underscore hides a helper."""
    for stage in STAGES:
        files = {file.stem for file in (Path(hooks.__file__).parents[1] / "plugins" / stage).glob("[!_]*.py")}
        assert discovery.built_in(stage) == files
        assert files


def test_one_file_and_one_table_is_a_plugin(bench: Bench) -> None:
    """A private file is found by its table, says where it came from, and answers with the config of its table."""
    text = HEAD + (
        "class Config(Settings, frozen=True):\n    word: str = 'x'  # said as the reason\n"
        "@hookimpl\ndef filter(case: Case, config: Config) -> Verdict:\n    return Suppressed(config.word)\n"
    )
    file = bench.plugin("filter.vip", text)
    found = bench.load('[filter.vip]\nword = "vip"\n[salon.962302.filter.vip]\nword = "own"\n[salon.5.filter.vip]\nenabled = false')
    assert [(plugin.name, plugin.origin, plugin.on_error) for plugin in found.plugins] == [("filter.vip", str(file), "abstain")]
    assert [said.value for said in found.every("filter", None, case=a_case(), now=NOON)] == [Suppressed("vip")]
    assert [said.value for said in found.every("filter", 962302, case=a_case(), now=NOON)] == [Suppressed("own")]
    assert found.every("filter", 5, case=a_case(), now=NOON) == []


def test_switched_off_is_not_imported(bench: Bench) -> None:
    """A broken plugin that is off harms nobody."""
    bench.plugin("filter.vip", "1 / 0\n")
    assert bench.load("[filter.vip]\nenabled = false").plugins == []


def test_off_for_all_and_on_for_one(bench: Bench) -> None:
    """`enabled = false` for all and true below a salon: on for that salon alone, with the keys of both tables."""
    text = HEAD + (
        "class Config(Settings, frozen=True):\n    a: int = 1  # one\n    b: int = 2  # two\n"
        "@hookimpl\ndef filter(case, config):\n    return Suppressed(f'{config.a} {config.b}')\n"
    )
    bench.plugin("filter.vip", text)
    found = bench.load("[filter.vip]\nenabled = false\na = 7\n[salon.5.filter.vip]\nenabled = true\nb = 8")
    assert found.every("filter", 6, case=a_case(), now=NOON) == []
    assert [said.value for said in found.every("filter", 5, case=a_case(), now=NOON)] == [Suppressed("7 8")]


def test_only_below_a_salon_runs_last(bench: Bench) -> None:
    """A rule that stands only under a salon runs after the rules of the file."""
    for name in ("one", "two", "three"):
        bench.plugin(f"filter.{name}", RULE)
    found = bench.load("[salon.5.filter.two]\n[filter.three]\n[filter.one]")
    assert [plugin.short for plugin, _, _ in found.implementations("filter", 5)] == ["three", "one", "two"]
    assert [plugin.short for plugin, _, _ in found.implementations("filter", 6)] == ["three", "one"]


def test_module_of_a_package(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """`module = "…"` names any module that can be imported."""
    (bench.folder / "salon_vip_rule.py").write_text(RULE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(bench.folder))
    importlib.invalidate_caches()
    found = bench.load('[filter.vip]\nmodule = "salon_vip_rule"')
    assert [(plugin.name, plugin.origin) for plugin in found.plugins] == [("filter.vip", "module salon_vip_rule")]
    del sys.modules["salon_vip_rule"]


def test_an_installed_package_announces_itself(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry point in the group `vestnik.plugins` called stage.name is found by its table."""
    (bench.folder / "salon_guest_rule.py").write_text(RULE, encoding="utf-8")
    meta = bench.folder / "salon_guest-1.0.dist-info"
    meta.mkdir()
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: salon-guest\nVersion: 1.0\n", encoding="utf-8")
    (meta / "entry_points.txt").write_text("[vestnik.plugins]\nfilter.guest = salon_guest_rule\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(bench.folder))
    importlib.invalidate_caches()
    found = bench.load("[filter.guest]")
    assert [(plugin.name, plugin.origin) for plugin in found.plugins] == [("filter.guest", "package salon_guest_rule")]
    del sys.modules["salon_guest_rule"]


# --- misfits


def test_unknown_plugin(bench: Bench) -> None:
    """A table without a plugin names the near miss, or what there is."""
    there_is = "config.toml [filter.resent_chat]: there is no such plugin, did you mean `recent_chat`?"
    assert bench.mistake("[filter.resent_chat]") == f"{bench.folder}/{there_is}"
    assert bench.mistake("[filter.resent_chat]\nenabled = false") == f"{bench.folder}/{there_is}"
    assert bench.mistake("[record.zzz]") == f"{bench.file} [record.zzz]: there is no such plugin; there are: jsonl, metrics"


def test_no_folder(bench: Bench) -> None:
    """A folder of `[plugins] path` that is not there stops the start, even if no table needs it yet."""
    assert (
        bench.mistake("", 'path = ["nowhere"]')
        == f"{bench.file} [plugins] path: there is no folder nowhere; make it, or leave it out"
    )


def test_a_path_that_is_one_too_deep(bench: Bench) -> None:
    """A file, or the folder of a stage, in the place of the folder above: which that is, is said."""
    bench.plugin("filter.vip", RULE)
    bench.plugin("filter.vip", RULE, folder="filter")
    (bench.folder / "mine" / "loose.py").write_text("", encoding="utf-8")
    for path, said in (
        ("mine/filter/vip.py", 'mine/filter/vip.py is a file; name the folder above its stage: path = ["mine"]'),
        (
            "mine/loose.py",
            "mine/loose.py is a file; let it lie in the folder of its stage, such as mine/filter/loose.py, and name mine",
        ),
        ("mine/filter", 'mine/filter is the folder of a stage; name the one above: path = ["mine"]'),
        ("filter/filter", 'filter/filter is the folder of a stage; name the one above: path = ["filter"]'),
    ):
        assert bench.mistake("[filter.vip]", f'path = ["{path}"]') == f"{bench.file} [plugins] path: {said}"
    assert len(bench.load("[filter.vip]", 'path = ["filter"]').plugins) == 1


def test_no_module(bench: Bench) -> None:
    """A `module` that is not installed is said so."""
    assert bench.mistake('[filter.vip]\nmodule = "no_such_package.rule"') == (
        f"{bench.file} [filter.vip]: there is no module `no_such_package.rule`; install the package that has it, or mend `module`"
    )


@pytest.mark.parametrize("name", ["filter.stale", "source.yclients", "send.console"])
def test_a_name_claimed_twice(bench: Bench, name: str) -> None:
    """A private file does not silently replace a built-in plugin, nor one of another private folder."""
    file = bench.plugin(name, RULE)
    assert bench.mistake(f"[{name}]") == (
        f"{bench.file} [{name}]: two plugins claim this name ({file} and built in); rename one, or say `module = …`"
    )
    first, second = bench.plugin("source.crm", ""), bench.plugin("source.crm", "", folder="theirs")
    assert bench.mistake("[source.crm]", 'path = ["mine", "theirs"]') == (
        f"{bench.file} [source.crm]: two plugins claim this name ({first} and {second}); rename one, or say `module = …`"
    )


BROKEN = [
    ("import json\n\nTABLE = json.loads('')\n", "{file} line 3: JSONDecodeError: Expecting value: line 1 column 1 (char 0)"),
    ("import sys\nsys.exit('no key')\n", "{file} line 2: SystemExit: no key"),
    ("import os\n\nx = nonsense\n", "{file} line 3: NameError: name 'nonsense' is not defined"),
    (
        "from core import Settings, WallTime\n\nclass Config(Settings, frozen=True):\n    at: WallTime = WallTime('ten')\n",
        '{file} line 4: ValueError: `ten` is not a time of day: write it as "22:00"',
    ),
    ("def f(:\n", "{file} line 1: SyntaxError: invalid syntax"),
    ("import no_such_package\n", "{file} line 1: ModuleNotFoundError: No module named 'no_such_package'"),
    ("from core import Supressed\n", "{file} line 1: ImportError: cannot import name 'Supressed' from 'core' ({core})"),
]


@pytest.mark.parametrize(("text", "sentence"), BROKEN)
def test_a_broken_import(bench: Bench, text: str, sentence: str) -> None:
    """A plugin that cannot be imported names its file and line."""
    import core

    file = bench.plugin("filter.vip", text)
    assert bench.mistake("[filter.vip]") == f"{bench.file} [filter.vip]: " + sentence.format(file=file, core=core.__file__)


MISFITS = [
    (
        "filter.x",
        HEAD + "@hookimpl\ndef filter(case, nwo):\n    pass\n",
        "filter.x.filter: unknown argument `nwo`, did you mean `now`?",
    ),
    ("filter.x", HEAD + "@hookimpl\nasync def filter(case):\n    pass\n", "filter.x: write filter as def, not async def"),
    (
        "filter.x",
        HEAD + "@hookimpl\ndef filter(config):\n    pass\n",
        "filter.x.filter: misses the argument `case`; write `def filter(case, …)`",
    ),
    (
        "filter.x",
        HEAD + "@hookimpl\ndef fliter(case):\n    pass\n",
        "filter.x: `fliter` is no hook of the stage filter, did you mean `filter`?",
    ),
    (
        "filter.x",
        RULE + "@hookimpl\nasync def send(message):\n    pass\n",
        "filter.x: `send` is no hook of the stage filter; there are: commands, filter, shutdown, startup",
    ),
    (
        "filter.x",
        HEAD + "def filter(case):\n    pass\n",
        "filter.x: `filter` is the name of a hook; put @hookimpl above it, or call it otherwise",
    ),
    (
        "filter.x",
        RULE + "async def startup():\n    pass\n",
        "filter.x: `startup` is the name of a hook; put @hookimpl above it, or call it otherwise",
    ),
    ("filter.x", HEAD + "def rule(case):\n    pass\n", "filter.x: has no hook `filter`; write it and put @hookimpl above it"),
    (
        "filter.x",
        "from __future__ import annotations\n" + RULE + "class Config(Settings, frozen=True):\n    until: WallTime | None = None\n",
        "filter.x: Config names `WallTime`, which is not imported; import it",
    ),
    (
        "filter.x",
        "from core import WallTime\n" + RULE + "class Config(Settings, frozen=True):\n    until: WallTime = '10:00'\n",
        "filter.x: the default of Config.until is text, and no WallTime; write WallTime('10:00')",
    ),
    *(
        (
            "filter.x",
            f"from core import Duration\nfrom typing import Literal\n{RULE}class Config(Settings, frozen=True):\n    {field}\n",
            f"filter.x: {said}",
        )
        for field, said in (
            (
                "names: tuple[str, ...] = ('Бари')",
                "the default of Config.names is 'Бари': expected a list, got text; a tuple of one has a comma: ('Бари',)",
            ),
            (
                "names: tuple[str, ...] = ('Бари', 5)",
                "the default of Config.names is ('Бари', 5): [1]: expected text, got a whole number; mend it, or its type",
            ),
            (
                "wait: Duration = 20",
                'the default of Config.wait is 20: expected text such as "10m", got `20`; mend it, or its type',
            ),
            (
                "day: Literal['mon', 'tue'] = 'wed'",
                "the default of Config.day is 'wed': `wed` is not a choice; mend it, or its type",
            ),
            ("word: str = None", "the default of Config.word is None, and its type does not say so; add ` | None` to it"),
            ("most = 5", "Config.most has no type, so it is no key; write `most: int = …`"),
        )
    ),
    (
        "filter.x",
        HEAD + "@hookimpl(wrapper=True)\ndef filter(case):\n    yield\n",
        "filter.x.filter: hook wrappers are not used here; write a plain hook",
    ),
    ("filter.x", RULE + "on_error = 'retry'\n", 'filter.x: on_error is \'retry\'; write "abstain" or "hold"'),
    ("filter.x", RULE + "Config = 3\n", "filter.x: Config is no msgspec Struct; write `class Config(Settings, frozen=True):`"),
    (
        "filter.x",
        RULE + "class Config(Settings, frozen=True):\n    word: str\n",
        "filter.x: Config.word has no default; every key needs one, so that the empty table [filter.x] works",
    ),
    *(
        (
            "filter.x",
            RULE + f"class Config(Settings, frozen=True):\n    {key}: bool = True\n",
            f"filter.x: Config.{key} clashes with a key of core; call it otherwise",
        )
        for key in ("enabled", "module")
    ),
    ("send.x", HEAD + SEND, "send.x: has no hook `channel`; write it and put @hookimpl above it"),
    ("send.x", HEAD + CHANNEL + "@hookimpl\ndef send(message):\n    pass\n", "send.x: write send as async def, not def"),
    (
        "send.x",
        HEAD + SEND + "@hookimpl\ndef channel():\n    return 'pigeon'\n",
        "send.x.channel: answered str; return a Channel(name=…)",
    ),
    (
        "send.x",
        HEAD + SEND + "@hookimpl\ndef channel():\n    return Channel(1 / 0)\n",
        "send.x.channel: raised ZeroDivisionError: division by zero; it must state the facts of the channel",
    ),
    *(
        (
            "send.x",
            f"from datetime import timedelta\n{HEAD}{SEND}@hookimpl\ndef channel():\n    return Channel({facts})\n",
            f"send.x.channel: {said}",
        )
        for facts, said in (
            ("''", "name is ''; say which channel it carries: whatsapp, max, telegram, sms, or one of your own"),
            (
                "'sms', gap=0.1",
                "gap is 0.1; give a timedelta of 0 and more: timedelta(milliseconds=100), or a key `gap: Duration` of Config",
            ),
            (
                "'sms', gap=timedelta(seconds=-1)",
                "gap is datetime.timedelta(days=-1, seconds=86399); give a timedelta of 0 and more: timedelta(milliseconds=100), or a key `gap: Duration` of Config",
            ),
            (
                "'sms', recipient_gap=5",
                "recipient_gap is 5; give a timedelta of 0 and more: timedelta(seconds=1), or a key of Config that is a Duration",
            ),
            ("'sms', length=0", "length is 0; say how many characters one message may have, a whole number of 1 and more"),
            ("'sms', length='670'", "length is '670'; say how many characters one message may have, a whole number of 1 and more"),
            ("'sms', concurrency=0", "concurrency is 0; say how many requests may be open at once, a whole number of 1 and more"),
            (
                "'sms', concurrency=2.5",
                "concurrency is 2.5; say how many requests may be open at once, a whole number of 1 and more",
            ),
            (
                "'sms', concurrency=True",
                "concurrency is True; say how many requests may be open at once, a whole number of 1 and more",
            ),
            ("'sms', escape='xml'", "escape is 'xml'; only \"html\" is known; leave it out for plain text"),
            ("'sms', bold='*'", 'bold is \'*\'; give the two marks around bold text, ("*", "*"), or None'),
            ("'sms', strike=('~', None)", 'strike is (\'~\', None); give the two marks around struck text, ("~", "~"), or None'),
            ("'sms', short='yes'", "short is 'yes'; write True or False"),
            ("'sms', first_contacts_per_day='20'", "first_contacts_per_day is '20'; give a whole number, or None for no limit"),
        )
    ),
    ("render.x", HEAD, "render.x: has none of the hooks parts, render; write one and put @hookimpl above it"),
]


@pytest.mark.parametrize(("name", "text", "sentence"), MISFITS)
def test_a_misfit_is_one_sentence(bench: Bench, name: str, text: str, sentence: str) -> None:
    """A plugin that does not fit its hooks stops the start and says how to write it."""
    bench.plugin(name, text)
    assert bench.mistake(f"[{name}]") == sentence


def test_a_salons_own_facts_are_checked_too(bench: Bench) -> None:
    """A key that makes a fact of one salon's account unusable stops the start, and names the salon."""
    config = "class Config(Settings, frozen=True):\n    most: int = 2\n"
    bench.plugin(
        "send.x", HEAD + config + SEND + "@hookimpl\ndef channel(config):\n    return Channel('sms', concurrency=config.most)\n"
    )
    assert bench.mistake("[send.x]\n[salon.5.send.x]\nmost = 0") == (
        "send.x.channel (salon 5): concurrency is 0; say how many requests may be open at once, a whole number of 1 and more"
    )


@pytest.mark.parametrize("hook", SPECS)
def test_every_hook_is_checked(bench: Bench, hook: str) -> None:
    """Of each hook: the wrong kind, an unknown argument and a misspelt name are one sentence each, which says how to write it."""
    stage = next((stage for stage, names in STAGE_HOOKS.items() if hook in names), "filter")
    offered = list(inspect.signature(SPECS[hook]).parameters)
    kinds = ("async def", "def") if inspect.iscoroutinefunction(SPECS[hook]) else ("def", "async def")

    def written(kind: str, name: str, *arguments: str) -> str:
        bench.plugin(f"{stage}.x", f"{HEAD}@hookimpl\n{kind} {name}({', '.join(arguments)}):\n    pass\n")
        return bench.mistake(f"[{stage}.x]")

    assert written(kinds[1], hook, *offered) == f"{stage}.x: write {hook} as {kinds[0]}, not {kinds[1]}"
    wrong = f"{offered[0]}x"
    assert written(kinds[0], hook, wrong) == f"{stage}.x.{hook}: unknown argument `{wrong}`, did you mean `{offered[0]}`?"
    assert (
        written(kinds[0], f"{hook}s", *offered) == f"{stage}.x: `{hook}s` is no hook of the stage {stage}, did you mean `{hook}`?"
    )


def test_a_file_saved_twice_in_a_second_is_read_as_it_stands(bench: Bench) -> None:
    """Its author saves and looks, saves and looks: a version of the same size and second is no older one."""
    for name in ("abc", "xyz"):
        file = bench.plugin("filter.x", f"{HEAD}@hookimpl\ndef filter({name}):\n    pass\n")
        os.utime(file, (1_000_000_000, 1_000_000_000))
        assert f"unknown argument `{name}`" in bench.mistake("[filter.x]")


NEEDED = {"receive": "request", "normalize": "received", "filter": "case", "parts": "notice", "render": "notice", "send": "message", "callback": "request", "check": "attempt", "record": "outcome"}  # fmt: skip


@pytest.mark.parametrize("hook", NEEDED)
def test_every_missing_argument_is_named(bench: Bench, hook: str) -> None:
    """A hook that does not take what it is asked about can only be wrong."""
    stage = next(stage for stage, names in STAGE_HOOKS.items() if hook in names)
    kind = "async def" if inspect.iscoroutinefunction(SPECS[hook]) else "def"
    bench.plugin(f"{stage}.x", f"{HEAD}@hookimpl\n{kind} {hook}(config):\n    pass\n")
    assert bench.mistake(f"[{stage}.x]") == (
        f"{stage}.x.{hook}: misses the argument `{NEEDED[hook]}`; write `{kind} {hook}({NEEDED[hook]}, …)`"
    )


def test_unknown_key_of_a_plugin(bench: Bench) -> None:
    """The keys of a plugin are those of its Config, for all and for one salon."""
    assert (
        bench.mistake("[filter.own_comment]\nmraks = []")
        == f"{bench.file} [filter.own_comment]: unknown key `mraks`, did you mean `marks`?"
    )
    assert bench.mistake("[filter.own_comment]\n[salon.5.filter.own_comment]\nmraks = []") == (
        f"{bench.file} [salon.5.filter.own_comment]: unknown key `mraks`, did you mean `marks`?"
    )
    assert (
        bench.mistake("[filter.quiet_hours]\nfrom_ = '22:00'")
        == f"{bench.file} [filter.quiet_hours]: unknown key `from_`, did you mean `from`?"
    )


def test_unknown_key_of_a_plugin_that_is_on_for_one(bench: Bench) -> None:
    """A table that is off for all is still read, if one salon uses it."""
    assert bench.mistake("[filter.own_comment]\nenabled = false\nmraks = []\n[salon.5.filter.own_comment]\nenabled = true") == (
        f"{bench.file} [filter.own_comment]: unknown key `mraks`, did you mean `marks`?"
    )


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ('[filter.unchanged]\nunseen = "tel"', "[filter.unchanged] unseen: `tel` is not a choice, did you mean `tell`?"),
        ('[filter.unchanged]\nunseen = "qq"', "[filter.unchanged] unseen: `qq` is not a choice; there are: note, tell"),
        ('[filter.unchanged]\ntell = ["tim"]', "[filter.unchanged] tell[0]: `tim` is not a choice, did you mean `time`?"),
        (
            '[filter.unchanged]\ntell = ["q"]',
            "[filter.unchanged] tell[0]: `q` is not a choice; there are: branch, price, services, staff, time",
        ),
        ('[filter.own_comment]\nmarks = "AI"', "[filter.own_comment] marks: expected a list, got text"),
        ('[filter.quiet_hours]\nfrom = "25:00"', '[filter.quiet_hours] from: `25:00` is not a time of day: write it as "22:00"'),
        (
            "[filter.quiet_hours]\nto = 09:00:00",
            '[filter.quiet_hours] to: write it in quotes: "09:00"',
        ),
        (
            "[filter.own_comment]\nmarks = [2026-08-20]",
            "[filter.own_comment] marks[0]: expected text, got a date; put it in quotes",
        ),
        ("[filter.settle]\nwait = 20", '[filter.settle] wait: expected text such as "10m", got `20`'),
        ("[filter.frequency_cap]\nmessages = 0", "[filter.frequency_cap] messages: expected a whole number >= 1"),
        (
            '[send.green_api]\ntoken = { env = "NO_SUCH" }',
            "[send.green_api] token: the environment variable NO_SUCH is not set; set it, or switch the table off with `enabled = false`",
        ),
    ],
)
def test_a_wrong_value_of_a_plugin(bench: Bench, table: str, sentence: str) -> None:
    """A value of another type, or none of the allowed words, is said in words a salon understands."""
    assert bench.mistake(table) == f"{bench.file} {sentence}"


def test_two_transports_for_one_channel(bench: Bench) -> None:
    """Two carriers of one channel need a word from the salon, and then start."""
    both = "[send.console]\n[send.waha]"
    assert bench.mistake(both) == (
        f"{bench.file}: [send.console] and [send.waha] both carry whatsapp; "
        'say which one under [route]: transport.whatsapp = "console", or switch one off'
    )
    assert len(bench.load(f'{both}\n[route]\ntransport.whatsapp = "waha"').plugins) == 2
    assert bench.mistake('[send.console]\n[route]\ntransport.whatsapp = "waha"') == (
        f"{bench.file} [route] transport.whatsapp: `waha` is not switched on; there are: console"
    )
    assert len(bench.load(f"{both}\nenabled = false").plugins) == 1


# --- calling


def test_startup_that_fails_names_the_plugin(bench: Bench) -> None:
    """A ValueError is the plugin's own sentence; anything else is named."""
    for body, sentence in (
        ("raise ValueError('phones: write them so')", f"{bench.file} [filter.vip] phones: write them so"),
        ("1 / 0", "filter.vip.startup: ZeroDivisionError: division by zero; mend it, or switch the plugin off"),
    ):
        bench.plugin("filter.vip", RULE + f"@hookimpl\nasync def startup():\n    {body}\n")
        with pytest.raises(PluginError) as caught:
            asyncio.run(hooks.start(bench.load("[filter.vip]")))
        assert str(caught.value) == sentence


def test_startup_and_shutdown_are_called_once(bench: Bench) -> None:
    """`startup` in the order of the file, `shutdown` in the other, also where one fails."""
    for name in ("a", "b"):
        text = RULE + (
            "from pathlib import Path\nLOG = Path(__file__).parents[2] / 'log'\n"
            f"def say(word):\n    with LOG.open('a') as log:\n        print(word, '{name}', file=log)\n"
            "@hookimpl\nasync def startup():\n    say('up')\n@hookimpl\nasync def shutdown():\n    say('down')\n"
        )
        bench.plugin(f"filter.{name}", text)

    async def run() -> None:
        found = bench.load("[filter.a]\n[filter.b]")
        await hooks.start(found)
        await hooks.stop(found)

    asyncio.run(run())
    assert (bench.folder / "log").read_text(encoding="utf-8").splitlines() == ["up a", "up b", "down b", "down a"]


def test_trylast_answers_when_nobody_else_does(bench: Bench) -> None:
    """The built-in renderer is `trylast`: a private one that stands below it is asked first, and may pass."""
    text = "from core import Message, hookimpl\n@hookimpl\ndef render(notice, channel):\n    return Message('own') if notice.type == 'x' else None\n"
    bench.plugin("render.own", text)
    found = bench.load("[render.booking]\n[render.own]")
    assert [plugin.short for plugin, _, _ in found.implementations("render")] == ["own", "booking"]
    from core.testing import WHATSAPP, a_notice

    said = found.first("render", None, notice=a_notice(type="x"), channel=WHATSAPP, parts={})
    assert (said.plugin.short, said.value.text) == ("own", "own")
    passed = found.first("render", None, notice=a_notice(), channel=WHATSAPP, parts={})
    assert passed.plugin.short == "booking"


def judged(bench: Bench, *files: tuple[str, str]) -> Any:
    for name, text in files:
        bench.plugin(f"filter.{name}", text)
    found = bench.load("".join(f"[filter.{name}]\n" for name, _ in files))
    return rules.ask(found, a_case(salon=SALON), NOON)


LATER = (
    HEAD
    + "from datetime import timedelta\n@hookimpl\ndef filter(case, now):\n    return Deferred(now + timedelta(minutes={}), 'in {}')\n"
)
BREAKS = HEAD + "@hookimpl\ndef filter(case):\n    return 1 / 0\n"


def test_every_rule_is_asked_and_no_beats_later(bench: Bench) -> None:
    """`Suppressed` beats `Deferred`, the first table names the reason, and the trace has everybody's answer."""
    said = judged(bench, ("l", LATER.format(9, 9)), ("a", RULE.replace("'no'", "'first'")), ("b", RULE))
    assert (said.rule, said.verdict, said.held) == ("a", Suppressed("first"), None)
    assert said.verdicts == (("l", "later", "in 9"), ("a", "no", "first"), ("b", "no", "no"))


def test_the_longest_later_wins(bench: Bench) -> None:
    """Of two rules that say later, the later one names the time and the reason."""
    said = judged(bench, ("a", LATER.format(1, 1)), ("b", LATER.format(30, 30)), ("c", LATER.format(2, 2)))
    assert (said.rule, said.verdict.reason) == ("b", "in 30")


def test_a_broken_rule_abstains_or_holds(bench: Bench) -> None:
    """A broken rule is left out; a broken safety rule holds the message, unless another says no."""
    abstains = judged(bench, ("x", BREAKS))
    assert (abstains.verdict, abstains.held, abstains.verdicts) == (
        None,
        None,
        (("x", "broken", "abstained: ZeroDivisionError: division by zero in x.py:4"),),
    )
    holds = judged(bench, ("y", BREAKS + "on_error = 'hold'\n"), ("l", LATER.format(9, 9)))
    assert (holds.verdict, holds.held) == (None, "y is broken: ZeroDivisionError: division by zero in y.py:4")
    silent = judged(bench, ("y", BREAKS + "on_error = 'hold'\n"), ("b", RULE))
    assert (silent.verdict, silent.held) == (Suppressed("no"), None)


def test_the_key_that_proves_callbacks_is_a_key(bench: Bench) -> None:
    """A typo would leave the door open, and say nothing."""
    keys = "class Config(Settings, frozen=True):\n    webhook_token: str = ''\nproven_by = 'webhook_tokn'\n"
    bench.plugin("send.pigeon", HEAD + keys + CHANNEL + SEND)
    said = "send.pigeon: proven_by is 'webhook_tokn', which is no key of its Config, did you mean `webhook_token`?"
    assert bench.mistake("[send.pigeon]") == said


def test_an_answer_of_another_kind_is_broken(bench: Bench) -> None:
    """A safety rule that answers True has not said what it means, so it holds."""
    said = judged(bench, ("y", HEAD + "on_error = 'hold'\n@hookimpl\ndef filter(case):\n    return True\n"))
    assert said.held == "y is broken: filter answered bool; return Suppressed, Deferred or None"
