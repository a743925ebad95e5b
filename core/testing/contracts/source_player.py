"""What the checks of a source stand on: its hooks are called with bodies, and what they answer must be of the right kind."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import httpx
from msgspec import Struct

from core.errors import ConfigError, Refused
from core.ids import number_of
from core.model import Booking, CallbackItem, Event, Example, Ignored, Later, Received, Reply, Request, Salon
from core.testing.app import App, an_app
from core.testing.contracts.common import Contract, Subject, spelled
from core.testing.values import NOON, a_request

Proof = Callable[[bytes, str], Mapping[str, str]] | Callable[[bytes, str, datetime], Mapping[str, str]]


class Recorded(Struct, frozen=True):
    """One body, and what it is read as, where that is known."""

    title: str
    body: bytes
    reads: str = ""


class Change(Struct, frozen=True):
    """One body about a booking, and when its change was made, if it says so."""

    title: str
    body: bytes
    at: datetime | None
    deletes: bool


class SourcePlayer(Contract):
    recorded: ClassVar[Sequence[Recorded]]
    ordered: ClassVar[bool]
    salon: ClassVar[Salon]
    proof: ClassVar[Sequence[Proof]]  # in a sequence: a bare function would be a method

    def bodies(self) -> Sequence[Recorded]:
        found = self.recorded or self.examples(self.subject)
        if not found:
            self.subject.wrong(
                "receive",
                "is tried with no body of its sender",
                "give the suite `bodies`: a folder of recorded ones, or write the hook `examples`",
            )
        return found

    @staticmethod
    def examples(subject: Subject) -> list[Recorded]:
        if not subject.has("examples"):
            return []
        found: Sequence[Example] = subject.asked("examples", now=NOON, config=subject.config())
        return [Recorded(entry.title, entry.body) for entry in found]

    def posted(self, body: bytes, config: Any, secret: str = "", signed: datetime = NOON) -> list[Received | CallbackItem]:
        request = a_request(body, path=f"/webhook/{self.subject.short}")
        if secret and self.proof:
            request = a_request(body, path=request.path, headers=self.proven(body, secret, signed))
        elif secret:
            request = Request(request.method, request.path, request.headers, {"secret": secret}, body)
        said = self.subject.call("receive", request=request, config=config, now=NOON)
        return list(said.items if isinstance(said, Reply) else said)

    @property
    def dated(self) -> bool:
        """Whether the proof signs the time, too."""
        return bool(self.proof) and len(inspect.signature(self.proof[0]).parameters) > 2

    def proven(self, body: bytes, secret: str, now: datetime) -> Mapping[str, str]:
        """The headers that prove a body at this moment."""
        proof: Callable[..., Mapping[str, str]] = self.proof[0]
        return proof(body, secret, now) if self.dated else proof(body, secret)

    def changes(self) -> dict[tuple[int | str | None, int | str], list[Change]]:
        """The bodies that are about bookings, by booking, in the order in which they came, where there are several."""
        found: dict[tuple[int | str | None, int | str], list[Change]] = {}
        for entry in self.bodies():
            item = self.taken(entry.body)[0]
            told = self.understood(item)
            if item.subject_id is None or not isinstance(told, Event) or told.text is not None:
                continue
            at = told.changed_at or (told.booking.changed_at if told.booking else None)
            gone = told.action == "deleted" or (told.booking is not None and told.booking.cancelled)
            found.setdefault((item.company_id, item.subject_id), []).append(Change(entry.title, entry.body, at, gone))
        return {key: changes for key, changes in found.items() if len(changes) > 1}

    @contextlib.contextmanager
    def app(self, companies: Iterable[int | str | None]) -> Iterator[App]:
        """A Vestnik with this source and the rule `stale`, for these salons."""
        found = self.subject
        listed: dict[int, Mapping[str, Any]] = {number: {} for number, _ in map(number_of, companies) if number}
        table = {**found.keys, "module": found.module.__name__}
        path: list[Path] = []
        if found.module.__name__.startswith("vestnik_private."):
            assert found.module.__file__ is not None
            path = [Path(found.module.__file__).parents[1]]
            del table["module"]
        try:
            with an_app(path=path, source={found.short: table}, filter={"stale": {}}, salon=self.salon, salons=listed) as app:
                yield app
        except ConfigError as error:
            found.wrong("Config", str(error), "mend the keys that the suite is given")

    def refused(self, body: bytes, config: Any, secret: str, signed: datetime = NOON) -> bool:
        try:
            self.posted(body, config, secret, signed)
        except Refused:
            return True
        except Exception as error:
            self.subject.wrong("receive", self.subject.raised(error), "look at the secret first, then read")
        return False

    def taken(self, body: bytes) -> list[Received]:
        """The items of a body that it must read."""
        try:
            items = self.posted(body, self.subject.config())
        except Exception as error:
            self.subject.wrong("receive", self.subject.raised(error), f"read what the sender posts: {body[:500]!r}")
        self.subject.demand(items, "receive", f"took nothing in of {body[:500]!r}", "give one Received for each event")
        return self.typed(items, repr(body[:500]))

    def typed(self, items: Sequence[Any], body: str) -> list[Received]:
        for item in items:
            self.subject.demand(
                isinstance(item, Received | CallbackItem), "receive", f"answered {spelled(item)} to {body}", "give Received(…)"
            )
        found = [item for item in items if isinstance(item, Received)]
        for item in found:
            good = all(isinstance(part, str) and part for part in (item.event_id, item.event_type)) and isinstance(
                item.payload, str
            )
            self.subject.demand(
                good, "receive", f"gave {spelled(item)}", "give each item an event_id, an event_type and its payload as text"
            )
        return found

    def understood(self, item: Received) -> Event | Ignored | Later:
        told = self.run("normalize", received=item, salon=self.salon, config=self.subject.config())
        found = self.subject
        found.demand(
            isinstance(told, Event | Ignored | Later),
            "normalize",
            f"answered {spelled(told)}",
            "return an Event, Ignored(reason) or Later(reason)",
        )
        if isinstance(told, Ignored | Later):
            found.demand(told.reason.strip(), "normalize", "gave no reason", "say in `reason` why, for people to read")
        elif isinstance(told, Event):
            self.sound(told)
        return told  # type: ignore[no-any-return]

    def sound(self, told: Event) -> None:
        """What core takes for granted in an event."""
        booking, found = told.booking or Booking(), self.subject
        for name, at in (("visit_at", booking.visit_at), ("changed_at", booking.changed_at), ("changed_at", told.changed_at)):
            found.demand(
                at is None or (isinstance(at, datetime) and at.tzinfo),
                "normalize",
                f"gave {name} as {at!r}, in no time zone",
                "give it the offset that the sender says, or the salon's clock: ZoneInfo(salon.timezone)",
            )
        phone = booking.phone or (told.recipient.phone if told.recipient else None)
        found.demand(
            phone is None or (phone[:1] == "+" and phone[1:].isdecimal()),
            "normalize",
            f"gave the phone as {phone!r}",
            "give +79000000088: phone, missing = parse_phone(text, salon.region)",
        )
        found.demand(
            booking.services is None or all(service.title for service in booking.services),
            "normalize",
            f"gave a service without a title: {booking.services!r}",
            "leave such a line out",
        )
        found.demand(
            told.booking is None or booking.cancelled or booking.visit_at or told.action != "created",
            "normalize",
            f"gave a new booking without its time: {spelled(booking)}",
            "fill visit_at",
        )

    def run(self, hook: str, **values: Any) -> Any:
        def unasked(request: httpx.Request) -> httpx.Response:
            self.subject.wrong(
                hook, f"asked {request.url} although no key is set", "ask nobody while the keys of the API are not set"
            )

        async def work() -> Any:
            async with httpx.AsyncClient(transport=httpx.MockTransport(unasked)) as http:
                return await self.subject.call(hook, http=http, **values)

        try:
            return asyncio.run(work())
        except Exception as error:
            self.subject.wrong(hook, self.subject.raised(error), f"answer for {spelled(values.get('received', 'it'))}")
