"""A plugin that always breaks: `stats` and `plugins` say how often, and trace and log say where, in the same words."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import TOKEN, Clock, Driver, body, drive, settings
from tests.test_cli import PLAIN, cells, vestnik, written

HEAD = "from core import Channel, Message, Received, Settings, Sent, hookimpl\n\n@hookimpl\n"
BROKEN = {
    "source/crm.py": HEAD + "def receive(request):\n    return request.query['id']\n\n@hookimpl\nasync def normalize(received):\n    {}['when']\n",
    "filter/vip.py": HEAD + "def filter(case):\n    return {}['vip']\n",
    "render/footer.py": HEAD + "def parts(notice):\n    return 1 / 0\n",
    "send/kurier.py": HEAD.replace("\n\n", "\n\nTAKEN = []\n\n") + "def channel():\n    return Channel('whatsapp')\n\n@hookimpl\nasync def send(message):\n    TAKEN.append(message)\n    if len(TAKEN) % 2:\n        raise KeyError(message.text)\n    return Sent('k7')\n",
    "record/ledger.py": HEAD + "async def record(outcome):\n    raise ValueError('the file is full')\n",
}  # fmt: skip
ON = """
[plugins]
path = ["mine"]
[source.crm]
[filter.vip]
[render.footer]
[record.ledger]
[send.kurier]
"""


def with_plugins(folder: Path, database_url: str) -> dict[str, Any]:
    """All of them on, in the app and in `config.toml`."""
    for name, text in BROKEN.items():
        file = folder / "mine" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    plain = PLAIN.replace("[send.console]\n", "").replace("[server]", f'[database]\nurl = "{database_url}"\n[server]')
    written(folder, plain + ON)
    tables: dict[str, Any] = {name: {name2: {}} for name, name2 in (pair.removesuffix(".py").split("/") for pair in BROKEN)}
    tables["send"]["console"] = None
    return settings(database_url, plugins={"path": [str(folder / "mine")]}, **tables)


def test_whatever_breaks_is_counted_and_named(tmp_path: Path, database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """A plugin of each stage, some of them at every second message: how often, and the sentence with its file and line; neither a phone nor the text in any of them."""
    raw, now = with_plugins(tmp_path, database_url), datetime.now(UTC)

    async def story(app: Driver) -> None:
        for number in (1, 2, 3, 4):
            found = body("record_create_discount50", id=number, resource_id=number, date="2099-08-21 14:30:00")
            told = await app.tell({**found, "data": {**found["data"], "datetime": "2099-08-21T14:30:00+03:00"}})
            (message,) = told["notifications"]
            noted = "vip abstained: KeyError: 'vip' in vip.py:5; render.footer: ZeroDivisionError: division by zero in footer.py:5"
            assert message["error"] == ("the transport broke: KeyError in kurier.py:13" if number % 2 else noted)
            read = await app.tell(b"{}", path="/webhook/crm")
            assert (read["status"], read["reason"]) == (
                "unreadable", "source.crm could not read it: KeyError: 'id' in crm.py:5"
            )  # fmt: skip

    with caplog.at_level(logging.INFO, "vestnik"):
        drive(raw, tmp_path, story, clock=Clock(now))
    for said in (
        "outcome=unreadable reason=source.crm could not read it: KeyError: 'id' in crm.py:5",
        "plugin=filter.vip outcome=broken reason=KeyError: 'vip' in vip.py:5",
        "plugin=render.footer outcome=left_out reason=ZeroDivisionError: division by zero in footer.py:5",
        "plugin=send.kurier outcome=Unclear reason=KeyError in kurier.py:13",
        "plugin=record.ledger outcome=broken reason=ValueError: the file is full in ledger.py:5",
    ):
        assert said in caplog.text
    assert re.search(r"event=evt_\w+ source=crm outcome=unreadable", caplog.text)
    code, out, err = vestnik(tmp_path, "stats")
    assert (code, err) == (0, "")
    _, _, rest = out.partition("Plugins that broke in the last 24 hours\n")
    rows = {row[0]: (row[1], row[4]) for row in cells(rest.partition("└")[0])}
    assert rows == {
        "filter.vip": ("4", "abstained: KeyError: 'vip' in vip.py:5"),
        "source.crm": ("4", "source.crm could not read it: KeyError: 'id' in crm.py:5"),
        "render.footer": ("2", "ZeroDivisionError: division by zero in footer.py:5"),
        "send.kurier": ("2", "the transport broke: KeyError in kurier.py:13"),
        "record.ledger": (str(rows["record.ledger"][0]), "ValueError: the file is full in ledger.py:5"),
    }
    assert int(rows["record.ledger"][0]) >= 4
    assert not re.search("записаны|9000000088", out)
    code, out, _ = vestnik(tmp_path, "plugins", "filter.vip")
    assert re.search(
        r"^In the last 24 hours: broke 4 times, last at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC: abstained: KeyError: 'vip' in vip.py:5 "
        r"\(vestnik trace evt_\w+\)\.$",
        out,
        re.MULTILINE,
    )
    code, out, _ = vestnik(tmp_path, "plugins", "record.metrics")
    assert (code, "broke" in out) == (0, False)
    code, out, err = vestnik(tmp_path, "send-test", "+79000000088", "--wait", "1s")
    assert "4. send: Unclear the transport broke: KeyError in kurier.py:13\n" in out


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("Received('e', 't', '{}')", "source.crm.receive answered Received; return a list of Received or Reply"),
        ("None", "source.crm.receive answered NoneType; return a list of Received or Reply"),
        ("{'id': 1}", "source.crm.receive answered dict; return a list of Received or Reply"),
        ("[Received('e', 't', '{}'), {}]", "source.crm.receive answered a list with dict in it; return a list of Received"),
        ("Reply(({},))", "source.crm.receive: Reply.items is a list with dict in it; give a list of Received"),
        ("int(request.body)", "source.crm could not read it: ValueError in crm.py:5"),  # its words would quote the body
    ],
)
def test_what_receive_answers(
    play: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture, answer: str, said: str
) -> None:
    """Whatever is no list of items: the body is kept, and the log says the event and the mend."""
    (tmp_path / "source").mkdir()
    text = f"from core import Event, Received, Reply, hookimpl\n\n@hookimpl\ndef receive(request):\n    return {answer}\n"
    text += "\n@hookimpl\nasync def normalize(received):\n    return Event('created')\n"
    (tmp_path / "source" / "crm.py").write_text(text, encoding="utf-8")

    async def story(app: Driver) -> None:
        told = await app.tell(b"the words of a client, as they came", path="/webhook/crm")
        assert (told["status"], told["reason"], told["payload"]) == ("unreadable", said, "the words of a client, as they came")
        assert f"event={told['event_id']} source=crm outcome=unreadable reason={said}" in caplog.text

    play(story, plugins={"path": ["."]}, source={"crm": {}})


KURIER = (
    HEAD.replace("Sent, hookimpl", "Retry, Sent, hookimpl")
    + """def channel():
    return Channel('whatsapp')

@hookimpl
async def send(message):
    return Retry('the session is down', scope='transport')

@hookimpl
async def probe():
    return {'phone': '+79000000088'}['state']
"""
)


def test_a_probe_that_breaks_is_named(tmp_path: Path, database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Its account stays paused, so its bug must not read as an outage of the gateway: in `/ready`, in `stats` and `plugins`, by an alert, told
    once, and in the log, with file and line."""
    (tmp_path / "mine" / "send").mkdir(parents=True)
    (tmp_path / "mine" / "send" / "kurier.py").write_text(KURIER, encoding="utf-8")
    plain = PLAIN.replace("[send.console]\n", "[send.kurier]\n").replace(
        "[server]", f'[database]\nurl = "{database_url}"\n[server]'
    )
    written(tmp_path, plain + '[plugins]\npath = ["mine"]\n')
    raw = settings(database_url, plugins={"path": [str(tmp_path / "mine")]}, send={"console": None, "kurier": {}})
    said, clock = "the probe broke: KeyError in kurier.py:13", Clock(datetime.now(UTC))

    async def story(app: Driver) -> None:
        found = body("record_create_discount50", date="2099-08-21 14:30:00")
        await app.tell({**found, "data": {**found["data"], "datetime": "2099-08-21T14:30:00+03:00"}})
        for _ in range(3):
            clock.now += timedelta(minutes=1)
            await app.vestnik.worker.sender.accounts.probe()
        (entry,) = [e for e in (await app.http.get("/ready")).json()["transports"] if e["transport"] == "kurier"]
        assert (entry["working"], entry["reason"]) == (False, said)
        alerts = await app.vestnik.run.store.look.ask("alerts", since=clock() - timedelta(days=1))
        assert [alert["text"] for alert in alerts if "probe" in alert["text"]] == [
            f"Плагин kurier сломан ({said}), поэтому через него не пишем; клиентам пишем по другим каналам, если они есть. "
            "Исправьте его или выключите."
        ]

    with caplog.at_level(logging.INFO, "vestnik"):
        drive(raw, tmp_path, story, clock=clock)
    assert "plugin=send.kurier outcome=broken reason=KeyError in kurier.py:13" in caplog.text
    code, out, err = vestnik(tmp_path, "stats")
    assert (code, err) == (0, "")
    rows = [row for row in cells(out) if said in row]
    assert ["kurier", "0", said] in rows
    assert [(row[0], row[1]) for row in rows if row[0] == "send.kurier"] == [("send.kurier", "3")]
    _, out, _ = vestnik(tmp_path, "plugins", "send.kurier")
    assert re.search(rf"^In the last 24 hours: broke 3 times, last at [\d :-]+ UTC: {re.escape(said)}\.$", out, re.MULTILINE)
    _, out, _ = vestnik(tmp_path, "send-test", "+79000000088", "--wait", "1s")
    assert f"2. probe: {said}\n" in out
    assert "79000000088" not in caplog.text


def test_a_probe_that_meets_nobody_is_no_bug(play: Callable[..., Any], tmp_path: Path) -> None:
    """The gateway is away, or its answer is late: that is said of the gateway, and nobody has to mend a plugin."""
    (tmp_path / "send").mkdir()
    text = KURIER.replace(
        "return {'phone': '+79000000088'}['state']", "import httpx\n    raise httpx.ReadTimeout('at https://api/botTOKEN')"
    )
    (tmp_path / "send" / "kurier.py").write_text(text, encoding="utf-8")

    async def story(app: Driver) -> None:
        await app.tell(body("record_create_discount50"))
        app.clock.now += timedelta(minutes=1)
        await app.vestnik.worker.sender.accounts.probe()
        (health,) = await app.vestnik.run.store.health.all()
        assert health.reason == "timeout after the request was written"
        alerts = await app.vestnik.run.store.look.ask("alerts", since=app.clock() - timedelta(days=1))
        assert [alert["text"] for alert in alerts if "probe" in alert["text"]] == []
        assert (await app.vestnik.run.store.look.broken(app.clock() - timedelta(days=1))) == []

    play(story, plugins={"path": ["."]}, send={"console": None, "kurier": {}})


MISFITS = {
    "Event('created', Booking(visit_at='2026-08-21T14:30:00+03:00'))": "Booking.visit_at is str; give a datetime with an offset: .replace(tzinfo=…)",
    "Event('created', Booking(visit_at=datetime(2026, 8, 21)))": "Booking.visit_at is a datetime without an offset; give a datetime with an offset: .replace(tzinfo=…)",
    "Event('created', Booking(visit_at=datetime.max.replace(tzinfo=timezone(timedelta(hours=-3)))))": "Booking.visit_at is a datetime at the end of all time; give one that can be told in UTC",
    "Event('created', Booking(phone=79000000088))": "Booking.phone is int; give a text",
    "Event('created', Booking(services='стрижка'))": "Booking.services is str; give a list of Service",
    "Event('created', Booking(services=['стрижка']))": "Booking.services is a list with str in it; give a list of Service",
    "Event('created', Booking(services=[Service('x', cost='5')]))": "Service.cost is str; give a Decimal",
    "Event('created', Booking(services=[Service('x', cost=Decimal('9e999999'))]))": "Service.cost is no sum of money; give a finite Decimal",
    "Event('created', Booking(services=[Service('x', cost=Decimal('NaN'))]))": "Service.cost is no sum of money; give a finite Decimal",
    "Event('created', Booking(extra={'x': object()}))": "Booking.extra is a dict that JSON cannot hold; give texts, numbers, lists and dicts",
    "Event('create')": 'Event.action is `create`; give "created", "updated" or "deleted"',
    "Event('created', text=5)": "Event.text is int; give a text",
    "Event('created', changed_at=1)": "Event.changed_at is int; give a datetime with an offset: .replace(tzinfo=…)",
    "Later('away', after='30s')": "Later.after is str; give a timedelta or a number of seconds",
    "Ignored(5)": "Ignored.reason is int; give a text",
}  # fmt: skip


@pytest.mark.parametrize("answer", MISFITS)
def test_a_misfit_parks_its_own_booking_at_once(
    play: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture, answer: str
) -> None:
    """A value of the wrong kind is named with plugin, hook and field, and the bookings beside it in the batch are told in the same round."""
    (tmp_path / "source").mkdir()
    text = "from datetime import datetime, timedelta, timezone\nfrom decimal import Decimal\nfrom core import Booking, Event, Ignored, Later, Received, Service, hookimpl\n"
    text += "\n@hookimpl\ndef receive(request):\n    return [Received('odd', 'record.created', '{}', 962302, 5)]\n"
    text += f"\n@hookimpl\nasync def normalize(received):\n    return {answer}\n"
    (tmp_path / "source" / "crm.py").write_text(text, encoding="utf-8")

    async def story(app: Driver) -> None:
        ids = [(await app.post(b"{}", "/webhook/crm")).json()["eventId"]]
        ids += [(await app.post(body("record_create_discount50", id=n, resource_id=n))).json()["eventId"] for n in (1, 2, 3)]
        await app.vestnik.worker.decider.step()
        odd, *others = [await app.story(number) for number in ids]
        assert (odd["status"], odd["reason"]) == ("parked", f"source.crm.normalize: {said}")
        assert [other["status"] for other in others] == ["processed"] * 3
        assert f"plugin=source.crm outcome=parked reason=source.crm.normalize: {said}" in caplog.text

    said = MISFITS[answer]
    play(story, plugins={"path": ["."]}, source={"crm": {}})


def test_a_test_call_that_cannot_be_reckoned_with(play: Callable[..., Any]) -> None:
    """A cost with a million digits has no discount: the operator's own call delays nobody, and is told without it."""

    async def story(app: Driver) -> None:
        headers = {"Authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
        flat = b'{"phone": "+79000000088", "service": "x", "datetime": "2025-08-21 14:30", "cost": "9e999999", "discount": 50}'
        posted = (await app.http.post("/webhook/yclients/test", content=flat, headers=headers)).json()
        assert (posted["success"], "₽" in posted["message"], "руб" in posted["message"]) == (True, False, False)

    play(story)


def test_what_core_cannot_fold_parks_that_booking_alone(play: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug of ours about one booking is no other booking's: each is judged by itself, before and after it is folded."""
    from core.pipeline import normalize, understand

    fold, reader = normalize.fold, understand._read

    def breaks(known: Any, events: Any) -> Any:
        if known.key.record_id == 2:
            raise OverflowError("date value out of range")
        return fold(known, events)

    async def misreads(run: Any, row: Any) -> Any:
        if row.record_id == 1:
            raise ArithmeticError("the phone is +79000000088")
        return await reader(run, row)

    monkeypatch.setattr(normalize, "fold", breaks)
    monkeypatch.setattr(understand, "_read", misreads)

    async def story(app: Driver) -> None:
        posted = [await app.post(body("record_create_discount50", id=n, resource_id=n)) for n in (1, 2, 3)]
        await app.vestnik.worker.decider.step()
        told = [await app.story(answer.json()["eventId"]) for answer in posted]
        assert [(each["status"], each["reason"]) for each in told] == [
            ("parked", "source.yclients: its events could not be taken up: ArithmeticError; the log says where"),
            ("parked", "the decision failed: OverflowError: date value out of range"),
            ("processed", None),
        ]

    play(story)
