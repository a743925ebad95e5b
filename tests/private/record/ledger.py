"""Writes what became of each event into a list: a test plugin with every hook that is open to all stages."""

from __future__ import annotations

import typer

from core import Outcome, Settings, hookimpl

LINES: list[str] = []


class Config(Settings, frozen=True):
    heading: str = "ledger"  # the first line


@hookimpl
async def startup(config: Config) -> None:
    LINES[:] = [config.heading]


@hookimpl
async def shutdown() -> None:
    LINES.append("closed")


@hookimpl
async def record(outcome: Outcome) -> None:
    LINES.append(f"{outcome.event_id} {outcome.status}")


@hookimpl
def commands(cli: typer.Typer) -> None:
    cli.command("ledger")(lambda: None)
