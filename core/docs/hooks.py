"""The hook reference, made of core/hookspecs.py, the built-in plugins and the files in docs/examples."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import core
from core import hookspecs, limits, model
from core.contract import STAGE_HOOKS
from core.discovery import BUILT_IN, built_in
from core.docs.tables import source_of
from core.docs.text import code, prose, sentence, table
from core.errors import VestnikError

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
SPECS = {name: spec for name, spec in vars(hookspecs).items() if hasattr(spec, f"{hookspecs.PROJECT}_spec")}
LABELS = ("When", "Answer", "If it raises")
_STAGES = {
    "source": "A source takes in events",
    "filter": "A rule says why a message must not be sent",
    "render": "A renderer writes the text",
    "send": "A transport carries one channel",
    "record": "A recorder takes note",
}
_ANY = "## Any stage\n\nEvery plugin may have these beside the hooks of its stage.\n"


def stage_of(hook: str) -> str:
    return next((stage for stage, hooks in STAGE_HOOKS.items() if hook in hooks), "any")


def colour(hook: str) -> str:
    return "async def" if inspect.iscoroutinefunction(SPECS[hook]) else "def"


def index() -> str:
    """One row a hook, in the order an event lives."""
    return table(
        ("stage", "hook", "kind", "what it is asked"),
        [(stage_of(hook), f"[`{hook}`](#{hook})", code(colour(hook)), sentence(spec)) for hook, spec in SPECS.items()],
    )


def reference() -> str:
    """Each hook in full, under its stage."""
    parts, last = [], ""
    for hook in SPECS:
        stage = stage_of(hook)
        if stage != last:
            parts.append(
                f"## The stage {stage}\n\n{_STAGES[stage]}: `{stage}/NAME.py`, switched on by `[{stage}.NAME]`.\n"
                if stage != "any"
                else _ANY
            )
            last = stage
        parts.append(_one(hook))
    return "\n".join(parts)


def labelled(hook: str) -> tuple[str, dict[str, str]]:
    """What a spec's docstring says: its first paragraph, and what stands behind each label."""
    first, rest = prose(SPECS[hook])[0], " ".join(prose(SPECS[hook])[1:])
    found = re.split(rf"(?:^| )({'|'.join(LABELS)}): ", rest)
    return first, dict(zip(found[1::2], found[2::2], strict=True))


def _one(hook: str) -> str:
    spec = SPECS[hook]
    first, said = labelled(hook)
    signature = inspect.signature(spec)
    arguments = [
        f"- `{name}`: {'`Config`' if name == 'config' else _type(given.annotation)}. {_meaning(name, given.annotation)}"
        for name, given in signature.parameters.items()
    ]
    lines = [
        f"### {hook}",
        "",
        first,
        "",
        "```python",
        f"{colour(hook)} {hook}({', '.join(signature.parameters)})",
        "```",
        "",
        *arguments,
        "",
        f"**When**: {said['When']}",
        "",
        f"**Answer** ({_type(signature.return_annotation)}): {said['Answer']}",
        "",
        f"**If it raises, or takes longer than {limits.SECONDS[hook]:g} s**: {said['If it raises']}",
        "",
        *_example(hook),
        *_answered_by(hook),
    ]
    return "\n".join(lines)


def _type(annotation: str) -> str:
    """A type, with a link to each of our values in it."""
    ours = [name for name in re.findall(r"\w+", annotation) if name in _linked()]
    if annotation in ours:
        return _link(annotation)
    return code(annotation) + (f", see {', '.join(map(_link, ours))}" if ours else "")


def _link(name: str) -> str:
    return f"[`{name}`](names.md#{name.lower()})"


def _linked() -> set[str]:
    return {name for name in core.__all__ if name in model.__all__}


def _meaning(name: str, annotation: str) -> str:
    if name in hookspecs.ARGUMENTS:
        return hookspecs.ARGUMENTS[name]
    kind = getattr(model, annotation, None)
    if kind is None:
        raise VestnikError(f"core/hookspecs.py: ARGUMENTS says nothing of `{name}`, and {annotation} is none of our values")
    return sentence(kind)


def _example(hook: str) -> list[str]:
    """The shortest function of that name in docs/examples; where none has it, in the built-in plugins."""
    for folder, link in ((EXAMPLES, "examples"), (EXAMPLES.parents[1] / BUILT_IN, f"../{BUILT_IN}")):
        if found := [(len(text), file, text) for file in sorted(folder.rglob("*.py")) if (text := _function(file, hook))]:
            _, file, text = min(found)
            place = file.relative_to(folder).as_posix()
            return [f"From [{place}]({link}/{place}):", "", "```python", text, "```", ""]
    raise VestnikError(f"docs/examples: no file has the hook `{hook}`; write one")


def _function(file: Path, hook: str) -> str:
    text = file.read_text(encoding="utf-8")
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == hook and node.decorator_list:
            return "\n".join(text.splitlines()[node.decorator_list[0].lineno - 1 : node.end_lineno])
    return ""


def _answered_by(hook: str) -> list[str]:
    stages = [stage_of(hook)] if stage_of(hook) != "any" else list(STAGE_HOOKS)
    found = [(stage, name) for stage in stages for name in sorted(built_in(stage)) if _function(source_of(stage, name), hook)]
    links = [f"[{name}](../{BUILT_IN}/{stage}/{name}.py)" for stage, name in found]
    return [f"Built in: {', '.join(links)}.", ""] if links else []
