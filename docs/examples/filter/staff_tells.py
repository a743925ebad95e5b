"""Stays silent about a new booking with a master who tells the clients himself."""

from __future__ import annotations

from core import Case, Settings, Suppressed, Verdict, hookimpl


class Config(Settings, frozen=True):
    names: tuple[str, ...] = ()  # the masters, as YCLIENTS spells them


@hookimpl
def filter(case: Case, config: Config) -> Verdict:
    staff = case.booking.staff if case.booking else None
    if case.type != "booking_created" or staff is None or staff.name not in config.names:
        return None
    return Suppressed(f"{staff.name} tells the clients himself", client_knows=True)
