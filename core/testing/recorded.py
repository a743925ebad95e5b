"""Recorded bodies of a messaging API: what each is, and how a plugin's account is played with them (`core.testing.player`).

A folder holds the bodies, one file each, and `_manifest.json`, which says what each is: {"files": {NAME: {…}}}. The keys of an entry:

| key | of | meaning |
|---|---|---|
| `kind` | all | `request`, `response`, `error`, `status_poll`, `health`, `status_webhook`, `inbound_webhook` or `system_webhook` |
| `outcome` | answers | the class of it: a word of `MEANS` |
| `http_status` | answers | 200 where nothing is said |
| `id` | accepted answers, status webhooks | the gateway's id of the message in it |
| `method`, `path`, `headers` | requests, `health` | what leaves, besides the body; `path` is whole, with that of `base_url` |
| `status` | `status_poll`, `status_webhook` | `sent`, `delivered`, `read` or `failed` |

Beside `files`, `length` is how many characters the gateway's page allows one message: what `channel` states must not be more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from core.errors import VestnikError
from core.model import Address, Attempt, CallbackItem, Message, Rejected, Retry, Sent, Unclear

PHONE = "+79001234567"  # whom the recorded bodies speak of
TEXT = "Вы записаны: *25 июля, 14:00*, мастер Ольга"
NOW = datetime(2026, 7, 20, 10, 0, tzinfo=UTC)
REFERENCE = "3eb0a1b2c3d4e5f60718"

# What an outcome class means to us; `...`: any value but `None`.
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
    "retryable": (Retry, {"scope": "recipient", "alert": False, "within": None}),
    "retryable_within": (
        Retry,
        {"scope": "recipient", "alert": False, "within": ...},
    ),  # it may have been taken, and a repeat is known
    "auth_config": (Retry, {"scope": "transport", "alert": True}),
    "billing_quota": (Retry, {"scope": "transport", "alert": True}),
    "session_down": (Retry, {"scope": "transport", "alert": True}),
    "unknown_outcome": (Unclear, {}),
}


def meaning(outcome: str) -> tuple[type, Mapping[str, Any]]:
    """A manifest may say more behind the class's name, or before "within" ("retryable_same_id_within_60s"): the longest name counts."""
    if re.match(r"retryable_\w*within", outcome):
        outcome = "retryable_within"
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


def as_json(status: int, body: object, **headers: str) -> Answered:
    return Answered(status, json.dumps(body).encode(), headers)


def replaced(fields: Any, instead: Mapping[str, Any]) -> Any:
    """A recorded request body, with what the plugin means otherwise."""
    merged = {**fields, **instead}
    return {key: value for key, value in merged.items() if not (key in instead and value is None)}
