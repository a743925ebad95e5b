"""Stays silent about bookings with pseudo-staff, such as a waiting list.

The real slot later is a new booking to the client. A cancellation is judged by whom the client knows.
"""

from __future__ import annotations

from core import Case, Settings, Suppressed, Verdict, hookimpl

IN_RUSSIAN = "запись не к живому мастеру"


class Config(Settings, frozen=True):
    names: tuple[str, ...] = ("Лист ожидания", "Очередь")  # as in the journal, in small or capital letters


@hookimpl
def filter(case: Case, config: Config) -> Verdict:  # noqa: A001
    told = (case.type == "booking_cancelled" and case.announced) or case.booking
    if told is None or told.staff is None:
        return None
    name = _plain(told.staff.name)
    if name and any(name == _plain(entry) for entry in config.names):
        return Suppressed(f'"{told.staff.name.strip()}" is no real staff')
    return None


def _plain(name: str) -> str:
    return " ".join(name.casefold().split())
