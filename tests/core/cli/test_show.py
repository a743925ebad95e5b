"""What `vestnik stats` prints: whole, in a terminal of 80 columns and in a pipe."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from core.cli import show

EVENTS = {
    "event_type": "record.updated", "total_events": 1200, "processed_events": 800, "pending_events": 1, "suppressed_events": 398,
    "failed_events": 1, "avg_processing_time_seconds": 0.4321,
}  # fmt: skip
DEAD = {
    "event_id": "evt_0123456789abcdef0123456789abcdef", "notification_type": "booking_created", "phone": "+79000000088",
    "status": "failed", "error": "GREEN-API: the number [79…] is not on WhatsApp",
}  # fmt: skip
CALL = {
    "phone": "+79000000088", "client_name": "Арсен", "message": "❌ Ваша запись отменена\n\nБыла на: 21 августа в 16:00",
    "notification_type": "booking_cancelled", "error": "the number is not on WhatsApp, and no other channel is on",
}  # fmt: skip
ALERT = {
    "text": "Аккаунт отключён",
    "count": 3,
    "last_at": datetime(2025, 8, 20, 9, 0, tzinfo=UTC),
    "over_at": None,
    "channel": "sms",
    "status": "sent",
}


def shown(terminal: bool, **found: Any) -> str:
    """As the command prints it, 80 columns wide."""
    parts = (
        "events", "notifications", "rules", "put_off", "broken", "refused", "refused_callbacks", "callbacks", "health", "alerts", "parked",
        "unreadable", "dead", "calls",
    )  # fmt: skip
    file = io.StringIO()
    show.stats(
        {name: found.get(name, []) for name in parts},
        Console(file=file, width=80, force_terminal=terminal, highlight=False, soft_wrap=True, no_color=True, color_system=None),
    )
    return file.getvalue()


def test_the_counts_fit_into_a_terminal() -> None:
    """Every column and its name stand whole within 80 columns."""
    said = shown(True, events=[EVENTS])
    assert max(map(len, said.splitlines())) <= 80
    for word in ("event", "all", "processed", "pending", "suppressed", "failed", "seconds", "record.updated", "1200", "0.43"):
        assert f" {word} " in said


def test_what_is_too_wide_stands_one_below_another() -> None:
    """In a terminal that is too narrow nothing is cut or broken: an id can be copied, a reason read to its end."""
    assert shown(True, dead=[DEAD], calls=[CALL]) == (
        "Dead letters (vestnik resend)\n"
        "  event_id  evt_0123456789abcdef0123456789abcdef\n"
        "  type      booking_created\n"
        "  phone     +7900…88\n"
        "  status    failed\n"
        "  error     GREEN-API: the number [79…] is not on WhatsApp\n"
        "\n"
        "Позвоните клиенту\n"
        "  телефон  +79000000088\n"
        "  клиент   Арсен\n"
        "  что      ❌ Ваша запись отменена\n"
        "\n"
        "           Была на: 21 августа в 16:00\n"
        "  почему   the number is not on WhatsApp, and no other channel is on\n"
        "\n"
    )


def test_a_pipe_gets_whole_lines() -> None:
    """Where nobody says how wide it is, a row is one line, for grep."""
    lines = shown(False, dead=[DEAD], alerts=[ALERT]).splitlines()
    assert any(DEAD["event_id"] in line and DEAD["error"] in line for line in lines)
    assert any("Аккаунт отключён" in line and "2025-08-20 09:00:00" in line and "sms sent" in line for line in lines)
