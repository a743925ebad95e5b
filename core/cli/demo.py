"""`vestnik demo`: the main job on the embedded default. A real server on loopback, SQLite, the console transport, real HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import importlib
import socket
import tempfile
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import uvicorn
from rich.console import Console

from core import config as configuration
from core import discovery
from core import hooks as plugin_hooks
from core.app import Vestnik, create_app
from core.cli.demo_plugins import asked, gateways, guests, routed, switch_on
from core.cli.demo_sources import examples, salons, unproven
from core.edge import make_server
from core.errors import VestnikError
from core.model import Example
from core.runtime import utc_now

_SALON = {"name": "Барбершоп", "address": "Малаховка, Южная улица, 38", "phone": "+74950000000", "timezone": "Europe/Moscow"}
_PHONE = "+79000000088"  # of the recorded client
_SETTLE = "settle"  # the one delay that ends while one looks
_WAIT = 0.05
_PATIENCE = 15.0  # seconds for one example
_REPORTED = 5.0  # seconds until what the gateway reports has come in


# Where no config.toml lies, or one without any source (a plugin's own table, say): what the shipped one has on.
_SHIPPED: dict[str, Any] = {
    "source": {"yclients": {}},
    "filter": {
        name: {}
        for name in [
            "same_event",
            "stale",
            "unchanged",
            "own_comment",
            "recent_chat",
            "past_visit",
            "settle",
            "skip_staff",
            "opt_out",
        ]
    },
    "render": {"booking": {}, "discount": {}},
}


def demo_tables(base: Path, folder: Path, port: int, transport: dict[str, dict[str, Any]] | None = None) -> dict[str, Any]:
    """The file, with a database of its own, one salon, and a `settle` nobody has to wait for."""
    named = base.is_file() or base != Path("config.toml")  # the usual one may be missing, in the folder of a plugin's author
    raw = configuration.read(base) if named else {}
    if "source" not in raw:
        raw |= {stage: {**copy.deepcopy(tables), **raw.get(stage, {})} for stage, tables in _SHIPPED.items()}
    raw["server"] = {"host": "127.0.0.1", "port": port}
    raw["database"] = {"url": f"sqlite:///{folder / 'demo.db'}"}
    raw.setdefault("filter", {}).setdefault("settle", {})["wait"] = "100ms"
    raw["source"] = {name: unproven(table) for name, table in raw.get("source", {}).items()}
    raw["send"] = transport or {"console": {}}
    if transport:
        raw["route"] = {"channels": list(discovery.channels())}
        raw["filter"].setdefault("recent_chat", {})["enabled"] = False  # the demo's client has just said hello
    raw["salon"] = {"962302": _SALON}
    return raw


async def run(base: Path, *, stay: bool, console: Console, transport: str | None = None, private: tuple[str, ...] = ()) -> int:
    """Post the examples of every source, one after another, and tell what became of each. Returns the number that got no answer.

    `transport`: not over the console, but over this transport, to a stand-in of its messaging API on loopback. `private`: paths of
    private plugins; a source whose file is named shows its own examples alone.
    """
    invited = guests(private)
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vestnik-demo-")))
        listening = stack.enter_context(_listening(8080))
        port = listening.getsockname()[1]
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False))
        table: dict[str, Any] = {}
        stand_in: Any = None
        if transport is not None:
            stand_in, table = await _stand_in(transport, port, http, stack)
        raw = demo_tables(base, folder, port, {transport: table} if transport else None)
        switch_on(raw, invited, base)
        beside = {} if transport else gateways(raw, invited, base, stack.enter_context(contextlib.ExitStack()), console)
        hooks = plugin_hooks.load(configuration.build(raw, base, {}))
        only = {guest.name for guest in invited if guest.alone and guest.stage == "source"}
        shown = examples(hooks, only, utc_now())
        raw["salon"] |= {str(number): {**_SALON} for number in salons(hooks, shown, utc_now())}
        config = configuration.build(raw, base, {})
        app = create_app(routed(raw, base, hooks) if beside else config, hooks)
        vestnik: Vestnik = app.state.vestnik
        server = make_server(app, "127.0.0.1", port)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        stack.push_async_callback(_stopped, server, serving)  # whatever ends it: a reader who has gone ends it as well
        while not server.started:
            if serving.done():
                await serving
            await asyncio.sleep(_WAIT)
        if stand_in is not None:
            await _acquainted(vestnik, stand_in, transport or "")
        ends = _reports(hooks, transport, stand_in)
        lost, seen = 0, dict[str, int]()
        for plugin, example in shown:
            lost += not await _show(vestnik, http, plugin.short, example, console, ends)
            asked(beside, seen, console)
        if stay:
            console.print(
                f"\nThe server stays up for a look: [bold]http://127.0.0.1:{port}[/] (token: {vestnik.token}). Ctrl-C ends it."
            )
            with contextlib.suppress(asyncio.CancelledError):
                await serving
        return lost


async def _stopped(server: uvicorn.Server, serving: asyncio.Task[None]) -> None:
    """End the server as one that is told to: the store is closed, the plugins are shut down. Never raises."""
    server.should_exit = True
    await asyncio.wait([serving])


async def _stand_in(name: str, port: int, http: httpx.AsyncClient, stack: contextlib.AsyncExitStack) -> tuple[Any, dict[str, Any]]:
    """A runnable stand-in for the messaging API of a transport, and the table that speaks to it."""
    stand_ins: Any = importlib.import_module("stand_ins")
    if name not in stand_ins.ALL:
        raise VestnikError(f"--channel {name}: there is no stand-in for it{configuration.near(name, stand_ins.ALL)}")
    found = stand_ins.ALL[name](f"http://127.0.0.1:{port}/callback/{name}", http)
    return found, found.settings(await stack.enter_async_context(stand_ins.serving(found)))


async def _acquainted(vestnik: Vestnik, stand_in: Any, transport: str) -> None:
    """The client binds the bot, or opens the 24 hours, where a channel asks for it."""
    plugin = vestnik.hooks.get("send", transport)
    if plugin is None or "callback" not in plugin.calls:
        return
    if plugin_hooks.facts(plugin).needs_binding:
        await stand_in.write(_PHONE, contact=True)
    else:
        await stand_in.write(_PHONE, "Здравствуйте")
    await asyncio.sleep(4 * _WAIT)


def _reports(hooks: plugin_hooks.Hooks, transport: str | None, stand_in: Any) -> str:
    """The last that a stand-in reports of a message: until then it is not told, lest "sent" and "delivered" be a matter of luck."""
    plugin = hooks.get("send", transport or "")
    if plugin is None or not plugin_hooks.facts(plugin).reports_delivery or "callback" not in plugin.calls:
        return "sent"
    return str(stand_in.reports[-1])


async def _show(
    vestnik: Vestnik, http: httpx.AsyncClient, source: str, example: Example, console: Console, ends: str = "sent"
) -> bool:
    console.print(f"\n[bold cyan]▶ {example.title}[/]")
    answered = await http.post(f"/webhook/{source}", content=example.body, headers={"content-type": "application/json"})
    if answered.status_code != 200:
        console.print(f"  /webhook/{source} answered {answered.status_code}: {answered.text}", markup=False)
        return False
    event = answered.json().get("eventId")
    waited = 0.0
    while waited < _PATIENCE:
        story = (await vestnik.run.store.look.story(event))[0]
        if _is_over(story) and (waited > _REPORTED or _is_reported(story, ends)):
            _tell(story, console)
            return True
        await asyncio.sleep(_WAIT)
        waited += _WAIT
    console.print("  no answer in time")
    return False


def _is_over(story: dict[str, Any]) -> bool:
    if story["repeats"] and not any(line["stage"] == "receive" for line in story["journal"]):
        return False
    if story["status"] == "deferred" and story["rule"] != _SETTLE:
        return True
    decided = story["status"] not in ("received", "deferred")
    return decided and all(message["status"] not in ("pending", "sending") for message in story["notifications"])


def _is_reported(story: dict[str, Any], ends: str) -> bool:
    """Nothing more is heard of its message, if it has one."""
    sent = [message["status"] for message in story["notifications"]]
    return bool(story["repeats"]) or not sent or sent[-1] in (ends, "failed") or (ends == "sent" and sent[-1] != "pending")


def _tell(story: dict[str, Any], console: Console) -> None:
    if story["repeats"]:
        line = [line for line in story["journal"] if line["stage"] == "receive"][-1]
        console.print(f"  [yellow]silent[/]: rule [bold]{line['plugin']}[/]: {line['reason']}")
    elif story["status"] == "deferred":
        until = story["due_at"].astimezone(ZoneInfo(_SALON["timezone"]))
        console.print(f"  [yellow]later[/]: rule [bold]{story['rule'] or 'core'}[/]: {story['reason']}, until {until:%d.%m %H:%M}")
    elif story["notifications"]:
        last = story["notifications"][-1]
        console.print(f"  [green]{last['status']}[/] over {last['transport']}: {last['notification_type']}")
        if last["transport"] != "console":
            console.print(last["message"], markup=False)
    else:
        console.print(f"  [yellow]silent[/]: rule [bold]{story['rule'] or 'core'}[/]: {story['reason']}")


def _listening(wanted: int) -> socket.socket:
    """A socket on this port, or on any; held from now on, because two demos may begin at once."""
    try:
        return socket.create_server(("127.0.0.1", wanted))
    except OSError:
        return socket.create_server(("127.0.0.1", 0))
