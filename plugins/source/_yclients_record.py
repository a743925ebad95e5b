"""How YCLIENTS and Altegio describe a booking: the `data` of a record → `Booking`. Shared by both sources; no plugin itself.

Nothing in `data` is certain: PHP writes `[]` for an empty object, an object for a list with gaps, and ids as text or number.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from core import Attendance, Booking, Salon, Service, Staff, parse_phone
from plugins.source._yclients_json import clean, entries, flag, identity, money, tidy

# What is kept in the snapshot beside the booking itself. `comer`, `comer_person_info`: another person comes than the client. The
# message goes to the client all the same: it is the client's booking and phone, and the other one has agreed to nothing.
_KEPT = ("short_link", "api_id", "custom_fields", "comer", "comer_person_info")
_KEPT_NUMBERS = ("visit_id", "activity_id", "clients_count")  # `visit_id` comes as text, too
_SAYS = ("date", "datetime", "services", "staff", "client")
_ATTENDANCE: dict[object, Attendance] = {-1: "no_show", 0: "expected", 1: "arrived", 2: "confirmed"}


def says(data: dict[str, Any]) -> bool:
    """Whether there is more than an id in it."""
    return any(key in data for key in _SAYS)


def booking(data: dict[str, Any], company: int | str | None, salon: Salon, *, cancelled: bool, trust_offset: bool) -> Booking:
    """A record → the booking. What is not said, or cannot be read, stays unsaid."""
    zone = zone_of(salon, data.get("datetime") if trust_offset else None)
    client = data.get("client")
    client = client if isinstance(client, dict) else {}
    phone, missing = _phone(data, client, salon.region)
    return Booking(
        visit_at=_visit_at(data, zone),
        services=_services(data.get("services")),
        staff=_staff(data.get("staff")),
        branch=None if company is None else str(company),
        client_name=_text(client.get("name")) or _text(client.get("display_name")) or None,
        phone=phone,
        phone_missing=missing,
        attendance=_attendance(data),
        paid=flag(data["paid_full"] if data.get("paid_full") is not None else data.get("payment_status")),
        cancelled=cancelled,
        comment=_text(data.get("comment")),
        online=flag(data.get("online")),
        notify=None if data.get("sms_now") is None else flag(data["sms_now"]),
        created_at=instant(data.get("create_date"), zone),
        changed_at=instant(data.get("last_change_date"), zone),
        extra={key: identity(data[key]) for key in _KEPT_NUMBERS if key in data}
        | {key: tidy(data[key]) for key in _KEPT if key in data},
    )


def zone_of(salon: Salon, stamp: object = None) -> tzinfo:
    """The salon's zone: as configured, else the offset of `stamp`, else Moscow."""
    if salon.timezone:
        return ZoneInfo(salon.timezone)
    moment = _moment(stamp)
    return (moment.tzinfo if moment else None) or ZoneInfo("Europe/Moscow")


def instant(stamp: object, zone: tzinfo) -> datetime | None:
    """A time stamp in UTC. `2019-07-21T12:27:06+0300` has no colon; old ones have no offset and mean the salon's clock."""
    moment = _moment(stamp)
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def _moment(stamp: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(stamp.strip()) if isinstance(stamp, str) else None
    except ValueError:
        return None
    return moment if moment and 1970 <= moment.year < 9999 else None  # "0000-00-00" and its like are no dates


def _visit_at(data: dict[str, Any], zone: tzinfo) -> datetime | None:
    """The digits of `date` are the salon's wall clock; those of `datetime` are the same and stand in where `date` is missing."""
    for stamp in (data.get("date"), data.get("datetime")):
        moment = _moment(stamp)
        if moment and ":" in str(stamp):  # a bare day is no time of a visit
            offset = moment.replace(tzinfo=zone).utcoffset() or timedelta()
            return moment.replace(tzinfo=timezone(offset))
    return None


def _services(value: object) -> tuple[Service, ...] | None:
    lines = entries(value)
    if lines is None:
        return None
    services = tuple(_service(line) for line in lines if isinstance(line, dict) and _text(line.get("title")))
    return services if services or not lines else None


def _service(line: dict[str, Any]) -> Service:
    """`cost` is the line's total already: it is not multiplied by `amount`."""
    return Service(
        title=_text(line["title"]),
        id=_id(line),
        cost=money(line.get("cost")),
        first_cost=money(line.get("first_cost")),
        cost_to_pay=money(line.get("cost_to_pay")),
    )


def _staff(value: object) -> Staff | None:
    name = _text(value.get("name")) if isinstance(value, dict) else ""
    return Staff(name, _id(value)) if name and isinstance(value, dict) else None


def _phone(data: dict[str, Any], client: dict[str, Any], region: str) -> tuple[str | None, str | None]:
    """Nobody at all (a break, a walk-in) is another thing than a client whose phone is not said: then core may know it from before."""
    if "client" in data and not data["client"]:
        return None, "no client belongs to the booking"
    return parse_phone(tidy(client.get("phone")), region)


def _attendance(data: dict[str, Any]) -> Attendance:
    """`visit_attendance` is the whole visit's, which may join several records."""
    own = data.get("attendance")
    return _ATTENDANCE.get(identity(data.get("visit_attendance") if own is None else own), "expected")


def _text(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(identity(value))
    return clean(value).strip() if isinstance(value, str) else ""


def _id(value: dict[str, Any]) -> str | None:
    found = identity(value.get("id"))
    return None if found is None else str(found)
