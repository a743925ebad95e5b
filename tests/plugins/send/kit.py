"""The kit of the transport suite: what `test_bodies.py` must know of a transport, and a gateway that answers recorded bodies.

A transport joins with its folder in tests/payloads/transports (bodies and `_manifest.json`) and one `accounts/NAME.py`
that holds `account = Account(…)`.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import inspect
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any, Literal
from urllib.parse import urlencode

import httpx
from msgspec import Struct

from core import Address, Attempt, CallbackItem, Message, Reply, Request

BODIES = Path(__file__).parents[2] / "payloads" / "transports"
PHONE = "+79001234567"  # whom the recorded bodies speak of
TEXT = "Вы записаны: *25 июля, 14:00*, мастер Ольга"
NOW = datetime(2026, 7, 20, 10, 0, tzinfo=UTC)


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

    `config` are keys of its `Config` that work. `main` is a piece of the path of the call that sends, `ok` the body it is answered
    with where nothing else is said. `answers` as in `Given`. `fill` are the placeholders in the manifest's paths and headers.
    `ids` says what `Sent.id` is for each accepted body, `items` what each callback body reads as, exactly. `secret` names the key
    of `Config` that proves callbacks, `sign` gives the headers of a proven one. `rate_limited` is the scope of the plain outcome
    of that name. `unused` are bodies that the plugin has no use for, each with the reason.
    """

    config: Mapping[str, Any]
    main: str
    ok: str = "send.ok.json"
    address: Address = Address(PHONE, reference="3eb0a1b2c3d4e5f60718")
    message: Message = Message(TEXT, type="booking_created")
    attempt: Attempt = Attempt("id-1", "3eb0a1b2c3d4e5f60718", PHONE, NOW)
    answers: Mapping[str, str] = {}
    fill: Mapping[str, str] = {}
    given: Mapping[str, Given] = {}
    ids: Mapping[str, str | None] = {}
    items: Mapping[str, tuple[CallbackItem, ...]] = {}
    secret: str = ""
    sign: Callable[[bytes], Mapping[str, str]] | None = None
    rate_limited: Literal["recipient", "transport"] = "transport"
    unused: Mapping[str, str] = {}
    now: datetime = NOW


class Answered(Struct, frozen=True):
    status: int
    body: bytes
    headers: Mapping[str, str] = {}


class Transport(Struct, frozen=True):
    """A plugin with its account and its folder of bodies."""

    name: str
    plugin: ModuleType
    account: Account
    manifest: Mapping[str, Any]

    def body(self, file: str) -> bytes:
        return (BODIES / self.name / file).read_bytes()

    def entry(self, file: str) -> Mapping[str, Any]:
        return self.manifest["files"][file]

    def answered(self, file: str) -> Answered:
        return Answered(self.entry(file).get("http_status", 200), self.body(file))

    def config(self, **more: Any) -> Any:
        return self.plugin.Config(**{**self.account.config, **more})

    def given(self, file: str) -> Given:
        return self.account.given.get(file, Given())

    def play(
        self, answer: Answered | type[httpx.TransportError] | None, given: Given = Given(), *, everywhere: bool = False
    ) -> tuple[Any, list[httpx.Request]]:
        """Run the hook against a gateway that answers (or breaks) so where `given` says: its result, and the requests that it made.

        `everywhere`: every call is answered so, whatever its path. A call nobody expects fails the test.
        """
        account = self.account
        others = {**account.answers, **given.answers}
        main = answer or self.answered(account.ok)
        at = given.at or (account.main if given.hook == "send" else "")
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
            if account.main in request.url.path:
                return _response(self.answered(account.ok))
            raise AssertionError(f"{self.name} called {request.method} {request.url.path}, which nobody expects")

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
        said = _named(self.plugin.callback, {"request": request, "config": self.config(**config), "now": self.account.now})
        return said.items if isinstance(said, Reply) else tuple(said)

    def posted(self, file: str) -> bytes:
        """A callback body as it travels: JSON as recorded, or the fields as a form."""
        raw = self.body(file)
        return urlencode(json.loads(raw)).encode() if "form" in self.entry(file).get("method", file) else raw

    def filled(self, text: str) -> str:
        for placeholder, value in self.account.fill.items():
            text = text.replace(placeholder, value)
        return text

    def secrets(self, given: Given = Given()) -> list[str]:
        """What must never stand in a reason or a log: keys, the client's phone, the text."""
        keys = [
            value for name, value in {**self.account.config, **given.config}.items() if isinstance(value, str) and _is_secret(name)
        ]
        return [*keys, PHONE[1:], PHONE[-7:], *(line for line in (given.message or self.account.message).text.splitlines() if line)]


def transports() -> list[Transport]:
    """Every folder of bodies that has a plugin of its name."""
    names = sorted(folder.name for folder in BODIES.iterdir() if importlib.util.find_spec(f"plugins.send.{folder.name}"))
    return [load(name) for name in names]


def load(name: str) -> Transport:
    """One transport, for tests of what its bodies cannot say."""
    plugin = importlib.import_module(f"plugins.send.{name}")
    account = importlib.import_module(f"tests.plugins.send.accounts.{name}").account
    return Transport(name, plugin, account, json.loads((BODIES / name / "_manifest.json").read_text(encoding="utf-8")))


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
