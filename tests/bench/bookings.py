"""Bookings of distinct clients, as the wire carries them: every one with a number, a phone and a salon of its own."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

SALONS = 200
SECRET = "bench-secret"
_RECORDED = Path(__file__).resolve().parents[1] / "payloads" / "yclients" / "record_create_discount50.json"
_MOSCOW = timezone(timedelta(hours=3))
_RECORD, _PHONE, _COMPANY = b"987654321", b"+79012345678", b"962302"
_MARK = re.compile(b"(" + b"|".join(map(re.escape, (_RECORD, _PHONE, _COMPANY))) + b")")


class Frame:
    """Bytes with marks in place of a booking's number, its client's phone and its salon. All fillings are equally long."""

    def __init__(self, marked: bytes) -> None:
        self._pieces = _MARK.split(marked)

    def fill(self, number: int) -> bytes:
        values = {
            _RECORD: b"%d" % record_of(number),
            _PHONE: phone_of(number).encode(),
            _COMPANY: b"%d" % (962302 + number % SALONS),
        }
        return b"".join([values.get(piece, piece) for piece in self._pieces])


def template(days: int = 2, **changes: Any) -> bytes:
    """A recorded booking, set in so many days, with the marks of a `Frame`."""
    found: dict[str, Any] = json.loads(_RECORDED.read_text(encoding="utf-8"))
    at = (datetime.now(_MOSCOW) + timedelta(days=days)).replace(hour=14, minute=30, second=0, microsecond=0)
    found["resource_id"] = found["data"]["id"] = int(_RECORD)
    found["data"]["client"]["phone"] = _PHONE.decode()
    found["data"] |= {"date": f"{at:%Y-%m-%d %H:%M:%S}", "datetime": at.isoformat()}
    found["data"]["last_change_date"] = found["data"]["create_date"] = (
        f"{datetime.now(UTC).astimezone(_MOSCOW):%Y-%m-%dT%H:%M:%S%z}"
    )
    found["status"] = changes.pop("status", found["status"])
    found["data"] |= changes
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode()


def requests(path: str) -> Frame:
    """Whole requests, ready to be written."""
    body = template()
    head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return Frame(head.encode() + body)


def record_of(number: int) -> int:
    """Nine digits: the newer the booking, the greater, as the booking system counts."""
    return 100_000_000 + number


def phone_of(number: int) -> str:
    """Neighbours in time are none in an index of phones. Distinct for numbers below 100 million."""
    return f"+790{number * 48271 % 100_000_000:08d}"
