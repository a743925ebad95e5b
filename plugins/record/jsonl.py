"""Writes what became of each event and message into a file, one JSON line each, for whoever wants to count.

No text and no body is in it, and of a phone only what is left when it is masked. A line is whole and on its way to the disk before the
next one begins; a file that was moved away (logrotate) is begun anew. Nothing waits for the disk: one that refuses is named in the log, and
what could not be written is lost to this file alone.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from core import Outcome, Settings, hookimpl
from plugins.record._lines import Writer

_writers: dict[Path, Writer] = {}


class Config(Settings, frozen=True):
    path: Path = Path("outcomes.jsonl")  # the file, seen from config.toml


@hookimpl
async def startup(config: Config) -> None:
    if config.path.is_dir():
        raise ValueError(f"path: {config.path} is a folder; name a file in it")
    if not config.path.parent.is_dir():
        raise ValueError(f"path: there is no folder {config.path.parent}; make it, or name another file")


@hookimpl
async def record(outcome: Outcome, config: Config) -> None:
    if config.path not in _writers:
        _writers[config.path] = Writer(config.path)
    _writers[config.path].put(msgspec.json.encode(outcome))


@hookimpl
async def shutdown(config: Config) -> None:
    for path in list(_writers):  # those of single salons, too
        await asyncio.to_thread(_writers.pop(path).close)
