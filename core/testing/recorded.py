"""Recorded bodies of a messaging API, and a gateway that answers them.

A folder holds the bodies, one file each, and `_manifest.json`, which says what each is: {"files": {NAME: {…}}}. The keys of an entry:

| key | of | meaning |
|---|---|---|
| `kind` | all | `request`, `response`, `error`, `status_poll`, `health`, `status_webhook`, `inbound_webhook` or `system_webhook` |
| `outcome` | answers | the class of it: a word of `MEANS` |
| `http_status` | answers | 200 where nothing is said |
| `id` | accepted answers, status webhooks | the gateway's id of the message in it |
| `method`, `path`, `headers` | requests | what leaves, besides the body |
| `status` | `status_poll`, `status_webhook` | `sent`, `delivered`, `read` or `failed` |
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any, Literal
from urllib.parse import urlencode

import httpx
from msgspec import Struct

from core.config import decode_settings
from core.errors import VestnikError
from core.model import Address, Attempt, CallbackItem, Message, Rejected, Reply, Request, Retry, Sent, Unclear
from core.plugin import Settings

PHONE = "+79001234567"  # whom the recorded bodies speak of
TEXT = "Вы записаны: *25 июля, 14:00*, мастер Ольга"
NOW = datetime(2026, 7, 20, 10, 0, tzinfo=UTC)
REFERENCE = "3eb0a1b2c3d4e5f60718"

# What an outcome class means to us.
MEANS: Mapping[str, tuple[type, Mapping[str, Any]]] = {
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


def meaning(outcome: str) -> tuple[type, Mapping[str, Any]]:
    """A manifest may say more behind the class's name ("retryable_same_crmMessageId_within_60s"): the longest name counts."""
    names = [name for name in MEANS if outcome.startswith(name)]
    if not names:
        raise VestnikError(f"_manifest.json: there is no outcome `{outcome}`; there are: {', '.join(MEANS)}")
    return MEANS[max(names, key=len)]


class Given(Struct, frozen=True):
    """How one recorded body is played, where that differs from the account's usual.

    `hook` makes the call. `at` is a piece of the path of the call that the body answers (default: the account's `main`).
    `answers` are bodies for the other calls, by a piece of their path. `instead` are fields of a request body that the plugin
    means otherwise than the recording; `None`: it leaves them out.
    """

    hook: Literal["send", "check", "probe"] = "send"
    message: Message | None = None
    address: Address | None = None
    attempt: Attempt | None = None
    config: Mapping[str, Any] = {}
    at: str = ""
    answers: Mapping[str, str] = {}
    instead: Mapping[str, Any] = {}


class Account(Struct, frozen=True):
    """One transport as the suite plays it.

    `config` are keys of its table that work. `bodies` is the folder of recorded bodies. `proven_by` names the key of `Config` that proves
    callbacks, `sign` gives the headers of a proven one. That is enough for most; the rest is for gateways that need more words:

    `main` is a piece of the path of the call that sends, else the path of the first recorded request. `ok` is the body it is answered
    with where nothing else is said, else the first accepted one. `answers` as in `Given`. `fill` are the placeholders in the manifest's
    paths and headers. `given` says how single bodies are played. `ids` says what `Sent.id` is for each accepted body, `items` what each
    callback body reads as, exactly. `rate_limited` is the scope of the plain outcome of that name. `unused` are bodies that the plugin
    has no use for, each with the reason.
    """

    config: Mapping[str, Any] = {}
    bodies: Path | None = None
    main: str = ""
    ok: str = ""
    address: Address = Address(PHONE, reference=REFERENCE)
    message: Message = Message(TEXT, type="booking_created")
    attempt: Attempt = Attempt("id-1", REFERENCE, PHONE, NOW)
    answers: Mapping[str, str] = {}
    fill: Mapping[str, str] = {}
    given: Mapping[str, Given] = {}
    ids: Mapping[str, str | None] = {}
    items: Mapping[str, tuple[CallbackItem, ...]] = {}
    proven_by: str = ""
    sign: Callable[[bytes], Mapping[str, str]] | None = None
    rate_limited: Literal["recipient", "transport"] = "transport"
    unused: Mapping[str, str] = {}
    now: datetime = NOW


class Answered(Struct, frozen=True):
    """What a gateway answers."""

    status: int
    body: bytes
    headers: Mapping[str, str] = {}

    def __str__(self) -> str:
        return f"HTTP {self.status} with the body {self.body[:300]!r}"


class Transport:
    """A plugin with its account and its folder of bodies."""

    def __init__(self, plugin: ModuleType, account: Account) -> None:
        self.plugin, self.account = plugin, account
        self.name = plugin.__name__.rpartition(".")[2]
        self.manifest: Mapping[str, Any] = {"files": {}}
        if account.bodies is not None:
            self.manifest = json.loads((account.bodies / "_manifest.json").read_text(encoding="utf-8"))
        self.files: Mapping[str, Mapping[str, Any]] = self.manifest["files"]
        requests = [entry["path"] for entry in self.files.values() if entry["kind"] == "request" and "path" in entry]
        accepted = [file for file, entry in self.files.items() if entry.get("outcome") == "accepted"]
        self.main = account.main or (httpx.URL("http://gateway.test" + self.filled(requests[0])).path if requests else "")
        self.ok = account.ok or ("send.ok.json" if "send.ok.json" in self.files else next(iter(accepted), ""))

    def body(self, file: str) -> bytes:
        assert self.account.bodies is not None
        return (self.account.bodies / file).read_bytes()

    def answered(self, file: str) -> Answered:
        return Answered(self.files[file].get("http_status", 200), self.body(file)) if file else Answered(200, b"{}")

    def config(self, **more: Any) -> Any:
        """Its `Config`, from keys as config.toml has them, or from finished values."""
        keys = {**self.account.config, **more}
        return decode_settings(getattr(self.plugin, "Config", Settings), keys, Path("config.toml"), f"send.{self.name}", {})

    def given(self, file: str) -> Given:
        return self.account.given.get(file, Given())

    def play(
        self, answer: Answered | type[httpx.TransportError] | None, given: Given = Given(), *, everywhere: bool = False
    ) -> tuple[Any, list[httpx.Request]]:
        """Run the hook against a gateway that answers (or breaks) so where `given` says: its result, and the requests that it made.

        `everywhere`: every call is answered so, whatever its path. A call nobody expects fails the test.
        """
        others = {**self.account.answers, **given.answers}
        main = answer or self.answered(self.ok)
        at = given.at or (self.main if given.hook == "send" else "")
        calls: list[httpx.Request] = []

        def gateway(request: httpx.Request) -> httpx.Response:
            calls.append(request)
            if everywhere or at in request.url.path:
                if isinstance(main, type):
                    raise main("broken", request=request)
                return _response(main)
            for piece, file in others.items():
                if piece in request.url.path:
                    return _response(self.answered(file))
            if self.main in request.url.path:
                return _response(self.answered(self.ok))
            raise AssertionError(
                f"send.{self.name} called {request.method} {request.url.path}, which nobody expects; say in Account(answers=…) what it is answered"
            )

        return self.run(httpx.MockTransport(gateway), given), calls

    def run(self, transport: httpx.MockTransport, given: Given = Given()) -> Any:
        account = self.account
        values = {
            "message": given.message or account.message,
            "address": given.address or account.address,
            "attempt": given.attempt or account.attempt,
            "config": self.config(**given.config),
            "now": account.now,
        }

        async def call() -> Any:
            async with httpx.AsyncClient(transport=transport, trust_env=False) as http:
                return await _named(getattr(self.plugin, given.hook), {**values, "http": http})

        return asyncio.run(call())

    def callback(self, body: bytes, headers: Mapping[str, str] | None = None, **config: Any) -> tuple[CallbackItem, ...]:
        """The items the plugin reads from a body; proven as the account says unless `headers` are given."""
        if headers is None:
            headers = self.account.sign(body) if self.account.sign else {}
        lower = {name.lower(): value for name, value in headers.items()}
        request = Request("POST", f"/callback/{self.name}", lower, {}, body)
        said: Any = _named(self.plugin.callback, {"request": request, "config": self.config(**config), "now": self.account.now})
        items: Sequence[Any] = said.items if isinstance(said, Reply) else said
        return tuple(items)

    def posted(self, file: str) -> bytes:
        """A callback body as it travels: JSON as recorded, or the fields as a form."""
        raw = self.body(file)
        return urlencode(json.loads(raw)).encode() if "form" in self.files[file].get("method", file) else raw

    def filled(self, text: str) -> str:
        for placeholder, value in self.account.fill.items():
            text = text.replace(placeholder, value)
        return text

    def secrets(self, given: Given = Given()) -> list[str]:
        """What must never stand in a reason or a log: keys, the client's phone, the text."""
        keys = [
            value for name, value in {**self.account.config, **given.config}.items() if isinstance(value, str) and _is_secret(name)
        ]
        phone = self.account.address.phone
        lines = (given.message or self.account.message).text.splitlines()
        return [*filter(None, keys), phone[1:], phone[-7:], *filter(None, lines)]


def _is_secret(key: str) -> bool:
    return any(word in key for word in ("token", "key", "secret", "password", "psw", "api_id"))


def as_json(status: int, body: object, **headers: str) -> Answered:
    return Answered(status, json.dumps(body).encode(), headers)


def _response(answer: Answered) -> httpx.Response:
    return httpx.Response(answer.status, content=answer.body, headers={"content-type": "application/json", **answer.headers})


def _named(function: Callable[..., Any], values: Mapping[str, Any]) -> Any:
    """Call a hook as core does: with the arguments it names."""
    return function(**{name: values[name] for name in inspect.signature(function).parameters})


def replaced(fields: Any, instead: Mapping[str, Any]) -> Any:
    """A recorded request body, with what the plugin means otherwise."""
    merged = {**fields, **instead}
    return {key: value for key, value in merged.items() if not (key in instead and value is None)}
