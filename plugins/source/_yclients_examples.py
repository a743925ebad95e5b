"""The bodies of `vestnik demo`: one day of a salon, from a recorded webhook whose dates are moved to the future."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from importlib import resources
from typing import Any

import msgspec

from core import Example

_MOSCOW = timezone(timedelta(hours=3))
_FULL_PRICE = {"cost": 2000, "cost_to_pay": 2000, "manual_cost": 2000, "discount": 0}


def one_day(now: datetime) -> Sequence[Example]:
    """Three messages and four silences."""
    body = msgspec.json.decode((resources.files(__package__) / "yclients.json").read_bytes())
    half_past_two = (now.astimezone(_MOSCOW) + timedelta(days=2)).replace(hour=14, minute=30, second=0, microsecond=0)
    four = half_past_two.replace(hour=16, minute=0)
    made = _saved(body, "create", now, 0, half_past_two)
    bot = _saved(
        body, "create", now, 1, half_past_two, id=body["resource_id"] + 1, comment="Запись через AI администратора WhatsApp"
    )
    moved = _saved(body, "update", now, 2, four, price=_FULL_PRICE)
    paid = _saved(body, "update", now, 3, four, price=_FULL_PRICE, paid_full=1, payment_status=1)
    absent = _saved(body, "update", now, 4, four, price=_FULL_PRICE, attendance=-1, visit_attendance=-1)
    gone = _saved(body, "delete", now, 5, four, price=_FULL_PRICE, deleted=True)
    return (
        Example("The administrator books a visit", made),
        Example("YCLIENTS sends the same once more", made),
        Example("The salon's own bot books a visit", bot),
        Example("The visit is moved to 16:00, the discount is gone", moved),
        Example("The visit is paid", paid),
        Example("The client did not come", absent),
        Example("The booking is deleted", gone),
    )


def _saved(
    body: dict[str, Any],
    status: str,
    now: datetime,
    second: int,
    visit: datetime,
    price: dict[str, Any] | None = None,
    **fields: Any,
) -> bytes:
    changed = copy.deepcopy(body)
    data = changed["data"]
    data.update(date=f"{visit:%Y-%m-%d %H:%M:%S}", datetime=visit.isoformat(), **fields)
    data["last_change_date"] = f"{now.astimezone(_MOSCOW) + timedelta(seconds=second - 10):%Y-%m-%dT%H:%M:%S%z}"
    data["services"][0].update(price or {})
    changed.update(status=status, resource_id=data["id"])
    return msgspec.json.encode(changed)
