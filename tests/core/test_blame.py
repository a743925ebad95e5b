"""What is said of a plugin that raised: a sentence with its line, and nobody's data."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest

from core.blame import blame, judged, silently
from core.calls import Plugin
from core.errors import LeftAlone, TooLong
from core.log import keep_secret
from core.model import Retry, Unclear
from core.plugin import Settings


class Config(Settings, frozen=True):
    pass


def raised(folder: Path, statement: str, **known: object) -> tuple[Plugin, Exception]:
    """A plugin whose file has this statement on its second line, and what it raised there."""
    file = folder / "crm.py"
    file.write_text(f"def hook():\n    {statement}\n", encoding="utf-8")
    module = ModuleType("crm")
    module.__file__ = str(file)
    module.__dict__.update(known)
    exec(compile(file.read_text(encoding="utf-8"), str(file), "exec"), module.__dict__)  # noqa: S102
    plugin = Plugin("source", "crm", module, "", {}, "abstain", Config, {})
    try:
        module.hook()
    except Exception as error:
        return plugin, error
    raise AssertionError(statement)


BODY = json.dumps({"client": "Арсен Саркисян, улица Южная, дом 38", "comment": "позвоните мне завтра"})


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("{}['id']", "KeyError: 'id' in crm.py:2"),
        ("1 / 0", "ZeroDivisionError: division by zero in crm.py:2"),
        ("raise ValueError", "ValueError in crm.py:2"),
        ("raise ValueError('first\\n  second')", "ValueError: first second in crm.py:2"),
        ("raise ValueError('Expected `str`, got `int` - at `$.id`')", "ValueError: Expected `str`, got `int` - at `$.id` in crm.py:2"),
        ("raise KeyError('+79000000088')", "KeyError: '+7900…88' in crm.py:2"),
        ("raise ValueError('token=abcdef rest')", "ValueError: token=… rest in crm.py:2"),
        ("raise ValueError('with s3cret-of-ours in it')", "ValueError: with … in it in crm.py:2"),
        ("raise ValueError(BODY)", "ValueError in crm.py:2"),
        ("raise ValueError(json.loads(BODY)['client'])", "ValueError in crm.py:2"),
        ("int(json.loads(BODY)['client'])", "ValueError in crm.py:2"),
        ("int('a quotation of something else')", "ValueError: invalid literal for int() with base 10: '…' in crm.py:2"),
        ("raise ValueError('word ' * 100)", f"ValueError: {'word ' * 32}… in crm.py:2"),
    ],
)  # fmt: skip
def test_its_words_and_its_line(tmp_path: Path, statement: str, said: str) -> None:
    """Short, on one line; phones and secrets masked; no piece of the body, be it escaped there or not."""
    keep_secret("s3cret-of-ours")
    assert blame(*raised(tmp_path, statement, BODY=BODY, json=json), BODY) == said


def test_without_its_words(tmp_path: Path) -> None:
    """A transport's exception may hold an address, a token or an answer."""
    plugin, error = raised(tmp_path, "raise RuntimeError('https://api/botTOKEN/send')")
    assert silently(plugin, error) == "RuntimeError in crm.py:2"
    assert judged(plugin, error) == Unclear("the transport broke: RuntimeError in crm.py:2")


def test_what_is_no_bug(tmp_path: Path) -> None:
    """A plugin that hangs or rests has no line; an answer that never came is judged as ever."""
    import httpx

    plugin, _ = raised(tmp_path, "1 / 0")
    assert blame(plugin, TooLong(1)) == silently(plugin, TooLong(1)) == "took longer than 1 s"
    assert blame(plugin, LeftAlone("hung 3 times")) == "hung 3 times"
    assert judged(plugin, httpx.ConnectError("x")) == Retry("the gateway cannot be reached: no connection")
