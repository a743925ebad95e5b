"""Commands whose reader goes away, and commands without standard streams: they end by themselves, and no traceback is seen."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.test_cli import DONE_WITHIN, PLAIN, ROOT, environment, until, up, vestnik, written

CLOSED = "import os, sys; [os.close(n) for n in {numbers}]; os.execv(sys.executable, [sys.executable, '-m', 'core', *sys.argv[1:]])"


def read(folder: Path, lines: int, *words: str) -> tuple[int, list[str], str]:
    """Run a command as `| head -N` does: so many lines are read, then the pipe is closed. Exit code, the lines, complaints."""
    environ = environment(TMPDIR=str(folder / "temporary"))
    (folder / "temporary").mkdir(exist_ok=True)
    with subprocess.Popen(
        [sys.executable, "-m", "core", *words],
        cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            there = [process.stdout.readline() for _ in range(lines)]
            process.stdout.close()
            complaints = process.stderr.read()
            return process.wait(DONE_WITHIN), there, complaints
        finally:
            process.kill()


@pytest.mark.parametrize("lines", [0, 5])
@pytest.mark.parametrize("words", [("demo", "--exit"), ("demo", "--exit", "--channel", "waha"), ("demo",)], ids=" ".join)
def test_the_demo_ends_with_its_reader(tmp_path: Path, words: tuple[str, ...], lines: int) -> None:
    """`vestnik demo | head -5` ends by itself, without a word of complaint, and leaves nothing behind."""
    code, there, complaints = read(tmp_path, lines, *words)
    assert (code, complaints) == (1, "")
    assert len([line for line in there if line]) == lines
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.parametrize("words", [("plugins",), ("plugins", "filter.stale"), ("stats",), ("schema",)], ids=" ".join)
def test_a_command_ends_with_its_reader(tmp_path: Path, words: tuple[str, ...]) -> None:
    """So does every other command; one that has nothing to say never notices."""
    written(tmp_path, (ROOT / "config.toml").read_text(encoding="utf-8"))
    code, _, complaints = read(tmp_path, 0, *words)
    assert (code, complaints) == (0 if words == ("stats",) else 1, "")


def test_what_a_plugin_prints_by_itself(tmp_path: Path) -> None:
    """A command that a plugin adds prints as it likes: what stands in Python's buffer at its end counts, too."""
    file = tmp_path / "mine" / "record" / "greet.py"
    file.parent.mkdir(parents=True)
    file.write_text(
        "from core import hookimpl\n@hookimpl\nasync def record(outcome):\n    pass\n"
        "@hookimpl\ndef commands(cli):\n    @cli.command()\n    def greet():\n        print('hello')\n",
        encoding="utf-8",
    )
    written(tmp_path, PLAIN + '[plugins]\npath = ["mine"]\n[record.greet]\n')
    assert read(tmp_path, 0, "greet") == (1, [], "")
    assert vestnik(tmp_path, "greet")[:2] == (0, "hello\n")


@pytest.mark.parametrize("closed", [(1,), (0, 1, 2)])
def test_a_server_without_standard_streams(tmp_path: Path, closed: tuple[int, ...]) -> None:
    """`vestnik serve >&-` serves, sends, and stops when it is told to: no file of its own has the number of a stream."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    written(tmp_path, PLAIN.replace("[server]", f"[server]\nport = {port}"))
    command = [sys.executable, "-c", CLOSED.format(numbers=closed), "serve"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment(), stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            until(lambda: up(http) or process.poll() is not None)
            flat = {"phone": "+79000000088", "eventType": "record.created", "service": "Бритьё", "datetime": "2030-01-01 12:00"}
            said = http.post("/webhook/yclients/test", json=flat, headers={"authorization": "Bearer operators-token"}).json()
        process.send_signal(signal.SIGTERM)
        assert process.wait(DONE_WITHIN) in (0, -signal.SIGTERM)
    finally:
        process.kill()
    assert said["status"] == "sent", said
