"""What every command stands in: the command itself, its configuration file, and a store beside a server that may be up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console

from core import config as configuration
from core import hooks as plugin_hooks
from core.config import Configuration
from core.hooks import Hooks
from core.store import Store, open_store

T = TypeVar("T")

cli = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Vestnik turns a salon's booking events into messages its clients really read.",
    pretty_exceptions_enable=False,
)
out = Console(highlight=False, soft_wrap=True)
ConfigFile = Annotated[Path, typer.Option("--config", envvar="VESTNIK_CONFIG", help="The configuration file.")]
DEFAULT = Path("config.toml")


def loaded(path: Path) -> tuple[Configuration, Hooks]:
    found = configuration.load(path)
    return found, plugin_hooks.load(found)


def with_store(path: Path, work: Callable[[Configuration, Hooks, Store], Coroutine[Any, Any, T]], *, started: bool = False) -> T:
    """Run something beside a server that may be up: commands may read and write, and wake it.

    `started`: plugins are started and stopped around it as a server does, for commands that have them send or ask.
    """

    async def run() -> T:
        config, hooks = loaded(path)
        store = await open_store(config.database.url, config.folder, alone=False)
        try:
            if started:
                await plugin_hooks.start(hooks)
            return await work(config, hooks, store)
        finally:
            if started:
                await plugin_hooks.stop(hooks)
            await store.close()

    return asyncio.run(run())


def warn(sentences: list[str]) -> None:
    """What is odd about a configuration: it works, and a person should know."""
    for sentence in sentences:
        typer.secho(f"warning: {sentence}", fg="yellow", err=True)
