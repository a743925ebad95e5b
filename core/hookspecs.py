"""The contract: every hook, in the order an event lives. A plugin is a module that implements some of them.

A hook takes the arguments it names and no others; it is `def` or `async def` exactly as here. Both are checked when the app starts.
`config` is the plugin's own `Config`, decoded at start and merged with the salon's overrides. `now` is UTC. `http` is a shared
`httpx.AsyncClient`: no redirects, 5 s to connect, 30 s to read, nothing logged.
"""

from __future__ import annotations

from collections.abc import Sequence
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


# --- source --------------------------------------------------------------------------------------------------------


@hookspec
def receive(request: Request, config: Any, now: datetime) -> Sequence[Received] | Reply:  # type: ignore[empty-body]
    """Read a webhook into items to store. Raise `Refused` for a wrong secret.

    Called by source, for `/webhook/{source}`, before the answer; it must not wait for anything. The items are on disk before the
    sender gets 200. If it raises anything else, the body is stored as unreadable and answered 200: it would never come again.
    """


@hookspec
async def poll(
    since: datetime | None, salon: Salon, http: httpx.AsyncClient, config: Any, now: datetime
) -> Sequence[Received] | None:
    """Ask the sender what changed in one salon since a point in time; `None` asks for all coming bookings (the first import).

    Called for every source that has it and every listed salon, at start and on a timer (`config.poll_every`). If it raises, the next
    round asks from the same point. `None`: it cannot ask (no keys), and nothing is known up to now. `http` asks at most 5 times a second.
    """


@hookspec
async def normalize(received: Received, salon: Salon, http: httpx.AsyncClient, config: Any) -> Event | Ignored | Later:  # type: ignore[empty-body]
    """Understand a stored item. It may ask the sender's API, where the webhook hides something.

    Called by source, when the event is decided; again if the decision is put off. If it raises, the event is parked: visible and replayable.
    """


@hookspec
def examples(now: datetime) -> Sequence[Example]:  # type: ignore[empty-body]
    """Give recorded bodies for `vestnik demo`, in the order in which they came, their dates moved to the future of `now`."""


# --- filter --------------------------------------------------------------------------------------------------------


@hookspec
def filter(case: Case, now: datetime, config: Any) -> Verdict:  # noqa: A001
    """Say why this must not be sent, or not yet; `None` is no objection.

    Every rule is asked, when an event is decided and before every attempt to send. `Suppressed` beats `Deferred`; the longest
    `Deferred` wins; the first table in the file names the reason. A rule is pure: all it may know is in `case`.
    If it raises, `on_error = "abstain"` (the default, a name in the plugin's module) leaves it out; `"hold"` keeps the message back,
    asks again, then parks it and alerts.
    """


# --- render --------------------------------------------------------------------------------------------------------


@hookspec
def parts(notice: Notice, channel: Channel, config: Any) -> dict[str, str]:  # type: ignore[empty-body]
    """Give pieces for the text by name ("price"), already formatted for the channel.

    Everyone is asked, the answers are merged, the first table in the file wins a name. If it raises, its lines are left out and the
    trace says so.
    """


@hookspec
def render(notice: Notice, channel: Channel, parts: dict[str, str], config: Any) -> Message | None:
    """Write the message. First answer wins; `None` passes. If it raises, or nobody answers, the message is parked."""


# --- send ----------------------------------------------------------------------------------------------------------


@hookspec
def channel(config: Any) -> Channel:  # type: ignore[empty-body]
    """State the facts of the transport: its channel's name, marks, limits. Called at start; if it raises, the start is refused."""


@hookspec
async def send(message: Message, address: Address, http: httpx.AsyncClient, config: Any, now: datetime) -> SendResult:  # type: ignore[empty-body]
    """Hand one message to the gateway and say what happened.

    Do not catch the client's errors: core knows whether the request can have been written (connect error, connect timeout, pool
    timeout: `Retry`) or not (anything later: `Unclear`). Any other exception is `Unclear` too, and logged.
    """


@hookspec
def callback(request: Request, config: Any, now: datetime) -> Sequence[CallbackItem] | Reply:  # type: ignore[empty-body]
    """Read what the gateway reports on `/callback/{transport}`: statuses, inbound messages, its own state. Raise `Refused` if unproven.

    The raw body is stored first. If it raises, it is kept as unreadable and answered 200.
    """


@hookspec
async def check(attempt: Attempt, http: httpx.AsyncClient, config: Any) -> DeliveryStatus | None:
    """Ask the gateway what became of one message; `None` if it does not know yet.

    Called on a timer for transports that cannot call back, and to resolve what is unclear. If it raises, it is asked again later.
    """


@hookspec
async def probe(http: httpx.AsyncClient, config: Any) -> str | None:
    """Say whether the account works: `None`, or what is wrong. Asked before a paused account is used again, and by `send-test`."""


# --- record --------------------------------------------------------------------------------------------------------


@hookspec
async def record(outcome: Outcome, config: Any) -> None:
    """Take note of what became of an event or an attempt. Our own journal is committed already.

    Everyone is told. If it raises or hangs, it is logged and the others go on.
    """


# --- any -----------------------------------------------------------------------------------------------------------


@hookspec
async def startup(config: Any) -> None:
    """Get ready. If it raises, the start is refused and the plugin named."""


@hookspec
async def shutdown(config: Any) -> None:
    """Let go of what `startup` took."""


@hookspec
def commands(cli: typer.Typer) -> None:
    """Add commands to `vestnik`."""
