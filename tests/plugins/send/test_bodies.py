"""Every transport against the bodies its gateway really answers and posts: tests/payloads/transports/*/_manifest.json drives it.

What an outcome class of a manifest means to us is said once, in `MEANS`. See kit.py for how a transport joins.
"""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import (
    Binding,
    Channel,
    DeliveryStatus,
    InboundMessage,
    Refused,
    Rejected,
    Retry,
    Sent,
    TransportState,
    Unclear,
)
from core.hooks import check_module
from tests.plugins.send.kit import BODIES, Answered, Given, Transport, replaced, transports

TRANSPORTS = transports()
JUDGED = ("response", "error")
POSTED = ("status_webhook", "inbound_webhook", "system_webhook")
RESULTS = (Sent, Retry, Rejected, Unclear)

MEANS: dict[str, tuple[type, dict[str, Any]]] = {
    "accepted": (Sent, {}),
    "duplicate_accepted": (Sent, {}),
    "permanent_recipient": (Rejected, {"scope": "recipient"}),
    "window_closed": (Rejected, {"scope": "recipient"}),
    "permanent_content": (Rejected, {"scope": "content"}),
    "permanent_template": (Rejected, {"scope": "content"}),
    "rate_limited_pair": (Retry, {"scope": "recipient", "alert": False}),
    "rate_limited_stop_channel": (Retry, {"scope": "transport", "alert": True}),
    "rate_limited": (Retry, {"alert": False}),
    "retryable": (Retry, {"scope": "recipient", "alert": False}),
    "auth_config": (Retry, {"scope": "transport", "alert": True}),
    "billing_quota": (Retry, {"scope": "transport", "alert": True}),
    "session_down": (Retry, {"scope": "transport", "alert": True}),
    "unknown_outcome": (Unclear, {}),
}


def _meaning(outcome: str) -> tuple[type, dict[str, Any]]:
    """A manifest may say more behind the class's name ("retryable_same_crmMessageId_within_60s"): the longest name counts."""
    return MEANS[max((name for name in MEANS if outcome.startswith(name)), key=len)]


def _files(*kinds: str, outcome: bool = False) -> list[Any]:
    return [
        pytest.param(transport, file, id=f"{transport.name}-{file.removesuffix('.json')}")
        for transport in TRANSPORTS
        for file, entry in transport.manifest["files"].items()
        if entry["kind"] in kinds and file not in transport.account.unused and (entry.get("outcome") or not outcome)
    ]


def _each(having: str = "") -> list[Any]:
    return [
        pytest.param(transport, id=transport.name) for transport in TRANSPORTS if not having or hasattr(transport.plugin, having)
    ]


# --- the bodies --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", _each())
def test_every_body_is_played_or_named(transport: Transport) -> None:
    """The folder, the manifest and the account speak of the same bodies; none is left out without a reason."""
    files = set(transport.manifest["files"])
    assert files == {file.name for file in (BODIES / transport.name).glob("*.json")} - {"_manifest.json"}
    account = transport.account
    answers = {
        *account.answers.values(),
        *(file for entry in account.given.values() for file in entry.answers.values()),
        account.ok,
    }
    assert {*account.given, *account.ids, *account.items, *account.unused, *answers} <= files
    assert all(account.unused.values())
    kinds = {file: transport.entry(file)["kind"] for file in files - set(account.unused) - answers}
    silent = {file for file, kind in kinds.items() if kind == "response" and not transport.entry(file).get("outcome")}
    assert not silent, "no outcome, and no other call is answered with it: name it in `answers` or in `unused`"


@pytest.mark.parametrize(("transport", "file"), _files(*JUDGED, outcome=True))
def test_answer_is_judged(transport: Transport, file: str) -> None:
    """Each answer of the gateway is judged as its outcome class in the manifest says (DESIGN §4), whatever its HTTP status."""
    outcome = transport.entry(file)["outcome"]
    result, _ = transport.play(transport.answered(file), transport.given(file))
    kind, fields = _meaning(outcome)
    assert isinstance(result, kind), result
    assert {name: getattr(result, name) for name in fields} == fields, result
    if outcome == "rate_limited":
        assert result.scope == transport.account.rate_limited
    if kind is Sent:
        assert result == Sent(transport.account.ids[file])


@pytest.mark.parametrize(("transport", "file"), _files("request"))
def test_request_is_as_documented(transport: Transport, file: str) -> None:
    """What leaves has the documented method, path, headers and fields: no more, no less."""
    entry, case = transport.entry(file), transport.given(file)
    _, calls = transport.play(None, case)
    wanted = httpx.URL("https://gateway.test" + transport.filled(entry["path"]))
    call = next(call for call in calls if call.url.path == wanted.path)
    assert call.method == entry["method"].split()[0]
    assert sorted(call.url.params.multi_items()) == sorted(wanted.params.multi_items())
    for name, value in entry.get("headers", {}).items():
        assert call.headers[name] == transport.filled(value)
    fields = dict(parse_qsl(call.content.decode(), strict_parsing=True)) if "form" in entry["method"] else json.loads(call.content)
    assert fields == replaced(json.loads(transport.body(file)), case.instead)


@pytest.mark.parametrize(("transport", "file"), _files("status_poll"))
def test_asked_status(transport: Transport, file: str) -> None:
    """A gateway that must be asked: its answer becomes the status that the manifest names."""
    result, _ = transport.play(transport.answered(file), Given(hook="check"))
    assert isinstance(result, DeliveryStatus)
    assert result.status == transport.entry(file)["status"]
    attempt = transport.account.attempt
    assert result.id == attempt.id or result.reference == attempt.reference


@pytest.mark.parametrize(("transport", "file"), _files("health"))
def test_probe(transport: Transport, file: str) -> None:
    """`probe` answers `None` for a working account and a sentence for any other, over the documented call."""
    entry = transport.entry(file)
    result, calls = transport.play(transport.answered(file), Given(hook="probe"))
    assert (result is None) == (not entry.get("outcome")), result
    assert result is None or len(result) > 5
    if "path" in entry:
        assert (calls[-1].method, calls[-1].url.path) == (entry["method"], transport.filled(entry["path"]).partition("?")[0])


@pytest.mark.parametrize(("transport", "file"), _files(*POSTED))
def test_callback_is_read(transport: Transport, file: str) -> None:
    """What the gateway posts becomes exactly the items that the account lists."""
    items = transport.callback(transport.posted(file))
    assert items == transport.account.items[file]
    entry = transport.entry(file)
    if "status" in entry:
        assert [item.status for item in items if isinstance(item, DeliveryStatus)] == [entry["status"]]
    if entry.get("outcome") in ("session_down", "billing_quota"):
        assert [item.working for item in items if isinstance(item, TransportState)] == [False]


# --- proof -------------------------------------------------------------------------------------------------------------


def _vectors() -> list[Any]:
    return [
        pytest.param(transport, vector, id=f"{transport.name}-{number}")
        for transport in TRANSPORTS
        for number, vector in enumerate(transport.manifest.get("signature_vectors", ()))
    ]


def _vector_request(vector: dict[str, Any], value: str) -> tuple[bytes, dict[str, str]]:
    if "header" in vector:
        return vector["body"].encode(), {vector["header"]: value}
    fields = {f"data[{number}]": line for number, line in enumerate(vector["data"])}
    return urlencode({**fields, vector["field"]: value}).encode(), {}


@pytest.mark.parametrize(("transport", "vector"), _vectors())
def test_documented_signature(transport: Transport, vector: dict[str, Any]) -> None:
    """The signature in the gateway's own documentation is accepted; one digit off, or none, is refused."""
    config = {transport.account.secret: vector["secret"]}
    value = vector["value"]
    transport.callback(*_vector_request(vector, value), **config)
    wrong = value[:-1] + ("0" if value[-1] != "0" else "1")
    for forged in (wrong, "", value.partition("=")[0] + "="):
        with pytest.raises(Refused):
            transport.callback(*_vector_request(vector, forged), **config)


@pytest.mark.parametrize("transport", [param for param in _each("callback") if param.values[0].account.secret])
def test_unproven_callback_is_refused(transport: Transport) -> None:
    """Where a secret is set, a callback that carries none or another is refused before it is read."""
    other = {name: value[:-1] + ("x" if value[-1:] != "x" else "y") for name, value in _proof(transport, b"{}").items()}
    for headers in ({}, other, dict.fromkeys(other, "")):
        for body in (b"{}", b"not json", b"\xff"):
            with pytest.raises(Refused):
                transport.callback(body, headers)


def _proof(transport: Transport, body: bytes) -> dict[str, str]:
    return dict(transport.account.sign(body)) if transport.account.sign else {}


# --- what no manifest lists --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", _each())
def test_fits_the_hooks(transport: Transport) -> None:
    """The loader takes the plugin: its hooks are known, coloured right, and name known arguments."""
    assert {"channel", "send"} <= set(check_module("send", transport.name, transport.plugin))


@pytest.mark.parametrize("transport", _each())
def test_states_its_channel(transport: Transport) -> None:
    """`channel()` gives facts of a known channel, from the plugin's defaults alone."""
    facts = (
        transport.plugin.channel(transport.plugin.Config())
        if transport.plugin.channel.__code__.co_argcount
        else transport.plugin.channel()
    )
    assert isinstance(facts, Channel)
    assert facts.name in ("whatsapp", "max", "telegram", "sms")
    assert facts.length > 0
    assert facts.concurrency > 0


@pytest.mark.parametrize("transport", _each())
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirect_is_a_wrong_address(transport: Transport, status: int) -> None:
    """A redirect is not followed and means a wrong `base_url`: the transport waits for a person."""
    result, _ = transport.play(Answered(status, b"", {"location": "https://elsewhere.test/"}))
    assert isinstance(result, Retry), result
    assert (result.scope, result.alert) == ("transport", True)


@pytest.mark.parametrize("transport", _each())
@pytest.mark.parametrize("body", [b"", b"<html>Bad Gateway</html>", b"[]", b"null", b'"OK"', b"[" * 5000, b'{"a": "\xff"}'])
@pytest.mark.parametrize("status", [200, 201, 500, 502, 503, 504])
def test_unreadable_answer_promises_nothing(transport: Transport, status: int, body: bytes) -> None:
    """An answer without the documented body is neither a success nor the client's fault; a 2xx may have been taken."""
    result, _ = transport.play(Answered(status, body))
    assert isinstance(result, Unclear if status < 300 else Unclear | Retry), result


@pytest.mark.parametrize("transport", _each())
def test_retry_after_is_honoured(transport: Transport) -> None:
    """A limit that names its seconds in the header `Retry-After` is waited for just so long."""
    result, _ = transport.play(Answered(429, b"", {"retry-after": "7"}))
    assert isinstance(result, Retry)
    assert result.after == timedelta(seconds=7)


@pytest.mark.parametrize("transport", _each())
@pytest.mark.parametrize("failure", [httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError, httpx.PoolTimeout])
def test_network_errors_are_left_to_core(transport: Transport, failure: type[httpx.TransportError]) -> None:
    """The client's own errors in the call that sends leave the plugin as they are: core alone knows what they mean."""
    with pytest.raises(failure):
        transport.play(failure)


_SCALARS = st.none() | st.booleans() | st.integers(-3, 2**70) | st.floats(allow_nan=False) | st.text(max_size=20)
_WORDS = [
    "id",
    "error",
    "code",
    "message",
    "response",
    "data",
    "status",
    "key",
    "exists",
    "payload",
    "event",
    "entry",
    "errors",
    "from",
]


def _mangled(known: object) -> st.SearchStrategy[object]:
    """A recorded body with any part of it replaced by something else, or gone."""
    if isinstance(known, dict):
        parts = {key: _mangled(value) for key, value in known.items()}
        return st.fixed_dictionaries({}, optional=parts) | st.fixed_dictionaries(parts) | _SCALARS
    if isinstance(known, list):
        return st.tuples(*map(_mangled, known)).map(list) | st.just([]) | st.just([known]) | _SCALARS
    return st.just(known) | _SCALARS | st.just([known]) | st.just({"id": known})


_ANY_JSON = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_WORDS), inner, max_size=4)
)


def _hostile(transport: Transport, *kinds: str) -> st.SearchStrategy[bytes]:
    files = [file for file, entry in transport.manifest["files"].items() if entry["kind"] in kinds]
    recorded = [_mangled(json.loads(transport.body(file))) for file in files]
    return st.binary(max_size=60) | st.one_of(_ANY_JSON, *recorded).map(lambda value: json.dumps(value).encode())


_STATUSES = st.sampled_from(
    [200, 201, 202, 204, 304, 400, 401, 403, 404, 408, 409, 413, 422, 429, 466, 499, 500, 502, 503]
) | st.integers(200, 599)


@pytest.mark.parametrize("transport", _each())
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_answer_is_judged(transport: Transport, data: st.DataObject) -> None:
    """Whatever a gateway answers, `send` says one of the four results, and its reason quotes no key, phone or text."""
    answer = Answered(data.draw(_STATUSES), data.draw(_hostile(transport, *JUDGED)))
    result, _ = transport.play(answer, everywhere=data.draw(st.booleans()))
    assert isinstance(result, RESULTS)
    if isinstance(result, Sent):
        assert result.id is None or (isinstance(result.id, str) and result.id)
    else:
        _quotes_nothing(transport, result.reason)


@pytest.mark.parametrize("transport", _each("probe"))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_probe_is_answered(transport: Transport, data: st.DataObject) -> None:
    """Whatever a gateway answers, `probe` says `None` or a sentence; anything but a 2xx is no good sign."""
    answer = Answered(data.draw(_STATUSES), data.draw(_hostile(transport, "health")))
    result, _ = transport.play(answer, Given(hook="probe"))
    assert result is None or isinstance(result, str)
    if answer.status >= 300:
        assert result
    if result:
        _quotes_nothing(transport, result)


@pytest.mark.parametrize("transport", _each("check"))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_status_answer_is_read(transport: Transport, data: st.DataObject) -> None:
    """Whatever a gateway answers, `check` gives a status or `None`, and never fails a message on a broken answer."""
    answer = Answered(data.draw(_STATUSES), data.draw(_hostile(transport, "status_poll")))
    result, _ = transport.play(answer, Given(hook="check"))
    assert result is None or isinstance(result, DeliveryStatus)
    if answer.status >= 500:
        assert result is None


@pytest.mark.parametrize("transport", _each("callback"))
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_callback_is_read_or_named(transport: Transport, data: st.DataObject) -> None:
    """Whatever is posted becomes well-typed items, or a ValueError that core keeps as "unreadable"; nothing else is raised."""
    body = data.draw(_hostile(transport, *POSTED))
    if "form" in json.dumps(transport.manifest):
        body = data.draw(
            st.just(body) | st.dictionaries(st.sampled_from(["data[0]", "data[1]", "hash", "x"]), st.text(max_size=30)).map(_form)
        )
    try:
        items = transport.callback(body)
    except (Refused, ValueError):
        return
    for item in items:
        assert isinstance(item, DeliveryStatus | InboundMessage | Binding | TransportState)
        _well_typed(item)
        if isinstance(item, DeliveryStatus | TransportState) and item.reason:
            _quotes_nothing(transport, item.reason)


def _form(fields: dict[str, str]) -> bytes:
    return urlencode(fields, errors="replace").encode()


def _well_typed(item: Any) -> None:
    texts = [getattr(item, name, None) for name in ("id", "reference", "phone", "binding", "text", "reason", "token")]
    assert all(text is None or isinstance(text, str) for text in texts), item
    at = getattr(item, "at", None)
    assert at is None or at.utcoffset() == timedelta(0), item
    phone = getattr(item, "phone", None)
    assert phone is None or (phone[0] == "+" and phone[1:].isascii() and phone[1:].isdecimal()), item


# --- privacy -----------------------------------------------------------------------------------------------------------


def _quotes_nothing(transport: Transport, text: str, case: Given = Given()) -> None:
    for secret in transport.secrets(case):
        assert secret not in text


@pytest.mark.parametrize(("transport", "file"), _files(*JUDGED, "health", outcome=True))
def test_reasons_and_logs_are_private(transport: Transport, file: str, caplog: pytest.LogCaptureFixture) -> None:
    """A reason is a sentence without key, phone or text, and the plugin writes no line of log (the client's own lines are core's)."""
    case = Given(hook="probe") if transport.entry(file)["kind"] == "health" else transport.given(file)
    with caplog.at_level(logging.DEBUG):
        result, _ = transport.play(transport.answered(file), case)
    reason = result if isinstance(result, str) else getattr(result, "reason", "no reason")
    assert len(reason) > 5
    _quotes_nothing(transport, reason, case)
    assert [record.name for record in caplog.records if record.name.split(".")[0] not in ("httpx", "httpcore", "asyncio")] == []
