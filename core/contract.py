"""Whether a plugin's module fits the contract: its hooks, their arguments, `def` or `async def`, its `Config`. One sentence each."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, get_origin

import msgspec
from msgspec import Struct

from core import hookspecs, units
from core.config import near, plain
from core.errors import PluginError
from core.plugin import Settings

STAGE_HOOKS: Mapping[str, tuple[str, ...]] = {
    "source": ("receive", "poll", "normalize", "examples"),
    "filter": ("filter",),
    "render": ("parts", "render"),
    "send": ("channel", "send", "callback", "check", "probe", "link"),
    "record": ("record",),
}
ALSO: Mapping[str, tuple[str, ...]] = {"source": ("record",)}  # hooks of another stage that a stage may have, too
ANY_HOOKS = ("startup", "shutdown", "commands")
NEEDED: Mapping[str, tuple[str, ...]] = {
    "source": ("receive", "normalize"),
    "filter": ("filter",),
    "send": ("channel", "send"),
    "record": ("record",),
}
_CORE_KEYS = ("enabled", "module")


class Call(Struct, frozen=True):
    """One implementation: the function, the arguments it names, and whether it is the built-in default (`trylast`)."""

    function: Callable[..., Any]
    names: tuple[str, ...]
    last: bool = False


def own_keys(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key not in _CORE_KEYS}


def check_keys(config_class: type[Struct], table: Mapping[str, Any], place: str) -> None:
    names = {entry.encode_name for entry in msgspec.structs.fields(config_class)}
    for key in table:
        if key not in names:
            raise PluginError(f"{place}: unknown key `{key}`{near(key, names)}")


def config_class_of(stage: str, name: str, module: ModuleType) -> type[Struct]:
    found = getattr(module, "Config", Settings)
    if not (inspect.isclass(found) and issubclass(found, Struct)):
        raise PluginError(f"{stage}.{name}: Config is no msgspec Struct; write `class Config(Settings, frozen=True):`")
    try:
        fields = msgspec.structs.fields(found)
    except NameError as error:  # an annotation is looked up only here
        raise PluginError(f"{stage}.{name}: Config names `{error.name}`, which is not imported; import it") from None
    for entry in fields:
        if entry.required:
            raise PluginError(
                f"{stage}.{name}: Config.{entry.name} has no default; every key needs one, so that the empty table [{stage}.{name}] works"
            )
        if entry.name in _CORE_KEYS:
            raise PluginError(f"{stage}.{name}: Config.{entry.name} clashes with a key of core; call it otherwise")
        if (wrong := _wrong_default(entry, found)) is not None:
            raise PluginError(f"{stage}.{name}: the default of Config.{entry.name} is {wrong}")
    for key, value in vars(found).items():
        if key[0] != "_" and key not in found.__annotations__ and not hasattr(value, "__get__"):
            raise PluginError(
                f"{stage}.{name}: Config.{key} has no type, so it is no key; write `{key}: {type(value).__name__} = …`"
            )
    return found


def proven_by(stage: str, name: str, module: ModuleType, config_class: type[Struct]) -> str:
    """The key that a transport's module names as `proven_by`, "" where it names none."""
    key = getattr(module, "proven_by", "")
    names = [entry.encode_name for entry in msgspec.structs.fields(config_class)]
    if key and key not in names:
        raise PluginError(f"{stage}.{name}: proven_by is {key!r}, which is no key of its Config{near(str(key), names)}")
    return str(key)


def _wrong_default(entry: Any, config: type[Struct]) -> str | None:
    """What is wrong with a default, as the end of a sentence: it is used as it stands, so it has to be of its type."""
    value, kind = entry.default, entry.type
    if value is msgspec.NODEFAULT:
        return None
    if isinstance(value, str) and isinstance(kind, type) and not issubclass(str, kind):
        return f"text, and no {kind.__name__}; write {kind.__name__}({value!r})"
    try:
        msgspec.convert(value, kind, dec_hook=units.decode)
    except msgspec.ValidationError as error:
        if value is None:
            return "None, and its type does not say so; add ` | None` to it"
        comma = f"; a tuple of one has a comma: ({value!r},)" if isinstance(value, str) and get_origin(kind) is tuple else ""
        return f"{value!r}: {plain(str(error), config)}{comma or '; mend it, or its type'}"
    return None


def check_module(stage: str, name: str, module: ModuleType) -> dict[str, Call]:
    """The module's hooks, checked against the contract: names, arguments, `def` or `async def`. Raises `PluginError`."""
    calls: dict[str, Call] = {}
    allowed = (*STAGE_HOOKS[stage], *ALSO.get(stage, ()), *ANY_HOOKS)
    for attribute, function in vars(module).items():
        options = getattr(function, f"{hookspecs.PROJECT}_impl", None)
        if options is None and attribute in allowed and inspect.isroutine(function) and function.__module__ == module.__name__:
            raise PluginError(f"{stage}.{name}: `{attribute}` is the name of a hook; put @hookimpl above it, or call it otherwise")
        if options is None or not inspect.isroutine(function):
            continue
        hook = options.get("specname") or attribute
        where = f"{stage}.{name}"
        if hook not in allowed:
            raise PluginError(f"{where}: `{hook}` is no hook of the stage {stage}{near(hook, allowed)}")
        if options.get("wrapper") or options.get("hookwrapper"):
            raise PluginError(f"{where}.{hook}: hook wrappers are not used here; write a plain hook")
        calls[hook] = _check_call(where, hook, function, last=bool(options.get("trylast")))
    for hook in NEEDED.get(stage, ()):
        if hook not in calls:
            raise PluginError(f"{stage}.{name}: has no hook `{hook}`; write it and put @hookimpl above it")
    if not any(hook in calls for hook in STAGE_HOOKS[stage]):
        raise PluginError(
            f"{stage}.{name}: has none of the hooks {', '.join(STAGE_HOOKS[stage])}; write one and put @hookimpl above it"
        )
    return calls


def _check_call(where: str, hook: str, function: Callable[..., Any], *, last: bool) -> Call:
    spec = getattr(hookspecs, hook)
    wanted = "async def" if inspect.iscoroutinefunction(spec) else "def"
    got = "async def" if inspect.iscoroutinefunction(function) else "def"
    if wanted != got:
        raise PluginError(f"{where}: write {hook} as {wanted}, not {got}")
    offered = tuple(inspect.signature(spec).parameters)
    named = tuple(inspect.signature(function).parameters)
    for argument in named:
        if argument not in offered:
            raise PluginError(f"{where}.{hook}: unknown argument `{argument}`{near(argument, offered)}")
    main = offered[0]
    if hook not in ("poll", "examples", *ANY_HOOKS) and main not in ("config", "http") and main not in named:
        raise PluginError(f"{where}.{hook}: misses the argument `{main}`; write `{wanted} {hook}({main}, …)`")
    return Call(function, named, last)
