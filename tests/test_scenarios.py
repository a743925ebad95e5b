"""The nine scenarios of messaging gateways, for each transport where they apply: the whole app over HTTP, with the stand-in of each API.

| scenario | here | beside |
|---|---|---|
| 1 reports: in order, twice, mixed up, before the answer | `test_reports_in_any_order` | test_delivery.py |
| 2 every error by its code, no JSON, empty | `test_every_error_ends_as_its_class_says`, `test_a_lost_answer_is_sent_once` | contract suite, test_journeys.py |
| 3 no answer after it was taken | `test_a_lost_answer_is_sent_once` | test_cascade.py |
| 4 too many requests | `test_too_many_requests_is_sent_once_and_later` | test_cascade_fine_print.py |
| 5 the session goes in mid-batch | `test_the_account_fails_in_mid_batch` | test_cascade.py |
| 6 taken and never delivered, then late | `test_taken_and_never_delivered` | test_cascade.py |
| 7 forged, foreign and unreadable callbacks | `test_what_proves_nothing_changes_nothing` | test_edge.py |
| 8 Meta's window and templates | test_cascade_fine_print.py | test_whatsapp_cloud.py |
| 9 phones as people write them | `test_phones_as_people_write_them` | each transport's own tests |
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from core.model import Rejected, Retry, Unclear
from core.testing.recorded import meaning
from stand_ins import ALL, Scenario
from tests.test_cascade import PHONE, Play, Stage, _play
from tests.test_cascade_fine_print import TEMPLATES
from tests.test_stop_words import CHANNELS as MESSENGERS

CHANNELS = {**MESSENGERS, "smsc": "sms", "smsru": "sms"}
BOTS = ("max", "telegram")
REPORTING = sorted(set(CHANNELS) - {*BOTS, "smsc"})
KEYS = {"whatsapp_cloud": {"templates": TEMPLATES}}
BODIES = Path(__file__).parent / "payloads" / "transports"


@pytest.fixture
def one(tmp_path: Path) -> Play:
    """`one(story, name)`: the app with this gateway, and one of another channel to fall back to."""

    def run(story: Any, name: str, **options: Any) -> None:
        next_one = "smsc" if CHANNELS[name] != "sms" else "green_api"
        channels = (CHANNELS[name], CHANNELS[next_one])
        options = {"filter": {"recent_chat": None}, **options}
        asyncio.run(
            _play(f"sqlite:///{tmp_path / 'v.db'}", tmp_path, story, (name, next_one), channels=channels, keys=KEYS, **options)
        )

    return run


async def bound(app: Stage, name: str, *phones: str) -> None:
    if name in BOTS:
        for phone in phones or (PHONE,):
            await app[name].write(phone, contact=True)
        await app.settle()


async def first(app: Stage) -> str:
    return (await app.states())[0][1]


@pytest.mark.parametrize("name", REPORTING)
@pytest.mark.parametrize(
    "reports", [("sent", "delivered"), ("delivered", "sent", "delivered", "sent"), ("failed", "sent", "delivered")]
)
def test_reports_in_any_order(one: Play, name: str, reports: tuple[str, ...]) -> None:
    """They come before the answer, twice and mixed up, a failure before the delivery: it ends as delivered, and nothing else leaves."""

    async def story(app: Stage) -> None:
        app[name].plan(Scenario(report=reports, before_answer=True))
        await app.book()
        await app.settle(5)
        await app.settle(12 * 3600)
        assert await first(app) == "delivered"
        assert [len(gateway.ledger) for gateway in app.gateways.values()] == [1, 0]

    one(story, name)


def _errors() -> list[Any]:
    found = []
    for name in sorted(CHANNELS):
        files = json.loads((BODIES / name / "_manifest.json").read_text(encoding="utf-8"))["files"]
        found += [
            pytest.param(name, file[:-5], entry["outcome"], id=f"{name}-{file[:-5]}")
            for file, entry in files.items()
            if entry["kind"] == "error"
        ]
    return found


@pytest.mark.parametrize(("name", "answer", "outcome"), _errors())
def test_every_error_ends_as_its_class_says(one: Play, name: str, answer: str, outcome: str) -> None:
    """The recipient, or a template that nobody is reached by: the next channel, of a template with an alert. The text: the end, and an alert.
    The account: the next channel, a pause and an alert. Else it waits, or is unclear."""

    async def story(app: Stage) -> None:
        await bound(app, name)
        app[name].plan(answer)
        await app.book()
        states, alerts = [status for _, status in await app.states()], len(await app.alerts())
        paused = [entry for entry in (await app.http.get("/ready")).json()["transports"] if not entry["working"]]
        kind, fields = meaning(outcome)
        if kind is Rejected:
            assert (states, alerts, paused) == (
                (["failed", "sent"], int(outcome == "permanent_template"), [])
                if fields["scope"] == "recipient" or outcome == "permanent_template"
                else (["failed"], 1, [])
            )
        elif kind is Retry and fields.get("alert"):
            assert (states, alerts, len(paused)) == (["failed", "sent"], 1, 1)
        elif kind is Retry:
            assert (states, alerts) == (["pending"], 0)
        else:
            assert kind is Unclear
            assert (states, alerts) == (["unclear"], 0)
        assert app[name].ledger == []

    one(story, name)


@pytest.mark.parametrize("name", sorted(CHANNELS))
@pytest.mark.parametrize("answer", ["html_502", "empty", "drop"])
def test_a_lost_answer_is_sent_once(one: Play, name: str, answer: str) -> None:
    """It was taken, and no readable answer came: unclear, and never sent again on this channel. Wazzup knows the repeat, so it is asked once more."""

    async def story(app: Stage) -> None:
        await bound(app, name)
        app[name].plan(Scenario(answer, taken=True, report=()))
        await app.book()
        assert await first(app) == ("pending" if name == "wazzup" else "unclear")
        await app.settle(5)
        assert await first(app) == ("sent" if name == "wazzup" else "unclear")
        await app.settle(12 * 3600)
        assert len(app[name].ledger) == 1

    one(story, name)


@pytest.mark.parametrize("name", sorted(set(CHANNELS) - {"smsc"}))  # which blocks us for it: an error of the account
@pytest.mark.parametrize("seconds", [None, 40])
def test_too_many_requests_is_sent_once_and_later(one: Play, name: str, seconds: int | None) -> None:
    """With and without Retry-After: it waits, is sent once on the same channel, and nobody is alerted."""

    async def story(app: Stage) -> None:
        await bound(app, name)
        app[name].plan(Scenario("rate_limited", retry_after=seconds))
        await app.book()
        assert (await first(app), app[name].ledger) == ("pending", [])
        await app.settle(120)
        assert (await first(app), len(app[name].ledger)) == ("sent", 1)
        assert await app.alerts() == []

    one(story, name)


@pytest.mark.parametrize("name", sorted(CHANNELS))
def test_the_account_fails_in_mid_batch(one: Play, name: str) -> None:
    """After two of five the account fails: one alert, the rest by the next channel, and nothing of it comes late when it returns."""
    phones = [f"+7900000040{number}" for number in range(5)]

    async def story(app: Stage) -> None:
        await bound(app, name, *phones)
        for number, phone in enumerate(phones, 1):
            if number == 3:
                app[name].always("session_down")
            await app.book(number, phone)
        other = next(key for key in app.gateways if key != name)
        assert ([taken.phone for taken in app[name].ledger], [taken.phone for taken in app[other].ledger]) == (
            phones[:2],
            phones[2:],
        )
        assert len(await app.alerts()) == 1
        app[name].always(Scenario(report=()))
        for taken in [*app[name].ledger, *app[other].ledger]:
            taken.state = "delivered"
            if name in REPORTING and taken in app[name].ledger:
                await app[name].report(taken, "delivered")
        await app.settle(7200)
        assert len(app[name].ledger) == 2

    one(story, name)


@pytest.mark.parametrize("name", sorted({*REPORTING, "smsc"}))
def test_taken_and_never_delivered(one: Play, name: str) -> None:
    """The next channel takes over after ten minutes; then the first is delivered after all: nothing further leaves."""

    async def story(app: Stage) -> None:
        await app.book()
        await app.settle(601)
        other = next(key for key in app.gateways if key != name)
        assert (len(app[name].ledger), len(app[other].ledger)) == (1, 1)
        await app.delivered(name)
        for minutes in (1, 2, 4, 8, 16):
            await app.settle(minutes * 60)
            await app.check()
        assert await first(app) == "delivered"
        await app.settle(12 * 3600)
        assert (len(app[name].ledger), len(app[other].ledger)) == (1, 1)

    one(story, name)


@pytest.mark.parametrize("name", sorted(set(CHANNELS) - {"smsc"}))
def test_what_proves_nothing_changes_nothing(one: Play, name: str) -> None:
    """A forged report is refused and not kept; what is proven and means nothing, or cannot be read, is answered 200 and moves no message."""

    async def story(app: Stage) -> None:
        gateway, path = app[name], f"/callback/{name}"
        await bound(app, name)
        await app.book()
        before = (await app.states(), await app.rows("SELECT * FROM bindings"), await app.rows("SELECT * FROM callbacks"))
        hook = gateway.status_hook(gateway.ledger[0], "failed") if name in REPORTING else gateway.text_hook(PHONE[1:], "СТОП")
        body, headers = gateway.sealed(hook)
        plain = {"content-type": headers["content-type"]}
        proofs = {key: value for key, value in headers.items() if key not in plain}
        if proofs:  # the others prove themselves inside the body
            forged = {key: value[:-1] + ("0" if value[-1] != "0" else "1") for key, value in proofs.items()}
            refused = [await app.http.post(path, content=body, headers={**plain, **proof}) for proof in ({}, forged)]
        else:
            refused = [await app.http.post(path, content=body.replace(b"hash=", b"hash=0"), headers=plain)]
        assert {answered.status_code for answered in refused} == {401}
        huge = await app.http.post(path, content=b"x" * (2**20 + 1), headers=headers)
        assert huge.status_code == 413
        await app.settle()
        assert (await app.states(), await app.rows("SELECT * FROM bindings"), await app.rows("SELECT * FROM callbacks")) == before
        for unknown in ({}, {"event": "brand.new", "typeWebhook": "new", "update_type": "new", "object": "new"}):
            raw, proven = gateway.sealed(unknown)
            assert (await app.http.post(path, content=raw, headers=proven)).status_code == 200
        await app.settle()
        assert (await app.states(), await app.rows("SELECT * FROM bindings")) == before[:2]

    one(story, name)


@pytest.mark.parametrize("name", sorted(CHANNELS))
@pytest.mark.parametrize(
    ("written", "phone"),
    [
        ("8 (900) 000-00-88", PHONE),
        ("+7 900 000 00 88", PHONE),
        ("+375 29 123-45-67", "+375291234567"),
        ("+49 151 23456789", "+4915123456789"),
    ],
)
def test_phones_as_people_write_them(one: Play, name: str, written: str, phone: str) -> None:
    """However it is written, the gateway is given the one number, Russian or not (MAX by phone: the next channel for other countries)."""

    async def story(app: Stage) -> None:
        await bound(app, name, phone)
        await app.book(phone=written)
        beyond = name == "green_api_max" and phone.startswith("+49")
        assert [taken.phone for taken in app["smsc" if beyond else name].ledger] == [phone]

    one(story, name)


def test_every_stand_in_is_played() -> None:
    """A new transport joins the scenarios."""
    assert set(CHANNELS) == set(ALL)
