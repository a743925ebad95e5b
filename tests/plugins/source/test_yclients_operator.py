"""`source.yclients_operator`: what YCLIENTS orders, what it is answered, and how it hears what became of it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from core import Event, Ignored, Received, Recipient, Refused, Reply, Request, hooks
from core import config as configuration
from core.errors import ConfigError
from core.testing import SALON
from plugins.source import _yclients_reports as reports
from plugins.source import yclients_operator as source
from plugins.source._yclients_owed import Owed

BODY = json.loads((Path(__file__).parents[2] / "payloads/yclients/sms_operator_send_request.json").read_text(encoding="utf-8"))
STATUS = json.loads((Path(__file__).parents[2] / "payloads/yclients/sms_operator_status_callback.json").read_text(encoding="utf-8"))
ADDRESS = BODY["delivery_callback_url"]


def asked(body: Any, headers: dict[str, str] | None = None, config: source.Config | None = None, **query: str) -> Reply:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = Request("POST", "/webhook/yclients_operator", headers or {}, query, raw)
    return source.receive(request, config or source.Config())


def items(reply: Reply) -> list[Received]:
    return [item for item in reply.items if isinstance(item, Received)]


def understood(item: Received) -> Event | Ignored:
    return asyncio.run(source.normalize(item, SALON))


def test_an_order_is_a_text() -> None:
    """The recorded order: the text as it came, its recipient, no booking; the answer names our id beside theirs."""
    reply = asked(BODY, salon="962302")
    (item,) = items(reply)
    assert (item.company_id, item.subject_id, item.event_type) == (962302, None, "text.created")
    assert (reply.status, json.loads(reply.body)) == (200, [{"id": "232674", "ext_id": item.event_id}])
    assert understood(item) == Event("created", text="поле для текста", recipient=Recipient("+71000000002"))


def test_several_recipients() -> None:
    """Each is an event and an answer of its own; an advertisement is called so; a phone that is none says why."""
    several = [{"id": 1, "phone": "79000000088"}, {"id": "2", "phone": ""}]
    reply = asked({**BODY, "destination_params": several, "dispatch_type": "adds"})
    assert [entry["id"] for entry in json.loads(reply.body)] == ["1", "2"]
    assert [understood(item) for item in items(reply)] == [
        Event("created", text="поле для текста", recipient=Recipient("+79000000088"), kind="advert"),
        Event("created", text="поле для текста", recipient=Recipient(None, missing="no phone"), kind="advert"),
    ]


def test_one_recipient_without_a_list() -> None:
    """Their reference calls it an object, and their example is a list."""
    reply = asked({**BODY, "destination_params": BODY["destination_params"][0]})
    assert items(reply)[0].event_id == items(asked(BODY))[0].event_id


def test_the_same_order_again() -> None:
    """It is the same event and the same answer; another text or channel under the same id is another."""
    assert asked(BODY).body == asked(BODY).body
    keys = {items(asked(body))[0].event_id for body in (BODY, {**BODY, "text": "другой"}, {**BODY, "channel": "sms"})}
    assert len(keys) == 3


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{}", {**BODY, "text": ""}, {**BODY, "text": None}, {**BODY, "destination_params": []},
        {**BODY, "destination_params": [{"phone": "79000000088"}]}, {**BODY, "destination_params": "79000000088"},
    ],
)  # fmt: skip
def test_an_order_that_cannot_be_carried_out(body: Any) -> None:
    """It is kept as unreadable, and YCLIENTS is told at once, so that it tries its next channel."""
    reply = asked(body)
    (item,) = items(reply)
    why = "destination_params with an id and a phone, and a text, are needed"
    assert item.unreadable == why
    assert (reply.status, json.loads(reply.body)) == (400, {"error_code": 5, "error_message": why})
    assert understood(item) == Ignored(f"cannot be read: {why}")


def test_who_may_order() -> None:
    """The secret in the address, or a key that we know in Authorization; anything else is refused."""
    config = source.Config(secret="right", partner_token="ours")
    assert asked(BODY, config=config, secret="right").items
    for key in ("right", "ours"):
        assert asked(BODY, {"authorization": f"Bearer {key}"}, config).items
        assert asked(BODY, {"authorization": f"bearer {key}"}, config).items
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "ours"}, {"authorization": "Bearer "}):
        with pytest.raises(Refused):
            asked(BODY, headers, config)
        with pytest.raises(Refused):
            asked(BODY, headers, source.Config(partner_token="ours"))
    assert asked(BODY, config=source.Config(secret="none")).items


@pytest.mark.parametrize("address", ["yclients.com/", "https://yclients.com", "https://a@evil/", "ftp://yclients.com/", ""])
def test_addresses_of_statuses_are_beginnings(tmp_path: Path, address: str) -> None:
    """The key goes with each status, so an address says where its host ends."""
    raw = {"source": {"yclients_operator": {"callback_to": [address]}}}
    with pytest.raises(ConfigError) as error:
        hooks.load(configuration.build(raw, tmp_path / "config.toml", {}))
    assert str(error.value) == (
        f"{tmp_path / 'config.toml'} [source.yclients_operator] callback_to: "
        f'`{address}` is no beginning of addresses; write it as "https://yclients.com/"'
    )


# --- statuses


Tell = Callable[[str, int], None]


class Yclients:
    """Answers what the test wrote down, then 200; keeps what it was told."""

    def __init__(self, *answers: int | Exception) -> None:
        self.answers, self.told, self.keys = list(answers), list[list[tuple[str, int]]](), list[str]()
        self.open = asyncio.Event()  # cleared: requests stay open
        self.open.set()

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        entries = json.loads(request.content)
        assert all(set(entry) == set(STATUS[0]) for entry in entries)
        self.told.append([(entry["id"], entry["status"]) for entry in entries])
        self.keys.append(request.headers.get("authorization", ""))
        await self.open.wait()
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer, json={"success": answer == 200})


def report(yclients: Yclients, story: Callable[[Tell], Any]) -> None:
    """Run `story(tell)`; every report is over when this returns."""

    async def run() -> None:
        kept = reports.Reports()
        async with httpx.AsyncClient(transport=httpx.MockTransport(yclients)) as http:
            await story(lambda number, status: kept.tell(ADDRESS, number, status, http, "ours"))
            await quiet()
            await kept.stop()

    asyncio.run(run())


async def quiet() -> None:
    """Until all others wait for something, or have ended."""
    for _ in range(100):
        await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "WAITS", (0.0, 0.0))
    monkeypatch.setattr(reports, "_STOP_WITHIN", 0.0)


def test_statuses_go_up_only() -> None:
    """Passed on, then delivered; what comes after is no news, and a message given up may be delivered after all."""
    yclients = Yclients()

    async def story(tell: Tell) -> None:
        for status in (reports.PASSED_ON, reports.PASSED_ON, reports.LOST, reports.PASSED_ON, reports.DELIVERED, reports.LOST):
            tell("232674", status)
            await quiet()

    report(yclients, story)
    assert yclients.told == [[("232674", 8)], [("232674", 2)], [("232674", 1)]]
    assert set(yclients.keys) == {"Bearer ours"}


def test_what_waits_is_told_together() -> None:
    """While one request is open the next statuses gather; of one message only the latest is told."""
    yclients = Yclients()

    async def story(tell: Tell) -> None:
        yclients.open.clear()
        tell("1", reports.PASSED_ON)
        await quiet()
        for number in ("2", "3"):
            tell(number, reports.PASSED_ON)
        tell("1", reports.DELIVERED)
        tell("2", reports.REFUSED)
        yclients.open.set()

    report(yclients, story)
    assert yclients.told == [[("1", 8)], [("1", 1), ("2", 16), ("3", 8)]]


def test_a_status_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    """Where YCLIENTS is away it is asked again, a few times, with what is true by then; then the log says what is lost."""
    yclients = Yclients(503, httpx.ConnectError("away"), 200, 429, 500, 500, 200)

    async def story(tell: Tell) -> None:
        yclients.open.clear()
        tell("1", reports.PASSED_ON)
        await quiet()
        tell("1", reports.DELIVERED)
        yclients.open.set()
        await quiet()
        tell("2", reports.LOST)

    with caplog.at_level(logging.WARNING):
        report(yclients, story)
    assert yclients.told[:3] == [[("1", 8)], [("1", 1)], [("1", 1)]]
    assert [entry for told in yclients.told[3:] for entry in told] == [("2", 2)] * 3
    assert [record.getMessage() for record in caplog.records] == ["outcome=not_reported count=1 reason=HTTP 500"]


def test_a_refused_batch_costs_only_what_is_wrong(caplog: pytest.LogCaptureFixture) -> None:
    """An id that YCLIENTS does not know: the others are told by themselves, and it is not asked again."""
    yclients = Yclients(400, 200, 400, 200)

    async def story(tell: Tell) -> None:
        for number in ("1", "2", "3"):
            tell(number, reports.DELIVERED)

    with caplog.at_level(logging.WARNING):
        report(yclients, story)
    assert yclients.told[1:] == [[("1", 1)], [("2", 1)], [("3", 1)]]
    assert [record.getMessage() for record in caplog.records] == ["outcome=not_reported count=1 reason=HTTP 400"]


def test_the_end_of_the_process_does_not_wait(caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be told quickly when the process ends is lost, and the log says how many."""

    async def hang(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async def run() -> None:
        kept = reports.Reports()
        async with httpx.AsyncClient(transport=httpx.MockTransport(hang)) as http:
            kept.tell(ADDRESS, "1", reports.DELIVERED, http, "")
            await quiet()
            await kept.stop()

    asyncio.run(run())
    assert [record.getMessage() for record in caplog.records] == ["outcome=not_reported count=1 reason=the process ends"]


def test_only_so_many_wait(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit for what waits, so that an address that is away for days costs no memory."""
    monkeypatch.setattr(reports, "_MOST", 2)
    yclients = Yclients()

    async def story(tell: Tell) -> None:
        for number in ("1", "2", "3"):
            tell(number, reports.DELIVERED)

    report(yclients, story)
    assert [entry for told in yclients.told for entry in told] == [("1", 1), ("2", 1)]
    assert [record.getMessage() for record in caplog.records] == ["outcome=not_reported reason=2 statuses wait already"]


# --- what is owed outlives the process


def owing(path: Path, story: Callable[[reports.Reports, Tell], Any], yclients: Yclients) -> None:
    """A process with a file: `story(reports, tell)`, then it is stopped."""

    async def run() -> None:
        kept = reports.Reports()
        async with httpx.AsyncClient(transport=httpx.MockTransport(yclients)) as http:

            def tell(number: str, status: int) -> None:
                kept.tell(ADDRESS, number, status, http, "ours")

            await story(kept, tell)
            await quiet()
            await kept.stop()

    asyncio.run(run())


def test_a_killed_process_leaves_what_it_owes(tmp_path: Path) -> None:
    """It died with one status told, one open and one that has changed; the next one is given the latest of each, and the file is gone after."""
    path, yclients = tmp_path / "owed", Yclients()

    async def dies(kept: reports.Reports, tell: Tell) -> None:
        assert kept.keep(path) == []
        tell("1", reports.DELIVERED)
        await quiet()
        yclients.open.clear()
        tell("2", reports.PASSED_ON)
        await quiet()
        tell("2", reports.DELIVERED)
        tell("3", reports.PASSED_ON)
        with path.open("ab") as file:
            file.write(b'["https://yclients.com/", "4"')  # torn
        (tmp_path / "killed").write_bytes(path.read_bytes())
        yclients.open.set()

    owing(path, dies, yclients)
    assert not path.exists()
    (tmp_path / "killed").rename(path)
    again = Yclients()

    async def lives(kept: reports.Reports, tell: Tell) -> None:
        left = kept.keep(path)
        assert left == [(ADDRESS, "2", reports.DELIVERED), (ADDRESS, "3", reports.PASSED_ON)]
        assert kept.keep(path) == []
        for _, number, status in left:
            tell(number, status)

    owing(path, lives, again)
    assert again.told == [[("2", 1), ("3", 8)]]
    assert not path.exists()


def test_an_end_while_yclients_is_away_loses_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Stopped well with a status open: the log says that it comes later, and the next process finds it."""
    path, yclients = tmp_path / "owed", Yclients()

    async def ends(kept: reports.Reports, tell: Tell) -> None:
        yclients.open.clear()
        kept.keep(path)
        tell("1", reports.DELIVERED)

    owing(path, ends, yclients)
    assert [record.getMessage() for record in caplog.records] == ["outcome=reported_later count=1 reason=the process ends"]
    assert Owed(path).owed == {(ADDRESS, "1"): reports.DELIVERED}


def test_processes_do_not_share_a_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The second one takes a file beside it; a folder that is not there costs only the keeping, and is said once."""
    first, second = Owed(tmp_path / "owed"), Owed(tmp_path / "owed")
    first.add(ADDRESS, "1", 8)
    second.add(ADDRESS, "2", 8)
    second.close()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["owed", "owed.1"]
    first.done(ADDRESS, "1", 8)
    first.close()
    (tmp_path / "owed.1").rename(tmp_path / "owed")
    assert Owed(tmp_path / "owed").owed == {(ADDRESS, "2"): 8}
    nowhere = Owed(tmp_path / "none" / "owed")
    nowhere.add(ADDRESS, "1", 8)
    nowhere.close()
    assert [record.getMessage() for record in caplog.records] == [
        f"path={tmp_path}/none/owed outcome=not_kept reason=No such file or directory; a kill loses statuses that are owed to YCLIENTS"
    ]


def test_only_the_owner_may_read_what_is_owed(tmp_path: Path) -> None:
    """0600, whatever the umask."""
    before = os.umask(0)
    try:
        Owed(tmp_path / "owed")
    finally:
        os.umask(before)
    assert (tmp_path / "owed").stat().st_mode & 0o777 == 0o600
