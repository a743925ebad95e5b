"""The suite of a transport, second half: answers and callbacks that nobody has documented, and what must stay private."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from functools import cache
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Refused
from core.model import Binding, DeliveryStatus, InboundMessage, Rejected, Retry, Sent, TransportState, Unclear
from core.testing.contracts.common import spelled, tried
from core.testing.contracts.hostile import STATUSES, any_json, form, mangled
from core.testing.contracts.transports import JUDGED, POSTED, PlayedContract
from core.testing.player import Transport
from core.testing.recorded import Answered, Given

RESULTS = (Sent, Retry, Rejected, Unclear)
ITEMS = (DeliveryStatus, InboundMessage, Binding, TransportState)
BAD_BODIES = (b"", b"<html>Bad Gateway</html>", b"[]", b"null", b'"OK"', b"[" * 5000, b'{"a": "\xff"}')


@cache  # made anew for each example, it would cost more than the examples
def _hostile(transport: Transport, files: tuple[str, ...]) -> st.SearchStrategy[bytes]:
    """Any bytes, any JSON, and these recorded bodies with any part of them replaced or gone."""
    found = [json.loads(transport.body(file)) for file in files if transport.body(file).strip()]
    return st.binary(max_size=60) | st.one_of(any_json, *map(mangled, found)).map(lambda value: json.dumps(value).encode())


class AnyContract(PlayedContract):
    @pytest.mark.parametrize("status", [301, 302, 307, 308])
    def test_redirect_is_a_wrong_address(self, status: int) -> None:
        """A redirect is not followed and means a wrong `base_url`: the transport waits for a person."""
        result = self.judged(Answered(status, b"", {"location": "https://elsewhere.test/"}), what=f"HTTP {status}")
        self.subject.demand(
            isinstance(result, Retry) and (result.scope, result.alert) == ("transport", True),
            "send",
            f"judged HTTP {status} as {spelled(result)}",
            'leave it to otherwise(response): Retry(…, scope="transport", alert=True)',
        )

    @pytest.mark.parametrize("status", [200, 201, 500, 502, 503, 504])
    def test_unreadable_answer_promises_nothing(self, status: int) -> None:
        """An answer without the documented body is neither a success nor the client's fault; a 2xx may have been taken."""
        for body in BAD_BODIES:
            result = self.judged(Answered(status, body))
            allowed = Unclear if status < 300 else Unclear | Retry
            self.subject.demand(
                isinstance(result, allowed),
                "send",
                f"judged HTTP {status} with the body {body[:30]!r} as {spelled(result)}",
                "nobody can know whether it was taken: leave it to otherwise(response)",
            )

    def test_retry_after_is_honoured(self) -> None:
        """A limit that names its seconds in the header `Retry-After` is waited for just so long."""
        result = self.judged(Answered(429, b"", {"retry-after": "7"}))
        self.subject.demand(
            isinstance(result, Retry) and result.after == timedelta(seconds=7),
            "send",
            f"judged HTTP 429 with Retry-After: 7 as {spelled(result)}",
            "give Retry its `after`: retry_after(response)",
        )

    @pytest.mark.parametrize("failure", [httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError, httpx.PoolTimeout])
    def test_network_errors_are_left_to_core(self, failure: type[httpx.TransportError]) -> None:
        """The client's own errors in the call that sends leave the plugin as they are: core alone knows what they mean."""
        try:
            result, _ = self.transport.play(failure)
        except failure:
            return
        self.subject.wrong(
            "send",
            f"caught {failure.__name__} and answered {spelled(result)}",
            "let the errors of http pass: core knows whether it was sent",
        )

    def hostile(self, *kinds: str) -> st.SearchStrategy[bytes]:
        return _hostile(self.transport, tuple(self.files(*kinds)))

    @tried
    @given(data=st.data())
    def test_any_answer_is_judged(self, data: st.DataObject) -> None:
        """Whatever a gateway answers, `send` says one of the four results, and its reason quotes no key, phone or text."""
        answer = Answered(data.draw(STATUSES), data.draw(self.hostile(*JUDGED)))
        result = self.judged(answer, everywhere=data.draw(st.booleans()))
        self.subject.demand(
            isinstance(result, RESULTS),
            "send",
            f"answered {spelled(result)} to {answer}",
            "return Sent, Retry, Rejected or Unclear",
        )
        if isinstance(result, Sent):
            self.subject.demand(
                result.id is None or (isinstance(result.id, str) and result.id),
                "send",
                f"answered {spelled(result)} to {answer}",
                "give the id as text",
            )
        else:
            self.quotes_nothing("send", result.reason)

    @tried
    @given(data=st.data())
    def test_any_probe_is_answered(self, data: st.DataObject) -> None:
        """Whatever a gateway answers, `probe` says `None` or a sentence; anything but a 2xx is no good sign."""
        answer = Answered(data.draw(STATUSES), data.draw(self.hostile("health")))
        result = self.judged(answer, Given(hook="probe"))
        told = f"answered {spelled(result)} to {answer}"
        self.subject.demand(result is None or isinstance(result, str), "probe", told, "return None, or a sentence")
        self.subject.demand(result or answer.status < 300, "probe", told, "say what is wrong wherever response.is_success is False")
        if result:
            self.quotes_nothing("probe", result)

    @tried
    @given(data=st.data())
    def test_any_status_answer_is_read(self, data: st.DataObject) -> None:
        """Whatever a gateway answers, `check` gives a status or `None`, and never fails a message on a broken answer."""
        answer = Answered(data.draw(STATUSES), data.draw(self.hostile("status_poll")))
        result = self.judged(answer, Given(hook="check"))
        told = f"answered {spelled(result)} to {answer}"
        self.subject.demand(result is None or isinstance(result, DeliveryStatus), "check", told, "return a DeliveryStatus, or None")
        self.subject.demand(
            result is None or answer.status < 500, "check", told, "a gateway that is out of order knows nothing: return None"
        )

    @tried
    @given(data=st.data())
    def test_any_callback_is_read_or_named(self, data: st.DataObject) -> None:
        """Whatever is posted becomes well-typed items, or a ValueError that core keeps as "unreadable"; nothing else is raised."""
        body = data.draw(self.hostile(*POSTED))
        if "form" in json.dumps(self.transport.manifest):
            body = data.draw(st.just(body) | form)
        try:
            items = self.transport.callback(body)
        except (Refused, ValueError):
            return
        except Exception as error:
            self.subject.wrong("callback", f"{self.subject.raised(error)} at {body!r}", "look before you take: match, or .get(…)")
        for item in items:
            self.well_typed(item, body)
            if isinstance(item, DeliveryStatus | TransportState) and item.reason:
                self.quotes_nothing("callback", item.reason)

    def well_typed(self, item: Any, body: bytes) -> None:
        told = f"read {body!r} as {spelled(item)}"
        self.subject.demand(
            isinstance(item, ITEMS), "callback", told, "give DeliveryStatus, InboundMessage, Binding or TransportState"
        )
        texts = [getattr(item, name, None) for name in ("id", "reference", "phone", "binding", "text", "reason", "token")]
        self.subject.demand(
            all(text is None or isinstance(text, str) for text in texts), "callback", told, "give ids and texts as text"
        )
        at, phone = getattr(item, "at", None), getattr(item, "phone", None)
        self.subject.demand(at is None or at.utcoffset() == timedelta(0), "callback", told, "give its time in UTC: moment(value)")
        e164 = phone is None or (phone[:1] == "+" and phone[1:].isascii() and phone[1:].isdecimal())
        self.subject.demand(e164, "callback", told, "give the phone as +79000000088: parse_phone(…)")

    def test_reasons_and_logs_are_private(self, file: str, caplog: pytest.LogCaptureFixture) -> None:
        """A reason is a sentence without key, phone or text, and the plugin writes no line of log (the client's own lines are core's)."""
        case = Given(hook="probe") if self.transport.files[file]["kind"] == "health" else self.transport.given(file)
        with caplog.at_level(logging.DEBUG):
            result = self.judged(self.transport.answered(file), case, file)
        reason = result if isinstance(result, str) else getattr(result, "reason", "no reason")
        self.subject.demand(len(reason) > 5, case.hook, f"gives {file} the reason {reason!r}", "say in a few words what happened")
        self.quotes_nothing(case.hook, reason, case)
        lines = [line.getMessage() for line in caplog.records if line.name.split(".")[0] not in ("httpx", "httpcore", "asyncio")]
        self.subject.demand(not lines, case.hook, f"logs {lines[:1]}", "log nothing: the reason stands in the trace")
