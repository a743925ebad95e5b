"""The suite of a transport: codes, ids, rates, privacy, proof, and its folder of bodies."""

from __future__ import annotations

import hmac
import json
import re
import textwrap
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest

from core import InboundMessage, Sent
from core.testing import an_attempt, contracts
from tests.core.testing.odd import ROOT, Write, fails

TRANSPORT = """
class Config(Settings, frozen=True):
    base_url: str = "https://odd.example"  # the API
    token: str = ""  # of the account
    hook: str = ""  # of callbacks

@hookimpl
def channel():
    return Channel("sms")

@hookimpl
async def send(message, address, http, config):
    response = await http.post(f"{{config.base_url}}/messages", json={{"to": address.phone, "text": message.text}})
    said = answer(response)
    {send}

@hookimpl
def callback(request, config):
    {callback}
"""
GOOD = {
    "send": "return Codes(recipient={'bad_number': 'no such number'}).judge(response, said.get('error'), said.get('id'))",
    "callback": "prove(request.headers.get('x'), config.hook); said = posted(request); return Statuses(delivered='done').reports(said.get('state'), said.get('id'))",
}
BODIES = {
    "send.request.json": ({"kind": "request", "method": "POST", "path": "/messages"}, {"to": "+79001234567", "text": "Вы записаны: *25 июля, 14:00*, мастер Ольга"}),
    "send.ok.json": ({"kind": "response", "outcome": "accepted", "id": "m1"}, {"id": "m1"}),
    "error.number.json": ({"kind": "error", "http_status": 422, "outcome": "permanent_recipient"}, {"error": "bad_number"}),
    "webhook.done.json": ({"kind": "status_webhook", "status": "delivered", "id": "m1"}, {"state": "done", "id": "m1"}),
}  # fmt: skip


@pytest.fixture
def bodies(tmp_path: Path) -> Path:
    folder = tmp_path / "bodies"
    folder.mkdir()
    for name, (_, body) in BODIES.items():
        (folder / name).write_text(json.dumps(body), encoding="utf-8")
    (folder / "_manifest.json").write_text(
        json.dumps({"files": {name: entry for name, (entry, _) in BODIES.items()}}), encoding="utf-8"
    )
    return folder


def suite_of(plugin: ModuleType, bodies: Path | None, **more: Any) -> type:
    account = contracts.Account(
        config={"token": "t0ken-of-api", "hook": "w0rd"}, bodies=bodies, proven_by="hook", sign=lambda _: {"x": "w0rd"}
    )
    return contracts.transport(
        plugin, contracts.Account(**{**{name: getattr(account, name) for name in account.__struct_fields__}, **more})
    )


@pytest.mark.parametrize(
    ("wrong", "check", "values", "said"),
    [
        ({}, "answer_is_judged", ("error.number.json",), ""),
        (
            {"send": "return Codes().judge(response, said.get('error'), said.get('id'))"},
            "answer_is_judged",
            ("error.number.json",),
            "send.odd.send: judged error.number.json as Unclear(reason='HTTP 422 with nothing that is documented'), and the manifest calls it "
            "permanent_recipient; that is Rejected(scope='recipient'): give its code its place in Codes(…), or mend the manifest",
        ),
        ({"send": "return Sent('other')"}, "answer_is_judged", ("send.ok.json",), "send.odd.send: judged send.ok.json as Sent(id='other'), and the manifest calls it accepted; the id in it is 'm1': answer Sent('m1')"),
        ({"send": "return Sent(said['id'])"}, "answer_is_judged", ("error.number.json",), "send.odd.send: raised KeyError: 'id' in line 19 at error.number.json; look before you take: match, or .get(…)"),
        ({"send": "return Sent(None)"}, "redirect_is_a_wrong_address", (302,), "send.odd.send: judged HTTP 302 as Sent(id=None); leave it to otherwise(response): Retry(…, scope=\"transport\", alert=True)"),
        ({"send": "return Retry('no')"}, "unreadable_answer_promises_nothing", (200,), "send.odd.send: judged HTTP 200 with the body b'' as Retry("),
        ({"send": "return Retry('no')"}, "retry_after_is_honoured", (), "send.odd.send: judged HTTP 429 with Retry-After: 7 as Retry("),
        ({"send": "return Unclear(message.text)"}, "any_answer_is_judged", (), "send.odd.send: quotes a key, the phone or the text in a reason: "),
        ({"callback": "return ()"}, "unproven_callback_is_refused", (), "send.odd.callback: believed b'{}' with the headers {} (()); raise Refused: prove(…) does it"),
        ({"callback": "prove(request.headers.get('x'), config.hook); return ()"}, "callback_is_read", ("webhook.done.json",), "send.odd.callback: read webhook.done.json as (); it says delivered, once"),
        ({"callback": "prove(request.headers.get('x'), config.hook); return [request.headers['y']]"}, "any_callback_is_read_or_named", (), "send.odd.callback: raised KeyError: 'y' in line 23 at "),
    ],
)  # fmt: skip
def test_a_transport_that_is_wrong(
    write: Write, bodies: Path, wrong: Mapping[str, str], check: str, values: tuple[Any, ...], said: str
) -> None:
    """Codes, ids, redirects, limits, privacy and proof, each with the mend; the right one passes."""
    suite = suite_of(write("send", TRANSPORT.format(**{**GOOD, **wrong})), bodies)
    if wrong:
        assert fails(suite, check, *values).startswith(said)
    else:
        getattr(suite(), f"test_{check}")(*values)
        suite().test_request_is_as_documented("send.request.json")  # type: ignore[attr-defined]


def test_what_other_gateways_need(write: Write, bodies: Path) -> None:
    """A rate by a key, codes deep in the body, a repeat that the gateway knows, a signature and a probe that reads, as the tutorial has them."""
    page = (ROOT / "docs" / "plugins" / "3-transport.md").read_text(encoding="utf-8")
    (deep,) = re.findall(r"^  ```python\n(.*?)^  ```$", page, re.M | re.S)
    (rate,) = re.findall(r"`(gap: Duration = .*?)`", page)
    (facts,) = re.findall(r"`(Channel\(\"sms\", gap=.*?)`", page)
    (codes,) = re.findall(r"`(Codes\(later=.*?\))`", page, re.S)
    (proof,) = re.findall(r"`(prove_hmac\(config\..*?)`,", page)
    (probe,) = re.findall(r"`(None if answer\(response\)\.get.*?)`", page)
    (sign,) = re.findall(r"`sign=(lambda body: .*?)`", page, re.S)
    code = f"""
CODES = {" ".join(codes.split())}

class Config(Settings, frozen=True):
    webhook_token: str = ""  # signs callbacks
    {rate}

@hookimpl
def channel(config):
    return {facts}

@hookimpl
async def send(message, http):
    response = await http.post("https://odd.example/messages", json={{"text": message.text}})
{textwrap.indent(dedent(deep), "    ")}
@hookimpl
def callback(request, config):
    {proof}
    return ()

@hookimpl
async def probe(http):
    response = await http.get("https://odd.example/account")
    return {probe}
"""
    files = {
        "send.request.json": ({"kind": "request", "method": "POST", "path": "/messages"}, BODIES["send.request.json"][1]),
        "send.ok.json": ({"kind": "response", "outcome": "accepted", "id": "m1"}, {"message": {"id": "m1"}}),
        "error.busy.json": ({"kind": "error", "http_status": 504, "outcome": "retryable_within"}, {"error": {"code": "timeout"}}),
    }
    folder = bodies.parent / "others"
    folder.mkdir()
    for name, (_, body) in files.items():
        (folder / name).write_text(json.dumps(body), encoding="utf-8")
    (folder / "_manifest.json").write_text(
        json.dumps({"files": {name: entry for name, (entry, _) in files.items()}}), encoding="utf-8"
    )
    plugin = write("send", dedent(code))
    signs = eval(sign, {"hmac": hmac})  # noqa: S307
    account = contracts.Account({"webhook_token": "w0rd-of-hook"}, folder, proven_by="webhook_token", sign=signs)
    suite: Any = contracts.transport(plugin, account)()
    suite.test_answer_is_judged("send.ok.json")
    suite.test_answer_is_judged("error.busy.json")
    for name in ("states_its_channel", "unproven_callback_is_refused", "any_answer_is_judged", "any_probe_is_answered"):
        getattr(suite, f"test_{name}")()
    assert plugin.channel(plugin.Config()).gap == timedelta(milliseconds=200)
    assert suite.transport.callback(b"{}") == ()
    assert plugin.CODES.get("timeout").within == timedelta(hours=24)


def test_a_transport_that_sends_something_else(write: Write, bodies: Path) -> None:
    """The recorded request is compared piece by piece."""
    (bodies / "send.request.json").write_text('{"phone": "+79001234567"}', encoding="utf-8")
    said = fails(suite_of(write("send", TRANSPORT.format(**GOOD)), bodies), "request_is_as_documented", "send.request.json")
    assert said.startswith("send.odd.send: sends as body {'to': '+79001234567', ")
    assert said.endswith("and send.request.json has {'phone': '+79001234567'}; send what is documented")


def test_a_transport_and_its_folder(write: Write, bodies: Path) -> None:
    """A body that nobody lists, one that is not there, a callback without a proof, and items that the account lists."""
    plugin = write("send", TRANSPORT.format(**GOOD))
    (bodies / "extra.json").write_text("{}", encoding="utf-8")
    assert fails(suite_of(plugin, bodies), "every_body_is_played_or_named") == (
        "send.odd.bodies: extra.json is not in _manifest.json; add it there, or take it out"
    )
    assert fails(suite_of(plugin, bodies, proven_by=""), "unproven_callback_is_refused").endswith(
        "; prove(request.headers.get(…), config.…), and say Account(proven_by=…) which key of Config that is"
    )
    items = {"webhook.done.json": (InboundMessage("да"),)}
    assert "it is (InboundMessage(" in fails(suite_of(plugin, bodies, items=items), "callback_is_read", "webhook.done.json")


def test_a_transport_that_catches_what_is_cores(write: Write) -> None:
    """The errors of the client pass through."""
    code = """
    @hookimpl
    def channel():
        return Channel("sms", reports_delivery=False)

    @hookimpl
    async def send(message, http):
        try:
            await http.post("https://odd.example/")
        except httpx.HTTPError:
            return Retry("away")
        return Sent("1")
    """
    suite = contracts.transport(write("send", code))
    assert fails(suite, "network_errors_are_left_to_core", __import__("httpx").ReadTimeout).endswith(
        "let the errors of http pass: core knows whether it was sent"
    )
    assert not callable(getattr(suite, "test_callback_is_read", None))


def test_a_transport_without_http_states_its_facts(write: Write) -> None:
    """One that writes elsewhere is not played against a gateway; a report that nobody hears is named."""
    code = "@hookimpl\ndef channel():\n    return Channel('paper')\n\n@hookimpl\nasync def send(message):\n    return Sent(None)\n"
    suite = contracts.transport(write("send", code))
    assert not hasattr(suite, "test_any_answer_is_judged")
    assert fails(suite, "states_its_channel") == (
        "send.odd.channel: says that delivery is reported, and nobody hears of it; write `callback` or `check`, or say reports_delivery=False"
    )
    assert Sent(None) == Sent(None)


CHECK = """

@hookimpl
async def check(attempt, http, config):
    said = answer(await http.get(f"{config.base_url}/messages/{attempt.id or 'by-' + attempt.reference}"))
    if not attempt.id:
        return DeliveryStatus("failed", reference=attempt.reference, reason="it never came")
    return Statuses(delivered="done").report(said.get("state"), attempt.id)
"""


def test_a_status_that_is_asked_for_another_attempt(write: Write, bodies: Path) -> None:
    """`Given.attempt` counts for a status, too: here one whose answer was lost. A manifest that names no status is a sentence."""
    plugin = write("send", TRANSPORT.format(**GOOD) + CHECK)
    (bodies / "status.none.json").write_text("{}", encoding="utf-8")
    files = {name: entry for name, (entry, _) in BODIES.items()} | {"status.none.json": {"kind": "status_poll", "status": "failed"}}
    (bodies / "_manifest.json").write_text(json.dumps({"files": files}), encoding="utf-8")
    lost = contracts.Given(hook="check", attempt=an_attempt(id=None))
    suite_of(plugin, bodies, given={"status.none.json": lost})().test_asked_status("status.none.json")  # type: ignore[attr-defined]
    del files["status.none.json"]["status"]
    (bodies / "_manifest.json").write_text(json.dumps({"files": files}), encoding="utf-8")
    assert fails(suite_of(plugin, bodies, given={"status.none.json": lost}), "asked_status", "status.none.json") == (
        'send.odd.bodies: nobody says which status status.none.json brings; write "status" into its entry of _manifest.json'
    )


def test_facts_that_core_would_refuse(write: Write) -> None:
    """The suite knows what the start would refuse."""
    suite = contracts.transport(
        write(
            "send",
            f"{'@hookimpl'}\ndef channel():\n    return Channel('sms', gap=0.1)\n\n@hookimpl\nasync def send(message): ...\n",
        )
    )
    assert fails(suite, "states_its_channel").startswith("send.odd.channel: gap is 0.1; give a timedelta of 0 and more")


LOST = """

@hookimpl
async def check(attempt, http, config):
    said = answer(await http.get(f"{{config.base_url}}/messages/{asked}"))
    {told}
"""


@pytest.mark.parametrize(
    ("asked", "told", "said"),
    [
        ("{attempt.id or attempt.reference}", "return Statuses(delivered='done').report(said.get('state'), attempt.id)", ""),
        ("{attempt.phone}", "return Statuses(delivered='done').report(said.get('state')) if said.get('ref') == attempt.reference else None", ""),
        (
            "{attempt.id}",
            "return Statuses(delivered='done').report(said.get('state'), 'm1')",
            "send.odd.check: read status.done.json as DeliveryStatus(status='delivered', id='m1'), although of the message only the reference "
            "is known (attempt.id is None), and it asks the same whatever the reference is; ask by attempt.reference, look for it in the "
            "answer, or return None where attempt.id is None",
        ),
        (
            "{attempt.reference}",
            "return DeliveryStatus('delivered', reference='another')",
            "send.odd.check: read status.done.json as DeliveryStatus(status='delivered', reference='another'), although of the message only "
            "the reference is known (attempt.id is None); give no reference but attempt.reference",
        ),
        (
            "{attempt.id.upper()}",
            "return None",
            "send.odd.check: raised AttributeError: 'NoneType' object has no attribute 'upper' in line 28 where attempt.id is None; "
            "ask by attempt.reference, or return None",
        ),
    ],
)  # fmt: skip
def test_a_lost_answer_that_is_asked_for(write: Write, bodies: Path, asked: str, told: str, said: str) -> None:
    """Of a message whose answer was lost only our reference is known: asking by it or finding it in the answer is right, a guess is not."""
    plugin = write("send", TRANSPORT.format(**GOOD) + LOST.format(asked=asked, told=told))
    (bodies / "status.done.json").write_text('{"state": "done", "ref": "3eb0a1b2c3d4e5f60718"}', encoding="utf-8")
    files = {name: entry for name, (entry, _) in BODIES.items()} | {
        "status.done.json": {"kind": "status_poll", "status": "delivered"}
    }
    (bodies / "_manifest.json").write_text(json.dumps({"files": files}), encoding="utf-8")
    suite, check = suite_of(plugin, bodies), "lost_answer_is_asked_by_our_reference"
    if said:
        assert fails(suite, check, "status.done.json") == said
    else:
        getattr(suite(), f"test_{check}")("status.done.json")


def test_a_length_that_is_not_the_gateways(write: Write, bodies: Path) -> None:
    """`length` is no more than the manifest says the gateway allows, and no less than a recorded text has."""
    code = TRANSPORT.format(**GOOD)
    for facts, said in (
        ('Channel("sms", length=1000)', ""),
        (
            'Channel("sms", length=1001)',
            "send.odd.channel: length is 1001, and the manifest says that 1000 characters are allowed; say Channel(…, length=1000), or mend "
            "the manifest",
        ),
        (
            'Channel("sms", length=30)',
            "send.odd.channel: length is 30, and in send.request.json a text of 43 characters leaves; say how many one message may have",
        ),
    ):
        plugin = write("send", code.replace('Channel("sms")', facts))
        entries = {name: entry for name, (entry, _) in BODIES.items()}
        (bodies / "_manifest.json").write_text(json.dumps({"length": 1000, "files": entries}), encoding="utf-8")
        suite = suite_of(plugin, bodies)
        if said:
            assert fails(suite, "length_is_the_gateways") == said
        else:
            suite().test_length_is_the_gateways()  # type: ignore[attr-defined]


def test_a_repeat_that_is_known_has_a_word(write: Write, bodies: Path) -> None:
    """`retryable_within` is a `Retry` with `within`, `retryable` one without: what may have been taken is not what certainly was not."""
    for word, group, said in (
        ("retryable", "later={'bad_number': 'busy'}", ""),
        ("retryable_same_id_within_60s", "later={'bad_number': 'busy'}, within={'bad_number': timedelta(seconds=60)}", ""),
        ("retryable_within", "later={'bad_number': 'busy'}", "that is Retry(scope='recipient', alert=False, within=…): "),
        (
            "retryable",
            "later={'bad_number': 'busy'}, within={'bad_number': timedelta(seconds=60)}",
            "that is Retry(scope='recipient', alert=False, within=None): ",
        ),
    ):
        send = GOOD["send"].replace("recipient={'bad_number': 'no such number'}", group)
        plugin = write("send", TRANSPORT.format(**{**GOOD, "send": send}))
        entries = {name: entry for name, (entry, _) in BODIES.items()}
        entries["error.number.json"] = {**entries["error.number.json"], "outcome": word}
        (bodies / "_manifest.json").write_text(json.dumps({"files": entries}), encoding="utf-8")
        suite = suite_of(plugin, bodies)
        if said:
            assert said in fails(suite, "answer_is_judged", "error.number.json")
        else:
            suite().test_answer_is_judged("error.number.json")  # type: ignore[attr-defined]
