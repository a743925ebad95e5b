"""The recorder ledger: its file, its command, and the suite that every recorder passes."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from core.testing import PluginError, a_booking, an_app, contracts, load

PRIVATE = Path(__file__).parents[1]
plugin = load(PRIVATE / "record" / "ledger.py")


def test_what_it_writes(tmp_path: Path) -> None:
    """A line for the message that left and one for the decision; it says so when it ends, and counts the lines."""
    file = tmp_path / "ledger.txt"
    with an_app(path=PRIVATE, record={"ledger": {"file": str(file)}}) as app:
        app.book(a_booking())
    assert file.read_text(encoding="utf-8").splitlines() == [
        "2026-08-20 09:00:00 evt_1 processed",
        "2026-08-20 09:00:00 evt_1 sent",
        "closed",
    ]
    cli = typer.Typer()
    plugin.commands(cli)
    assert CliRunner().invoke(cli, ["--file", str(file)]).output == "3 lines\n"


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """The start is refused in a sentence."""
    with (
        pytest.raises(
            PluginError, match=r"config.toml \[record.ledger\] file: there is no folder .*away; make it, or name another$"
        ),
        an_app(path=PRIVATE, record={"ledger": {"file": str(tmp_path / "away" / "ledger.txt")}}),
    ):
        pass


TestContract = contracts.recorder(plugin)
