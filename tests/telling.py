"""What the stories share: one booking told at different moments, and a gateway that answers what a test wrote down."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tests.conftest import Driver, body

CREATED, UPDATED, CANCELLED = "booking_created", "booking_updated", "booking_cancelled"
RECORD = 1213336367

GATEWAY = '''"""Answers what the test wrote down, and accepts everything after that."""

from core import Address, Channel, DeliveryStatus, InboundMessage, Message, Request, Sent, hookimpl

ANSWERS = []
PHONES = []
WAIT = []  # an event to wait for, while the request is open


@hookimpl
def channel():
    return Channel("whatsapp", bold=("*", "*"), strike=("~", "~"), reports_delivery=True)


@hookimpl
async def send(message: Message, address: Address):
    PHONES.append(address.phone)
    for entered, leave in WAIT:
        entered.set()
        await leave.wait()
    return ANSWERS.pop(0) if ANSWERS else Sent(f"g{len(PHONES)}")


@hookimpl
def callback(request: Request):
    number, _, status = request.body.decode().partition(" ")
    if number.startswith("+"):
        return [InboundMessage(status, phone=number)]
    reason = "the gateway gave up" if status == "failed" else None
    return [DeliveryStatus(status, id=number if number[0] == "g" else None, reference=number if number[0] == "v" else None, reason=reason)]
'''


def said(status: str = "create", at: str = "11:00", hour: str = "14:30", **changes: Any) -> dict[str, Any]:
    """The webhook about one booking, changed on 20 August at `at`; the visit is on the 21st at `hour`."""
    visit = {"date": f"2025-08-21 {hour}:00", "datetime": f"2025-08-21T{hour}:00+03:00"}
    return body("record_create_admin", **{"status": status, "last_change_date": f"2025-08-20T{at}:00+0300", **visit, **changes})


def client(phone: str) -> dict[str, Any]:
    """The client as YCLIENTS says them, with another phone."""
    return {**body("record_create_admin")["data"]["client"], "phone": phone}


def staff(name: str, number: int) -> dict[str, Any]:
    return {**body("record_create_admin")["data"]["staff"], "name": name, "id": number}


def service(title: str, number: int, cost: int = 2000) -> dict[str, Any]:
    line = body("record_create_admin")["data"]["services"][0]
    return {**line, "title": title, "id": number, "cost": cost, "first_cost": cost, "cost_to_pay": cost}


def with_gateway(tmp_path: Path) -> dict[str, Any]:
    """The tables that replace the console by the scripted gateway."""
    folder = tmp_path / "private" / "send"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scripted.py").write_text(GATEWAY, encoding="utf-8")
    return {"plugins": {"path": [str(folder.parent)]}, "send": {"console": None, "scripted": {}}}


def gateway() -> Any:
    """The scripted gateway of the app that runs: its ANSWERS and PHONES."""
    return sys.modules["vestnik_private.send.scripted"]


def verdict(story: dict[str, Any]) -> tuple[str, str | None, str | None]:
    """What stands on the event: status, rule, reason."""
    return story["status"], story["rule"], story["reason"]


def heard(story: dict[str, Any]) -> list[tuple[str, str | None, str | None]]:
    """What the journal says of the decision: verdict, plugin, reason."""
    return [(line["verdict"], line["plugin"], line["reason"]) for line in story["journal"] if line["stage"] in ("filter", "decide")]


async def types(app: Driver) -> list[str]:
    """The notifications that left, oldest first."""
    return [row["notification_type"] for row in await app.messages() if row["status"] in ("sent", "delivered", "read")]


async def states(app: Driver) -> list[tuple[str, str]]:
    """Every message row: what it is, and what became of it."""
    return [(row["notification_type"], row["status"]) for row in await app.messages()]
