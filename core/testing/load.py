"""Import a plugin from its file, as Vestnik does."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from core.config import STAGES, near
from core.discovery import import_file
from core.errors import PluginError


def load(file: str | Path) -> ModuleType:
    """The module in STAGE/NAME.py.

    Raises `PluginError` (from `core.testing`) where there is none, or where it breaks while it is imported.
    """
    path = Path(file).resolve()
    if not path.is_file():
        there = [found.stem for found in path.parent.glob("[!_]*.py")]
        raise PluginError(f"{path}: there is no such file{near(path.stem, there)}")
    if path.parent.name not in STAGES:
        raise PluginError(f"{path}: a plugin lies in the folder of its stage, such as filter/{path.name}; move it there")
    return import_file(path, f"vestnik_private.{path.parent.name}.{path.stem}", str(path))
