"""`vestnik serve --dev`: the server as a process of its own, stopped and started again whenever its code or its configuration changes.

Files are looked at, not listened to: that works on every file system, and some hundred of them cost two milliseconds.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import typer

from core import config as configuration
from core import discovery
from core.config import STAGES, Configuration
from core.errors import VestnikError

_EVERY = 0.5  # seconds between looks
_STOP_WITHIN = 20.0  # seconds for requests under way
_KINDS = {".py", ".toml", ".html", ".css", ".sql", ".json"}
_CORE = Path(__file__).parents[1]

Stamps = Mapping[Path, tuple[int, int]]


def run(path: Path, options: Sequence[str]) -> None:
    """Serve until SIGINT or SIGTERM. A server that cannot start says why, and is tried again after the next change."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    server, seen, told = _start(path, options), stamps(path), False
    try:
        while not ended.wait(_EVERY):
            if server.poll() is not None and not told:
                told = _say("the server has ended; it starts again after the next change")
            now = stamps(path)
            if now == seen:
                continue
            while not ended.wait(_EVERY) and (later := stamps(path)) != now:  # more is being saved
                now = later
            _say(f"{_changed(seen, now)} changed; starting again")
            _stop(server)
            server, seen, told = _start(path, options), now, False
    finally:
        _stop(server)


def stamps(path: Path) -> Stamps:
    """When each file that counts was changed, and how long it is."""
    found = {}
    for file in _files(path):
        try:
            state = file.stat()
        except OSError:
            continue
        found[file] = (state.st_mtime_ns, state.st_size)
    return found


def _files(path: Path) -> Iterator[Path]:
    yield path
    for folder in _folders(path):
        yield from (file for file in folder.rglob("*") if file.suffix in _KINDS) if folder.is_dir() else [folder]


def _folders(path: Path) -> list[Path]:
    """Core, the built-in plugins, and whatever else the configuration names, as far as it can be read."""
    packages = [discovery.BUILT_IN, *(entry.value for entry in discovery.installed())]
    found = [_CORE]
    try:
        config = configuration.load(path)
    except VestnikError:
        pass
    else:
        found += [config.folder / entry for entry in config.plugins.path]
        packages += _modules(config)
    for name in {package.partition(".")[0].partition(":")[0] for package in packages}:
        spec = importlib.util.find_spec(name)  # of the package alone: nothing is imported
        if spec is not None:
            found += [Path(place) for place in spec.submodule_search_locations or filter(None, [spec.origin])]
    return found


def _modules(config: Configuration) -> list[str]:
    tables = [config.tables, *config.overrides.values()]
    return [
        str(table["module"])
        for stages in tables
        for stage in STAGES
        for table in stages.get(stage, {}).values()
        if "module" in table
    ]


def _changed(before: Stamps, now: Stamps) -> str:
    names = sorted({file.name for file in {*before, *now} if before.get(file) != now.get(file)})
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _start(path: Path, options: Sequence[str]) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-P", "-m", "core", "serve", "--config", str(path), *options]
    return subprocess.Popen(words, env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))})  # noqa: S603


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(_STOP_WITHIN)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _say(sentence: str) -> bool:
    typer.secho(f"dev: {sentence}", fg="cyan", err=True)
    return True
