"""The suite of the stage source: it is tried with the bodies that its sender really posts.

A folder of bodies may hold `_manifest.json`: {"files": {"booked.json": {"reads": "created"}, "ping.json": {"reads": "ignored"}}}, in the
order in which they came. `reads` is what `normalize` makes of it: created, updated, deleted, ignored or later.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from core.errors import Refused
from core.model import Event, Request, Salon
from core.proof import vouched
from core.testing.contracts.common import spelled, suite, tried
from core.testing.contracts.source_player import Change, Proof, Recorded, SourcePlayer
from core.testing.values import NOON, SALON

SECRET = "the-right-one"  # noqa: S105
garbage = st.binary(max_size=200) | st.sampled_from(
    [b"", b"null", b"[]", b"{}", b"7", b'"x"', b"\xff\xfe", b'{"id": 1', b"[" * 5000]
)


class SourceContract(SourcePlayer):
    def test_reads_what_its_sender_posts(self) -> None:
        """Each recorded body is taken in under a key, and understood as its manifest says."""
        for entry in self.bodies():
            item = self.taken(entry.body)[0]
            told = self.understood(item)
            found = told.action if isinstance(told, Event) else type(told).__name__.lower()
            self.subject.demand(
                not entry.reads or found == entry.reads,
                "normalize",
                f"read {entry.title} as {found} ({spelled(told)}), and the manifest says {entry.reads}",
                "mend one of the two",
            )
            self.subject.demand(
                not item.unreadable,
                "receive",
                f"called {entry.title} unreadable: {item.unreadable}",
                "read it, or take it out of the folder",
            )

    def test_the_same_event_has_the_same_key(self) -> None:
        """A body sent twice is one event; another body is another."""
        first: dict[str, str] = {}
        for entry in {entry.body: entry for entry in self.bodies()}.values():
            keys = [self.taken(entry.body)[0].event_id for _ in range(2)]
            self.subject.demand(
                keys[0] == keys[1],
                "receive",
                f"gave {entry.title} the key {keys[0]} and then {keys[1]}",
                "make event_id of the body alone: digest(name, id, version)",
            )
            self.subject.demand(
                keys[0] not in first,
                "receive",
                f"gave {entry.title} the key of {first.get(keys[0])}",
                "let event_id differ where the event does: take the version, or the time of the change, into digest(…)",
            )
            first[keys[0]] = entry.title

    def test_an_older_change_is_known_as_such(self) -> None:
        """Changes of one booking are ordered by the sender's clock: posted in reverse, each older one is `stale`."""
        for (company, _), changes in self.changes().items():
            for change in changes:
                self.subject.demand(
                    change.at is not None or not self.ordered,
                    "normalize",
                    f"gave {change.title} no changed_at, so an older change that comes late is told as the newest",
                    "set Event.changed_at to the sender's time of the change; where it says none, contracts.source(…, ordered=False)",
                )
            for before, after in pairwise(change for change in changes if change.at is not None):
                self.subject.demand(
                    before.at <= after.at,  # type: ignore[operator]
                    "normalize",
                    f"dates {after.title}, which came after {before.title}, before it ({after.at}, {before.at})",
                    "set Event.changed_at to the time of the change, and list the bodies in the order in which they came",
                )
            dated = [change for change in changes if change.at is not None]
            if len({change.at for change in dated}) > 1:
                self.reverse(dated, company)

    def reverse(self, changes: Sequence[Change], company: int | str | None) -> None:
        """Post them to a Vestnik with the rule `stale` alone, the newest first."""
        newest = max(change.at for change in changes if change.at)
        with self.app([company]) as app:
            for change in sorted(changes, key=lambda change: change.at or NOON, reverse=True):
                told = app.webhook(self.subject.short, change.body)
                if change.at == newest or change.deletes:
                    continue  # a deletion counts however late it comes
                self.subject.demand(
                    told.rule == "stale",
                    "normalize",
                    f"{change.title} came after a newer change of its booking and was not known as older ({told.why or told.texts})",
                    "let all bodies of one booking have the same company_id and subject_id, and changed_at be the sender's time",
                )

    def test_refuses_a_wrong_secret(self) -> None:
        """Once a secret is set, a missing and a wrong one are refused, and the right one is not."""
        if "secret" not in self.subject.config().__struct_fields__:
            self.subject.wrong(
                "Config",
                "has no key `secret`, so anybody who knows the address can post bookings",
                "add `secret: str | None = None  # …`, and raise Refused in receive where it is not proven",
            )
        config, body = self.subject.config(secret=SECRET), self.bodies()[0].body
        for wrong in ("", "wrong", SECRET[:-1], SECRET + "x"):
            self.subject.demand(
                self.refused(body, config, wrong),
                "receive",
                f"took in a body with {f'the secret {wrong!r}' if wrong else 'no secret'} although another is set",
                "prove what `proof` signs: prove_hmac(config.secret, …), or raise Refused unless same_secret(…)"
                if self.proof
                else "raise Refused unless same_secret(request.query.get('secret'), config.secret)",
            )
        self.subject.demand(
            not self.refused(body, config, SECRET),
            "receive",
            "refused a body with the right secret",
            "prove what `proof` signs, or mend `proof`"
            if self.proof
            else "read it from ?secret=…, or tell the suite by `proof` in which headers it travels",
        )
        if self.dated:
            self.subject.demand(
                self.refused(body, config, SECRET, NOON - timedelta(hours=1)),
                "receive",
                "took in a body that was signed an hour ago",
                "raise Refused where the signed time is more than five minutes away from `now`",
            )

    def test_reads_a_kept_body_again(self) -> None:
        """A replay has the body alone: it was proven when it came."""
        config = (
            self.subject.config(secret=SECRET) if "secret" in self.subject.config().__struct_fields__ else self.subject.config()
        )
        kept = Request("POST", f"/webhook/{self.subject.short}", {}, {}, self.bodies()[0].body, replayed=True)
        try:
            with vouched():
                self.subject.call("receive", request=kept, config=config, now=NOON)
        except Exception as error:
            mend = (
                "look at headers and query only where it is not `request.replayed`, or by same_secret, prove and prove_hmac alone"
            )
            self.subject.wrong("receive", f"cannot read a body again that was kept ({self.subject.raised(error)})", mend)

    @tried
    @given(body=garbage)
    def test_takes_in_whatever_comes(self, body: bytes) -> None:
        """Any body becomes items with a key and text, or raises, and is then kept as unreadable; no answer is of another kind."""
        try:
            items = self.posted(body, self.subject.config())
        except Refused:
            self.subject.wrong("receive", f"refused {body!r} although no secret is set", "raise Refused for a missing proof only")
        except Exception:
            return
        self.typed(items, repr(body))

    def test_does_not_poll_without_keys(self) -> None:
        """With an empty table it says that it cannot ask, so nothing counts as known up to now."""
        if not self.subject.has("poll"):
            return
        said = self.run("poll", since=None, salon=self.salon, config=self.subject.config(), now=NOON)
        self.subject.demand(
            said is None, "poll", f"answered {spelled(said)} without keys", "return None where the keys of the API are not set"
        )

    def test_its_examples_lie_ahead(self) -> None:
        """What it shows in the demo, it reads, and the visits are still to come."""
        for entry in self.examples(self.subject):
            told = self.understood(self.taken(entry.body)[0])
            if isinstance(told, Event) and told.booking and told.booking.visit_at:
                self.subject.demand(
                    told.booking.visit_at > NOON,
                    "examples",
                    f"“{entry.title}” is about a visit at {told.booking.visit_at}, and it is {NOON}",
                    "reckon its time from `now`",
                )


def source(
    plugin: ModuleType,
    *,
    bodies: Path | Mapping[str, bytes] | None = None,
    config: Mapping[str, Any] | None = None,
    proof: Proof | None = None,
    salon: Salon = SALON,
    ordered: bool = True,
) -> type[SourceContract]:
    """The suite for a source.

    `bodies` are recorded ones: a folder, or bytes by name; without them its `examples` are tried. `config` are keys of its table without
    which it reads nothing. `proof(body, secret)`, or `proof(body, secret, now)` where the time is signed, gives the headers that prove a
    body, where the secret does not travel as ?secret=…. `ordered=False`: its sender says no time of a change, so that the order of
    arrival has to do. The suite's clock stands at 2026-08-20 09:00 UTC.
    """
    recorded = _recorded(bodies) if isinstance(bodies, Path) else [Recorded(*entry) for entry in (bodies or {}).items()]
    proofs = [proof] if proof is not None else []
    return suite(  # type: ignore[return-value]
        SourceContract, "source", plugin, config or {}, recorded=recorded, salon=salon, proof=proofs, ordered=ordered
    )


def _recorded(folder: Path) -> list[Recorded]:
    manifest = folder / "_manifest.json"
    if not manifest.is_file():
        return [Recorded(file.name, file.read_bytes()) for file in sorted(folder.glob("*")) if file.is_file()]
    entries = json.loads(manifest.read_text(encoding="utf-8"))["files"]
    return [Recorded(name, (folder / name).read_bytes(), entry.get("reads", "")) for name, entry in entries.items()]
