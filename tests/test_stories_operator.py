"""YCLIENTS orders a text from us as its "SMS operator": it leaves over our cascade, and YCLIENTS hears over real HTTP what became of it."""

from __future__ import annotations

import asyncio
import json
import queue
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from core import Rejected, Retry, Unclear
from tests.conftest import PAYLOADS, Driver, drive, settings
from tests.telling import gateway, verdict, with_gateway

ORDER = json.loads((PAYLOADS / "yclients" / "sms_operator_send_request.json").read_text(encoding="utf-8"))
TEXT = "Ждём вас завтра в 14:30. *Барбершоп*"
AT = "/webhook/yclients_operator"
PASSED_ON, DELIVERED, LOST, REFUSED = 8, 1, 2, 16
Play = Callable[..., Any]


class Yclients:
    """Its side of the wire: takes statuses, on loopback. `refuse` is how many requests it refuses before it takes any."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []
        self.keys: set[str | None] = set()
        self.refuse = 0
        self._heard: queue.Queue[tuple[str, int]] = queue.Queue()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                outer.keys.add(self.headers.get("authorization"))
                refused = outer.refuse > 0
                outer.refuse -= refused
                self.send_response(503 if refused else 200)
                answer = json.dumps({"success": not refused}).encode()
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
                for entry in [] if refused else body:
                    outer.told.append((entry["id"], entry["status"]))
                    outer._heard.put((entry["id"], entry["status"]))

            def log_message(self, *args: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    async def hears(self, number: str = "232674") -> int:
        """The next status of a message."""
        heard, status = await asyncio.to_thread(self._heard.get, timeout=10)
        assert heard == number
        return status

    def order(self, **changes: Any) -> dict[str, Any]:
        return {**ORDER, "text": TEXT, "delivery_callback_url": f"{self.address}status/callback/k", **changes}

    def table(self, **keys: Any) -> dict[str, Any]:
        return {
            "yclients_operator": {"partner_token": "ours", "callback_to": [self.address], "secret": "none", **keys},
            "yclients": None,
        }


@pytest.fixture
def yclients() -> Iterator[Yclients]:
    there = Yclients()
    yield there
    there.server.shutdown()
    there.server.server_close()


async def ordered(app: Driver, order: dict[str, Any], path: str = AT) -> str:
    """Post an order and do all that is due; our id of the message."""
    answered = await app.post(order, path=path)
    assert answered.status_code == 200, answered.text
    ((number, ours),) = [(entry["id"], entry["ext_id"]) for entry in answered.json()]
    assert number == "232674"
    await app.settle()
    return str(ours)


def test_a_text_and_its_statuses(play: Play, yclients: Yclients, tmp_path: Path) -> None:
    """The text leaves to the byte, as no booking; passed on, then delivered, and what comes after is no news."""

    async def story(app: Driver) -> None:
        ours = await ordered(app, yclients.order(), f"{AT}?secret=right&salon=962302")
        assert await app.texts() == [TEXT]
        (row,) = await app.messages()
        assert (row["notification_type"], row["phone"], row["company_id"]) == ("message", "+71000000002", 962302)
        assert (row["event_id"], await app.rows("SELECT * FROM appointments_cache")) == (ours, [])
        assert await yclients.hears() == PASSED_ON
        for status in ("delivered", "read", "failed"):
            await app.http.post("/callback/scripted", content=f"g1 {status}".encode())
            await app.settle()
        assert await yclients.hears() == DELIVERED

    play(story, source=yclients.table(secret="right"), **with_gateway(tmp_path))
    assert yclients.told == [("232674", PASSED_ON), ("232674", DELIVERED)]
    assert yclients.keys == {"Bearer ours"}


def test_the_same_order_again(play: Play, yclients: Yclients, tmp_path: Path) -> None:
    """An order that is posted twice is one message, and both answers name the same id."""

    async def story(app: Driver) -> None:
        assert await ordered(app, yclients.order()) == await ordered(app, yclients.order())
        assert await app.texts() == [TEXT]

    play(story, source=yclients.table(), **with_gateway(tmp_path))


def test_our_cascade_is_one_operator(play: Play, yclients: Yclients, tmp_path: Path) -> None:
    """A channel that fails while another is left is none of YCLIENTS' business; that the other took it is."""
    tables = with_gateway(tmp_path)
    tables["plugins"]["path"].append(str(Path(__file__).parent / "plugins_for_tests"))
    tables["send"]["other_sms"] = {}

    async def story(app: Driver) -> None:
        gateway().ANSWERS[:] = [Rejected("not on WhatsApp")]
        await ordered(app, yclients.order())
        assert [(row["channel"], row["status"]) for row in await app.messages()] == [("whatsapp", "failed"), ("sms", "sent")]
        assert await yclients.hears() == PASSED_ON

    play(story, source=yclients.table(), **tables)
    assert yclients.told == [("232674", PASSED_ON)]


@pytest.mark.parametrize("answer", [Rejected("not on WhatsApp"), Rejected("no such text", scope="content")])
def test_a_text_that_nobody_takes(play: Play, yclients: Yclients, tmp_path: Path, answer: Any) -> None:
    """No channel is left: not delivered."""

    async def story(app: Driver) -> None:
        gateway().ANSWERS[:] = [answer]
        await ordered(app, yclients.order())
        assert await yclients.hears() == LOST

    play(story, source=yclients.table(), **with_gateway(tmp_path))
    assert yclients.told == [("232674", LOST)]


def test_a_text_that_is_tried_again(play: Play, yclients: Yclients, tmp_path: Path) -> None:
    """While it is tried again nothing is said, nor while nobody knows; once its time is over it is not delivered."""

    async def story(app: Driver) -> None:
        gateway().ANSWERS[:] = [Retry("busy")] * 500
        await ordered(app, yclients.order())
        assert yclients.told == []
        await app.settle(25 * 3600)
        assert [row["status"] for row in await app.messages()] == ["expired"]
        assert await yclients.hears() == LOST
        gateway().ANSWERS[:] = [Unclear("timeout")]
        await ordered(app, yclients.order(text="другой"))
        assert [row["status"] for row in await app.messages()] == ["expired", "unclear"]

    play(story, source=yclients.table(), **with_gateway(tmp_path))
    assert yclients.told == [("232674", LOST)]


def test_a_gateway_that_gives_up(play: Play, yclients: Yclients, tmp_path: Path) -> None:
    """What its gateway gives up is not delivered; if it arrives after all, it is."""

    async def story(app: Driver) -> None:
        await ordered(app, yclients.order())
        assert await yclients.hears() == PASSED_ON
        for status, expected in (("failed", LOST), ("delivered", DELIVERED)):
            await app.http.post("/callback/scripted", content=f"g1 {status}".encode())
            await app.settle()
            assert await yclients.hears() == expected

    play(story, source=yclients.table(), **with_gateway(tmp_path))


def test_a_text_that_does_not_arrive_in_time(play: Play, yclients: Yclients, tmp_path: Path) -> None:
    """Taken, and no delivery reported in time: YCLIENTS may try its next channel."""

    async def story(app: Driver) -> None:
        await ordered(app, yclients.order())
        assert await yclients.hears() == PASSED_ON
        await app.settle(11 * 60)
        assert await yclients.hears() == LOST

    play(story, source=yclients.table(), **with_gateway(tmp_path))


def test_a_silence_is_a_refusal(play: Play, yclients: Yclients, tmp_path: Path) -> None:
    """СТОП, a phone that is none, a salon that is not listed: refused, so that the order does not stay open; `trace` has the reason."""

    async def story(app: Driver) -> None:
        await app.vestnik.run.store.people.opt("+71000000002", 0, app.clock())
        ours = await ordered(app, yclients.order())
        assert (await app.story(ours))["rule"] == "opt_out"
        assert await yclients.hears() == REFUSED
        nobody = yclients.order(destination_params=[{"id": "232674", "phone": ""}], delivery_callback_url=f"{yclients.address}b")
        assert verdict(await app.story(await ordered(app, nobody))) == ("suppressed", None, "no phone")
        assert await yclients.hears() == REFUSED
        elsewhere = yclients.order(text="x", delivery_callback_url=f"{yclients.address}c")
        assert verdict(await app.story(await ordered(app, elsewhere, f"{AT}?salon=7")))[0] == "ignored"
        assert await yclients.hears() == REFUSED
        assert await app.messages() == []

    play(story, source=yclients.table(), **with_gateway(tmp_path))


def test_a_restart_between_order_and_delivery(database_url: str, yclients: Yclients, tmp_path: Path) -> None:
    """Where a status goes stands with the order, so that another process, or a later one, can tell it."""
    raw = settings(database_url, source=yclients.table(), **with_gateway(tmp_path))

    async def before(app: Driver) -> None:
        await ordered(app, yclients.order())

    async def after(app: Driver) -> None:
        await app.http.post("/callback/scripted", content=b"g1 delivered")
        await app.settle()

    drive(raw, tmp_path, before)
    drive(raw, tmp_path, after)
    assert yclients.told == [("232674", PASSED_ON), ("232674", DELIVERED)]


def test_yclients_that_is_away_holds_nobody(
    play: Play, yclients: Yclients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it does not take statuses, texts leave; it is told once it does."""
    monkeypatch.setattr("plugins.source._yclients_reports.WAITS", (0.0, 0.0, 0.0))
    yclients.refuse = 2

    async def story(app: Driver) -> None:
        for text in ("раз", "два"):
            await ordered(app, yclients.order(text=text))
        assert await app.texts() == ["раз", "два"]
        assert await yclients.hears() == PASSED_ON

    play(story, source=yclients.table(), **with_gateway(tmp_path))


def test_a_status_goes_nowhere_else(play: Play, yclients: Yclients, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An order that names an address of somebody else's is carried out, and our key is not sent there."""

    async def story(app: Driver) -> None:
        await ordered(app, yclients.order())
        assert await app.texts() == [TEXT]

    play(story, source=yclients.table(callback_to=["https://yclients.com/"]), **with_gateway(tmp_path))
    assert yclients.keys == set()
    assert "outcome=not_reported reason=its delivery_callback_url is none of callback_to" in caplog.text


def test_who_may_order(play: Play, yclients: Yclients, tmp_path: Path) -> None:
    """Without the secret, or a key that we know, an order is a 401; what cannot be carried out is a 400, and kept."""

    async def story(app: Driver) -> None:
        for headers in ({}, {"authorization": "Bearer wrong"}):
            assert (await app.post(yclients.order(), path=AT, headers=headers)).status_code == 401
        assert await app.rows("SELECT * FROM webhook_events") == []
        bearer = {"authorization": "Bearer ours"}
        refused = await app.post({**yclients.order(), "text": ""}, path=AT, headers=bearer)
        assert (refused.status_code, refused.json()["error_code"]) == (400, 5)
        (kept,) = await app.rows("SELECT status FROM webhook_events")
        assert kept["status"] == "unreadable"
        assert (await app.post(yclients.order(), path=AT, headers=bearer)).status_code == 200

    play(story, source=yclients.table(secret="right"), **with_gateway(tmp_path))
