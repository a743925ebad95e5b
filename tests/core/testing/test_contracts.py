"""The shipped suites: what is wrong with a plugin is said in a sentence that names it, its hook and the mend."""

from __future__ import annotations

import hmac
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest

import core
from core import InboundMessage, Sent
from core.testing import NOON, a_booking, a_case, an_attempt, contracts, load
from tests.inside import pytest_in

ROOT = Path(__file__).parents[3]
Write = Callable[..., ModuleType]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """`write("filter", code)`: the plugin `odd` of that stage, with all names of core; `head` stands instead of its first line."""

    def written(stage: str, code: str, head: str = '"""Is written to be wrong in one way."""') -> ModuleType:
        folder = tmp_path / stage
        folder.mkdir(exist_ok=True)
        imports = f"import httpx\nfrom datetime import datetime, timedelta, UTC\nfrom core import {', '.join(core.__all__)}\n"
        (folder / "odd.py").write_text(f"{head}\n{imports}{dedent(code)}", encoding="utf-8")
        return load(folder / "odd.py")

    return written


def fails(suite: type, check: str, *values: Any) -> str:
    """The sentence with which a check of a suite fails."""
    with pytest.raises(pytest.fail.Exception) as failed:
        getattr(suite(), f"test_{check}")(*values)
    assert not failed.value.pytrace
    return str(failed.value)


# --- any stage

RULE = "@hookimpl\ndef filter(case):\n    {}\n"


@pytest.mark.parametrize(
    ("code", "check", "said"),
    [
        ("@hookimpl\ndef filtr(case): ...\n", "fits_the_hooks", "filter.odd: `filtr` is no hook of the stage filter, did you mean `filter`?"),
        ("@hookimpl\nasync def filter(case): ...\n", "fits_the_hooks", "filter.odd: write filter as def, not async def"),
        (
            f"class Config(Settings, frozen=True):\n    names: tuple[str, ...] = ()\n{RULE}",
            "every_key_has_a_comment",
            "filter.odd.Config.names: has no comment; write on its line, behind `  # `, what the key is for",
        ),
        (
            f"from core.store import Store\n{RULE}",
            "knows_core_by_its_public_names",
            "filter.odd line 5: `core.store` is no public name of core; write `from core import …` with a name of docs/names.md",
        ),
        (
            f"from core import Cases\n{RULE}",
            "knows_core_by_its_public_names",
            "filter.odd line 5: `Cases` is no public name of core, did you mean `Case`?; write `from core import …` with a name of docs/names.md",
        ),
        (
            RULE.format("return Suppressed('late') if datetime.now(UTC).hour > 22 else None"),
            "asks_no_clock",
            "filter.odd line 7: asks the clock by datetime.now; take `now` as an argument of the hook (a recorder: `outcome.at`)",
        ),
    ],
)  # fmt: skip
def test_what_holds_for_any_stage(write: Write, monkeypatch: pytest.MonkeyPatch, code: str, check: str, said: str) -> None:
    """Hooks, comments, imports and clocks, each with plugin, place and mend."""
    monkeypatch.setattr(core, "Cases", core.Case, raising=False)
    assert fails(contracts.rule(write("filter", code.replace("{}", "return None"))), check) == said


def test_the_first_line_is_missed(write: Write) -> None:
    """A file that does not say what it does."""
    assert fails(contracts.rule(write("filter", RULE.format("return None"), head='"""Rule"""')), "begins_with_a_sentence") == (
        "filter.odd: the file does not begin with a sentence; write as its first line, in quotes and with a full stop, what it does for a salon"
    )


# --- rules


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("return 'no'", "filter.odd.filter: answered 'no'; return Suppressed(reason), Deferred(until, reason) or None"),
        ("return Suppressed(' ')", "filter.odd.filter: gave no reason; say in the verdict's `reason` why, for people to read"),
        (
            "return Suppressed(str(SEEN.append(1) or len(SEEN)))",
            "filter.odd.filter: answered Suppressed(reason='",
        ),
        ("return case.booking.staff.name and None", "filter.odd.filter: raised AttributeError: 'NoneType' object has no attribute 'name' in line 8; not everything is always known: look before you take; it was given case=Case("),
        ("return nonsense", "filter.odd.filter: raised NameError: name 'nonsense' is not defined in line 8; mend that line; it was given case=Case("),
    ],
)  # fmt: skip
def test_a_rule_that_is_wrong(write: Write, code: str, said: str) -> None:
    """Another answer than a verdict, no reason, a memory, a gap in the booking that it did not think of."""
    found = fails(contracts.rule(write("filter", "SEEN = []\n" + RULE.format(code))), "speaks")
    assert found.startswith(said)
    assert ("to the same case; keep nothing between two calls" in found) == ("SEEN" in code)


def test_a_rule_that_waits_in_the_past(write: Write) -> None:
    """A delay ends later than now."""
    code = "@hookimpl\ndef filter(case, now):\n    return Deferred(now, 'not yet')\n"
    said = fails(contracts.rule(write("filter", code)), "speaks")
    assert said.startswith("filter.odd.filter: waits until 2026-08-20")
    assert said.endswith(" already; return None once it is over")


def test_a_rule_that_lets_nothing_pass(write: Write) -> None:
    """The plain booking passes, or the case that the suite is given."""
    plugin = write("filter", RULE.format("return Suppressed('no') if case.type != 'booking_updated' else None"))
    assert fails(contracts.rule(plugin), "lets_a_plain_booking_pass") == (
        "filter.odd.filter: answered Suppressed(reason='no') to a plain new booking; answer None to "
        "whatever it does not mean, or give the suite `config` or a case it `passes`"
    )
    contracts.rule(plugin, passes=a_case(type="booking_updated"))().test_lets_a_plain_booking_pass()


def test_a_rule_that_never_speaks(write: Write) -> None:
    """A suite that has heard nothing of a rule has tried nothing: it asks for keys, a case or a moment."""
    listed = "class Config(Settings, frozen=True):\n    names: tuple[str, ...] = ()  # whom it knows\n"
    plugin = write(
        "filter",
        listed
        + RULE.format(
            "return Suppressed('no') if case.booking and case.booking.staff and case.booking.staff.name in config.names else None"
        ).replace("(case)", "(case, config)"),
    )
    assert fails(contracts.rule(plugin), "speaks") == (
        "filter.odd.filter: answered None to all 3100 cases of the suite, so nothing of it is tried; give the suite `config` with which "
        "it objects, a case it `speaks` about, or the moment `at` which it does; else mend the rule"
    )
    contracts.rule(plugin, config={"names": ["Бари"]})().test_speaks()
    contracts.rule(plugin, config={"names": ["Лев"]}, speaks=a_case(booking=a_booking(staff="Лев")))().test_speaks()
    assert fails(contracts.rule(plugin, config={"names": ["Бари"]}, speaks=a_case(booking=a_booking(staff="Лев"))), "speaks") == (
        "filter.odd.filter: answered None to the case that it `speaks` about, at 2026-08-20 09:01:00+00:00; mend the rule, or give "
        "the suite another case or another moment `at`"
    )


@pytest.mark.parametrize(
    "speaks",
    [
        "now.astimezone(MOSCOW).weekday() == 6",
        "now.astimezone(MOSCOW).hour < 4",
        "case.booking and case.booking.visit_at and timedelta(0) <= case.booking.visit_at - now < timedelta(hours=1)",
        "case.booking and case.booking.visit_at and now > case.booking.visit_at and case.booking.online",
        "case.contact.wrote_at and case.type == 'booking_updated' and now.weekday() == 4",
    ],
)  # fmt: skip
def test_rules_by_the_clock_are_heard(write: Write, speaks: str) -> None:
    """A day of the week, an hour of the night, the time around the visit; alone, and with one thing of the booking or the client."""
    code = (
        f"from core.testing import MOSCOW\n@hookimpl\ndef filter(case, now):\n    return Suppressed('no') if {speaks} else None\n"
    )
    contracts.rule(write("filter", code))().test_speaks()


def test_a_rule_of_one_day_is_heard_at_its_moment(write: Write) -> None:
    """`at` adds a moment to the suite's week."""
    code = "@hookimpl\ndef filter(case, now):\n    return Suppressed('no') if (now.day, now.month) == (1, 1) else None\n"
    plugin = write("filter", code)
    assert fails(contracts.rule(plugin), "speaks").startswith("filter.odd.filter: answered None to all 3100 cases of the suite")
    contracts.rule(plugin, at=datetime(2027, 1, 1, 9, tzinfo=UTC))().test_speaks()


def test_what_is_heard_of_a_rule_is_judged(write: Write) -> None:
    """The cases by which a rule speaks try its verdicts, too: here a wait that ends before it began, on Sundays alone."""
    code = (
        "@hookimpl\ndef filter(case, now):\n    return Deferred(now - timedelta(hours=1), 'no') if now.weekday() == 6 else None\n"
    )
    assert fails(contracts.rule(write("filter", code)), "speaks").endswith(" already; return None once it is over")


def test_keys_that_the_suite_is_given(write: Write) -> None:
    """They are read as config.toml's, and a wrong one is named."""
    code = "class Config(Settings, frozen=True):\n    wait: Duration = Duration('1m')  # so long\n" + RULE.format("return None")
    plugin = write("filter", code)
    contracts.rule(plugin, config={"wait": "2m"})().test_lets_a_plain_booking_pass()
    assert fails(contracts.rule(plugin, config={"wiat": "2m"}), "lets_a_plain_booking_pass") == (
        "filter.odd.Config: config.toml [filter.odd]: unknown key `wiat`, did you mean `wait`?; mend the keys that the suite is given"
    )


# --- renderers


@pytest.mark.parametrize(
    ("code", "tells", "mend"),
    [
        ("def render(notice):\n    return Message(f'Ждём: {notice.booking.visit_at}')\n", "render: wrote 'Ждём: None'", "leave out the line whose part is not known"),
        ("def render(notice):\n    return Message('Мастер:')\n", "render: wrote 'Мастер:'", "leave out the label whose part is not known"),
        ("def render(notice):\n    return Message('да\\n')\n", "render: wrote 'да\\n'", "write a text without blanks or empty lines around it"),
        ("def render(notice):\n    return Message('да' * 5000)\n", "render: wrote 'дада", "stay within channel.length (4096)"),
        ("def parts(notice):\n    return {'staff': str(notice.booking.staff)}\n", "parts: gave staff as 'None'", "leave out what is not known"),
    ],
)  # fmt: skip
def test_a_renderer_that_is_wrong(write: Write, code: str, tells: str, mend: str) -> None:
    """None, a bare label, blanks around it, too long, a part of nothing."""
    said = fails(contracts.renderer(write("render", f"@hookimpl\n{code}")), "says_only_what_it_knows")
    assert said.startswith(f"render.odd.{tells}")
    assert said.endswith(f"; {mend}")


def test_a_renderer_that_writes_over_a_ready_text(write: Write) -> None:
    """What was written elsewhere is not ours to change."""
    plugin = write("render", "@hookimpl\ndef render(notice):\n    return Message('да')\n")
    assert fails(contracts.renderer(plugin), "leaves_a_ready_text_alone").endswith(
        "to a notice whose text is ready; return None where notice.booking is None, or notice.text as it is"
    )


# --- sources

SOURCE = """
class Config(Settings, frozen=True):
    secret: str | None = None  # of the address
    key: str | None = None  # of the API

@hookimpl
def receive(request, config, now):
    {receive}
    return [Received({key}, "x.y", request.body.decode())]

@hookimpl
async def normalize(received):
    {normalize}
"""
FINE = {
    "receive": "if config.secret and request.query.get('secret') != config.secret: raise Refused",
    "key": "digest(request.body.decode())",
    "normalize": "return Event('created', Booking(datetime(2026, 8, 21, tzinfo=UTC)))",
}


@pytest.mark.parametrize(
    ("wrong", "check", "said"),
    [
        ({}, "", ""),
        ({"key": "str(now.microsecond and id(request))"}, "", ""),
        ({"key": "'same'"}, "the_same_event_has_the_same_key", "source.odd.receive: gave two the key of one; let event_id differ where the event does"),
        ({"receive": "pass"}, "refuses_a_wrong_secret", "source.odd.receive: took in a body with no secret although another is set; raise Refused unless"),
        ({"receive": "raise Refused"}, "reads_what_its_sender_posts", "source.odd.receive: raised Refused"),
        ({"normalize": "return Event('created', Booking(datetime(2026, 8, 21)))"}, "reads_what_its_sender_posts", "source.odd.normalize: gave visit_at as datetime.datetime(2026, 8, 21, 0, 0), in no time zone; give it the offset"),
        ({"normalize": "return Event('created', Booking(datetime(2026, 8, 21, tzinfo=UTC), phone='8 900'))"}, "reads_what_its_sender_posts", "source.odd.normalize: gave the phone as '8 900'; give +79000000088: phone, missing = parse_phone"),
        ({"normalize": "return None"}, "reads_what_its_sender_posts", "source.odd.normalize: answered None; return an Event, Ignored(reason) or Later(reason)"),
        ({"normalize": "return Ignored('')"}, "reads_what_its_sender_posts", "source.odd.normalize: gave no reason; say in `reason` why"),
        ({"normalize": "return received.nothing"}, "reads_what_its_sender_posts", "source.odd.normalize: raised AttributeError"),
    ],
)  # fmt: skip
def test_a_source_that_is_wrong(write: Write, wrong: Mapping[str, str], check: str, said: str) -> None:
    """Keys, secrets, times, phones and answers, each with the mend; the right one passes."""
    suite = contracts.source(write("source", SOURCE.format(**{**FINE, **wrong})), bodies={"one": b"1", "two": b"2"})
    if check:
        assert fails(suite, check).startswith(said)
    elif not wrong:
        for name in ("reads_what_its_sender_posts", "the_same_event_has_the_same_key", "refuses_a_wrong_secret"):
            getattr(suite(), f"test_{name}")()


def test_a_source_and_its_manifest(write: Write, tmp_path: Path) -> None:
    """A folder of recorded bodies, with what each is to be read as; without any body the suite asks for one."""
    folder = tmp_path / "bodies"
    folder.mkdir()
    (folder / "made.json").write_text("{}", encoding="utf-8")
    plugin = write("source", SOURCE.format(**FINE))
    contracts.source(plugin, bodies=folder)().test_reads_what_its_sender_posts()
    (folder / "_manifest.json").write_text('{"files": {"made.json": {"reads": "deleted"}}}', encoding="utf-8")
    said = fails(contracts.source(plugin, bodies=folder), "reads_what_its_sender_posts")
    assert said.startswith("source.odd.normalize: read made.json as created (Event(")
    assert said.endswith(", and the manifest says deleted; mend one of the two")
    assert fails(contracts.source(plugin), "reads_what_its_sender_posts") == (
        "source.odd.receive: is tried with no body of its sender; give the suite `bodies`: a folder of recorded ones, or write the hook `examples`"
    )


def test_a_source_that_is_proven_by_a_header(write: Write) -> None:
    """`proof` tells the suite where a secret travels."""
    plugin = write(
        "source", SOURCE.format(**{**FINE, "receive": FINE["receive"].replace("query.get('secret')", "headers.get('x-key')")})
    )
    assert fails(contracts.source(plugin, bodies={"one": b"1"}), "refuses_a_wrong_secret").endswith(
        "; read it from ?secret=…, or tell the suite by `proof` in which headers it travels"
    )
    contracts.source(plugin, bodies={"one": b"1"}, proof=lambda _, secret: {"X-Key": secret})().test_refuses_a_wrong_secret()


SIGNED = """
class Config(Settings, frozen=True):
    secret: str | None = None  # signs the time and the body

@hookimpl
def receive(request, config, now):
    if config.secret:
        stamp = request.headers.get("x-time", "")
        prove_hmac(config.secret, stamp.encode() + b"." + request.body, request.headers.get("x-signature"))
        {old}
    return [Received(digest(request.body), "made", request.body.decode(), 962302, 1)]

@hookimpl
async def normalize(received):
    return Ignored("nothing to tell")
"""


def signature(body: bytes, secret: str, now: datetime) -> dict[str, str]:
    stamp = str(int(now.timestamp()))
    return {"x-time": stamp, "x-signature": hmac.new(secret.encode(), stamp.encode() + b"." + body, "sha256").hexdigest()}


def test_a_source_whose_sender_signs_the_time(write: Write) -> None:
    """`proof` gets the suite's moment, too; a proof of an hour ago has to be refused, and advice speaks of proofs."""
    fresh = "if abs(int(stamp) - now.timestamp()) > 300:\n            raise Refused"
    made = {"bodies": {"one": b"1"}, "proof": signature}
    contracts.source(write("source", SIGNED.format(old=fresh)), **made)().test_refuses_a_wrong_secret()
    assert fails(contracts.source(write("source", SIGNED.format(old="pass")), **made), "refuses_a_wrong_secret") == (
        "source.odd.receive: took in a body that was signed an hour ago; raise Refused where the signed time is more than five minutes "
        "away from `now`"
    )
    blind = write(
        "source",
        SIGNED.format(old=fresh).replace("        prove_hmac", "        # prove_hmac").replace('""', f'"{NOON.timestamp():.0f}"'),
    )
    assert fails(contracts.source(blind, **made), "refuses_a_wrong_secret").endswith(
        "although another is set; prove what `proof` signs: prove_hmac(config.secret, …), or raise Refused unless same_secret(…)"
    )


DATED = """
import json

class Config(Settings, frozen=True):
    secret: str | None = None  # in the address

@hookimpl
def receive(request):
    return [Received(digest(request.body), "made", request.body.decode(), 5, {id})]

@hookimpl
async def normalize(received):
    said = json.loads(received.payload)
    at = datetime.fromisoformat(said["at"])
    booking = Booking(datetime.fromisoformat("2026-08-21T14:30:00+03:00"), phone="+79000000088")
    return Event(said["what"], booking, changed_at={at})
"""
CHANGES = {
    name: json.dumps({"id": 7, "what": what, "at": f"2026-08-20T{at}:00+03:00"}).encode()
    for name, what, at in (("made", "created", "10:00"), ("moved", "updated", "11:00"), ("gone", "deleted", "11:30"))
}
BACK = {**CHANGES, "moved": CHANGES["moved"].replace(b"11:00", b"09:00")}


@pytest.mark.parametrize(
    ("code", "bodies", "said"),
    [
        ({}, CHANGES, ""),
        (
            {"at": "None"},
            CHANGES,
            "source.odd.normalize: gave made no changed_at, so an older change that comes late is told as the newest; set Event.changed_at to "
            "the sender's time of the change; where it says none, contracts.source(…, ordered=False)",
        ),
        (
            {},
            BACK,
            "source.odd.normalize: dates moved, which came after made, before it (2026-08-20 09:00:00+03:00, 2026-08-20 10:00:00+03:00); "
            "set Event.changed_at to the time of the change, and list the bodies in the order in which they came",
        ),
        (
            {"id": "sum(request.body) if 'host' in request.headers else 7"},
            {"made": CHANGES["made"], "moved": CHANGES["moved"]},
            "source.odd.normalize: made came after a newer change of its booking and was not known as older (['✅ *Вы записаны!*",
        ),
    ],
)  # fmt: skip
def test_the_order_of_changes(write: Write, code: Mapping[str, str], bodies: Mapping[str, bytes], said: str) -> None:
    """Bodies of one booking are posted in reverse; a source that does not date them, or dates them the wrong way round, is told so."""
    plugin = write("source", DATED.format(**{"id": "7", "at": "at", **code}))
    suite = contracts.source(plugin, bodies=bodies)
    if said:
        assert fails(suite, "an_older_change_is_known_as_such").startswith(said)
    else:
        suite().test_an_older_change_is_known_as_such()  # type: ignore[attr-defined]
    if "at" in code:
        contracts.source(plugin, bodies=bodies, ordered=False)().test_an_older_change_is_known_as_such()


# --- transports

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


# --- recorders


def test_a_recorder_that_is_wrong(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it raises names the outcome; an answer is none of its business."""
    suite = contracts.recorder(write("record", "@hookimpl\nasync def record(outcome):\n    return outcome.phone.strip()\n"))
    first, second = (mark for mark in _outcomes(suite))
    assert (
        fails(suite, "takes_every_outcome", first, tmp_path, monkeypatch)
        == "record.odd.record: answered '+7900…88'; return nothing"
    )
    assert fails(suite, "takes_every_outcome", second, tmp_path, monkeypatch).startswith(
        "record.odd.record: raised AttributeError: 'NoneType' object has no attribute 'strip' in line 7; take note of any outcome, also of Outcome("
    )


def _outcomes(suite: Any) -> list[Any]:
    return list(suite.test_takes_every_outcome.pytestmark[0].args[1][:2])


# --- as a package of somebody else runs it


def test_one_line_in_somebodys_own_tests(tmp_path: Path) -> None:
    """pytest collects the suite by the one line, in a folder of its own and without a file of configuration; a failure is one sentence."""
    (tmp_path / "filter").mkdir()
    (tmp_path / "filter" / "odd.py").write_text(
        '"""Is written to be wrong in one way."""\n\nfrom core import hookimpl\n\n\n@hookimpl\ndef filter(case):\n    return False\n',
        encoding="utf-8",
    )
    test = tmp_path / "test_odd.py"
    test.write_text(
        'from core.testing import contracts, load\n\nTestContract = contracts.rule(load("filter/odd.py"))\n', encoding="utf-8"
    )
    _, said = pytest_in(tmp_path, "--tb=short")
    assert "3 failed, 7 passed" in said, said
    assert "\nfilter.odd.filter: answered False; return Suppressed(reason), Deferred(until, reason) or None\n" in said
    assert "Traceback" not in said


def test_the_kit_needs_no_pytest() -> None:
    """Values and the app can be used without it, and the service imports neither the kit nor pytest; the suites say what is missing."""
    code = """
    import importlib.util, sys
    import core.cli, core.app, core.worker
    print("core.testing" in sys.modules)
    import core.testing
    print([name for name in ("pytest", "hypothesis") if name in sys.modules])
    found = importlib.util.find_spec
    importlib.util.find_spec = lambda name: None if name == "hypothesis" else found(name)
    try:
        import core.testing.contracts
    except ModuleNotFoundError as error:
        print(error)
    """
    said = subprocess.run(
        [sys.executable, "-c", dedent(code)], cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert said.stdout.splitlines() == ["False", "[]", 'the contract suites need hypothesis: pip install "vestnik[test]"'], (
        said.stderr
    )
