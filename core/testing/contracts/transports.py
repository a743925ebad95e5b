"""What the suites of a transport stand on: its facts, and a gateway that answers recorded bodies."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from core.facts import wrong
from core.testing.contracts.common import Contract
from core.testing.player import Transport
from core.testing.recorded import Answered, Given

JUDGED = ("response", "error")
POSTED = ("status_webhook", "inbound_webhook", "system_webhook")
PLAYED = {  # the tests that play recorded bodies: of which kinds, and whether only those with an outcome
    "test_answer_is_judged": (JUDGED, True),
    "test_request_is_as_documented": (("request",), False),
    "test_asked_status": (("status_poll",), False),
    "test_lost_answer_is_asked_by_our_reference": (("status_poll",), False),
    "test_probe": (("health",), False),
    "test_callback_is_read": (POSTED, False),
    "test_reasons_and_logs_are_private": ((*JUDGED, "health"), True),
}


class FactsContract(Contract):
    def test_states_its_channel(self) -> None:
        """Its channel has a name, room for a text, and at least one slot; who reports delivery can be heard or asked."""
        found = self.subject
        facts = found.asked("channel", config=found.config())
        if mistake := wrong(facts):
            told, _, mend = mistake.partition("; ")
            found.wrong("channel", told, mend)
        found.demand(facts.length >= 70, "channel", f"length is {facts.length}", "say how many characters one message may have")
        found.demand(
            not facts.reports_delivery or found.has("callback") or found.has("check"),
            "channel",
            "says that delivery is reported, and nobody hears of it",
            "write `callback` or `check`, or say reports_delivery=False",
        )
        found.demand(
            not facts.needs_binding or found.has("callback"),
            "channel",
            "needs a binding, and nobody hears of one",
            "write `callback`, and answer Binding(…) for a client who binds the bot",
        )


class PlayedContract(FactsContract):
    """A transport that is played against its account."""

    transport: ClassVar[Transport]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        kinds, judged = PLAYED.get(metafunc.function.__name__, ((), False))
        if kinds:
            metafunc.parametrize("file", self.files(*kinds, outcome=judged))
        if "vector" in metafunc.fixturenames:
            metafunc.parametrize("vector", self.transport.manifest["signature_vectors"], ids=str)

    @classmethod
    def files(cls, *kinds: str, outcome: bool = False) -> list[str]:
        return [
            file
            for file, entry in cls.transport.files.items()
            if entry["kind"] in kinds and file not in cls.transport.account.unused and (entry.get("outcome") or not outcome)
        ]

    def judged(self, answer: Answered | None, case: Given = Given(), what: str = "", *, everywhere: bool = False) -> Any:
        try:
            return self.transport.play(answer, case, everywhere=everywhere)[0]
        except Exception as error:
            self.subject.wrong(
                case.hook, f"{self.subject.raised(error)} at {what or answer}", "look before you take: match, or .get(…)"
            )

    def quotes_nothing(self, hook: str, text: str, case: Given = Given()) -> None:
        for secret in self.transport.secrets(case):
            self.subject.demand(
                secret not in text,
                hook,
                f"quotes a key, the phone or the text in a reason: {text!r}",
                "say what happened in your own words",
            )
