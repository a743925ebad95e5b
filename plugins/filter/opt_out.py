"""Stays silent for a client who said СТОП or STOP."""

from __future__ import annotations

from core import Case, Suppressed, Verdict, hookimpl

on_error = "hold"  # a client who said no must not be written to because a rule broke

IN_RUSSIAN = "клиент написал СТОП"


@hookimpl
def filter(case: Case) -> Verdict:  # noqa: A001
    said = case.contact.opted_out_at if case.type != "opted_out" else None  # the answer to СТОП itself
    return Suppressed(f"the client said СТОП on {said:%d.%m.%Y at %H:%M} UTC", call=True) if said else None
