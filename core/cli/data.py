"""Commands about the tables themselves: their script, what is old, what a client wants gone."""

from __future__ import annotations

from typing import Annotated

import typer

from core import config as configuration
from core.cli.frame import DEFAULT, ConfigFile, cli, out, with_store
from core.config import Configuration
from core.errors import VestnikError
from core.hooks import Hooks
from core.phones import parse_phone
from core.runtime import utc_now
from core.store import Store, schema


@cli.command(name="schema")
def schema_(
    config: ConfigFile = DEFAULT,
    database: Annotated[
        str | None, typer.Argument(help="sqlite or postgresql; left out: that of the configuration.", show_default=False)
    ] = None,
) -> None:
    """Print the full script of the tables and views."""
    if database is None and (config != DEFAULT or config.exists()):
        typer.echo(schema(configuration.load(config).database.url))
    else:
        typer.echo(schema(f"{database or 'sqlite'}://"))


@cli.command()
def prune(config: ConfigFile = DEFAULT) -> None:
    """Delete what is older than the keys keep and keep_bodies of the database table allow, now."""

    async def work(found: Configuration, hooks: Hooks, store: Store) -> None:
        counts = await store.look.prune(utc_now(), found.database.keep, found.database.keep_bodies)
        out.print(", ".join(f"{name.removeprefix('prune_')}: {count}" for name, count in counts.items()) or "nothing is that old")

    with_store(config, work)


@cli.command()
def erase(phone: Annotated[str, typer.Argument(help="The phone whose traces are deleted.")], config: ConfigFile = DEFAULT) -> None:
    """Delete every trace of a phone (152-FZ)."""
    number, missing = parse_phone(phone)
    if number is None:
        raise VestnikError(f"{phone}: {missing}; write it as +79000000088")

    async def work(found: Configuration, hooks: Hooks, store: Store) -> None:
        counts = await store.look.erase(number)
        out.print("deleted: " + ", ".join(f"{name} {count}" for name, count in counts.items()))

    with_store(config, work)
