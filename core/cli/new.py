"""`vestnik new`: write a plugin that works, and its test, from the templates in core/templates. Nothing is ever overwritten."""

from __future__ import annotations

import keyword
import os
import re
import shutil
import sys
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from core.contract import config_class_of
from core.discovery import built_in, import_file
from core.errors import VestnikError
from core.keys import table


def write(stage: str, name: str, into: Path) -> list[Path]:
    """The files of a new plugin, the plugin first. Raises `VestnikError` for a name that is none, and where a file is there already."""
    _check_name(stage, name)
    if into.exists() and not into.is_dir():
        raise VestnikError(f"--into {into}: that is a file; name a folder, such as private")
    template = files("core") / "templates" / stage
    targets = {
        into / stage / f"{name}.py": template / "plugin.py.tmpl",
        into / "tests" / f"test_{stage}_{name}.py": template / "test.py.tmpl",
    }
    bodies = template / "bodies"
    if bodies.is_dir():
        targets |= {into / "tests" / "bodies" / f"{stage}_{name}" / body.name: body for body in _sorted(bodies)}
    for target in targets:
        if target.exists():
            raise VestnikError(f"{target}: is there already and is not overwritten; choose another name, or take it away first")
    for target, source in targets.items():
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(source.read_text(encoding="utf-8").replace("{{name}}", name), encoding="utf-8")
        except OSError as error:
            raise VestnikError(f"{target}: cannot be written ({error.strerror}); name another folder with --into") from None
    return list(targets)


def _sorted(folder: Traversable) -> list[Traversable]:
    return sorted(folder.iterdir(), key=lambda file: file.name)


def _check_name(stage: str, name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        better = re.sub(r"\W+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name), flags=re.ASCII).strip("_").lower()
        fits = re.fullmatch(r"[a-z][a-z0-9_]*", better) and not keyword.iskeyword(better)
        raise VestnikError(
            f"{name}: is no name for a plugin: small Latin letters, digits and _, a letter first"
            + (f"; write {better}" if fits else "; choose one such as my_rule")
        )
    if name in built_in(stage):
        raise VestnikError(f"{name}: a plugin of this name is built in ([{stage}.{name}]); choose another, such as my_{name}")


def next_steps(stage: str, name: str, written: list[Path], into: Path, config: Path) -> str:
    """What to do with it, as lines for a terminal."""
    plugin, test = written[:2]
    config_class = config_class_of(stage, name, import_file(plugin, f"vestnik_private.{stage}.{name}", str(plugin)))
    kit = "" if _has_pytest() else f'        {_typed("pip")} install "vestnik[test]"\n'
    return "\n".join(
        [
            f"{plugin} is written, and its test.",
            "",
            "  See it work:",
            f"        {_typed('vestnik')} demo --exit --plugin {plugin}",
            "  Test it:",
            f"{kit}        {_typed('pytest')} {test}",
            f"  Switch it on, in {config}:",
            *(f"        {line}".rstrip() for line in table(stage, name, config_class, _seen_from(config, into))),
            "",
            "  Then change it. How plugins are written: docs/plugins.md.",
        ]
    )


def _seen_from(config: Path, into: Path) -> str:
    """The folder as `[plugins] path` of that file names it."""
    near = into.is_absolute() or config.parent in (Path(), Path.cwd())
    return into.as_posix() if near else Path(os.path.relpath(into, config.parent)).as_posix()


def _typed(command: str) -> str:
    """How it is called from here: by its name where the venv is active, else by its path."""
    beside, found = Path(sys.executable).parent, shutil.which(command)
    if found and Path(found).parent == beside:
        return command
    return str((beside.relative_to(Path.cwd()) if beside.is_relative_to(Path.cwd()) else beside) / command)


def _has_pytest() -> bool:
    from importlib.util import find_spec

    return find_spec("pytest") is not None and find_spec("hypothesis") is not None
