"""Plays a transport against its recorded bodies: each hook is called as core calls it, and a gateway in memory answers."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlencode

import httpx

from core.config import decode_settings
from core.model import CallbackItem, Reply, Request
from core.plugin import Settings
from core.testing.recorded import Account, Answered, Given


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


def _response(answer: Answered) -> httpx.Response:
    return httpx.Response(answer.status, content=answer.body, headers={"content-type": "application/json", **answer.headers})


def _named(function: Callable[..., Any], values: Mapping[str, Any]) -> Any:
    """Call a hook as core does: with the arguments it names."""
    return function(**{name: values[name] for name in inspect.signature(function).parameters})
