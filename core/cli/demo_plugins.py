"""Private plugins in `vestnik demo --plugin PATH`: which they are, and a gateway for transports, so that nothing leaves the machine."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from msgspec import Struct
from rich.console import Console

from core import config as configuration
from core.cli.demo_sources import unproven
from core.config import STAGES, Configuration
from core.errors import VestnikError
from core.hooks import Hooks
from core.testing.gateway import Gateway, a_gateway
from core.testing.load import load


class Guest(Struct, frozen=True):
    """One private plugin. `alone`: its own file was named, not only its folder."""

    file: Path
    alone: bool

    @property
    def stage(self) -> str:
        return self.file.parent.name

    @property
    def name(self) -> str:
        return self.file.stem

    @property
    def folder(self) -> Path:
        return self.file.parent.parent


def guests(paths: tuple[str, ...]) -> list[Guest]:
    """The plugins behind these paths: a file STAGE/NAME.py, or a folder of such. Raises `VestnikError` where there are none."""
    found: list[Guest] = []
    for entry in paths:
        path = Path(entry).resolve()
        if path.is_dir():
            there = [Guest(file, alone=False) for stage in STAGES for file in sorted((path / stage).glob("[!_]*.py"))]
            if not there:
                raise VestnikError(
                    f"--plugin {entry}: there is no plugin in this folder; one lies in STAGE/NAME.py, and "
                    f"`vestnik new filter NAME --into {entry}` writes one"
                )
            found += there
        elif not path.is_file():
            raise VestnikError(f"--plugin {entry}: there is no such file or folder; `vestnik new filter NAME` writes a plugin")
        elif path.parent.name not in STAGES:
            raise VestnikError(
                f"--plugin {entry}: a plugin lies in the folder of its stage, such as filter/{path.name}; move it there"
            )
        else:
            found.append(Guest(path, alone=True))
    return found


def switch_on(raw: dict[str, Any], invited: list[Guest], base: Path) -> None:
    """Add them to the configuration of the demo, with the keys of their tables where the file has them."""
    if invited:
        known = [(base.resolve().parent / entry).resolve() for entry in raw.get("plugins", {}).get("path", ())]
        raw["plugins"] = {"path": list(dict.fromkeys(map(str, [*known, *(guest.folder for guest in invited)])))}
    for guest in invited:
        if guest.stage != "send":
            raw.setdefault(guest.stage, {}).setdefault(guest.name, {})["enabled"] = True


def gateways(
    raw: dict[str, Any], invited: list[Guest], base: Path, stack: contextlib.ExitStack, console: Console
) -> dict[str, Gateway]:
    """Private transports take the console's place, each before a gateway on loopback that accepts every message."""
    tables = configuration.read(base).get("send", {}) if base.is_file() else {}
    found: dict[str, Gateway] = {}
    for guest in invited:
        if guest.stage != "send":
            continue
        config = getattr(load(guest.file), "Config", None)
        if config is None or "base_url" not in config.__struct_fields__:
            console.print(
                f"[yellow]{guest.name}[/] has no key base_url that could lead it to a gateway on this machine: it stays off here"
            )
            continue
        found[guest.name] = stack.enter_context(a_gateway(*_accepts(guest)))
    if found:
        raw["send"] = {
            name: {**unproven(tables.get(name, {})), "enabled": True, "base_url": gateway.url} for name, gateway in found.items()
        }
    return found


def _accepts(guest: Guest) -> tuple[bytes, int]:
    """What its gateway answers to a message that it takes: the recorded body beside its test, where there is one."""
    folder = guest.folder / "tests" / "bodies" / f"send_{guest.name}"
    with contextlib.suppress(OSError, ValueError, KeyError):
        entries = json.loads((folder / "_manifest.json").read_text(encoding="utf-8"))["files"]
        name, entry = next((name, entry) for name, entry in entries.items() if entry.get("outcome") == "accepted")
        return (folder / name).read_bytes(), entry.get("http_status", 200)
    return b'{"id": "demo-1"}', 200


def routed(raw: dict[str, Any], base: Path, hooks: Hooks) -> Configuration:
    """The configuration, with a route over whatever channels the transports carry."""
    raw["route"] = {"channels": list(dict.fromkeys(hooks.facts(plugin).name for plugin in hooks.stage("send")))}
    return configuration.build(raw, base, {})


def asked(found: dict[str, Gateway], seen: dict[str, int], console: Console) -> None:
    """What the gateways were asked since the last time."""
    for name, gateway in found.items():
        for request in gateway.asked[seen.get(name, 0) :]:
            console.print(f"  [bold]{name}[/] asked its gateway: {request.method} {request.path}")
            console.print(f"    {request.body.decode(errors='replace')}", markup=False)
        seen[name] = len(gateway.asked)
