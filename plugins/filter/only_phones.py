"""A trial run: only the listed phones get messages; for everybody else it is recorded what would have been sent."""

from __future__ import annotations

from functools import lru_cache

from core import Case, Settings, Suppressed, Verdict, hookimpl, mask, parse_phone

on_error = "hold"  # a trial run must not write to everybody because a rule broke

IN_RUSSIAN = "пробный режим, этот телефон не в списке"


class Config(Settings, frozen=True):
    phones: tuple[str, ...] = ("+79000000088",)  # written as people write them


@hookimpl
async def startup(config: Config) -> None:
    for phone in config.phones:
        if parse_phone(phone)[0] is None:
            raise ValueError(f"phones: `{phone}` is no phone number; write it as +79000000088")


@hookimpl
def filter(case: Case, config: Config) -> Verdict:  # noqa: A001
    phone = case.contact.phone
    if phone is None:
        # Not withheld: nothing could have been sent, so the client is told once a phone is known.
        return Suppressed("trial run, and there is no phone to look up")
    if phone in _listed(config.phones, case.salon.region):
        return None
    return Suppressed(f"trial run: {mask(phone)} is not among the listed phones ({len(config.phones)})", withheld=True)


@lru_cache(maxsize=1024)  # reading one phone costs more than all other rules together
def _listed(phones: tuple[str, ...], region: str) -> frozenset[str]:
    return frozenset(number for phone in phones if (number := parse_phone(phone, region)[0]))
