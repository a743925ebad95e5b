"""`vestnik new`: what it writes works as written, and shows itself in the demo; what it refuses, it refuses in a sentence."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from core import config as configuration
from core import hooks, keys
from core.cli import new
from core.contract import config_class_of
from core.errors import VestnikError
from core.testing import load
from tests.inside import pytest_in, vestnik

ROOT = Path(__file__).parents[1]
TUTORIALS = [page.read_text(encoding="utf-8") for page in sorted((ROOT / "docs" / "plugins").glob("*.md"))]
NAMES = {"source": "tables", "filter": "staff_tells", "render": "bonus", "send": "pigeon", "record": "ledger"}  # of the tutorials


def ruff(folder: Path, *words: str) -> tuple[int, str]:
    """ruff in `folder`, by our own rules: exit code, and what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "ruff", words[0], "--no-cache", "--config", str(ROOT / "pyproject.toml"), *words[1:], "."],
        cwd=folder, capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def shown_in_the_tutorial(stage: str) -> list[str]:
    """What docs/plugins says that the demo prints."""
    (page,) = [page for page in TUTORIALS if f"vestnik new {stage} " in page]
    quoted = page.partition(f"vestnik demo --exit --plugin private/{stage}/{NAMES[stage]}.py\n")[2]
    block = re.match(r"\n(?:    .*\n|\n)+", quoted)
    assert block is not None, stage
    lines = [line.removeprefix("    ") for line in block[0].splitlines() if line.strip()]
    assert len(lines) > 1
    return lines


def as_pattern(line: str) -> str:
    """The line, on whatever day the demo runs; "…" at the end of a piece stands for the rest."""
    words = re.sub(r"\d{1,2}(\\\.\d\d|\\ ноября)", r"\\d+(?:\\.\\d\\d|\\ \\w+)", re.escape(line))
    return "^" + re.sub(r"v[0-9a-f]{23}", r"v[0-9a-f]{23}", words).replace('…"', '.*"') + "$"


def test_what_it_writes_works_as_written(tmp_path: Path) -> None:
    """A plugin of each stage and its test, in a folder of somebody's own: the tests pass, and all of it is well formed."""
    private, told = tmp_path / "private", {}
    for stage, name in NAMES.items():
        told[stage] = vestnik(tmp_path, "new", stage, name)
        assert told[stage][::2] == (0, "")
        there = {str(file.relative_to(private)) for file in private.rglob("*.py")}
        assert {f"{stage}/{name}.py", f"tests/test_{stage}_{name}.py"} <= there
        assert f"vestnik demo --exit --plugin private/{stage}/{name}.py\n" in told[stage][1]
        assert f"pytest private/tests/test_{stage}_{name}.py\n" in told[stage][1]
    assert len(there) == 2 * len(NAMES)
    code, said = pytest_in(private)
    assert code == 0, said
    assert re.search(r"\d+ passed", said), said
    assert ruff(private, "check", "--ignore", "I001,A001,S105,S106") == (0, "All checks passed!\n")
    assert ruff(private, "format", "--check")[0] == 0


@pytest.mark.parametrize("stage", configuration.STAGES)
def test_the_demo_shows_what_the_tutorial_shows(tmp_path: Path, stage: str) -> None:
    """Each line that the tutorial quotes, on whatever day."""
    (plugin, *_) = new.write(stage, NAMES[stage], tmp_path / "private")
    code, shown, err = vestnik(tmp_path, "demo", "--exit", "--plugin", str(plugin.relative_to(tmp_path)))
    assert code == 0, shown + err
    for line in shown_in_the_tutorial(stage):
        assert re.search(as_pattern(line), shown, re.M), f"{line}\n\n{shown}"


def test_what_it_prints_can_be_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands as they stand where the venv is active; else with the folder of this one before them."""
    monkeypatch.setattr(sys, "executable", "/venv/bin/python")
    monkeypatch.setattr("shutil.which", lambda name: f"/venv/bin/{name}")
    out = vestnik(tmp_path, "new", "filter", "one")[1]
    assert "\n        vestnik demo --exit --plugin private/filter/one.py\n" in out
    assert "\n        pytest private/tests/test_filter_one.py\n" in out
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv" / "bin" / "python"))  # another pytest is found, or none
    out = vestnik(tmp_path, "new", "filter", "two")[1]
    assert "\n        .venv/bin/vestnik demo --exit --plugin private/filter/two.py\n" in out
    assert "\n        .venv/bin/pytest private/tests/test_filter_two.py\n" in out


@pytest.mark.parametrize("stage", configuration.STAGES)
def test_the_table_that_it_prints_is_right(tmp_path: Path, stage: str) -> None:
    """What it says for config.toml, put there, loads the plugin with the defaults of its keys."""
    written = new.write(stage, "sample", tmp_path / "private")
    config_class = config_class_of(stage, "sample", load(written[0]))
    table = keys.table(stage, "sample", config_class, "private")
    file = tmp_path / "config.toml"
    file.write_text("\n".join(table), encoding="utf-8")
    (plugin,) = hooks.load(configuration.load(file, {})).plugins
    assert plugin.name == f"{stage}.sample"
    assert plugin.config_for(None) == plugin.config_class()
    assert all("  # " in line for line in table[table.index(f"[{stage}.sample]") + 1 :])


def test_several_live_in_one_folder(tmp_path: Path) -> None:
    """The same name in each stage: no file of one is in the way of another, and the demo takes the whole folder."""
    for stage in configuration.STAGES:
        new.write(stage, "sample", tmp_path)
    code, said = pytest_in(tmp_path, "--collect-only")
    assert code == 0, said
    code, shown, err = vestnik(tmp_path, "demo", "--exit", "--plugin", ".")
    assert code == 0, err
    assert "sample · sent · booking_created · sms · +7900…88" in shown
    assert "Ждём вас" in shown
    assert "▶ A shave is booked" in shown
    assert "▶ The administrator books a visit" in shown


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("my-rule", "my-rule: is no name for a plugin: small Latin letters, digits and _, a letter first; write my_rule"),
        ("MyRule", "MyRule: is no name for a plugin: small Latin letters, digits and _, a letter first; write my_rule"),
        (
            "правило",
            "правило: is no name for a plugin: small Latin letters, digits and _, a letter first; choose one such as my_rule",
        ),
        ("../evil", "../evil: is no name for a plugin: small Latin letters, digits and _, a letter first; write evil"),
        ("_hidden", "_hidden: is no name for a plugin: small Latin letters, digits and _, a letter first; write hidden"),
        ("2fast", "2fast: is no name for a plugin: small Latin letters, digits and _, a letter first; choose one such as my_rule"),
        ("class", "class: is no name for a plugin: small Latin letters, digits and _, a letter first; choose one such as my_rule"),
        ("", ": is no name for a plugin: small Latin letters, digits and _, a letter first; choose one such as my_rule"),
        ("stale", "stale: a plugin of this name is built in ([filter.stale]); choose another, such as my_stale"),
    ],
)
def test_a_name_that_is_none(tmp_path: Path, name: str, said: str) -> None:
    """One sentence, with a name that would do where there is one; nothing is written."""
    assert vestnik(tmp_path, "new", "filter", name) == (1, "", said + "\n")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A file that is there, be it only the test, stops it before anything is written."""
    written = new.write("filter", "sample", tmp_path)
    with pytest.raises(
        VestnikError, match=r"filter/sample.py: is there already and is not overwritten; choose another name, or take it"
    ):
        new.write("filter", "sample", tmp_path)
    written[0].unlink()
    written[1].write_text("mine", encoding="utf-8")
    with pytest.raises(VestnikError, match=r"tests/test_filter_sample.py: is there already"):
        new.write("filter", "sample", tmp_path)
    assert (written[0].exists(), written[1].read_text(encoding="utf-8")) == (False, "mine")


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    """A file in its place is named; so is a stage that there is not, as wrong usage."""
    (tmp_path / "private").write_text("", encoding="utf-8")
    said = "--into private: that is a file; name a folder, such as private\n"
    assert vestnik(tmp_path, "new", "filter", "sample") == (1, "", said.replace("such as private", "such as private"))
    code, out, err = vestnik(tmp_path, "new", "rule", "sample")
    assert (code, out) == (2, "")
    assert "'source', 'filter', 'render', 'send', 'record'" in err


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nowhere", "--plugin nowhere: there is no such file or folder; `vestnik new filter NAME` writes a plugin"),
        (
            "empty",
            "--plugin empty: there is no plugin in this folder; one lies in STAGE/NAME.py, and `vestnik new filter NAME --into empty` writes one",
        ),
        ("loose.py", "--plugin loose.py: a plugin lies in the folder of its stage, such as filter/loose.py; move it there"),
    ],
)
def test_a_demo_without_its_plugin(tmp_path: Path, path: str, said: str) -> None:
    """A path with no plugin behind it ends the demo in a sentence."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "loose.py").write_text("", encoding="utf-8")
    assert vestnik(tmp_path, "demo", "--exit", "--plugin", path) == (1, "", said + "\n")


TABLE = """
[filter.staff_tells]
enabled = false
names = ["Лев"]

[send.pigeon]
token = "of-the-file"
webhook_token = { env = "NO_SUCH_WORD" }
"""


def test_the_demo_takes_the_keys_of_the_file(tmp_path: Path) -> None:
    """A file with nothing but the plugins' own tables is enough; what the environment knows is left out, and the rest is as shipped."""
    (tmp_path / "config.toml").write_text(TABLE, encoding="utf-8")
    new.write("filter", "staff_tells", tmp_path)
    (transport, *_) = new.write("send", "pigeon", tmp_path)
    transport.write_text(
        transport.read_text(encoding="utf-8").replace("json=body", 'json={**body, "by": config.token}'), encoding="utf-8"
    )
    code, shown, err = vestnik(tmp_path, "demo", "--exit", "--plugin", "filter/staff_tells.py", "--plugin", "send/pigeon.py")
    assert (code, err) == (0, "")
    assert '"by":"of-the-file"' in shown
    assert "rule staff_tells" not in shown  # the recorded master is Бари
    assert "rule own_comment" in shown


def test_the_demo_lists_the_salons_of_the_examples(tmp_path: Path) -> None:
    """A source whose examples are about another branch is shown as any."""
    (plugin, *_) = new.write("source", "tables", tmp_path)
    plugin.write_text(plugin.read_text(encoding="utf-8").replace("962302", "314"), encoding="utf-8")
    code, shown, err = vestnik(tmp_path, "demo", "--exit", "--plugin", "source/tables.py")
    assert (code, err) == (0, "")
    assert "sent over console: booking_created" in shown
    assert "is not listed" not in shown


def test_nothing_leaves_the_machine_in_the_demo(tmp_path: Path) -> None:
    """A transport that cannot be led to a gateway here stays off, says so, and the console stands in."""
    (tmp_path / "send").mkdir()
    code = '"""Sends letters."""\nfrom core import Channel, Message, Sent, hookimpl\n\n@hookimpl\ndef channel():\n    return Channel("whatsapp")\n\n'
    code += '@hookimpl\nasync def send(message):\n    open("sent.txt", "w").write(message.text)\n    return Sent(None)\n'
    (tmp_path / "send" / "letter.py").write_text(code, encoding="utf-8")
    exit_code, shown, err = vestnik(tmp_path, "demo", "--exit", "--plugin", "send/letter.py")
    assert (exit_code, err) == (0, "")
    assert "letter has no key base_url that could lead it to a gateway on this machine: it stays off here\n" in shown
    assert "sent over console: booking_created" in shown
    assert not (tmp_path / "sent.txt").exists()


def test_a_named_configuration_has_to_be_there(tmp_path: Path) -> None:
    """The demo runs without config.toml, but not without the file that it is told to use."""
    said = "other.toml: there is no such file; name one with --config, or copy the shipped config.toml here\n"
    assert vestnik(tmp_path, "demo", "--exit", "--config", "other.toml") == (1, "", said)
