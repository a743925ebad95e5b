"""Commands about what has happened: the story of an event, deciding it again, the last day in figures."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from core import discovery
from core.cli import show
from core.cli.frame import DEFAULT, ConfigFile, cli, out, with_store
from core.config import Configuration
from core.errors import VestnikError
from core.hooks import Hooks
from core.ids import number_of
from core.runtime import utc_now
from core.store import Store

_MOST = 50  # rows of a list
UNKNOWN = "no event has this id and no booking this number; `vestnik stats` shows what there is"


@cli.command()
def trace(key: Annotated[str, typer.Argument(help="An event id or a record id.")], config: ConfigFile = DEFAULT) -> None:
    """Tell the whole story of an event: each stage, plugin, verdict and time, and the text that left."""

    async def work(found: Configuration, hooks: Hooks, store: Store) -> None:
        events = await store.look.story(key)
        if not events:
            raise VestnikError(f"{key}: {UNKNOWN}")
        show.story(events[::-1], lambda company: found.salon_of(company).timezone or "UTC", out)

    with_store(config, work)


@cli.command()
def replay(
    key: Annotated[str, typer.Argument(help="An event id, a record id, or the name of a transport.")], config: ConfigFile = DEFAULT
) -> None:
    """Decide stored events again, as if they had just come; ask the rules again about those that wait. Of a transport: its parked callbacks."""

    async def work(found: Configuration, hooks: Hooks, store: Store) -> None:
        lines, any_again = await told_again(store, found, key, utc_now())
        for line in lines:
            out.print(line, markup=False)
        if not any_again:
            raise typer.Exit(1)

    with_store(config, work)


async def told_again(store: Store, config: Configuration, key: str, now: datetime) -> tuple[list[str], bool]:
    """What `replay` does: a sentence for each event, oldest first, and whether any is asked about again. Raises `VestnikError`."""
    if back := await store.callbacks.replay(key, now):
        return [f"{back} parked callbacks of {key} will be applied again by the running server or worker"], True
    number = number_of(key)[0]
    known = await store.look.ask("event_of_key", key=key, record=number, most=_MOST)
    if not known:
        raise VestnikError(f"{key}: {UNKNOWN}")
    again = {event["event_id"] for event in await store.inbox.replay(key, number, now)}
    hurried = {event["event_id"] for event in await store.inbox.hurry(key, number, now)}
    lines = []
    for event in known[::-1]:
        said = "will be decided again by the running server or worker"
        if event["event_id"] not in again:
            said = _waits(event, config.salon_of(event["company_id"]).timezone or "UTC", event["event_id"] in hurried)
        lines.append(f"{event['event_id']} ({event['event_type']}) {said}")
    return lines, bool(again or hurried)


def _waits(event: dict[str, Any], clock: str, hurried: bool) -> str:
    """Why an event is not decided again."""
    if event["status"] == "received":
        return "is not decided yet; a running `vestnik serve` or `vestnik worker` does that"
    if event["status"] == "deferred":
        who = f"[filter.{event['rule']}]" if event["rule"] != "source" else f"[source.{event['source']}]"
        name = f"by rule {event['rule']}" if event["rule"] != "source" else f"because {event['source']} wants to ask again"
        asked = (
            f"it is asked again now, and waits on unless {who} was changed or switched off"
            if hurried
            else "it is being decided now"
        )
        return f"still waits until {show.by_clock(event['due_at'], clock)}, {name}: {event['reason']}; {asked}"
    if event["payload"] is None:
        return "cannot be decided again: its body was deleted by retention ([database] keep_bodies)"
    return f"was read already, and its events are decided by themselves: {event['reason']}"


@cli.command()
def stats(config: ConfigFile = DEFAULT) -> None:
    """Show the last 24 hours, what broke, what lies dead, and whom to call."""

    async def work(found: Configuration, hooks: Hooks, store: Store) -> None:
        look, day = store.look, utc_now() - timedelta(days=1)
        refused, sources = await look.ask("refused", since=day), discovery.known("source", found) | found.tables["source"].keys()
        show.stats(
            {
                "events": await look.ask("event_stats"),
                "notifications": await look.ask("notification_stats"),
                "rules": await look.ask("rule_stats"),
                "put_off": await look.ask("put_off"),
                "broken": await look.broken(day),
                "refused": [row for row in refused if row["source"] in sources],
                "refused_callbacks": [
                    {"transport": row["source"], "times": row["times"]} for row in refused if row["source"] not in sources
                ],
                "callbacks": await look.ask("odd_callbacks", since=day),
                "health": [
                    {"transport": row.transport, "account": row.account, "reason": row.reason}
                    for row in await store.health.all()
                    if row.reason
                ],
                "alerts": await look.ask("alerts", since=day),
                "parked": await look.ask("parked_events", most=_MOST),
                "unreadable": await look.ask("unreadable_events", most=_MOST),
                "dead": await look.ask("dead_letters", since=day, most=_MOST),
                "calls": await look.to_call(utc_now()),
            },
            out,
        )

    with_store(config, work)
