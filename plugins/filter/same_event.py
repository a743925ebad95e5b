"""Stays silent when the very same event comes a second time.

The inbox key keeps a repeat out in any case; this rule makes it visible in the trace.
"""

from __future__ import annotations

from core import Case, Suppressed, Verdict, hookimpl

IN_RUSSIAN = "это событие уже приходило"


@hookimpl
def filter(case: Case) -> Verdict:  # noqa: A001
    if case.event.repeat:
        return Suppressed(f"event {case.event.event_id} was already taken in")
    return None
