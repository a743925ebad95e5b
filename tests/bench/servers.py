"""The processes of a run: started here, ended by their pid, and what they have used."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.bench import settings

ROOT = Path(__file__).resolve().parents[2]
CONNECTIONS = 64
_TICK = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


class Process:
    """One child. It is up when it listens on `port`, or, where it has none, when it has said `word`."""

    def __init__(self, command: Sequence[str], port: int, log: Path, word: str = "") -> None:
        self.port = port
        log.touch()
        begun = log.stat().st_size
        with log.open("ab") as out:
            self.child = subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, stdout=out, stderr=out)
        up: Callable[[], bool] = self._listens if port else lambda: word.encode() in log.read_bytes()[begun:]
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if up():
                return
            if self.child.poll() is not None:
                break
            time.sleep(0.05)
        self.stop()
        raise SystemExit(f"{command[0]} did not start:\n{log.read_text(errors='replace')[-3000:]}")

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.2):
            return True
        return False

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

    def cpu(self) -> float:
        """Seconds, user and system, of all its threads."""
        return sum(_used(self.child.pid)[:2])


def cpu_of_family(pid: int) -> float:
    """Seconds of a process, of its children, and of those of them that have ended."""
    own = sum(_used(pid))
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(sum(_used(int(child))[:2]) for child in children)


def _used(pid: int) -> tuple[float, ...]:
    """User, system, and both of the children that have ended; seconds."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return (0.0,) * 4
    return tuple(int(field) / _TICK for field in fields[11:15])


@contextlib.contextmanager
def running(command: Sequence[str], port: int, log: Path, word: str = "") -> Iterator[Process]:
    process = Process(command, port, log, word)
    try:
        yield process
    finally:
        process.stop()


@contextlib.contextmanager
def vestnik(folder: Path, url: str, gateway: int, *options: str, **changes: Any) -> Iterator[Process]:
    """`vestnik serve` with the bench's settings."""
    path, port = _written(folder, url, gateway, **changes)
    with running(["core", "serve", "--config", str(path), *options], port, folder / "server.log") as process:
        yield process


@contextlib.contextmanager
def worker(folder: Path, url: str, gateway: int, **changes: Any) -> Iterator[Process]:
    """`vestnik worker`: a further node of the same database."""
    path, _ = _written(folder, url, gateway, **changes)
    with running(["core", "worker", "--config", str(path)], 0, folder / "worker.log", "the worker runs") as process:
        yield process


@contextlib.contextmanager
def forgetful(folder: Path, gateway: int) -> Iterator[Process]:
    """Our own server and endpoint, with a store that keeps nothing."""
    path, port = _written(folder, f"sqlite:///{folder / 'forgetful.db'}", gateway)
    with running(["tests.bench.forgetful", str(path)], port, folder / "forgetful.log") as process:
        yield process


def _written(folder: Path, url: str, gateway: int, **changes: Any) -> tuple[Path, int]:
    port = free_port()
    path = folder / f"config-{port}.toml"
    path.write_text(settings.shipped(port, url, gateway, **changes), encoding="utf-8")
    return path, port


def load(
    port: int, path: str, first: int, *, warm: float = 0, seconds: float = 30, count: int = 0, rate: float = 0
) -> dict[str, Any]:
    """Run the load generator; what it printed."""
    given = (port, path, first, CONNECTIONS, warm, seconds, count, rate)
    command = [sys.executable, "-m", "tests.bench.load", *map(str, given)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds + 60, check=False)
    if done.returncode:
        raise SystemExit(f"the load generator broke:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found
