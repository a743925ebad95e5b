"""Commands about what is switched on: write a plugin, read the configuration, list what is on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Literal

import typer

from core import demands
from core import hooks as plugin_hooks
from core.cli import catalogue
from core.cli.frame import DEFAULT, ConfigFile, cli, loaded, out, warn, with_store
from core.config import Configuration
from core.hooks import Hooks
from core.runtime import utc_now
from core.store import Store, absolute


@cli.command()
def new(
    stage: Annotated[Literal["source", "filter", "render", "send", "record"], typer.Argument(help="What it is to do.")],
    name: Annotated[str, typer.Argument(help="Small letters, digits and _.")],
    into: Annotated[Path, typer.Option("--into", help="The folder of private plugins.")] = Path("private"),
    config: ConfigFile = DEFAULT,
) -> None:
    """Write a plugin that works, and its test, for you to change."""
    from core.cli.new import next_steps, write

    written = write(stage, name, into)
    out.print(next_steps(stage, name, written, into, config), markup=False)


@cli.command()
def check(config: ConfigFile = DEFAULT) -> None:
    """Read the configuration and every plugin it names; say what is wrong, or what is on."""
    from core.review import review

    found, hooks = loaded(config)
    demands.check(found, hooks)
    absolute(found.database.url, found.folder)
    asyncio.run(plugin_hooks.start(hooks))
    warn(review(found, hooks))
    count = len(hooks.plugins)
    salons = f"{len(found.salons)} salons" if found.salons else "every salon"
    out.print(f"{config}: right. {count} plugins are on, {salons} served, database {found.database.url.partition('://')[0]}.")


@cli.command()
def plugins(
    name: Annotated[str | None, typer.Argument(help="One plugin in full, such as filter.NAME.")] = None,
    config: ConfigFile = DEFAULT,
) -> None:
    """Say which plugins are on, for which salons, how often each rule said no, and what broke; or show one in full, with its keys."""

    async def work(found: Configuration, hooks: Hooks, store: Store) -> None:
        said = await catalogue.counted(store.look, utc_now())
        if name is None:
            catalogue.overview(hooks, found, said, out)
            return
        for plugin in catalogue.named(name, hooks, found):
            catalogue.in_full(plugin, found, said, out)

    with_store(config, work)
