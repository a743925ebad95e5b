"""`vestnik demo`: the main job on the embedded default. A real server on loopback, SQLite, the console transport, real HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import tempfile
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from core import config as configuration
from core import hooks as plugin_hooks
from core.app import Vestnik, create_app
from core.config import Configuration
from core.edge import make_server
from core.model import Example

_SALON = {"name": "Барбершоп", "address": "Малаховка, Южная улица, 38", "phone": "+74950000000", "timezone": "Europe/Moscow"}
_WAIT = 0.05
_PATIENCE = 15.0  # seconds for one example


def demo_config(base: Path, folder: Path, port: int, plugins: tuple[str, ...] = ()) -> Configuration:
    """The shipped file, with a database of its own, one salon, and a `settle` nobody has to wait for."""
    import tomllib

    raw: dict[str, Any] = tomllib.loads(base.read_text(encoding="utf-8"))
    raw["server"] = {"host": "127.0.0.1", "port": port}
    raw["database"] = {"url": f"sqlite:///{folder / 'demo.db'}"}
    raw.setdefault("filter", {}).setdefault("settle", {})["wait"] = "100ms"
    raw.setdefault("send", {})["console"] = {}
    raw["salon"] = {"962302": _SALON}
    if plugins:
        raw["plugins"] = {"path": list(plugins)}
    return configuration.build(raw, base, {})


async def run(base: Path, *, stay: bool, console: Console) -> int:
    """Post the examples of every source, one after another, and tell what became of each. Returns the number that got no answer."""
    with tempfile.TemporaryDirectory(prefix="vestnik-demo-") as folder:
        port = _free_port(8080)
        config = demo_config(base, Path(folder), port)
        app = create_app(config, plugin_hooks.load(config))
        server = make_server(app, "127.0.0.1", port)
        serving = asyncio.create_task(server.serve())
        while not server.started:
            if serving.done():
                await serving
            await asyncio.sleep(_WAIT)
        vestnik: Vestnik = app.state.vestnik
        lost = 0
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            for plugin in vestnik.hooks.stage("source"):
                if "examples" in plugin.calls:
                    for example in vestnik.hooks.ask("examples", plugin, now=vestnik.now()):
                        lost += not await _show(vestnik, http, plugin.short, example, console)
        if stay:
            console.print(
                f"\nThe server stays up for a look: [bold]http://127.0.0.1:{port}[/] (token: {vestnik.token}). Ctrl-C ends it."
            )
            with contextlib.suppress(asyncio.CancelledError):
                await serving
        server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await serving
        return lost


async def _show(vestnik: Vestnik, http: httpx.AsyncClient, source: str, example: Example, console: Console) -> bool:
    console.print(f"\n[bold cyan]▶ {example.title}[/]")
    answered = await http.post(f"/webhook/{source}", content=example.body, headers={"content-type": "application/json"})
    event = answered.json().get("eventId")
    waited = 0.0
    while waited < _PATIENCE:
        story = (await vestnik.run.store.look.story(event))[0]
        if _is_over(story):
            _tell(story, console)
            return True
        await asyncio.sleep(_WAIT)
        waited += _WAIT
    console.print("  no answer in time")
    return False


def _is_over(story: dict[str, Any]) -> bool:
    if story["repeats"] and not any(line["stage"] == "receive" for line in story["journal"]):
        return False
    decided = story["status"] not in ("received", "deferred")
    return decided and all(message["status"] not in ("pending", "sending") for message in story["notifications"])


def _tell(story: dict[str, Any], console: Console) -> None:
    if story["repeats"]:
        line = [line for line in story["journal"] if line["stage"] == "receive"][-1]
        console.print(f"  [yellow]silent[/]: rule [bold]{line['plugin']}[/]: {line['reason']}")
    elif story["notifications"]:
        last = story["notifications"][-1]
        console.print(f"  [green]{last['status']}[/] over {last['transport']}: {last['notification_type']}")
    else:
        console.print(f"  [yellow]silent[/]: rule [bold]{story['rule'] or 'core'}[/]: {story['reason']}")


def _free_port(wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    return wanted
