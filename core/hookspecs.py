"""The contract: every hook, in the order an event lives. A plugin is a module that implements some of them.

A hook takes the arguments it names and no others; it is `def` or `async def` exactly as here. Both are checked when the app starts.
Each says when it is called, what it may answer, and what follows if it raises. docs/hooks.md is made of this file: `make docs`.
A call that takes longer than `core.limits` allows is ended, and that counts as raising; so does an answer that is not what stands here,
or that holds a field of another type (`core.answers`): it is named with plugin, hook and field.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import httpx
import pluggy
import typer

from core.model import (
    Address,
    Attempt,
    CallbackItem,
    Case,
    Channel,
    DeliveryStatus,
    Event,
    Example,
    Ignored,
    Later,
    Message,
    Notice,
    Outcome,
    Received,
    Reply,
    Request,
    Salon,
    SendResult,
    Verdict,
)

PROJECT = "vestnik"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


# What arguments mean that more than one hook takes, or whose type does not say it.
ARGUMENTS: Mapping[str, str] = {
    "config": "The plugin's own `Config`, decoded at start, with the salon's keys in it.",
    "now": "The time, in UTC. No plugin asks a clock.",
    "http": "Shared, and kept open: no redirects, 5 s to connect, 30 s to read, nothing logged.",
    "received": "The item as it was stored; for `record`, `None` once retention has deleted its body.",
    "since": "The last known point; `None` for all coming bookings (the first import).",
    "salon": "The branch, as `[salon.ID]` describes it.",
    "parts": "The pieces that all `parts` hooks gave, by name.",
    "token": "What `callback` will see again: 22 characters of [A-Za-z0-9_-], good once.",
    "cli": "The `vestnik` command itself; `@cli.command()` adds one.",
}


# --- source --------------------------------------------------------------------------------------------------------


@hookspec
def receive(request: Request, config: Any, now: datetime) -> Sequence[Received] | Reply:  # type: ignore[empty-body]
    """Read a webhook into items to store.

    When: for `/webhook/{source}`, before the sender is answered, so it must not wait for anything.
    Answer: the items, or a `Reply` where the sender wants an answer of its own. They are on disk before the sender gets 200. Raise
        `Refused` for a wrong secret: 401, and nothing is stored.
    If it raises: the body is stored as unreadable and answered 200, because it would never come again. `vestnik replay` asks again,
        with the body alone and `request.replayed`; `same_secret` and `same_hmac` hold then. So prove first, and read afterwards.
    """


@hookspec
async def poll(
    since: datetime | None, salon: Salon, http: httpx.AsyncClient, config: Any, now: datetime
) -> Sequence[Received] | None:
    """Ask the sender what changed in one salon since a point in time.

    When: for every listed salon, at start and every `config.poll_every`. Here `http` asks at most 5 times a second.
    Answer: what changed; or `None`: it cannot ask (no keys), so nothing counts as known up to now.
    If it raises: the next round asks from the same point.
    """


@hookspec
async def normalize(received: Received, salon: Salon, http: httpx.AsyncClient, config: Any) -> Event | Ignored | Later:  # type: ignore[empty-body]
    """Understand a stored item. It may ask the sender's API, where the webhook hides something.

    When: the event is decided; again if the decision is put off, and in a replay.
    Answer: an `Event`; `Ignored(reason)` where there is nothing to tell; `Later(reason, after)` where the sender's API is away.
    If it raises: the event is parked: `vestnik trace` shows why, and `vestnik replay` takes it up again.
    """


@hookspec
def examples(now: datetime) -> Sequence[Example]:  # type: ignore[empty-body]
    """Give recorded bodies for `vestnik demo`, in the order in which they came, their dates moved to the future of `now`.

    When: in the demo alone.
    Answer: the bodies, each with a title.
    If it raises: the demo ends with that error.
    """


# --- filter --------------------------------------------------------------------------------------------------------


@hookspec
def filter(case: Case, now: datetime, config: Any) -> Verdict:  # noqa: A001
    """Say why this must not be sent, or not yet.

    When: an event is decided, and before every attempt to send. Every rule is asked. A rule is pure: all it may know is in `case`.
    Answer: `Suppressed(reason)`, `Deferred(until, reason)`, or `None` for no objection. `Suppressed` beats `Deferred`; the longest
        `Deferred` wins; the first table in config.toml names the reason.
    If it raises: `on_error = "abstain"` (the default; a name in the plugin's module) leaves it out. `on_error = "hold"` keeps the
        message back, asks again, then parks it and alerts: for rules that guard somebody.
    """


# --- render --------------------------------------------------------------------------------------------------------


@hookspec
def parts(notice: Notice, channel: Channel, config: Any) -> dict[str, str]:  # type: ignore[empty-body]
    """Give pieces for the text by name, such as `price`, already formatted for the channel.

    When: a text is written. Everyone is asked, and the answers are merged; the first table in config.toml wins a name.
    Answer: the pieces that are known. What is not known is left out, and so is its line of the text.
    If it raises: its lines are left out, and the trace says so.
    """


@hookspec
def render(notice: Notice, channel: Channel, parts: dict[str, str], config: Any) -> Message | None:
    """Write the message.

    When: a text is written, after `parts`. The first answer wins; the built-in renderer is asked last (`trylast`).
    Answer: the `Message`, or `None` to leave it to the next.
    If it raises: the message is parked; so it is if nobody answers.
    """


# --- send ----------------------------------------------------------------------------------------------------------


@hookspec
def channel(config: Any) -> Channel:  # type: ignore[empty-body]
    """State the facts of the transport: its channel's name, marks, limits.

    When: at start, with the settings of each salon.
    Answer: a `Channel`, its facts of the types and ranges that stand there.
    If it raises: the start is refused, and the plugin named; so it is where a fact makes no sense.
    """


@hookspec
async def send(message: Message, address: Address, http: httpx.AsyncClient, config: Any, now: datetime) -> SendResult:  # type: ignore[empty-body]
    """Hand one message to the gateway and say what happened.

    When: a message is due, on a channel that this transport carries.
    Answer: `Sent(id)`: the gateway took it. `Retry(reason)`: it was certainly not taken. `Rejected(reason)`: it never will be.
        `Unclear(reason)`: nobody can know. What follows from it (when again, which channel next) is core's.
    If it raises: an error of `http` need not be caught: core knows whether the request can have been written (connect error, connect
        timeout, pool timeout: `Retry`; anything later: `Unclear`). Anything else is `Unclear`, and logged.
    """


@hookspec
def callback(request: Request, config: Any, now: datetime) -> Sequence[CallbackItem] | Reply:  # type: ignore[empty-body]
    """Read what the gateway reports: statuses, what clients wrote, clients who bound the bot, the account's own state.

    When: for `/callback/{transport}`; the raw body is stored first.
    Answer: the items, in any number; or a `Reply` where the gateway wants an answer of its own. Raise `Refused` if it is not proven,
        or speaks of another account: core asks the next account of this transport.
        A callback that may be read without proof says so: `proven_by = "webhook_token"` (a name in the plugin's module) is the key of `Config`
        that proves it. While that is unset core warns, and beyond loopback refuses; "none" there opens the door on purpose.
    If it raises: the body is kept as unreadable and answered 200.
    """


@hookspec
async def check(attempt: Attempt, http: httpx.AsyncClient, config: Any) -> DeliveryStatus | None:
    """Ask the gateway what became of one message.

    When: a minute after a message was sent or became unclear, then ever more rarely, ten times at most, until it is delivered or has failed;
        with a `callback` or without, where `Channel.reports_delivery` is set.
    Answer: the status; `None` if the gateway does not know yet. `failed` where it never got the message: the next channel takes over.
    If it raises: it is asked again later.
    """


@hookspec
async def probe(http: httpx.AsyncClient, config: Any) -> str | None:
    """Say whether the account works.

    When: before a paused account is used again, and in `vestnik send-test`.
    Answer: `None` if it works, else what is wrong, in a sentence.
    If it raises: the account stays paused. A bug is told as the plugin's, with its line, in `/ready`, `stats` and an alert.
    """


@hookspec
async def link(token: str, http: httpx.AsyncClient, config: Any) -> str:  # type: ignore[empty-body]
    """Give the address that a client opens to bind the bot.

    When: `vestnik link`, for transports whose `Channel.needs_binding` is set.
    Answer: a link that carries the token (22 characters of [A-Za-z0-9_-]); `callback` hands it back in `Binding.token`.
    If it raises: no link is made, and the command says why: a `ValueError` in its own words.
    """


# --- record --------------------------------------------------------------------------------------------------------


@hookspec
async def record(outcome: Outcome, received: Received | None, http: httpx.AsyncClient, config: Any) -> None:
    """Take note of what became of an event or an attempt.

    When: after our own journal is committed. Everyone is told. A source may have this hook, too: it hears of its own events alone, so that
        it can tell its sender.
    Answer: nothing.
    If it raises: the trace and the log say so. Each recorder has a queue of its own: nothing waits for it.
    """


# --- any -----------------------------------------------------------------------------------------------------------


@hookspec
async def startup(config: Any) -> None:
    """Get ready.

    When: at start, before anything is taken in, and when the plugin's settings change; in `vestnik check`, too. Once for the plain
        settings, and once for each salon that has others.
    Answer: nothing. Raise `ValueError` with a sentence where a setting makes no sense.
    If it raises: the start is refused, and the plugin named.
    """


@hookspec
async def shutdown(config: Any) -> None:
    """Let go of what `startup` took.

    When: at the end, in reverse order; when a running plugin is switched off or gets other settings, after its last call has come back.
    Answer: nothing.
    If it raises: the others are still asked.
    """


@hookspec
def commands(cli: typer.Typer) -> None:
    """Add commands to `vestnik`.

    When: any command of `vestnik` starts, and the configuration is right.
    Answer: nothing.
    If it raises: the command ends with that error.
    """
