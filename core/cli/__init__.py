"""The `vestnik` command. Errors are one sentence that names the place and the next step: exit code 1, 2 for usage.

A module here holds the commands about one thing; what a command does, where that takes more than a page, is a module of its own beside it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import typer

from core.cli import server, plugins, events, messages, data  # noqa: F401  # isort: skip (--help shows their commands in this order)
from core.cli import streams  # isort: skip
from core.cli.frame import DEFAULT, cli, loaded
from core.errors import VestnikError

__all__ = ["cli", "main"]


def main() -> None:
    """The entry point: errors as one sentence; `--debug` shows the traceback."""
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    with streams.kept():
        _add_commands()
        try:
            cli(standalone_mode=True)
        except VestnikError as error:
            if debug:
                raise
            text = str(error)
            typer.secho(f"{_config_file()} {text}" if text.startswith("[") else text, fg="red", err=True)
            sys.exit(1)


def _config_file() -> Path:
    """Before the arguments are parsed, or after they were in vain."""
    if "--config" in sys.argv[:-1]:
        return Path(sys.argv[sys.argv.index("--config") + 1])
    given = [argument.partition("=")[2] for argument in sys.argv if argument.startswith("--config=")]
    return Path(given[-1] if given else os.environ.get("VESTNIK_CONFIG", DEFAULT))


def _add_commands() -> None:
    """Commands that plugins add; a broken configuration is reported by the command itself."""
    try:
        _, hooks = loaded(_config_file())
    except VestnikError:
        return
    for plugin in hooks.plugins:
        if "commands" in plugin.calls:
            hooks.ask("commands", plugin, cli=cli)
