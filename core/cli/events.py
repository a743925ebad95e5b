"""Commands about what has happened: the story of an event, deciding it again, the last day in figures."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from core.cli import show
from core.cli.frame import DEFAULT, ConfigFile, cli, out, with_store
from core.config import Configuration
from core.errors import VestnikError
from core.hooks import Hooks
from core.ids import number_of
from core.runtime import utc_now
from core.store import Store


@cli.command()
def trace(key: Annotated[str, typer.Argument(help="An event id or a record id.")], config: ConfigFile = DEFAULT) -> None:
    """Tell the whole story of an event: each stage, plugin, verdict and time."""

    async def work(found: Configuration, hooks: Hooks, store: Store) -> None:
        events = await store.look.story(key)
        if not events:
            raise VestnikError(f"{key}: no event has this id and no booking this number; `vestnik stats` shows what there is")
        show.story(events, out)

    with_store(config, work)


@cli.command()
def replay(key: Annotated[str, typer.Argument(help="An event id or a record id.")], config: ConfigFile = DEFAULT) -> None:
    """Decide stored events again, as if they had just come."""

    async def work(found: Configuration, hooks: Hooks, store: Store) -> None:
        events = await store.inbox.replay(key, number_of(key)[0], utc_now())
        if not events:
            raise VestnikError(f"{key}: nothing to replay: no such event, or its body was deleted by retention, or it still waits")
        for event in events:
            out.print(f"{event['event_id']} ({event['event_type']}) will be decided again by the running server or worker")

    with_store(config, work)


@cli.command()
def stats(config: ConfigFile = DEFAULT) -> None:
    """Show the last 24 hours, what lies dead, and whom to call."""

    async def work(found: Configuration, hooks: Hooks, store: Store) -> None:
        look, day = store.look, utc_now() - timedelta(days=1)
        show.stats(
            {
                "events": await look.ask("event_stats"),
                "notifications": await look.ask("notification_stats"),
                "rules": await look.ask("rule_stats"),
                "refused": await look.ask("refused", since=day),
                "health": [
                    {"transport": row.transport, "account": row.account, "reason": row.reason}
                    for row in await store.people.health()
                    if row.reason
                ],
                "alerts": await look.ask("alerts", since=day),
                "parked": await look.ask("parked_events", most=50),
                "dead": await look.ask("dead_letters", since=day, most=50),
                "calls": await look.to_call(utc_now()),
            },
            out,
        )

    with_store(config, work)
