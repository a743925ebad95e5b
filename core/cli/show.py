"""What the commands print: tables and stories for a terminal. Values in, text out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from core.phones import mask

_INDENT = " " * 34
_LEFT = ("sending", "sent", "delivered", "read", "unclear")  # with a text
_ANY = 100_000  # columns: as wide as it likes
_HEADINGS = {  # the names of the views, short enough for a terminal of 80 columns
    "event_type": "event",
    "total_events": "all",
    "processed_events": "processed",
    "pending_events": "pending",
    "suppressed_events": "suppressed",
    "failed_events": "failed",
    "avg_processing_time_seconds": "seconds",
    "notification_type": "message",
    "total_sent": "sent",
    "last_at": "last",
    "over_at": "over",
    "next_at": "next",
    "created_at": "at",
}
_decoder = msgspec.json.Decoder()


def story(events: list[dict[str, Any]], clock: Callable[[int | None], str], console: Console) -> None:
    """`vestnik trace`: each event, oldest first, with each stage, plugin, verdict, time and text. `clock` is a salon's time zone, by its name."""
    console.print(Text("Times are UTC; what is put off waits until a time in the salon's own zone.\n"))
    for event in events:
        _event(event, clock(event["company_id"]), console)


def _event(event: dict[str, Any], clock: str, console: Console) -> None:
    number = event["external_id"] or event["record_id"]
    booking = f" of booking {number}" if number is not None else ""
    console.print(Text(event["event_id"], style="bold"), end="")
    console.print(Text(f"  {event['event_type']}{booking}, salon {event['company_id']}, source {event['source']}"))
    again = f", came again {event['repeats']} times" if event["repeats"] else ""
    _step(event["created_at"], "receive", f"stored{again}", console)
    ids = {(row["notification_id"], row["transport"]): row["provider_message_id"] for row in event["notifications"]}
    for line in event["journal"]:
        sent = line["stage"] == "send" and line["verdict"] == "sent"
        _line(line, ids.get((line["notification_id"], line["plugin"])) if sent else None, clock, console)
    for message in event["notifications"]:
        _message(message, console)
    console.print(Text.assemble("  ", (f"→ {event['status']}", "bold"), f"{_end(event)}\n"))


def _end(event: dict[str, Any]) -> str:
    """Why it stands where it stands."""
    if event["status"] == "received" and not event["claims"]:  # what was decided before is in the journal
        again = "to be decided again, since the replay of" if event["attempts"] else "to be decided, since"
        return f": waits {again} {_cell(event['due_at'])}; a running `vestnik serve` or `vestnik worker` does that"
    rule = f" by rule {event['rule']}" if event["rule"] else ""
    return rule + (f": {event['reason']}" if event["reason"] else "")


def _step(at: datetime, stage: str, said: str, console: Console) -> None:
    console.print(Text(f"  {at:%Y-%m-%d %H:%M:%S}  {stage:<10} {said}".rstrip()))


def _line(line: dict[str, Any], number: str | None, clock: str, console: Console) -> None:
    detail = _decoder.decode(line["detail"]) if line["detail"] else {}
    until = f"until {by_clock(datetime.fromisoformat(detail['until']), clock)}" if "until" in detail else None
    said = "; ".join(filter(None, (line["reason"], number and f"the gateway's id is {number}", until)))
    plugin = ": ".join(filter(None, (line["plugin"], said)))
    _step(line["at"], line["stage"], f"{line['verdict']}  {plugin}", console)
    for rule, verdict, reason in detail.get("verdicts", ()):
        console.print(Text(f"{_INDENT}{rule:<16} {verdict:<6} {reason}".rstrip()))


def _message(message: dict[str, Any], console: Console) -> None:
    times = [
        f"{name.removesuffix('_at')} {_cell(message[name])}" for name in ("sent_at", "delivered_at", "read_at") if message[name]
    ]
    error = f" ({message['error']})" if message["error"] else ""
    way = f"{message['channel']} over {message['transport']} to {mask(message['phone'])}"
    said = f"{message['notification_type']}, {way}: {message['status']}{error}  {', '.join(times)}"
    _step(message["created_at"], "message", said, console)
    if message["message"]:
        for text in message["message"].splitlines():
            console.print(Text(f"{_INDENT}│ {text}".rstrip()))
    elif message["status"] in _LEFT:
        console.print(Text(f"{_INDENT}its text is not kept any more"))


def by_clock(at: datetime, clock: str) -> str:
    """`2025-08-21 10:00:00 (Europe/Moscow)`."""
    return f"{at.astimezone(ZoneInfo(clock)):%Y-%m-%d %H:%M:%S} ({clock})"


def stats(found: dict[str, list[dict[str, Any]]], console: Console) -> None:
    """`vestnik stats`: the last 24 hours, what lies dead, whom to call."""
    _rows("Events of the last 24 hours", found["events"], console)
    _rows("Messages of the last 24 hours", found["notifications"], console)
    _rows("Rules that kept silent", found["rules"], console)
    _rows("Put off for now", found["put_off"], console)
    _rows("Plugins that broke in the last 24 hours", [_breakage(row) for row in found["broken"]], console)
    _rows("Refused webhooks (lost for ever)", found["refused"], console)
    _rows("Refused callbacks (most gateways repeat them for a while)", found["refused_callbacks"], console)
    _rows("Callbacks that were of no use", found["callbacks"], console)
    _rows("Transports out of order", found["health"], console)
    alerts = [
        {
            **{key: row[key] for key in ("text", "count", "last_at", "over_at")},
            "told": " ".join(filter(None, (row["channel"], row["status"]))),
        }
        for row in found["alerts"]
    ]
    _rows("Alerts", alerts, console)
    _rows("Parked events (vestnik replay)", [_parked(row) for row in found["parked"]], console)
    unread = [{key: row[key] for key in ("event_id", "created_at", "source", "reason")} for row in found["unreadable"]]
    _rows("Unreadable events, newest first (vestnik replay, once they can be read)", unread, console)
    dead = [
        {
            "event_id": row["event_id"],
            "type": row["notification_type"],
            "phone": mask(row["phone"]),
            "status": row["status"],
            "error": row["error"],
        }
        for row in found["dead"]
    ]
    _rows("Dead letters (vestnik resend)", dead, console)
    calls = [
        {
            "телефон": row["phone"],
            "клиент": row["client_name"],
            "что": row["message"] or row["notification_type"],
            "почему": row["error"],
        }
        for row in found["calls"]
    ]
    _rows("Позвоните клиенту", calls, console)


def _breakage(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "plugin": f"{row['stage']}.{row['plugin']}", "times": row["times"], "last_at": row["last_at"], "for instance": row["event_id"],
        "reason": row["reason"],
    }  # fmt: skip


def _parked(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "event_id": row["event_id"], "event_type": row["event_type"], "booking": row["external_id"] or row["record_id"],
        "reason": row["reason"],
    }  # fmt: skip


def _rows(title: str, rows: list[dict[str, Any]], console: Console) -> None:
    """A table, whole: nothing is cut. Where a terminal is too narrow for it, the rows stand one below another."""
    if not rows:
        return
    table = Table(title=title, title_justify="left", header_style="bold")
    for name in rows[0]:
        table.add_column(_HEADINGS.get(name, name))
    for row in rows:
        table.add_row(*[Text(_cell(value)) for value in row.values()])
    table.width = Measurement.get(console, console.options.update(max_width=_ANY), table).maximum
    if console.is_terminal and table.width > console.width:
        _below(title, rows, console)
    else:
        console.print(table)


def _below(title: str, rows: list[dict[str, Any]], console: Console) -> None:
    wide = max(len(_HEADINGS.get(name, name)) for name in rows[0])
    console.print(Text(title, style="italic"))
    for row in rows:
        for name, value in row.items():
            first, *more = _cell(value).splitlines() or [""]
            lines = [f"  {_HEADINGS.get(name, name):<{wide}}  {first}", *(f"{'':<{wide + 4}}{line}" for line in more)]
            console.print(Text("\n".join(line.rstrip() for line in lines)))
        console.print()


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, float):
        return f"{value:.2f}"
    return "" if value is None else str(value)
