"""The collector of cycles rests once a server is loaded: in `serve` and in `worker`."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from core import cli, edge


@pytest.fixture
def usual() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch, usual: None) -> list[tuple[bool, int]]:
    """Whether all is frozen, and how many new objects wake the collector, at the moment the loop would begin."""
    found: list[tuple[bool, int]] = []

    class Server:
        started = True

        def run(self) -> None:
            found.append((gc.get_freeze_count() > 10_000, gc.get_threshold()[0]))

    def run(work: Any) -> None:
        work.close()
        Server().run()

    monkeypatch.setattr(edge, "make_server", lambda *_: Server())
    monkeypatch.setattr("uvloop.run", run)
    return found


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_it_rests(command: str, seen: list[tuple[bool, int]], tmp_path: Path) -> None:
    """A look through all that was loaded would come every second, and hold everything up."""
    file = tmp_path / "config.toml"
    file.write_text(f'[server]\ntoken = "t"\n[database]\nurl = "sqlite:///{tmp_path / "v.db"}"\n[send.console]\n', encoding="utf-8")
    said = CliRunner().invoke(cli.cli, [command, "--config", str(file)])
    assert said.exit_code == 0, said.output
    assert seen == [(True, 20_000)]
