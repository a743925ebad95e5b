"""Says what the visit costs, and shows a discount: ~2000 руб~ 1000 руб (скидка 50%).

Says nothing where there is nothing sure or sensible to say: a price unknown, zero, or paid by a subscription.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

from core import Channel, Notice, Service, Settings, hookimpl

KOPECK = Decimal("0.01")
ABSURD = Decimal(10**9)  # beyond it a sum is a slip of the keyboard, not a price


class Config(Settings, frozen=True):
    currency: str = "руб"  # written after each sum


@hookimpl
def parts(notice: Notice, channel: Channel, config: Config) -> dict[str, str]:
    told = (notice.type == "booking_cancelled" and notice.announced) or notice.booking
    totals = _totals(told.services or ()) if told else None
    return {"price": _price(*totals, channel, config.currency)} if totals else {}


def _totals(services: Sequence[Service]) -> tuple[Decimal, Decimal] | None:
    """What is asked now and what it was before the discount, or `None` where nothing is to be said."""
    new = _sum([service.cost for service in services])
    old = _sum([service.cost if service.first_cost is None else service.first_cost for service in services])
    if new is None or old is None or new < 0 or (new == 0 and old <= 0):
        return None
    covered = (
        bool(new) and old <= new and all(service.cost_to_pay is not None and service.cost_to_pay.is_zero() for service in services)
    )
    return None if covered else (new, old)


def _sum(costs: Sequence[Decimal | None]) -> Decimal | None:
    """A line's cost is its total already, whatever the amount. To the kopeck, so that what reads the same compares the same."""
    known = [cost for cost in costs if cost is not None and cost.is_finite() and abs(cost) < ABSURD]
    if not known or len(known) < len(costs):
        return None
    return sum(known, Decimal(0)).quantize(KOPECK, ROUND_HALF_UP) + 0  # -0.00 + 0 is 0.00


def _price(new: Decimal, old: Decimal, channel: Channel, currency: str) -> str:
    price = _money(new, currency)
    if old <= new:
        return price
    percent = ((1 - new / old) * 100).quantize(Decimal(1), ROUND_HALF_UP)
    discount = f"скидка {percent}%" if percent >= 1 else ""
    if channel.strike:
        before, after = channel.strike
        return f"{before}{_money(old, currency)}{after} {price}" + (f" ({discount})" if discount else "")
    return f"{price} (было {_money(old, currency)}{f', {discount}' if discount else ''})"


def _money(total: Decimal, currency: str) -> str:
    figures = f"{total:.0f}" if total == total.to_integral_value() else f"{total:.2f}".replace(".", ",")
    return f"{figures} {currency}"
