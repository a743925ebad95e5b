"""The `vestnik` command. Errors are one sentence that names the place and the next step: exit code 1, 2 for usage."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer
from rich.console import Console

from core import catalogue, collector, log, show
from core import config as configuration
from core import hooks as plugin_hooks
from core.config import Configuration
from core.errors import VestnikError
from core.hooks import Hooks
from core.ids import number_of
from core.runtime import Runtime, utc_now
from core.store import Store, absolute, open_store, schema

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


def with_store(path: Path, work: Callable[[Configuration, Hooks, Store], Coroutine[Any, Any, T]]) -> T:
    """Run something beside a server that may be up: commands may read and write, and wake it."""

    async def run() -> T:
        config, hooks = loaded(path)
        store = await open_store(config.database.url, config.folder, alone=False)
        try:
            return await work(config, hooks, store)
        finally:
            await store.close()

    return asyncio.run(run())


@cli.command()
def serve(
    config: ConfigFile = DEFAULT,
    worker: Annotated[bool, typer.Option("--worker/--no-worker", help="Also decide and deliver.")] = True,
    dev: Annotated[bool, typer.Option("--dev", help="Start again whenever code or configuration changes.")] = False,
) -> None:
    """Listen for webhooks, and decide and deliver in the same process."""
    if dev:
        from core.dev import run

        run(config, [] if worker else ["--no-worker"])
        return
    from core.app import create_app
    from core.edge import make_server

    found, hooks = loaded(config)
    log.set_up()
    app = create_app(found, hooks, with_worker=worker, follow=True)
    for sentence in app.state.vestnik.warnings:
        typer.secho(f"warning: {sentence}", fg="yellow", err=True)
    server = make_server(app, found.server.host, found.server.port)
    logging.getLogger("uvicorn.error").addFilter(lambda _: app.state.vestnik.problem is None)  # it would print a traceback
    collector.rest()
    try:
        server.run()
    except SystemExit:
        raise app.state.vestnik.problem or typer.Exit(1) from None
    if not server.started:
        raise typer.Exit(1)


@cli.command()
def worker(config: ConfigFile = DEFAULT) -> None:
    """Decide and deliver, without listening."""
    import uvloop

    log.set_up()
    collector.rest()
    uvloop.run(_work(config))


async def _work(path: Path) -> None:
    from core.reload import Reloader
    from core.review import ways
    from core.worker import Worker

    config, hooks = loaded(path)
    for sentence in ways(config, hooks):
        typer.secho(f"warning: {sentence}", fg="yellow", err=True)
    store = await open_store(config.database.url, config.folder)
    run = Runtime(config, hooks, store)
    await plugin_hooks.start(hooks)
    works = Worker(run)
    await works.start()
    reloader = Reloader(run, works, ways)
    reloader.start()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    typer.echo("the worker runs; Ctrl-C ends it", err=True)
    await ended.wait()
    await reloader.stop()
    await works.stop()
    await reloader.finish()
    await plugin_hooks.stop(run.hooks)
    await run.close()
    await store.close()


@cli.command()
def demo(
    config: ConfigFile = DEFAULT,
    exit_: Annotated[bool, typer.Option("--exit", help="End by itself.")] = False,
    channel: Annotated[str | None, typer.Option("--channel", help="Over this transport, to a stand-in of its API.")] = None,
    plugin: Annotated[list[str] | None, typer.Option("--plugin", help="Also with this plugin, or with all in this folder.")] = None,
) -> None:
    """Show the main job: recorded webhooks over real HTTP, the messages as the client reads them, and why each silence was kept."""
    from core.demo import run

    try:
        lost = asyncio.run(run(config, stay=not exit_, console=out, transport=channel, private=tuple(plugin or ())))
    except KeyboardInterrupt:
        lost = 0
    raise typer.Exit(1 if lost else 0)


@cli.command()
def new(
    stage: Annotated[Literal["source", "filter", "render", "send", "record"], typer.Argument(help="What it is to do.")],
    name: Annotated[str, typer.Argument(help="Small letters, digits and _.")],
    into: Annotated[Path, typer.Option("--into", help="The folder of private plugins.")] = Path("private"),
) -> None:
    """Write a plugin that works, and its test, for you to change."""
    from core.new import next_steps, write

    written = write(stage, name, into)
    out.print(next_steps(stage, name, written, into), markup=False)


@cli.command()
def check(config: ConfigFile = DEFAULT) -> None:
    """Read the configuration and every plugin it names; say what is wrong, or what is on."""
    from core.review import review

    found, hooks = loaded(config)
    absolute(found.database.url, found.folder)
    asyncio.run(plugin_hooks.start(hooks))
    for sentence in review(found, hooks):
        typer.secho(f"warning: {sentence}", fg="yellow", err=True)
    count = len(hooks.plugins)
    salons = f"{len(found.salons)} salons" if found.salons else "every salon"
    out.print(f"{config}: right. {count} plugins are on, {salons} served, database {found.database.url.partition('://')[0]}.")


@cli.command()
def plugins(
    name: Annotated[str | None, typer.Argument(help="One plugin in full, such as filter.NAME.")] = None,
    config: ConfigFile = DEFAULT,
) -> None:
    """Say which plugins are on, for which salons, and how often each rule said no; or show one in full, with its keys."""

    async def work(found: Configuration, hooks: Hooks, store: Store) -> None:
        said = catalogue.counted(await store.look.ask("rule_verdicts"))
        if name is None:
            catalogue.overview(hooks, found, said, out)
            return
        for plugin in catalogue.named(name, hooks, found):
            catalogue.in_full(plugin, said, out)

    with_store(config, work)


@cli.command()
def trace(key: Annotated[str, typer.Argument(help="An event id or a record id.")], config: ConfigFile = DEFAULT) -> None:
    """Tell the whole story of an event: each stage, plugin, verdict and time."""

    async def work(found: Configuration, hooks: Hooks, store: Store) -> None:
        events = await store.look.story(key)
        if not events:
            raise VestnikError(f"{key}: no event has this id and no booking this number; `vestnik stats` shows what there is")
        show.story(events, out)

    with_store(config, work)


@cli.command()
def replay(key: Annotated[str, typer.Argument(help="An event id or a record id.")], config: ConfigFile = DEFAULT) -> None:
    """Decide stored events again, as if they had just come."""

    async def work(found: Configuration, hooks: Hooks, store: Store) -> None:
        events = await store.inbox.replay(key, number_of(key)[0], utc_now())
        if not events:
            raise VestnikError(f"{key}: nothing to replay: no such event, or its body was deleted by retention, or it still waits")
        for event in events:
            out.print(f"{event['event_id']} ({event['event_type']}) will be decided again by the running server or worker")

    with_store(config, work)


@cli.command()
def resend(
    key: Annotated[str, typer.Argument(help="An event id, a notification id or a record id.")], config: ConfigFile = DEFAULT
) -> None:
    """Send a message that failed, expired or is unclear once more. You say that the client did not get it."""

    async def work(found: Configuration, hooks: Hooks, store: Store) -> None:
        now = utc_now()
        row = await store.people.resend(key, number_of(key)[0], now, now + timedelta(hours=24))
        if row is None:
            raise VestnikError(f"{key}: nothing to resend: no such message, or it was delivered, or a newer one has replaced it")
        out.print(f"{row.notification_id} ({row.notification_type}, {row.channel}) will be sent by the running server or worker")

    with_store(config, work)


@cli.command()
def stats(config: ConfigFile = DEFAULT) -> None:
    """Show the last 24 hours, what lies dead, and whom to call."""

    async def work(found: Configuration, hooks: Hooks, store: Store) -> None:
        look, day = store.look, utc_now() - timedelta(days=1)
        show.stats(
            {
                "events": await look.ask("event_stats"),
                "notifications": await look.ask("notification_stats"),
                "rules": await look.ask("rule_stats"),
                "refused": await look.ask("refused", since=day),
                "health": [
                    {"transport": row.transport, "account": row.account, "reason": row.reason}
                    for row in await store.people.health()
                    if row.reason
                ],
                "alerts": await look.ask("alerts", since=day),
                "parked": await look.ask("parked_events", most=50),
                "dead": await look.ask("dead_letters", since=day, most=50),
                "calls": await look.to_call(utc_now()),
            },
            out,
        )

    with_store(config, work)


@cli.command(name="schema")
def schema_(database: Annotated[str, typer.Argument(help="sqlite or postgresql")] = "sqlite") -> None:
    """Print the full script of the tables and views."""
    typer.echo(schema(f"{database}://"))


@cli.command(name="send-test")
def send_test(
    phone: Annotated[str, typer.Argument(help="Where to send it.")],
    channel: Annotated[str | None, typer.Option("--channel", help="Over this channel only.")] = None,
    salon: Annotated[int | None, typer.Option("--salon", help="As this salon.")] = None,
    wait: Annotated[str, typer.Option("--wait", help="How long for the report of its delivery.")] = "60s",
    config: ConfigFile = DEFAULT,
) -> None:
    """Send one test message and tell step by step what happens, delivery included."""
    from core.send_test import Trial
    from core.units import Duration

    try:
        patience = Duration(wait)
    except ValueError as error:
        raise VestnikError(f"--wait: {error}") from None

    async def work(found: Configuration, hooks: Hooks, store: Store) -> None:
        await Trial(found, hooks, store, salon or next(iter(found.salons), None), patience, out).run(phone, channel)

    with_store(config, work)


@cli.command()
def link(
    phone: Annotated[str, typer.Argument(help="Whose link it is.")],
    channel: Annotated[str | None, typer.Option("--channel", help="Of this channel's bot.")] = None,
    salon: Annotated[int | None, typer.Option("--salon", help="Of this salon's bot.")] = None,
    config: ConfigFile = DEFAULT,
) -> None:
    """Make the link by which one client binds the salon's bot. It is good once, for 30 days."""
    from core.link import make

    async def work(found: Configuration, hooks: Hooks, store: Store) -> None:
        company = salon or next(iter(found.salons), None)
        typer.echo(await make(found, hooks, store, phone, channel, company, utc_now()))

    with_store(config, work)


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
    from core.phones import parse_phone

    number, missing = parse_phone(phone)
    if number is None:
        raise VestnikError(f"{phone}: {missing}; write it as +79000000088")

    async def work(found: Configuration, hooks: Hooks, store: Store) -> None:
        counts = await store.look.erase(number)
        out.print("deleted: " + ", ".join(f"{name} {count}" for name, count in counts.items()))

    with_store(config, work)


def main() -> None:
    """The entry point: errors as one sentence; `--debug` shows the traceback."""
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    _add_commands()
    try:
        cli(standalone_mode=True)
    except VestnikError as error:
        if debug:
            raise
        typer.secho(str(error), fg="red", err=True)
        sys.exit(1)


def _add_commands() -> None:
    """Commands that plugins add; a broken configuration is reported by the command itself."""
    path = Path(os.environ.get("VESTNIK_CONFIG", DEFAULT))
    if "--config" in sys.argv[:-1]:
        path = Path(sys.argv[sys.argv.index("--config") + 1])
    try:
        _, hooks = loaded(path)
    except VestnikError:
        return
    for plugin in hooks.plugins:
        if "commands" in plugin.calls:
            hooks.ask("commands", plugin, cli=cli)
