"""Call the plugins: one after another, each within its limit. pluggy registers and validates; the calls are ours.

pluggy's own `firstresult` would hand back the first coroutine even if it resolves to `None`, so `first` and `every` walk the
implementations one after another and await as they go. Order is the order of the tables in config.toml.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import msgspec
import pluggy
from msgspec import Struct, field

from core import echo, limits
from core.answers import checked
from core.config import STAGES
from core.contract import Call
from core.errors import LeftAlone, PluginError, Refused, TooLong, in_words
from core.facts import wrong
from core.model import Channel

_SILENT = ("filter", "render")  # asked most, and `None` is an answer of theirs


class Uses:
    """How many calls of a plugin wait for something at this moment: it is not let go of before they have come back."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class Plugin(Struct, frozen=True, eq=False):
    """One module, switched on for all salons or for some. `name` is "stage.short"; `configs[0]` is the setting for all."""

    stage: str
    short: str
    module: ModuleType
    origin: str
    calls: Mapping[str, Call]
    on_error: Literal["abstain", "hold"]
    config_class: type[Struct]
    configs: Mapping[int, Any]  # company_id (0: everybody else) → Config, or None where it is off
    proven_by: str = ""  # the key that proves callbacks, where they could be read without
    open_to_all: frozenset[int] = frozenset()  # accounts where it is "none"
    uses: Uses = field(default_factory=Uses)

    @property
    def name(self) -> str:
        return f"{self.stage}.{self.short}"

    def config_for(self, company_id: int | None) -> Any:
        """The decoded `Config` for a salon, or `None` where the plugin is off."""
        return self.configs.get(company_id or 0, self.configs.get(0))

    def line(self, error: BaseException) -> str | None:
        """Where in its own file an exception was raised, "kurier.py:87"; `None` if not there."""
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == self.module.__file__]
        return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else None

    def proven(self, company_id: int) -> bool:
        """Whether callbacks of this account have to be proven, as far as core can know."""
        return not self.proven_by or bool(getattr(self.config_for(company_id), self.proven_by))

    def believes(self, company_id: int, *, loopback: bool) -> bool:
        """Whether a callback of this account is read at all: without its key only where nobody else can post, or where that is meant."""
        return self.proven(company_id) or loopback or company_id in self.open_to_all

    def account(self, company_id: int | None) -> int:
        """Whose account a transport uses for this salon: the salon's own (its id) where it has a table of its own, else 0."""
        return company_id if company_id and company_id in self.configs else 0


class Answer(Struct, frozen=True):
    """What one plugin said: a value that fits its hook, or the exception it raised (`TooLong` where it hung, `Misfit` where it does not fit)."""

    plugin: Plugin
    value: Any = None
    error: Exception | None = None
    seconds: float = 0.0


class Hooks:
    """The plugins of one app. There is no global one.

    No call takes longer than `core.limits` allows. `late` names the plugins that hung, with the reason, until a person has been told.
    """

    def __init__(
        self,
        plugins: list[Plugin],
        manager: pluggy.PluginManager,
        clock: Callable[[], float] = time.monotonic,
        path: Path = Path("config.toml"),
    ) -> None:
        self.path = path  # of the file whose tables these are
        self.plugins = plugins
        self.manager = manager
        self._by_stage = {stage: [plugin for plugin in plugins if plugin.stage == stage] for stage in STAGES}
        self._by_name = {(plugin.stage, plugin.short): plugin for plugin in plugins}
        self._facts: dict[tuple[Plugin, int], Channel] = {}
        self._walks: dict[tuple[str, int], list[tuple[Plugin, Call, Any]]] = {}
        self._echo = echo.wanted()
        self._clock = clock
        self._hung: dict[tuple[str, str], list[float]] = {}  # (plugin, hook) → when, the last few times
        self.late: dict[str, str] = {}

    def stage(self, stage: str) -> list[Plugin]:
        return self._by_stage[stage]

    def get(self, stage: str, short: str) -> Plugin | None:
        return self._by_name.get((stage, short))

    def facts(self, plugin: Plugin, company_id: int | None = None) -> Channel:
        """What a transport's `channel()` states for a salon; asked once, for it cannot change while we run."""
        key = (plugin, plugin.account(company_id))  # not its name: one that is gone may still be under way
        if key not in self._facts:
            started = time.perf_counter()
            self._facts[key] = facts(plugin, company_id)
            self._noted("channel", Answer(plugin, self._facts[key]), started)
        return self._facts[key]

    def implementations(self, hook: str, company_id: int | None = None) -> list[tuple[Plugin, Call, Any]]:
        """Who answers a hook for this salon, in order, each with its config."""
        key = (hook, company_id or 0)
        found = self._walks.get(key)
        if found is None:
            impls = [impl.plugin for impl in getattr(self.manager.hook, hook).get_hookimpls()]
            walk = [
                (plugin, plugin.calls[hook], config)
                for plugin in self.plugins
                if hook in plugin.calls and plugin.module in impls and (config := plugin.config_for(company_id)) is not None
            ]
            found = self._walks[key] = sorted(walk, key=lambda entry: entry[1].last)
            if len(self._walks) > 10_000:  # many salons come and go; the cache must not
                self._walks.clear()
        return found

    def every(self, hook: str, company_id: int | None = None, **given: Any) -> list[Answer]:
        """Ask everyone (a `def` hook). An exception is an answer; what it means is the stage's to say."""
        return [self._ask(hook, plugin, call, config, given) for plugin, call, config in self.implementations(hook, company_id)]

    def first(self, hook: str, company_id: int | None = None, **given: Any) -> Answer | None:
        """The first answer that is not `None` (a `def` hook), or the first exception."""
        for plugin, call, config in self.implementations(hook, company_id):
            said = self._ask(hook, plugin, call, config, given)
            if said.value is not None or said.error is not None:
                return said
        return None

    async def every_async(self, hook: str, company_id: int | None = None, **given: Any) -> list[Answer]:
        """Ask everyone, one after another (an `async def` hook)."""
        return [
            await self._ask_async(hook, plugin, call, config, given)
            for plugin, call, config in self.implementations(hook, company_id)
        ]

    def ask(self, hook: str, plugin: Plugin, company_id: int | None = None, **given: Any) -> Any:
        """Ask one plugin (a `def` hook); its exception is raised."""
        said = self._ask(hook, plugin, plugin.calls[hook], self._config(plugin, company_id), given)
        if said.error is not None:
            raise said.error
        return said.value

    async def ask_async(self, hook: str, plugin: Plugin, company_id: int | None = None, **given: Any) -> Any:
        """Ask one plugin (an `async def` hook); its exception is raised."""
        said = await self._ask_async(hook, plugin, plugin.calls[hook], self._config(plugin, company_id), given)
        if said.error is not None:
            raise said.error
        return said.value

    def _config(self, plugin: Plugin, company_id: int | None) -> Any:
        return plugin.config_for(company_id) or plugin.configs.get(0) or plugin.config_class()

    def _ask(self, hook: str, plugin: Plugin, call: Call, config: Any, given: Mapping[str, Any]) -> Answer:
        started = time.perf_counter()
        watch, limit = limits.WATCH, limits.SECONDS[hook]
        if not watch.armed:
            watch.arm()
        try:
            if self._hung:
                self._leave_alone(hook, plugin)
            try:  # as in Watch.call, which would cost half as much as a rule
                watch.serial += 1
                watch.limit = limit
                answer = call.function(**_named(call, config, given))
            finally:
                watch.limit = 0
            said = Answer(plugin, answer if answer is None and hook in _SILENT else checked(hook, answer))
        except Exception as error:
            said = self._failed(hook, plugin, error)
        except limits.Overrun:
            watch.limit = 0
            said = self._failed(hook, plugin, TooLong(limit))
        return self._noted(hook, said, started)

    async def _ask_async(self, hook: str, plugin: Plugin, call: Call, config: Any, given: Mapping[str, Any]) -> Answer:
        started, limit = time.perf_counter(), limits.SECONDS[hook]
        try:
            if self._hung:
                self._leave_alone(hook, plugin)
            plugin.uses.count += 1
            try:
                async with asyncio.timeout(limit) as alarm:
                    answer = await limits.WATCH.steps(call.function(**_named(call, config, given)))
            finally:
                plugin.uses.count -= 1
            said = Answer(plugin, checked(hook, answer))
        except Exception as error:
            late = isinstance(error, TimeoutError) and alarm.expired()
            said = self._failed(hook, plugin, TooLong(limit) if late else error)
        return self._noted(hook, said, started)

    def _failed(self, hook: str, plugin: Plugin, error: Exception) -> Answer:
        kind = "hung" if isinstance(error, TooLong) else "rests" if isinstance(error, LeftAlone) else "raised"
        if not isinstance(error, Refused):
            limits.count(plugin.name, hook, kind)
        if kind == "hung":
            self.late[plugin.name] = f"{hook} {error}"
            times = self._hung.setdefault((plugin.name, hook), [])
            times.append(self._clock())
            del times[: -limits.TOO_OFTEN]
        return Answer(plugin, error=error)

    def _leave_alone(self, hook: str, plugin: Plugin) -> None:
        """Raises `LeftAlone` for a plugin that hung too often just now, where it can be left out."""
        times = self._hung.get((plugin.name, hook), [])
        if hook in limits.RESTS and len(times) == limits.TOO_OFTEN and self._clock() - times[0] < limits.WITHIN:
            raise LeftAlone(f"hung {limits.TOO_OFTEN} times within {limits.WITHIN:g} s, and is not asked for a while")

    def _noted(self, hook: str, said: Answer, started: float) -> Answer:
        if not self._echo:
            return said
        said = msgspec.structs.replace(said, seconds=time.perf_counter() - started)
        echo.line(said.plugin.name, hook, said.value, said.error, said.seconds)
        return said


limits.WATCHED.add(Hooks._ask.__code__)


def _named(call: Call, config: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: config if name == "config" else given[name] for name in call.names}


def facts(plugin: Plugin, company_id: int | None = None) -> Channel:
    """What a transport's `channel()` states. Raises `PluginError` if it cannot, or if it states what nobody can keep to."""
    config = plugin.config_for(company_id) or next((entry for entry in plugin.configs.values() if entry is not None), None)
    try:
        call = plugin.calls["channel"]
        found = limits.WATCH.call(limits.SECONDS["channel"], call.function, **_named(call, config, {}))
    except Exception as error:
        raise PluginError(f"{plugin.name}.channel: raised {in_words(error)}; it must state the facts of the channel") from error
    if mistake := wrong(found):
        salon = f" (salon {company_id})" if company_id and company_id in plugin.configs else ""
        raise PluginError(f"{plugin.name}.channel{salon}: {mistake}")
    return found  # type: ignore[no-any-return]
