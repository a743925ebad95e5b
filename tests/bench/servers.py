"""The processes of a run: started here, ended by their pid."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

ROOT = Path(__file__).resolve().parents[2]
LISTS_EVERYBODY = "only_phones"  # the one rule that stays off: it would have to list every client of the run


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


class Process:
    """One child, listening on `port`."""

    def __init__(self, command: Sequence[str], port: int, log: Path) -> None:
        self.port, self._log = port, log
        with log.open("ab") as out:
            self.child = subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, stdout=out, stderr=out)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
                return
            if self.child.poll() is not None:
                break
            time.sleep(0.05)
        self.stop()
        raise SystemExit(f"{command[0]} did not start:\n{log.read_text(errors='replace')[-3000:]}")

    def stop(self) -> None:
        self.child.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.child.wait(12)
            return
        self.child.kill()
        self.child.wait(5)

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return json.load(answer)

    def memory(self, field: str = "VmRSS") -> float:
        """MB; "VmHWM" is the most it ever was."""
        lines = Path(f"/proc/{self.child.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field + ":"))


@contextlib.contextmanager
def running(command: Sequence[str], port: int, log: Path) -> Iterator[Process]:
    process = Process(command, port, log)
    try:
        yield process
    finally:
        process.stop()


@contextlib.contextmanager
def vestnik(folder: Path, url: str, gateway: int, *options: str, settle: bool = False) -> Iterator[Process]:
    """`vestnik serve` with the shipped config.toml, every rule on, Green-API at our gateway instead of the terminal."""
    port = free_port()
    path = folder / f"config-{port}.toml"
    path.write_text(_settings(port, url, gateway, settle), encoding="utf-8")
    with running(["core", "serve", "--config", str(path), *options], port, folder / "server.log") as process:
        yield process


def load(
    port: int, path: str, first: int, *, connections: int = 64, seconds: float = 30, count: int = 0, rate: float = 0
) -> dict[str, Any]:
    """Run the load generator; what it printed."""
    command = [
        sys.executable,
        "-m",
        "tests.bench.load",
        str(port),
        path,
        str(first),
        str(connections),
        str(seconds),
        str(count),
        str(rate),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds + 60, check=False)
    if done.returncode:
        raise SystemExit(f"the load generator broke:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _settings(port: int, url: str, gateway: int, settle: bool) -> str:
    found = tomllib.loads((ROOT / "config.toml").read_text(encoding="utf-8"))
    found["server"] |= {"port": port, "token": "operators-token"}
    found["database"]["url"] = url
    for name, table in found["filter"].items():
        table["enabled"] = name != LISTS_EVERYBODY and (name != "settle" or settle)
    now = datetime.now(ZoneInfo("Europe/Moscow"))
    quiet = {"from": f"{now + timedelta(hours=6):%H:%M}", "to": f"{now + timedelta(hours=7):%H:%M}"}  # on, and not now
    found["filter"]["quiet_hours"] |= quiet
    found["send"]["console"]["enabled"] = False
    ours = {"enabled": True, "module": "tests.bench.transport", "base_url": f"http://127.0.0.1:{gateway}", "token": "t"}
    found["send"]["green_api"] |= ours
    return "".join(_table(name, table) for name, table in found.items())


def _table(name: str, table: dict[str, Any]) -> str:
    own = {key: value for key, value in table.items() if not isinstance(value, dict) or "env" in value}
    below = {key: value for key, value in table.items() if key not in own}
    lines = "".join(f"{key} = {_value(value)}\n" for key, value in own.items())
    return f"[{name}]\n{lines}\n" + "".join(_table(f"{name}.{key}", value) for key, value in below.items())


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(entry)}" for key, entry in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)
