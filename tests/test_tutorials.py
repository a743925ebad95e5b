"""What docs/plugins says that a suite says, it says: each quoted failure, from the tutorial's own file with one thing broken."""

from __future__ import annotations

import hmac
import importlib.util
import re
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from core import docs
from core.docs import tutorial
from core.errors import VestnikError
from core.testing import an_outcome, contracts, load

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "docs" / "examples"
ORDER = ["1-rule", "2-renderer", "3-transport", "4-source", "5-recorder"]


def quoted(page: str, plugin: str) -> str:
    """The sentence that a tutorial quotes, on one line."""
    text = (ROOT / "docs" / "plugins" / f"{page}.md").read_text(encoding="utf-8")
    (block,) = re.findall(rf"^    {plugin}\..*\n(?:    .*\n)*", text, re.M)
    return " ".join(block.split())


def broken(tmp_path: Path, place: str, old: str, new: str) -> ModuleType:
    """An example with one thing changed."""
    text = (EXAMPLES / place).read_text(encoding="utf-8")
    assert old in text
    (tmp_path / place).parent.mkdir()
    (tmp_path / place).write_text(text.replace(old, new), encoding="utf-8")
    return load(tmp_path / place)


def account() -> Any:
    """How the tutorial's test plays pigeon."""
    spec = importlib.util.spec_from_file_location("example_of_pigeon", EXAMPLES / "tests" / "test_send_pigeon.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ACCOUNT


BROKEN: list[tuple[str, str, str, str, Callable[[ModuleType], type], str, tuple[Any, ...]]] = [
    ("1-rule", "filter/staff_tells.py", " or staff is None", "", contracts.rule, "speaks", ()),
    ("2-renderer", "render/bonus.py", "if points else {}", "if points else {'bonus': 'None баллов'}", contracts.renderer, "says_only_what_it_knows", ()),
    ("3-transport", "send/pigeon.py", 'content={"bad_text": "Pigeon does not accept the text"},', "", lambda plugin: contracts.transport(plugin, account()), "answer_is_judged", ("error.bad_text.json",)),
    ("4-source", "source/tables.py", ", found.changed.isoformat())", ")", lambda plugin: contracts.source(plugin, bodies=EXAMPLES / "tests/bodies/source_tables"), "the_same_event_has_the_same_key", ()),
    ("5-recorder", "record/ledger.py", "{outcome.reason or ''}", "{outcome.reason + ''}", contracts.recorder, "takes_every_outcome", (an_outcome(),)),
]  # fmt: skip


@pytest.mark.parametrize(("page", "place", "old", "new", "suite", "check", "values"), BROKEN, ids=ORDER)
def test_a_quoted_failure_is_what_the_suite_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    page: str, place: str, old: str, new: str, suite: Callable[[ModuleType], type], check: str, values: tuple[Any, ...],
) -> None:  # fmt: skip
    """The sentence stands in the tutorial word by word, but for what "…" leaves out."""
    plugin = broken(tmp_path, place, old, new)
    more = (tmp_path, monkeypatch) if page == "5-recorder" else ()
    with pytest.raises(pytest.fail.Exception) as failed:
        getattr(suite(plugin)(), f"test_{check}")(*values, *more)
    told = quoted(page, place.removesuffix(".py").replace("/", "."))
    pattern = re.escape(told).replace("Codes\\(…\\)", "Codes\\(.\\)").replace("digest\\(…\\)", "digest\\(.\\)").replace("…", ".*")
    assert re.fullmatch(pattern, " ".join(str(failed.value).split()), re.S), f"{told}\n\n{failed.value}"


def test_the_proof_of_a_signed_time_holds(tmp_path: Path) -> None:
    """The two functions of the tutorial, in a source: what is signed now is taken, what is forged or an hour old is refused."""
    page = (ROOT / "docs" / "plugins" / "4-source.md").read_text(encoding="utf-8")
    proven, proof = (re.findall(rf"^```python\n(def {name}\(.*?)^```$", page, re.M | re.S)[0] for name in ("proven", "proof"))
    text = (EXAMPLES / "source" / "tables.py").read_text(encoding="utf-8")
    old = """def receive(request: Request, config: Config) -> Sequence[Received]:
    if config.secret not in (None, "", "none") and not same_secret(request.query.get("secret"), config.secret):
        raise Refused
"""
    assert old in text
    new = """def receive(request: Request, config: Config, now: datetime) -> Sequence[Received]:
    if config.secret not in (None, "", "none"):
        proven(request, config.secret, now)
"""
    (tmp_path / "source").mkdir()
    file = tmp_path / "source" / "tables.py"
    file.write_text(text.replace(old, new).replace("    same_secret,", "    prove_hmac,") + f"\n\n{proven}", encoding="utf-8")
    made: dict[str, Any] = {"hmac": hmac, "datetime": datetime}
    exec(proof, made)  # noqa: S102
    bodies = EXAMPLES / "tests" / "bodies" / "source_tables"
    contracts.source(load(file), bodies=bodies, proof=made["proof"])().test_refuses_a_wrong_secret()


def test_each_leads_to_the_next() -> None:
    """The page of plugins lists them in this order, and each one ends with the way to the next."""
    hub = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    assert re.findall(r"\(plugins/(\S+)\.md\)", hub) == ORDER
    for page, following in pairwise(ORDER):
        last = (ROOT / "docs" / "plugins" / f"{page}.md").read_text(encoding="utf-8").rstrip().splitlines()[-1]
        assert last.startswith("Next: ")
        assert f"({following}.md)" in last


def test_a_piece_that_is_not_there() -> None:
    """A name that no file has is an error with the file, not an empty block."""
    with pytest.raises(VestnikError, match=r"^docs/examples/send/pigeon.py: there is no `sned` at the top level$"):
        tutorial.piece("send/pigeon.py", "top", "sned")
    made = docs.made("<!-- piece send/pigeon.py STATES channel -->\n<!-- /piece -->\n")
    assert "STATES = Statuses(" in made
    assert "})\n\n\n@hookimpl\ndef channel() -> Channel:" in made
