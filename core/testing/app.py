"""An app with exactly these plugins: post a webhook, let everything happen, and see what was sent, and why not.

    with an_app(path="private", filter={"staff_tells": {"names": ["Бари"]}}) as app:
        assert app.book(a_booking()).why == "staff_tells: Бари tells the clients himself"

It is the real thing: the HTTP edge, the pipeline, a SQLite file. Only the clock stands still until `wait`.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec
from msgspec import Struct

from core import config as configuration
from core import hooks as plugin_hooks
from core.model import Booking, Event, Salon
from core.testing.driver import Clock, Driver, driven
from core.testing.plugins.events import Told as Body
from core.testing.values import NOON, PHONE, SALON, as_bytes
from core.units import Duration

T = TypeVar("T")
TOKEN = "operators-token"  # noqa: S105
DEFAULTS: Mapping[str, Any] = {
    "source": {"events": {"module": "core.testing.plugins.events"}},
    "render": {"booking": {}, "discount": {}},
    "send": {"outbox": {"module": "core.testing.plugins.outbox"}},
}


class Row(Struct, frozen=True):
    """One message on one channel, as `booking_notifications` has it. `error` says what went wrong."""

    type: str
    channel: str
    transport: str
    phone: str | None
    text: str | None
    status: str
    error: str | None


class Told(Struct, frozen=True):
    """What became of one event. `rule` and `reason` say why it is silent; `messages` are those it led to."""

    event_id: str
    status: str
    rule: str | None
    reason: str | None
    messages: tuple[Row, ...]

    @property
    def texts(self) -> list[str]:
        """What left for the client."""
        return [row.text or "" for row in self.messages if row.status in ("sent", "delivered", "read")]

    @property
    def why(self) -> str | None:
        """Why nothing left; `None` where something did.

        "rule: reason" where a rule says why, else the reason alone ("no phone"); what went wrong with a message stands behind it, and
        a status alone where nobody gave a reason.
        """
        if self.texts:
            return None
        said = [self.reason, *(row.error or row.status for row in self.messages)]
        once = "; ".join(dict.fromkeys(filter(None, said)))  # a message's end may be its event's reason
        return ": ".join(filter(None, (self.rule, once or self.status)))


class App:
    """A running Vestnik. Each call does everything that is due before it answers."""

    def __init__(self, driver: Driver, runner: asyncio.Runner, salon: Salon) -> None:
        self._driver, self._runner, self._salon = driver, runner, salon
        self._number = 0

    @property
    def now(self) -> datetime:
        """The moment at which the clock stands."""
        return self._driver.clock.now

    def book(self, booking: Booking, id: int | str = 1) -> Told:  # noqa: A002
        """A booking is made. `id` tells one booking from another."""
        return self.happens(Event("created", booking), id)

    def change(self, booking: Booking, id: int | str = 1) -> Told:  # noqa: A002
        """The booking is this now."""
        return self.happens(Event("updated", booking), id)

    def cancel(self, booking: Booking | None = None, id: int | str = 1) -> Told:  # noqa: A002
        """The booking is deleted; without `booking` the sender says no more than its id."""
        return self.happens(Event("deleted", booking), id)

    def happens(self, event: Event, id: int | str | None = None) -> Told:  # noqa: A002
        """Any event, from the kit's own source, changed at this moment of the clock."""
        self._number += 1
        booking = event.booking and msgspec.structs.replace(event.booking, changed_at=self.now)
        event = msgspec.structs.replace(event, booking=booking, changed_at=self.now)
        return self.webhook("events", Body(self._number, self._salon.id, id, event))

    def webhook(
        self, source: str, body: object, *, query: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Told:
        """A sender posts to `/webhook/SOURCE`. Fails where it is not answered 200."""
        answered = self.post(f"/webhook/{source}", body, query=query, headers=headers)
        assert answered.status_code == 200, f"POST /webhook/{source} was answered {answered.status_code}: {answered.text}"
        return self.told(answered.json()["eventId"])

    def post(
        self, path: str, body: object = b"", *, query: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Anybody posts to any path: a gateway its `/callback/NAME`, a stranger a webhook without the secret."""
        typed = {"content-type": "application/json", **(headers or {})}
        posted = self._driver.http.post(path, content=as_bytes(body), params=dict(query or {}), headers=typed)
        answered = self._run(posted)
        self.wait(0)
        return answered

    def wrote(self, phone: str = PHONE) -> None:
        """The client writes to the salon's bot now."""
        answered = self.post("/activity", {"phone": phone}, headers={"authorization": f"Bearer {TOKEN}"})
        assert answered.status_code == 200, answered.text

    def wait(self, long: float | str | timedelta) -> None:
        """Time passes: seconds, or "10m". All that falls due on the way is done at its moment, and gateways are asked for statuses."""
        if isinstance(long, str):
            long = Duration(long)
        self._run(self._waited(long.total_seconds() if isinstance(long, timedelta) else long))

    async def _waited(self, seconds: float) -> None:
        clock = self._driver.clock
        end = clock.now + timedelta(seconds=seconds)
        while coming := [at for at in await self._moments() if clock.now < at < end]:
            clock.now = min(coming)
            await self._due()
        clock.now = end
        await self._due()

    async def _moments(self) -> list[datetime]:
        """When the next event, message and status is due."""
        store, now = self._driver.vestnik.run.store, self.now
        found = (await store.inbox.next_due(now), await store.deliveries.next_due(now), await store.callbacks.next_due())
        return [at for at in found if at is not None]

    async def _due(self) -> None:
        await self._driver.settle()
        if await self._driver.vestnik.worker.callbacks.ask_gateways():
            await self._driver.settle()

    def told(self, event_id: str) -> Told:
        """What became of an event by now."""
        story = self._run(self._driver.story(event_id))
        return Told(event_id, story["status"], story["rule"], story["reason"], _rows(story["notifications"]))

    @property
    def messages(self) -> list[Row]:
        """Every message there is, oldest first."""
        return list(_rows(self._run(self._driver.messages())))

    @property
    def texts(self) -> list[str]:
        """The texts that left, oldest first."""
        return self._run(self._driver.texts())

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)


def _rows(found: Sequence[Mapping[str, Any]]) -> tuple[Row, ...]:
    return tuple(
        Row(
            row["notification_type"],
            row["channel"],
            row["transport"],
            row["phone"],
            row["message"],
            row["status"],
            row["error"],
        )
        for row in found
    )


@contextlib.contextmanager
def an_app(
    *,
    path: str | Path | Sequence[str | Path] = (),
    now: datetime = NOON,
    salon: Salon = SALON,
    salons: Mapping[int, Mapping[str, Any]] = {},
    **tables: Mapping[str, Any],
) -> Iterator[App]:
    """A Vestnik with these tables and no others, while the block runs.

    `path` are the folders of private plugins. A stage that is not named gets what the others need: for `source` one that is told
    events as values (`app.book`), for `render` the shipped texts, for `send` one that keeps what it is given. A package's plugin is
    found by its entry point, or by `module` in its table. `salon` is the one that is listed, and whose events `app.book` tells.
    `salons` is what stands below `[salon.ID]`, of this one and of others: `{962302: {"filter": {"vip": {"names": ["Лев"]}}}}`.
    Raises as the start would: `PluginError` for a plugin that is not there, does not fit, or refuses its keys in `startup`;
    `ConfigError`, which that is too, for any other mistake in a table.
    """
    folders = [path] if isinstance(path, str | Path) else path
    described = {key: value for key, value in msgspec.structs.asdict(salon).items() if key != "id" and value is not None}
    listed: dict[str, Any] = {str(salon.id): described}
    for number, keys in salons.items():
        listed[str(number)] = {**listed.get(str(number), {}), **keys}
    with tempfile.TemporaryDirectory(prefix="vestnik-kit-") as folder, asyncio.Runner() as runner:
        raw = {
            "server": {"token": TOKEN},
            "database": {"url": f"sqlite:///{folder}/vestnik.db"},
            "plugins": {"path": [str(Path(entry).resolve()) for entry in folders]},
            "salon": listed,
            **DEFAULTS,
            **tables,
        }
        file = Path(folder, "config.toml")
        if "route" not in raw:  # over whatever channels there are
            hooks = plugin_hooks.load(configuration.build({**raw, "route": {"channels": []}}, file, {}))
            raw["route"] = {"channels": list(dict.fromkeys(hooks.facts(plugin).name for plugin in hooks.stage("send")))}
        stack = contextlib.AsyncExitStack()
        driver = runner.run(stack.enter_async_context(driven(configuration.build(raw, file, {}), Clock(now))))
        try:
            yield App(driver, runner, salon)
        finally:
            runner.run(stack.aclose())
