"""The shipped suites: what is wrong with a plugin is said in a sentence that names it, its hook and the mend."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

import core
from core.testing import an_outcome, contracts
from tests.core.testing.odd import ROOT, RULE, Write, fails
from tests.inside import pytest_in

# --- any stage


@pytest.mark.parametrize(
    ("code", "check", "said"),
    [
        ("@hookimpl\ndef filtr(case): ...\n", "fits_the_hooks", "filter.odd: `filtr` is no hook of the stage filter, did you mean `filter`?"),
        ("@hookimpl\nasync def filter(case): ...\n", "fits_the_hooks", "filter.odd: write filter as def, not async def"),
        (
            f"class Config(Settings, frozen=True):\n    names: tuple[str, ...] = ()\n{RULE}",
            "every_key_has_a_comment",
            "filter.odd.Config.names: has no comment; write on its line, behind `  # `, what the key is for",
        ),
        (
            f"from core.store import Store\n{RULE}",
            "knows_core_by_its_public_names",
            "filter.odd line 5: `core.store` is no public name of core; write `from core import …` with a name of docs/names.md",
        ),
        (
            f"from core import Cases\n{RULE}",
            "knows_core_by_its_public_names",
            "filter.odd line 5: `Cases` is no public name of core, did you mean `Case`?; write `from core import …` with a name of docs/names.md",
        ),
        (
            RULE.format("return Suppressed('late') if datetime.now(UTC).hour > 22 else None"),
            "asks_no_clock",
            "filter.odd line 7: asks the clock by datetime.now; take `now` as an argument of the hook (a recorder: `outcome.at`)",
        ),
    ],
)  # fmt: skip
def test_what_holds_for_any_stage(write: Write, monkeypatch: pytest.MonkeyPatch, code: str, check: str, said: str) -> None:
    """Hooks, comments, imports and clocks, each with plugin, place and mend."""
    monkeypatch.setattr(core, "Cases", core.Case, raising=False)
    assert fails(contracts.rule(write("filter", code.replace("{}", "return None"))), check) == said


def test_the_first_line_is_missed(write: Write) -> None:
    """A file that does not say what it does."""
    assert fails(contracts.rule(write("filter", RULE.format("return None"), head='"""Rule"""')), "begins_with_a_sentence") == (
        "filter.odd: the file does not begin with a sentence; write as its first line, in quotes and with a full stop, what it does for a salon"
    )


# --- renderers


@pytest.mark.parametrize(
    ("code", "tells", "mend"),
    [
        ("def render(notice):\n    return Message(f'Ждём: {notice.booking.visit_at}')\n", "render: wrote 'Ждём: None'", "leave out the line whose part is not known"),
        ("def render(notice):\n    return Message('Мастер:')\n", "render: wrote 'Мастер:'", "leave out the label whose part is not known"),
        ("def render(notice):\n    return Message('да\\n')\n", "render: wrote 'да\\n'", "write a text without blanks or empty lines around it"),
        ("def render(notice):\n    return Message('да' * 5000)\n", "render: wrote 'дада", "stay within channel.length (4096)"),
        ("def parts(notice):\n    return {'staff': str(notice.booking.staff)}\n", "parts: gave staff as 'None'", "leave out what is not known"),
    ],
)  # fmt: skip
def test_a_renderer_that_is_wrong(write: Write, code: str, tells: str, mend: str) -> None:
    """None, a bare label, blanks around it, too long, a part of nothing."""
    said = fails(contracts.renderer(write("render", f"@hookimpl\n{code}")), "says_only_what_it_knows")
    assert said.startswith(f"render.odd.{tells}")
    assert said.endswith(f"; {mend}")


def test_a_renderer_that_writes_over_a_ready_text(write: Write) -> None:
    """What was written elsewhere is not ours to change."""
    plugin = write("render", "@hookimpl\ndef render(notice):\n    return Message('да')\n")
    assert fails(contracts.renderer(plugin), "leaves_a_ready_text_alone").endswith(
        "to a notice whose text is ready; return None where notice.booking is None, or notice.text as it is"
    )


# --- recorders


def test_a_recorder_that_is_wrong(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it raises names the outcome; an answer is none of its business."""
    suite = contracts.recorder(write("record", "@hookimpl\nasync def record(outcome):\n    return outcome.phone.strip()\n"))
    first, second = (mark for mark in _outcomes(suite))
    assert (
        fails(suite, "takes_every_outcome", first, tmp_path, monkeypatch)
        == "record.odd.record: answered '+7900…88'; return nothing"
    )
    assert fails(suite, "takes_every_outcome", second, tmp_path, monkeypatch).startswith(
        "record.odd.record: raised AttributeError: 'NoneType' object has no attribute 'strip' in line 7; take note of any outcome, also of Outcome("
    )


def _outcomes(suite: Any) -> list[Any]:
    return list(suite.test_takes_every_outcome.pytestmark[0].args[1][:2])


# --- as a package of somebody else runs it


def test_one_line_in_somebodys_own_tests(tmp_path: Path) -> None:
    """pytest collects the suite by the one line, in a folder of its own and without a file of configuration; a failure is one sentence."""
    (tmp_path / "filter").mkdir()
    (tmp_path / "filter" / "odd.py").write_text(
        '"""Is written to be wrong in one way."""\n\nfrom core import hookimpl\n\n\n@hookimpl\ndef filter(case):\n    return False\n',
        encoding="utf-8",
    )
    test = tmp_path / "test_odd.py"
    test.write_text(
        'from core.testing import contracts, load\n\nTestContract = contracts.rule(load("filter/odd.py"))\n', encoding="utf-8"
    )
    _, said = pytest_in(tmp_path, "--tb=short")
    assert "3 failed, 7 passed" in said, said
    assert "\nfilter.odd.filter: answered False; return Suppressed(reason), Deferred(until, reason) or None\n" in said
    assert "Traceback" not in said


def test_the_kit_needs_no_pytest() -> None:
    """Values and the app can be used without it, and the service imports neither the kit nor pytest; the suites say what is missing."""
    code = """
    import importlib.util, sys
    import core.cli, core.app, core.worker
    print("core.testing" in sys.modules)
    import core.testing
    print([name for name in ("pytest", "hypothesis") if name in sys.modules])
    found = importlib.util.find_spec
    importlib.util.find_spec = lambda name: None if name == "hypothesis" else found(name)
    try:
        import core.testing.contracts
    except ModuleNotFoundError as error:
        print(error)
    """
    said = subprocess.run(
        [sys.executable, "-c", dedent(code)], cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert said.stdout.splitlines() == ["False", "[]", 'the contract suites need hypothesis: pip install "vestnik[test]"'], (
        said.stderr
    )


def test_a_recorder_that_posts(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One with `http` is given one that takes everything and leads nowhere; one that blocks is told so, an unknown argument is named."""
    monkeypatch.chdir(tmp_path)
    code = "@hookimpl\nasync def record(outcome, received, http):\n    {}\n"
    posts = "(await http.post('https://odd.example/', json={'at': str(outcome.at)})).raise_for_status()"
    contracts.recorder(write("record", code.format(posts)))().test_takes_every_outcome(an_outcome(), tmp_path, monkeypatch)
    blocks = contracts.recorder(write("record", code.format("__import__('time').sleep(2.1)")))
    assert fails(blocks, "takes_every_outcome", an_outcome(), tmp_path, monkeypatch) == (
        "record.odd.record: took 2 s; let nothing block: await what takes time, and ask over `http`"
    )
    other = contracts.recorder(write("record", "@hookimpl\nasync def record(outcom):\n    pass\n"))
    assert fails(other, "takes_every_outcome", an_outcome(), tmp_path, monkeypatch) == (
        "record.odd.record: unknown argument `outcom`, did you mean `outcome`?; the reference of the hook lists them"
    )
