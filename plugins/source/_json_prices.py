"""The prices of a booking, wherever its CRM says them. No plugin itself."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from core import Service


def priced(
    services: tuple[Service, ...] | None, cost: Decimal | None, first_cost: Decimal | None, *, kopecks: bool
) -> tuple[Service, ...] | None:
    """A price of the whole booking stands on its first line; lines that have prices of their own keep them."""
    if not services:
        return services
    if cost is not None and all(line.cost is None for line in services):
        first, *others = services
        services = (
            msgspec.structs.replace(first, cost=cost, first_cost=first_cost),
            *(msgspec.structs.replace(line, cost=Decimal(0), first_cost=Decimal(0)) for line in others),
        )
    return tuple(map(_in_whole, services)) if kopecks else services


def _in_whole(line: Service) -> Service:
    return msgspec.structs.replace(line, cost=line.cost and line.cost / 100, first_cost=line.first_cost and line.first_cost / 100)
