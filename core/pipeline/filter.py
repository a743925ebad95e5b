"""Ask the rules. Every rule is asked, so that the trace is whole.

What a failure means: a rule that raises, or takes longer than it may (`core.limits`), abstains, unless its module says
`on_error = "hold"`; then the message is kept back and asked about again. `Suppressed` beats `Deferred`, the longest `Deferred` wins, the first table in the file names the reason.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from core.blame import blame
from core.hooks import Answer, Hooks
from core.model import Case, Deferred, Suppressed

log = logging.getLogger("vestnik.filter")
_encoder = msgspec.json.Encoder()


class Judgement(Struct, frozen=True):
    """What the rules said together. `held` names a safety rule that broke, `abstained` are sentences about others that did.

    `verdicts` is everybody's answer, for the trace.
    """

    verdict: Suppressed | Deferred | None
    rule: str | None
    verdicts: tuple[tuple[str, str, str], ...]  # (rule, "no" | "later" | "yes" | "broken", reason)
    held: str | None = None
    abstained: tuple[str, ...] = ()
    call: bool = False  # every rule that says no wants the client called


def ask(hooks: Hooks, case: Case, now: datetime) -> Judgement:
    """Every rule's answer about a case."""
    answers = hooks.every("filter", case.salon.id, case=case, now=now)
    refusing = [said for said in answers if isinstance(said.value, Suppressed)]
    suppressed = refusing[0] if refusing else None
    deferred = max((said for said in answers if isinstance(said.value, Deferred)), key=lambda said: said.value.until, default=None)
    held = next((said for said in answers if _broken(said) and said.plugin.on_error == "hold"), None)
    for said in answers:
        if _broken(said):
            log.warning("event=%s plugin=%s outcome=broken reason=%s", case.event.event_id, said.plugin.name, _why(said))
    winner = suppressed or (None if held else deferred)
    return Judgement(
        verdict=winner.value if winner else None,
        rule=winner.plugin.short if winner else None,
        verdicts=tuple((said.plugin.short, *_words(said)) for said in answers),
        call=bool(refusing) and all(said.value.call for said in refusing),
        held=None if suppressed or held is None else f"{held.plugin.short} is broken: {_why(held)}",
        abstained=tuple(
            f"{said.plugin.short} abstained: {_why(said)}"
            for said in answers
            if _broken(said) and said.plugin.on_error == "abstain"
        ),
    )


def detail(case: Case, judgement: Judgement) -> str:
    """The case and all verdicts, for the journal: enough to ask the rules again."""
    until = {"until": judgement.verdict.until} if isinstance(judgement.verdict, Deferred) else {}
    return _encoder.encode({"verdicts": judgement.verdicts, **until, "case": case}).decode()


def until(at: datetime) -> str:
    """The same for a message that waits."""
    return _encoder.encode({"until": at}).decode()


def _broken(said: Answer) -> bool:
    return said.error is not None


def _why(said: Answer) -> str:
    return blame(said.plugin, said.error) if said.error is not None else ""


def _words(said: Answer) -> tuple[str, str]:
    value: Any = said.value
    if _broken(said):
        return "broken", f"{'held' if said.plugin.on_error == 'hold' else 'abstained'}: {_why(said)}"
    if value is None:
        return "yes", ""
    return ("no" if isinstance(value, Suppressed) else "later"), value.reason
