"""Where a plugin's module comes from: its table's `module`, a private folder, an installed package, or the built-in folders.

Only what is switched on is imported. `core` names no plugin: the built-in folder `plugins/` is found like any other.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import sys
import traceback
from functools import lru_cache
from importlib.machinery import SourceFileLoader
from importlib.metadata import EntryPoints, entry_points
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from core.config import STAGES, Configuration, near
from core.errors import PluginError

BUILT_IN = "plugins"
GROUP = "vestnik.plugins"


def find(
    stage: str, name: str, table: dict[str, object], config: Configuration, running: tuple[ModuleType, str] | None = None
) -> tuple[ModuleType, str]:
    """The module behind `[stage.name]` and where it came from. Raises `PluginError` with file, line and reason.

    `running` is what a server has behind this name already: it is kept where it comes from the same place.
    """
    place = f"{config.path} [{stage}.{name}]"
    if "module" in table:
        target = str(table["module"])
        if running is not None and running[1] == f"module {target}":
            return running
        return _import(target, place), f"module {target}"
    found: list[tuple[str, object]] = [(str(file), file) for file in _private(stage, name, config)]
    found += [(f"package {entry.value}", entry.value) for entry in installed().select(name=f"{stage}.{name}")]
    if name in built_in(stage):
        found.append(("built in", f"{BUILT_IN}.{stage}.{name}"))
    if not found:
        raise PluginError(f"{place}: there is no such plugin{near(name, known(stage, config))}")
    if len(found) > 1:
        raise PluginError(
            f"{place}: two plugins claim this name ({found[0][0]} and {found[1][0]}); rename one, or say `module = …`"
        )
    where, target_found = found[0]
    if running is not None and running[1] == where:
        return running
    if isinstance(target_found, Path):
        return import_file(target_found, f"vestnik_private.{stage}.{name}", place), where
    return _import(str(target_found), place), where


def anew(module: ModuleType, place: str) -> ModuleType:
    """The same plugin once more, with globals of its own. Raises `PluginError`."""
    spec = module.__spec__
    assert spec is not None and spec.loader is not None, module
    return _run(importlib.util.module_from_spec(spec), place)


def known(stage: str, config: Configuration) -> set[str]:
    """Every name that a table of this stage could have."""
    private = {file.stem for folder in folders(config) for file in (folder / stage).glob("[!_]*.py")}
    packaged = {entry.name.partition(".")[2] for entry in installed() if entry.name.startswith(f"{stage}.")}
    return private | packaged | built_in(stage)


def installed() -> EntryPoints:
    """What packages offer. Read once: to look through all that is installed takes longer than to load a plugin."""
    return _installed(tuple(sys.path))


@lru_cache(maxsize=1)
def _installed(path: tuple[str, ...]) -> EntryPoints:
    return entry_points(group=GROUP)


def built_in(stage: str) -> set[str]:
    return {module.name for module in pkgutil.iter_modules(_built_in_paths(stage)) if not module.name.startswith("_")}


def _built_in_paths(stage: str) -> list[str]:
    spec = importlib.util.find_spec(f"{BUILT_IN}.{stage}") if stage in STAGES else None
    return list(spec.submodule_search_locations or ()) if spec else []


def channels() -> tuple[str, ...]:
    """The channels that built-in transports carry, known while those are off and not imported."""
    words: tuple[str, ...] = importlib.import_module(f"{BUILT_IN}.send").CHANNELS
    return words


def folders(config: Configuration) -> list[Path]:
    """The private folders, absolute. Raises `PluginError` for one that is not there."""
    result = []
    for entry in config.plugins.path:
        folder = config.folder / entry
        if (mend := _misplaced(folder, entry)) is not None:
            raise PluginError(f"{config.path} [plugins] path: {mend}")
        result.append(folder)
    return result


def forgotten(config: Configuration) -> list[Path]:
    """Plugins in folders beside the file that `[plugins] path` does not name: one just written, say. None is imported."""
    there = [folder.resolve() for folder in folders(config)]
    there += [Path(path).resolve().parent for stage in STAGES for path in _built_in_paths(stage)]
    found = (file for stage in STAGES for file in sorted(config.folder.glob(f"*/{stage}/[!_]*.py")))
    return [file for file in found if file.resolve().parents[1] not in there and b"hookimpl" in file.read_bytes()]


def _misplaced(folder: Path, entry: str) -> str | None:
    """What is wrong with an entry of `path`, and its mend; `None` if it is a folder in which plugins can lie."""
    above = Path(entry).parent
    if folder.is_file():
        if folder.parent.name in STAGES:
            return f'{entry} is a file; name the folder above its stage: path = ["{above.parent.as_posix()}"]'
        return f"{entry} is a file; let it lie in the folder of its stage, such as {above / 'filter' / folder.name}, and name {above.as_posix()}"
    if not folder.is_dir():
        return f"there is no folder {entry}; make it, or leave it out"
    if folder.name in STAGES and any(folder.glob("*.py")) and not any((folder / stage).is_dir() for stage in STAGES):
        return f'{entry} is the folder of a stage; name the one above: path = ["{above.as_posix()}"]'
    return None


def _private(stage: str, name: str, config: Configuration) -> list[Path]:
    return [file for folder in folders(config) if (file := folder / stage / f"{name}.py").is_file()]


class _Fresh(SourceFileLoader):
    """Compiles a private file each time: a cache knows it by its size and the second of its change, and its author may save it twice within one."""

    def path_stats(self, path: str) -> NoReturn:
        raise OSError(f"{path} is not cached")


def import_file(file: Path, name: str, place: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file, loader=_Fresh(name, str(file)))
    assert spec is not None, file
    return _run(importlib.util.module_from_spec(spec), place)


def _run(module: ModuleType, place: str) -> ModuleType:
    name, before = module.__name__, sys.modules.get(module.__name__)
    sys.modules[name] = module
    try:
        module.__spec__.loader.exec_module(module)  # type: ignore[union-attr]
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        if before is not None:
            sys.modules[name] = before
        raise PluginError(f"{place}: {_broken(error)}") from error
    return module


def _import(name: str, place: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == name or (error.name and name.startswith(error.name + ".")):
            raise PluginError(f"{place}: there is no module `{name}`; install the package that has it, or mend `module`") from None
        raise PluginError(f"{place}: {_broken(error)}") from error
    except (Exception, SystemExit) as error:
        raise PluginError(f"{place}: {_broken(error)}") from error


def _broken(error: BaseException) -> str:
    """ "rules/vip.py line 3: NameError: name 'x' is not defined" from the deepest frame of the plugin's own code."""
    if isinstance(error, SyntaxError):
        return f"{error.filename} line {error.lineno}: {type(error).__name__}: {error.msg}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    frames = [frame for frame in frames if frame.filename != __file__]
    own = [frame for frame in frames if _is_near(Path(frame.filename), Path(frames[0].filename).parent)]
    at = f"{own[-1].filename} line {own[-1].lineno}: " if own else ""
    return f"{at}{type(error).__name__}: {error}"


def _is_near(file: Path, plugin: Path) -> bool:
    """Not in core, the standard library or an installed package, where a plugin's mistake shows but is not made; unless that is the plugin."""
    others = (Path(os.__file__).parent, Path(__file__).parent)
    return file.is_relative_to(plugin) or not (any(map(file.is_relative_to, others)) or "site-packages" in file.parts)
