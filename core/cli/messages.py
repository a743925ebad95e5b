"""Commands that reach a client: once more, as a test, by the link of a bot."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from core.cli.frame import DEFAULT, ConfigFile, cli, out, with_store
from core.config import Configuration
from core.errors import VestnikError
from core.hooks import Hooks
from core.ids import number_of
from core.runtime import utc_now
from core.store import Store


@cli.command()
def resend(
    key: Annotated[str, typer.Argument(help="An event id, a notification id or a record id.")], config: ConfigFile = DEFAULT
) -> None:
    """Send a message that failed, expired or is unclear once more. You say that the client did not get it."""

    async def work(found: Configuration, hooks: Hooks, store: Store) -> None:
        now = utc_now()
        row = await store.reports.resend(key, number_of(key)[0], now, now + timedelta(hours=24))
        if row is None:
            raise VestnikError(f"{key}: nothing to resend: no such message, or it was delivered, or a newer one has replaced it")
        out.print(f"{row.notification_id} ({row.notification_type}, {row.channel}) will be sent by the running server or worker")

    with_store(config, work)


@cli.command(name="send-test")
def send_test(
    phone: Annotated[str, typer.Argument(help="Where to send it.")],
    channel: Annotated[str | None, typer.Option("--channel", help="Over this channel only.")] = None,
    salon: Annotated[int | None, typer.Option("--salon", help="As this salon.")] = None,
    wait: Annotated[str, typer.Option("--wait", help="How long for the report of its delivery.")] = "60s",
    config: ConfigFile = DEFAULT,
) -> None:
    """Send one test message and tell step by step what happens, delivery included."""
    from core.cli.send_test import SendTest
    from core.units import Duration

    try:
        patience = Duration(wait)
    except ValueError as error:
        raise VestnikError(f"--wait: {error}") from None

    async def work(found: Configuration, hooks: Hooks, store: Store) -> None:
        await SendTest(found, hooks, store, salon or next(iter(found.salons), None), patience, out).run(phone, channel)

    with_store(config, work, started=True)


@cli.command()
def link(
    phone: Annotated[str, typer.Argument(help="Whose link it is.")],
    channel: Annotated[str | None, typer.Option("--channel", help="Of this channel's bot.")] = None,
    salon: Annotated[int | None, typer.Option("--salon", help="Of this salon's bot.")] = None,
    config: ConfigFile = DEFAULT,
) -> None:
    """Make the link by which one client binds the salon's bot. It is good once, for 30 days."""
    from core.cli.link import make

    async def work(found: Configuration, hooks: Hooks, store: Store) -> None:
        company = salon or next(iter(found.salons), None)
        typer.echo(await make(found, hooks, store, phone, channel, company, utc_now()))

    with_store(config, work, started=True)
