"""Python's collector of cycles, told what a server is like: what is loaded stays, and nearly all that a journey makes goes by itself."""

from __future__ import annotations

import gc

_NEW = 20_000  # objects more than before, until the young are looked through: 1–2 ms
_ROUNDS = 20  # such looks until the survivors are looked through too


def rest() -> None:
    """To be called once everything is loaded. Looking for cycles took a tenth of a journey's CPU, and up to 150 ms in one piece."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW, _ROUNDS, _ROUNDS)
