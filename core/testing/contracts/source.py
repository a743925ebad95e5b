"""The suite of the stage source: it is tried with the bodies that its sender really posts.

A folder of bodies may hold `_manifest.json`: {"files": {"booked.json": {"reads": "created"}, "ping.json": {"reads": "ignored"}}}, in the
order in which they came. `reads` is what `normalize` makes of it: created, updated, deleted, ignored or later.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from core.errors import Refused
from core.model import Event, Salon
from core.testing.contracts.common import spelled, suite, tried
from core.testing.contracts.source_player import Proof, Recorded, SourcePlayer
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
                "raise Refused unless same_secret(request.query.get('secret'), config.secret)",
            )
        self.subject.demand(
            not self.refused(body, config, SECRET),
            "receive",
            "refused a body with the right secret",
            "read it from ?secret=…, or tell the suite by `proof` in which headers it travels",
        )

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
) -> type[SourceContract]:
    """The suite for a source.

    `bodies` are recorded ones: a folder, or bytes by name; without them its `examples` are tried. `config` are keys of its table without
    which it reads nothing. `proof(body, secret)` gives the headers that prove a body, where the secret does not travel as ?secret=….
    """
    recorded = _recorded(bodies) if isinstance(bodies, Path) else [Recorded(*entry) for entry in (bodies or {}).items()]
    return suite(  # type: ignore[return-value]
        SourceContract, "source", plugin, config or {}, recorded=recorded, salon=salon, proof=[proof] if proof is not None else []
    )


def _recorded(folder: Path) -> list[Recorded]:
    manifest = folder / "_manifest.json"
    if not manifest.is_file():
        return [Recorded(file.name, file.read_bytes()) for file in sorted(folder.glob("*")) if file.is_file()]
    entries = json.loads(manifest.read_text(encoding="utf-8"))["files"]
    return [Recorded(name, (folder / name).read_bytes(), entry.get("reads", "")) for name, entry in entries.items()]
