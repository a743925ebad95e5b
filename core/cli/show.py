"""What the commands print: tables and stories for a terminal. Values in, text out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from core.phones import mask

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
}
_decoder = msgspec.json.Decoder()


def story(events: list[dict[str, Any]], console: Console) -> None:
    """`vestnik trace`: each event, each stage, plugin, verdict and time."""
    for event in events:
        record = f" of booking {event['external_id'] or event['record_id']}" if event["record_id"] is not None else ""
        console.print(
            f"[bold]{event['event_id']}[/]  {event['event_type']}{record}, salon {event['company_id']}, source {event['source']}"
        )
        console.print(
            f"  {_time(event['created_at'])}  receive    stored"
            + (f", came again {event['repeats']} times" if event["repeats"] else "")
        )
        for line in event["journal"]:
            _line(line, console)
        for message in event["notifications"]:
            _message(message, console)
        rule = f" by rule {event['rule']}" if event["rule"] else ""
        reason = f": {event['reason']}" if event["reason"] else ""
        console.print(f"  [bold]→ {event['status']}[/]{rule}{reason}\n")


def _line(line: dict[str, Any], console: Console) -> None:
    plugin = f"{line['plugin']}: " if line["plugin"] else ""
    console.print(f"  {_time(line['at'])}  {line['stage']:<10} {line['verdict']}  {plugin}{line['reason'] or ''}")
    detail = _decoder.decode(line["detail"]) if line["detail"] else {}
    for rule, verdict, reason in detail.get("verdicts", ()):
        console.print(f"  {'':<8}    {'':<10}   {rule:<16} {verdict:<6} {reason}")


def _message(message: dict[str, Any], console: Console) -> None:
    times = [
        f"{name.removesuffix('_at')} {_time(message[name])}" for name in ("sent_at", "delivered_at", "read_at") if message[name]
    ]
    error = f" ({message['error']})" if message["error"] else ""
    way = f"{message['channel']} over {message['transport']} to {mask(message['phone'])}"
    console.print(
        f"  {_time(message['created_at'])}  message    {message['notification_type']}, {way}: {message['status']}{error}  {', '.join(times)}"
    )


def stats(found: dict[str, list[dict[str, Any]]], console: Console) -> None:
    """`vestnik stats`: the last 24 hours, what lies dead, whom to call."""
    _rows("Events of the last 24 hours", found["events"], console)
    _rows("Messages of the last 24 hours", found["notifications"], console)
    _rows("Rules that kept silent", found["rules"], console)
    _rows("Refused requests (lost for ever)", found["refused"], console)
    _rows("Transports out of order", found["health"], console)
    alerts = [
        {
            **{key: row[key] for key in ("text", "count", "last_at", "over_at")},
            "told": " ".join(filter(None, (row["channel"], row["status"]))),
        }
        for row in found["alerts"]
    ]
    _rows("Alerts", alerts, console)
    _rows(
        "Parked events (vestnik replay)",
        [{key: row[key] for key in ("event_id", "event_type", "record_id", "reason")} for row in found["parked"]],
        console,
    )
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


def _time(value: datetime) -> str:
    return f"{value:%H:%M:%S}"
