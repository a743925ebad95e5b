"""No transport lets a token, a phone or a text into a log line or an exception, whatever its gateway does."""

from __future__ import annotations

import asyncio
import logging
import socket
import traceback
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from core import log
from stand_ins import ALL, Accepted, Scenario, StandIn
from tests.conftest import NOON
from tests.stand_ins.journey import NAMES, PHONE, TEXT, Journey, made, travel
from tests.test_cascade import Stage, _play

PUBLIC = ("id_instance", "session", "instance", "channel_id", "login", "phone_number_id", "version")
BROKEN = ("drop", "empty", "html_502", "rate_limited", "session_down")
INBOUND = "Перенесите меня, пожалуйста"
CHANNELS = {"green_api_max": "max", "max": "max", "telegram": "telegram", "smsc": "sms", "smsru": "sms"}


class Ear(logging.Handler):
    """Keeps every record twice: as any program would print it, and as ours does."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines += [logging.Formatter().format(record), log.Formatter().format(record)]


@pytest.fixture
def ear() -> Iterator[Ear]:
    """The log as `vestnik serve` sets it up, at DEBUG, overheard."""
    root, heard = logging.getLogger(), Ear()
    before, level = list(root.handlers), root.level
    log.set_up(level=logging.DEBUG)
    root.addHandler(heard)
    yield heard
    root.handlers[:] = before
    root.setLevel(level)


def answers(gateway: StandIn) -> list[str]:
    """Everything that can go wrong at this gateway, by name."""
    return [*BROKEN, *sorted(file for file in gateway._bodies() if file.startswith("error."))]


def forbidden(kind: type[StandIn]) -> list[str]:
    """What must not be said: the account's secrets, the phone as each API writes it, and pieces of texts."""
    secrets = [value for key, value in kind.config.items() if key not in PUBLIC]
    return [*secrets, PHONE, PHONE[1:], PHONE[2:], "записаны", "СТРИЖКА", "Арсен", INBOUND]


def said(lines: list[str], words: list[str]) -> list[tuple[str, str]]:
    return [(word, line) for line in lines for word in words if word in line]


@pytest.mark.parametrize("name", NAMES)
def test_no_secret_in_any_line(name: str, tmp_path: Path, ear: Ear) -> None:
    """Through the whole app: every documented error, broken answers, lost ones, callbacks that prove and that do not."""
    kept: list[str] = []

    async def story(app: Stage) -> None:
        gateway, people = app[name], app.vestnik.run.store.people
        await people.wrote(PHONE, 0, app.clock())
        await people.bind(name, 0, PHONE[1:], PHONE, None, app.clock())
        for number, answer in enumerate(answers(gateway), 1):
            gateway.plan(Scenario(answer, report=("sent", "failed")))
            await app.book(number)
            await app.vestnik.run.store.health.works(name, 0, app.clock())
            await app.vestnik.run.load_health()
        await app.check()
        await app.vestnik.worker.sender.accounts.probe()
        await gateway.write(PHONE, INBOUND)
        hook, proof = gateway.sealed([f"{PHONE} {INBOUND}"])
        for content, headers in ((hook, proof), (hook, {"authorization": "Bearer wrong"}), (b"\xff" + PHONE.encode(), proof)):
            await app.http.post(f"/callback/{name}", content=content, headers=headers)
        await app.settle(60)
        for table, column in (
            ("booking_notifications", "error"),
            ("journal", "reason"),
            ("alerts", "text"),
            ("transport_health", "reason"),
        ):
            kept.extend(str(row[column]) for row in await app.rows(f"SELECT {column} FROM {table}"))

    url, channel = f"sqlite:///{tmp_path / 'v.db'}", CHANNELS.get(name, "whatsapp")
    asyncio.run(_play(url, tmp_path, story, (name,), channels=(channel,), filter={"recent_chat": None}))
    words = forbidden(ALL[name])
    assert any("vestnik" in line for line in ear.lines)
    assert said(ear.lines, words) == []
    assert kept
    assert said(kept, words) == []


@pytest.mark.parametrize("name", NAMES)
def test_no_secret_in_any_exception(name: str, ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a transport raises, and all that led to it: nobody there, no such name, hung up, no answer in time; whatever it was asked."""
    raised: list[str] = []

    async def story(journey: Journey) -> None:
        async def attempt(call: Callable[[], Awaitable[Any]]) -> None:
            try:
                await call()
            except Exception as error:
                raised.extend([str(error), repr(error), *traceback.format_exception(error)])

        hooks = [hook for hook in ("probe", "check", "link") if hasattr(journey.plugin, hook)]
        sent = Accepted("id-1", PHONE, TEXT, NOON)
        ask = {"probe": journey.probe, "check": lambda: journey.check(sent), "link": lambda: journey.link("kY4v")}
        for address in ("http://127.0.0.1:9", "nonsense://nowhere", "http://gateway.invalid"):
            await attempt(lambda address=address: journey.send(base_url=address))  # type: ignore[misc]
            journey.config = msgspec.structs.replace(journey.config, base_url=address)
            for hook in hooks:
                await attempt(ask[hook])
        journey.config = made(journey.plugin, journey.stand_in.settings(journey.url))
        for answer in ("drop", "empty", "html_502"):
            journey.stand_in.plan(Scenario(answer, report=()))
            await attempt(journey.send)
        journey.http.timeout = httpx.Timeout(0.3)
        journey.stand_in.plan(Scenario("hang", report=()))
        await attempt(journey.send)

    monkeypatch.setattr("socket.getaddrinfo", nowhere(socket.getaddrinfo))
    travel(name, story, clock=lambda: NOON)
    words = [*forbidden(ALL[name]), TEXT]
    assert raised
    assert said(raised, words) == []
    assert said(ear.lines, words) == []


def nowhere(look_up: Any) -> Any:
    """As `socket.getaddrinfo`, which knows no gateway by a name here."""

    def find(host: Any, *more: Any, **named: Any) -> Any:
        if str(host).endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, f"Name or service not known: {host}")
        return look_up(host, *more, **named)

    return find


def test_the_ear_hears(ear: Ear) -> None:
    """A secret that is said would be found: in the message, and in an exception's own text."""
    try:
        raise httpx.ReadError(f"https://api/bot{ALL['telegram'].config['token']}/sendMessage")
    except httpx.ReadError:
        logging.getLogger("vestnik.send").exception("to %s at %s", PHONE, datetime.now(UTC))
    words = forbidden(ALL["telegram"])
    assert {word for word, _ in said(ear.lines, words)} >= {PHONE, ALL["telegram"].config["token"]}
