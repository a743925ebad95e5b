"""Writes what became of each event and message into a file, one line each, and counts the lines."""

from __future__ import annotations

from pathlib import Path

import typer

from core import Outcome, Settings, hookimpl


class Config(Settings, frozen=True):
    file: str = "ledger.txt"  # seen from the working folder


@hookimpl
async def startup(config: Config) -> None:
    if not Path(config.file).parent.is_dir():
        raise ValueError(f"file: there is no folder {Path(config.file).parent}; make it, or name another")


@hookimpl
async def record(outcome: Outcome, config: Config) -> None:
    with Path(config.file).open("a", encoding="utf-8") as file:
        file.write(f"{outcome.at:%Y-%m-%d %H:%M:%S} {outcome.event_id} {outcome.status} {outcome.reason or ''}".rstrip() + "\n")


@hookimpl
async def shutdown(config: Config) -> None:
    with Path(config.file).open("a", encoding="utf-8") as file:
        file.write("closed\n")


@hookimpl
def commands(cli: typer.Typer) -> None:
    @cli.command("ledger")
    def count(file: str = "ledger.txt") -> None:
        """Say how many lines the ledger has."""
        typer.echo(f"{len(Path(file).read_text(encoding='utf-8').splitlines())} lines")
