"""`vestnik serve --dev`: a changed plugin answers anew without anybody stopping anything."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.cli import dev
from tests.core.test_hooks import RULE, Bench
from tests.test_cli import PLAIN, environment, until
from tests.test_delivery import free_port


class Dev:
    """The command in a folder of its own, and what it says."""

    def __init__(self, folder: Path) -> None:
        self.bench, self.port, self.log = Bench(folder), free_port(), folder / "dev.log"

    def write(self, addition: str = "") -> None:
        text = PLAIN.replace("[server]", f"[server]\nport = {self.port}")
        self.bench.file.write_text(f'{text}\n[plugins]\npath = ["mine"]\n[filter.vip]\n{addition}', encoding="utf-8")

    def says(self, words: str) -> bool:
        return words in self.log.read_text(encoding="utf-8")

    def reason(self) -> Any:
        """Why a test booking is told nothing; `None` while nobody answers."""
        try:
            answer = httpx.post(
                f"http://127.0.0.1:{self.port}/webhook/yclients/test",
                json={"phone": "+79000000088"}, headers={"authorization": "Bearer operators-token"}, trust_env=False, timeout=20,
            )  # fmt: skip
        except httpx.TransportError:
            return None
        return answer.json()["reason"]


def test_a_changed_plugin_answers_anew(tmp_path: Path) -> None:
    """Code, then a broken file with its sentence, then a mended one, then the configuration; the end is clean."""
    server = Dev(tmp_path)
    server.bench.plugin("filter.vip", RULE.replace("'no'", "'first'"))
    server.write()
    with server.log.open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "core", "serve", "--dev"], cwd=tmp_path, env=environment(), stdout=log, stderr=log
        )
    try:
        until(lambda: server.reason() == "vip: first")
        server.bench.plugin("filter.vip", RULE.replace("'no'", "'second'"))
        until(lambda: server.reason() == "vip: second")
        file = server.bench.plugin("filter.vip", RULE + "oops\n")
        until(lambda: server.says("dev: the server has ended; it starts again after the next change"))
        assert server.says(f"config.toml [filter.vip]: {file} line 5: NameError: name 'oops' is not defined\n")
        assert not server.says("Traceback")
        assert server.reason() is None
        server.bench.plugin("filter.vip", RULE.replace("'no'", "'third'"))
        until(lambda: server.reason() == "vip: third")
        server.port = free_port()
        server.write()
        until(lambda: server.reason() == "vip: third")
        assert server.says("dev: config.toml changed; starting again")
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(30)
    assert (code, server.reason()) == (0, None)


def test_what_is_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Core, the built-in plugins, the private folders, packages that are named, and the configuration; not what lies beside it."""
    bench = Bench(tmp_path)
    rule = bench.plugin("filter.vip", RULE)
    package = tmp_path / "elsewhere" / "salon_rules"
    package.mkdir(parents=True)
    for name in ("__init__", "guest"):
        (package / f"{name}.py").write_text("1 / 0\n", encoding="utf-8")  # it is not imported
    beside = tmp_path / "notes.py"
    beside.write_text("", encoding="utf-8")
    monkeypatch.syspath_prepend(str(package.parent))
    bench.file.write_text('[plugins]\npath = ["mine"]\n[filter.guest]\nmodule = "salon_rules.guest"\n', encoding="utf-8")
    found = set(dev.stamps(bench.file))
    root = Path(dev.__file__).parents[2]
    assert {bench.file, rule, package / "guest.py", root / "core" / "app.py", root / "plugins" / "filter" / "stale.py"} <= found
    assert beside not in found
    bench.file.write_text("[filter\n", encoding="utf-8")  # what cannot be read is watched all the same
    assert {bench.file, root / "core" / "app.py"} <= set(dev.stamps(bench.file))


def test_a_look_is_cheap(tmp_path: Path) -> None:
    """A file that is saved twice as the same thing, or touched, counts; one that is read does not."""
    file = Bench(tmp_path).plugin("filter.vip", RULE)
    config = tmp_path / "config.toml"
    config.write_text('[plugins]\npath = ["mine"]\n', encoding="utf-8")
    before = dev.stamps(config)
    file.read_text(encoding="utf-8")
    assert dev.stamps(config) == before
    os.utime(file, (1, 1))
    assert dev.stamps(config) != before
