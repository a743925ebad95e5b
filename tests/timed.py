"""Two scripted channels for stories about time: a gateway that notes when it was called, and an SMS behind it."""

from __future__ import annotations

import itertools
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.conftest import SALON, Driver, body, settings

GATEWAY = '''"""Notes when it was called, by whom and for whom; answers what the test wrote down, and accepts everything after that."""

from datetime import datetime

from core import Address, Channel, Duration, Message, Sent, Settings, hookimpl

TAKEN = []
ANSWERS = []
WRONG = []  # what a probe finds


class Config(Settings, frozen=True):
    account: str = "ours"  # whose
    gap: Duration = Duration("0s")  # between two messages
    recipient_gap: Duration = Duration("0s")  # between two to one client
    first_contacts: int = 0  # new clients a day


@hookimpl
def channel(config: Config) -> Channel:
    return Channel(
        "whatsapp", concurrency=2, gap=config.gap, recipient_gap=config.recipient_gap, first_contacts_per_day=config.first_contacts or None
    )


@hookimpl
async def send(message: Message, address: Address, config: Config, now: datetime):
    TAKEN.append((now, address.phone, config.account))
    return ANSWERS.pop(0) if ANSWERS else Sent(f"g{len(TAKEN)}")


@hookimpl
async def probe(config: Config):
    return WRONG[0] if WRONG else None
'''
SMS = '''"""A second channel: answers what the test wrote down, and accepts everything after that."""

from core import Channel, Message, Sent, hookimpl

TAKEN = []
ANSWERS = []


@hookimpl
def channel():
    return Channel("sms", short=True, reports_delivery=False)


@hookimpl
async def send(message: Message):
    TAKEN.append(message.text)
    return ANSWERS.pop(0) if ANSWERS else Sent(f"s{len(TAKEN)}")
'''


def paced(url: str, tmp_path: Path, *, sms: bool = False, **keys: Any) -> dict[str, Any]:
    folder = tmp_path / "private" / "send"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "timed.py").write_text(GATEWAY, encoding="utf-8")
    (folder / "extra_sms.py").write_text(SMS, encoding="utf-8")
    send: dict[str, Any] = {"console": None, "timed": keys, **({"extra_sms": {}} if sms else {})}
    other = {"962303": {**SALON, "send": {"timed": {"account": "theirs"}}}}
    return settings(url, send=send, salon=other, plugins={"path": [str(folder.parent)]})


def gateway() -> Any:
    """The gateway of the app that runs: TAKEN, ANSWERS, WRONG."""
    return sys.modules["vestnik_private.send.timed"]


def sms() -> Any:
    """The second channel of the app that runs: TAKEN, ANSWERS."""
    return sys.modules["vestnik_private.send.extra_sms"]


def booking(
    number: int, phone: str | None = None, salon: int = 962302, hour: str = "14:30", day: str = "2025-08-21", **changes: Any
) -> dict[str, Any]:
    visit = {"date": f"{day} {hour}:00", "datetime": f"{day}T{hour}:00+03:00"}
    found = body("record_create_discount50", id=number, resource_id=number, company_id=salon, **visit, **changes)
    found["data"]["company_id"] = salon
    found["data"]["client"] = {**found["data"]["client"], "phone": phone or f"+7900000{number:04}"}
    return found


async def told(app: Driver, *bookings: dict[str, Any]) -> None:
    """Bookings that come one after another in the same moment."""
    for found in bookings:
        assert (await app.post(found)).status_code == 200
        await app.settle()


async def run_for(app: Driver, length: timedelta) -> None:
    """As a worker does: look whenever something is due, as long as the time lasts."""
    end = app.clock() + length
    while (due := await app.vestnik.run.store.deliveries.next_due(app.clock())) is not None and due <= end:
        app.clock.now = max(app.clock.now, due)
        await app.settle()
    app.clock.now = end
    await app.settle()


def steps(account: str = "ours") -> list[float]:
    """The seconds between one send of an account and the next."""
    times = [at for at, _, whose in gateway().TAKEN if whose == account]
    return [(after - before).total_seconds() for before, after in itertools.pairwise(times)]


async def seen(app: Driver) -> list[tuple[str, str]]:
    return [(row["channel"], row["status"]) for row in await app.messages()]
