"""The suite of a transport, first half: the bodies that its gateway really answers and posts, and the proof of what it posts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
import msgspec
import pytest

from core.errors import Refused
from core.model import DeliveryStatus, Sent, TransportState
from core.testing.contracts.common import spelled
from core.testing.contracts.transports import PlayedContract
from core.testing.recorded import Given, meaning, replaced


class BodiesContract(PlayedContract):
    def test_every_body_is_played_or_named(self) -> None:
        """The folder, the manifest and the account speak of the same bodies; none is left out without a reason."""
        account, files = self.transport.account, set(self.transport.files)
        assert account.bodies is not None
        there = {file.name for file in account.bodies.iterdir()} - {"_manifest.json"}
        for file in sorted(there ^ files):
            self.subject.wrong(
                "bodies",
                f"{file} is {'not in _manifest.json' if file in there else 'not in the folder'}",
                "add it there, or take it out",
            )
        answers = {*account.answers.values(), *(file for entry in account.given.values() for file in entry.answers.values())}
        for file in sorted({*account.given, *account.ids, *account.items, *account.unused, *answers} - files):
            self.subject.wrong("Account", f"speaks of {file}, which is not in the folder of bodies", "mend its name")
        for file, why in account.unused.items():
            self.subject.demand(why, "Account", f"leaves {file} out", "say in `unused` why")
        for file in sorted(files - set(account.unused) - answers - {self.transport.ok}):
            entry = self.transport.files[file]
            self.subject.demand(
                entry["kind"] != "response" or entry.get("outcome"),
                "bodies",
                f"{file} has no outcome, and no call is answered with it",
                "give it one in _manifest.json, or name it in Account(answers=…) or Account(unused=…)",
            )

    def test_length_is_the_gateways(self) -> None:
        """No longer a text than the gateway's page allows, and none shorter than one that it shows."""
        length, found = self.subject.asked("channel", config=self.subject.config()).length, self.subject
        allowed = self.transport.manifest.get("length", length)
        found.demand(
            length <= allowed,
            "channel",
            f"length is {length}, and the manifest says that {allowed} characters are allowed",
            f"say Channel(…, length={allowed}), or mend the manifest",
        )
        for file in self.files("request"):
            if self.transport.body(file).strip():
                longest = max(map(len, _texts(json.loads(self.transport.body(file)))), default=0)
                found.demand(
                    longest <= length,
                    "channel",
                    f"length is {length}, and in {file} a text of {longest} characters leaves",
                    "say how many one message may have",
                )

    def test_answer_is_judged(self, file: str) -> None:
        """Each answer of the gateway is judged as its outcome class in the manifest says, whatever its HTTP status."""
        outcome = self.transport.files[file]["outcome"]
        result = self.judged(self.transport.answered(file), self.transport.given(file), file)
        kind, fields = meaning(outcome)
        if outcome == "rate_limited":
            fields = {**fields, "scope": self.transport.account.rate_limited}
        told = f"judged {file} as {spelled(result)}, and the manifest calls it {outcome}"
        fits = ", ".join(f"{name}={'…' if value is ... else spelled(value)}" for name, value in fields.items())
        wanted = f"{kind.__name__}({fits})"
        self.subject.demand(
            isinstance(result, kind) and all(_fits(getattr(result, name), value) for name, value in fields.items()),
            "send",
            told,
            f"that is {wanted}: give its code its place in Codes(…), or mend the manifest",
        )
        if kind is Sent:
            ids = self.transport.account.ids
            known = ids[file] if file in ids else self.transport.files[file].get("id", "")
            self.subject.demand(
                known != "", "bodies", f"nobody says which id {file} brings", 'write "id" into its entry of _manifest.json'
            )
            self.subject.demand(
                result.id == known, "send", told, f"the id in it is {spelled(known)}: answer Sent({spelled(known)})"
            )

    def test_request_is_as_documented(self, file: str) -> None:
        """What leaves has the documented method, path, headers and fields: no more, no less."""
        entry, case, found = self.transport.files[file], self.transport.given(file), self.subject
        _, calls = self.transport.play(None, case)
        wanted = httpx.URL("https://gateway.test" + self.transport.filled(entry["path"]))
        call = next((call for call in calls if call.url.path == wanted.path), None)
        if call is None:
            asked = ", ".join(call.url.path for call in calls) or "nothing"
            found.wrong(case.hook, f"asked {asked}, and {file} goes to {wanted.path}", "mend the path, or the manifest's")
        pairs: list[tuple[str, Any, Any]] = [
            ("method", call.method, entry["method"].split()[0]),
            ("query", sorted(call.url.params.multi_items()), sorted(wanted.params.multi_items())),
        ]
        for name, value in entry.get("headers", {}).items():
            pairs.append((f"header {name}", call.headers.get(name), self.transport.filled(value)))
        if body := self.transport.body(file).strip():
            sent = dict(parse_qsl(call.content.decode(), strict_parsing=True)) if "form" in entry["method"] else _json(call.content)
            pairs.append(("body", sent, replaced(json.loads(body), case.instead)))
        for what, sent, documented in pairs:
            found.demand(
                sent == documented, case.hook, f"sends as {what} {sent!r}, and {file} has {documented!r}", "send what is documented"
            )

    def test_asked_status(self, file: str) -> None:
        """A gateway that must be asked: its answer becomes the status that the manifest names."""
        case = msgspec.structs.replace(self.transport.given(file), hook="check")
        result = self.judged(self.transport.answered(file), case, file)
        wanted, attempt = self.transport.files[file].get("status"), case.attempt or self.transport.account.attempt
        if wanted is None:
            self.subject.wrong(
                "bodies", f"nobody says which status {file} brings", 'write "status" into its entry of _manifest.json'
            )
        self.subject.demand(
            isinstance(result, DeliveryStatus) and result.status == wanted,
            "check",
            f"read {file} as {spelled(result)}, and the manifest calls it {wanted}",
            "give its word its place in Statuses(…), or mend the manifest",
        )
        self.subject.demand(
            result.id == attempt.id or result.reference == attempt.reference,
            "check",
            f"answered {spelled(result)} about another message than {spelled(attempt)}",
            "give the status attempt.id, or reference=attempt.reference",
        )

    def test_lost_answer_is_asked_by_our_reference(self, file: str) -> None:
        """Of a message whose answer was lost only our reference is known: without it nobody can say what became of the message."""
        usual = self.transport.given(file).attempt or self.transport.account.attempt
        result, asked = self._lost(file, usual.reference)
        other, asked_of_other = self._lost(file, "0" * len(usual.reference))
        told = f"read {file} as {spelled(other)}, although of the message only the reference is known (attempt.id is None)"
        self.subject.demand(
            result is None or result.reference in (None, usual.reference), "check", told, "give no reference but attempt.reference"
        )
        self.subject.demand(
            other is None or asked != asked_of_other,
            "check",
            f"{told}, and it asks the same whatever the reference is",
            "ask by attempt.reference, look for it in the answer, or return None where attempt.id is None",
        )

    def _lost(self, file: str, reference: str) -> tuple[DeliveryStatus | None, list[tuple[str, str, bytes]]]:
        """What is said of a lost message of this reference, and what the gateway was asked."""
        case, account = self.transport.given(file), self.transport.account
        attempt = msgspec.structs.replace(case.attempt or account.attempt, id=None, reference=reference)
        case, answer = msgspec.structs.replace(case, hook="check", attempt=attempt), self.transport.answered(file)
        try:
            result, calls = self.transport.play(answer, case, everywhere=True)
        except Exception as error:
            what = f"{self.subject.raised(error)} where attempt.id is None"
            self.subject.wrong("check", what, "ask by attempt.reference, or return None")
        return result, [(call.method, str(call.url), call.content) for call in calls]

    def test_probe(self, file: str) -> None:
        """`probe` answers `None` for a working account and a sentence for any other, over the documented call."""
        entry, found = self.transport.files[file], self.subject
        result, calls = self.transport.play(self.transport.answered(file), Given(hook="probe"))
        told = f"answered {spelled(result)} to {file}"
        if entry.get("outcome"):
            found.demand(result and len(result) > 5, "probe", told, "say in a sentence what is wrong with the account")
        else:
            found.demand(result is None, "probe", told, "answer None for an account that works")
        if "path" in entry:
            asked = (calls[-1].method, calls[-1].url.path)
            wanted = (entry["method"], self.transport.filled(entry["path"]).partition("?")[0])
            found.demand(asked == wanted, "probe", f"asked {asked}, and the manifest says {wanted}", "mend one of the two")

    def test_callback_is_read(self, file: str) -> None:
        """What the gateway posts becomes the items that the account lists, with the status and the id of the manifest."""
        items, entry, found = self.read(file), self.transport.files[file], self.subject
        told = f"read {file} as {spelled(items)}"
        if file in self.transport.account.items:
            wanted = self.transport.account.items[file]
            found.demand(items == wanted, "callback", told, f"it is {spelled(wanted)}")
        states = [item for item in items if isinstance(item, DeliveryStatus)]
        if "status" in entry:
            found.demand(
                [item.status for item in states] == [entry["status"]], "callback", told, f"it says {entry['status']}, once"
            )
        if "id" in entry:
            found.demand([item.id for item in states] == [entry["id"]], "callback", told, f"it is about {entry['id']}")
        if entry.get("outcome") in ("session_down", "billing_quota"):
            down = [item.working for item in items if isinstance(item, TransportState)] == [False]
            found.demand(down, "callback", told, "it says that the account is out of order: TransportState(False, reason)")

    def read(self, file: str) -> tuple[Any, ...]:
        try:
            return self.transport.callback(self.transport.posted(file))
        except Refused:
            self.subject.wrong(
                "callback", f"refused {file}", "tell the suite by Account(proven_by=…, sign=…) how a callback is proven"
            )
        except Exception as error:
            self.subject.wrong("callback", f"{self.subject.raised(error)} at {file}", "read what the gateway posts")

    # --- proof

    def test_documented_signature(self, vector: dict[str, Any]) -> None:
        """The signature in the gateway's own documentation is accepted; one digit off, or none, is refused."""
        config = {self.transport.account.proven_by: vector["secret"]}
        value = vector["value"]
        self.transport.callback(*_signed(vector, value), **config)
        wrong = value[:-1] + ("0" if value[-1] != "0" else "1")
        for forged in (wrong, "", value.partition("=")[0] + "="):
            with pytest.raises(Refused):
                self.transport.callback(*_signed(vector, forged), **config)

    def test_unproven_callback_is_refused(self) -> None:
        """A callback that carries no proof or a wrong one is refused before it is read."""
        account, found = self.transport.account, self.subject
        found.demand(
            account.proven_by,
            "callback",
            "believes everybody, as far as the suite is told",
            "prove(request.headers.get(…), config.…), and say Account(proven_by=…) which key of Config that is",
        )
        proof = dict(account.sign(b"{}")) if account.sign else {}
        other = {name: value[:-1] + ("x" if value[-1:] != "x" else "y") for name, value in proof.items()}
        for headers in ({}, other, dict.fromkeys(other, "")):
            for body in (b"{}", b"not json", b"\xff"):
                try:
                    items = self.transport.callback(body, headers)
                except Refused:
                    continue
                except Exception as error:
                    found.wrong("callback", f"raised {type(error).__name__} at a body without proof", "prove it before it is read")
                found.wrong(
                    "callback",
                    f"believed {body!r} with the headers {headers} ({spelled(items)})",
                    "raise Refused: prove(…) does it",
                )


def _fits(found: Any, wanted: Any) -> bool:
    return found is not None if wanted is ... else bool(found == wanted)


def _texts(value: Any) -> Iterator[str]:
    """Every text in a body."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)


def _json(content: bytes) -> Any:
    return json.loads(content) if content else None


def _signed(vector: dict[str, Any], value: str) -> tuple[bytes, dict[str, str]]:
    if "header" in vector:
        return vector["body"].encode(), {vector["header"]: value}
    fields = {f"data[{number}]": line for number, line in enumerate(vector["data"])}
    return urlencode({**fields, vector["field"]: value}).encode(), {}
