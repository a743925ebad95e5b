"""Errors that end in one sentence: what is wrong, where, and the next step."""

from __future__ import annotations

from typing import Literal


class VestnikError(Exception):
    """Base of what a person may read. The text is the whole message."""


class ConfigError(VestnikError):
    """config.toml, or a plugin named in it, cannot be used as it stands."""


class PluginError(ConfigError):
    """A plugin does not fit its hooks."""


class StoreError(VestnikError):
    """The database cannot be used: away, locked by another process, or of another version."""


class Refused(Exception):
    """A request that could not prove where it comes from. Answered 401, or the `status` that its sender documents, and counted;
    `hint` goes to the log, never to the sender."""

    def __init__(self, hint: str = "wrong or missing secret", status: Literal[401, 403] = 401) -> None:
        super().__init__(hint)
        self.hint, self.status = hint, status


class TooLong(TimeoutError):
    """A call of a plugin did not come back in time, and was ended."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"took longer than {seconds:g} s")


class Misfit(TypeError):
    """An answer of a plugin that is not what its hook promises: the whole sentence, but for the plugin's name."""


class LeftAlone(Exception):
    """A plugin that took too long too often is not asked for a while."""


def in_words(error: BaseException) -> str:
    """An exception as part of a sentence: `ZeroDivisionError: division by zero`, or `took longer than 1 s`."""
    return str(error) if isinstance(error, TooLong | LeftAlone | Misfit) else f"{type(error).__name__}: {error}"
