"""A rule that ends its process where a booking's comment says "poison": an event that kills its worker each time."""

from __future__ import annotations

import os

from core import Case, Verdict, hookimpl
from core.failpoint import KILLED


@hookimpl
def filter(case: Case) -> Verdict:  # noqa: A001
    """Nothing is flushed, closed or told."""
    if case.booking is not None and case.booking.comment == "poison":
        os._exit(KILLED)
    return None
