"""The suite of a source: keys, secrets, times and the order of changes."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import pytest

from core.testing import NOON, contracts
from tests.core.testing.odd import Write, fails

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
