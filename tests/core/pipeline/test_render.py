"""What is said of a renderer whose answer is of no use."""

from __future__ import annotations

from pathlib import Path

import pytest

from core import config as configuration
from core import hooks as plugin_hooks
from core.pipeline.render import Rendered, render
from core.testing import WHATSAPP, a_notice

HEAD = "from core import Message, hookimpl\n@hookimpl\ndef {}:\n    {}\n"


def rendered(folder: Path, *hooks: tuple[str, str]) -> Rendered:
    """A plugin with these hooks, asked for the text of one notice."""
    file = folder / "mine" / "render" / "own.py"
    file.parent.mkdir(parents=True)
    file.write_text("\n".join(HEAD.format(*hook) for hook in hooks), encoding="utf-8")
    raw = {"plugins": {"path": ["mine"]}, "render": {"own": {}}}
    return render(plugin_hooks.load(configuration.build(raw, folder / "config.toml", {})), a_notice(), WHATSAPP)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("return Message(' ')", "render.own: wrote an empty text"),
        ("return ''", "render.own: render answered str; return Message or None"),
        ("return 1 / 0", "render.own: ZeroDivisionError: division by zero in own.py:4"),
        ("return None", "no renderer answers; switch on [render.booking]"),
    ],
)
def test_why_there_is_no_message(tmp_path: Path, answer: str, said: str) -> None:
    """The plugin, and what it did."""
    assert rendered(tmp_path, ("render(notice)", answer)) == Rendered(None, (), said)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("return 'x'", "parts answered str; return a dict of texts"),
        ("return 1 / 0", "ZeroDivisionError: division by zero in own.py:4"),
    ],
)
def test_parts_of_another_kind_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture, answer: str, said: str) -> None:
    """The message leaves without them; the trace and the log name the plugin and what it did."""
    found = rendered(tmp_path, ("parts(notice)", answer), ("render(notice)", "return Message('x')"))
    assert (found.message and found.message.text, found.left_out) == ("x", (f"render.own: {said}",))
    assert f"plugin=render.own outcome=left_out reason={said}" in caplog.text
