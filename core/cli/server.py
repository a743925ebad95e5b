"""Commands that run it: the server, a worker, the demo."""

from __future__ import annotations

import asyncio
import logging
import signal
from pathlib import Path
from typing import Annotated

import typer

from core import collector, demands, log
from core import hooks as plugin_hooks
from core.cli.frame import DEFAULT, ConfigFile, cli, loaded, out, warn
from core.errors import ConfigError
from core.runtime import Runtime
from core.store import dialect_of, open_store


@cli.command()
def serve(
    config: ConfigFile = DEFAULT,
    worker: Annotated[
        bool, typer.Option("--worker/--no-worker", help="Also decide and deliver; else `vestnik worker` does, over PostgreSQL.")
    ] = True,
    dev: Annotated[bool, typer.Option("--dev", help="Start again whenever code or configuration changes.")] = False,
) -> None:
    """Listen for webhooks, and decide and deliver in the same process."""
    if dev:
        from core.cli.dev import run

        run(config, [] if worker else ["--no-worker"])
        return
    from core.app import create_app
    from core.edge import make_server

    found, hooks = loaded(config)
    log.set_up()
    demands.check(found, hooks)
    app = create_app(found, hooks, with_worker=worker, follow=True)
    warn(app.state.vestnik.warnings)
    if not worker and dialect_of(found.database.url) == "sqlite":
        warn(["--no-worker: nothing is decided or delivered, because one process at a time has an SQLite file"])
    server = make_server(app, found.server.host, found.server.port)
    logging.getLogger("uvicorn.error").addFilter(lambda _: app.state.vestnik.problem is None)  # it would print a traceback
    collector.rest()
    try:
        server.run()
    except SystemExit:
        at = f"{found.server.host}:{found.server.port}"
        mend = "end the other program that has the port, or name another one, and a host of this machine"
        raise app.state.vestnik.problem or ConfigError(f"{config} [server] host, port: cannot listen at {at}; {mend}") from None
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
    demands.check(config, hooks)
    warn(ways(config, hooks))
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
    plugin: Annotated[
        list[str] | None,
        typer.Option("--plugin", help="Also with this plugin, or with all in this folder; keys as in config.toml."),
    ] = None,
) -> None:
    """Show the main job: recorded webhooks over real HTTP, the messages as the client reads them, and why each silence was kept."""
    from core.cli.demo import run

    try:
        lost = asyncio.run(run(config, stay=not exit_, console=out, transport=channel, private=tuple(plugin or ())))
    except KeyboardInterrupt:
        lost = 0
    raise typer.Exit(1 if lost else 0)
