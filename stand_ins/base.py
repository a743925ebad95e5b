"""What all stand-ins share: the ledger, what happens to a message, and the callbacks."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import secrets
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar, TypeVar
from urllib.parse import parse_qsl

import httpx
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from stand_ins.recorded import PHONE, REFERENCE, bodies, filled, http_status
from stand_ins.scenario import Accepted, Lost, Scenario

_Asked = TypeVar("_Asked")


class StandIn(ABC):
    """One messaging API. `config` are keys of its plugin's `Config` that fit; `settings` adds the address, and `pace`."""

    name: ClassVar[str]
    config: ClassVar[dict[str, str]]
    pace: ClassVar[dict[str, Any]] = {}  # keys that lift its limits: nobody waits for a stand-in
    folders: ClassVar[tuple[str, ...]] = ()  # of bodies, where not `name` alone
    reports: ClassVar[tuple[str, ...]] = ("sent", "delivered", "read")
    refused: ClassVar[str] = "error.401"  # the body for a wrong key
    session_down: ClassVar[str] = "error.401"
    rate_limited: ClassVar[str] = "error.429"
    recorded_id: ClassVar[str]
    recorded_chat: ClassVar[str] = PHONE

    def __init__(
        self, callback: str = "", http: httpx.AsyncClient | None = None, clock: Callable[[], datetime] | None = None
    ) -> None:
        self.callback = callback
        self.http = http
        self.clock = clock or (lambda: datetime.now(UTC))
        self.ledger: list[Accepted] = []
        self.working = True
        self._next: deque[Scenario] = deque()
        self._phones: dict[str, Scenario] = {}
        self._always = Scenario()
        self._late: set[asyncio.Task[None]] = set()
        self.app = Starlette(routes=self.routes())

    # --- what each API says for itself

    @abstractmethod
    def routes(self) -> list[BaseRoute]:
        """The API's paths; the one that takes messages ends in `self.taking`."""

    @abstractmethod
    async def allows(self, request: Request) -> bool:
        """Whether the request carries our key."""

    @abstractmethod
    async def read(self, request: Request) -> tuple[str, str, str]:
        """The phone, the text and the reference of a message."""

    def answer(self, accepted: Accepted) -> Any:
        """The body for a message that was taken; its status is the one of "send.ok"."""
        return self.body("send.ok", accepted)

    def repeated(self, phone: str, text: str, reference: str) -> Any:
        """The error for a repeat, where the API knows one: body, HTTP status."""
        return None

    def new_id(self, reference: str) -> str:
        return f"3EB0{secrets.token_hex(8).upper()}"

    def status_hook(self, accepted: Accepted, state: str) -> Any:
        return self.body(f"webhook.status_{state}", accepted)

    def text_hook(self, phone: str, text: str) -> Any:
        return self.body("webhook.inbound_text", phone=phone, text=text)

    def contact_hook(self, phone: str) -> Any:
        """What is posted when a client shares his contact with a bot."""
        return None

    def state_hook(self, working: bool) -> Any:
        return None

    def proof(self, body: bytes) -> dict[str, str]:
        """The headers that prove a callback."""
        return {}

    def sealed(self, hook: Any) -> tuple[bytes, dict[str, str]]:
        """A callback's bytes and headers."""
        body = json.dumps(hook, ensure_ascii=False).encode()
        return body, {"content-type": "application/json", **self.proof(body)}

    # --- what a test or a person asks of it

    @classmethod
    def settings(cls, base_url: str) -> dict[str, Any]:
        """The table `[send.NAME]` that speaks to it."""
        return {"base_url": base_url, **cls.config, **cls.pace}

    def plan(self, *scenarios: str | Scenario) -> None:
        """What happens to the next messages, one each. Raises ValueError for an answer nobody knows."""
        self._next.extend([self._known(said) for said in scenarios])

    def plan_for(self, phone: str, said: str | Scenario | None) -> None:
        """What happens to every message to one phone; `None`: nothing special any more."""
        self._phones.pop(digits(phone), None)
        if said is not None:
            self._phones[digits(phone)] = self._known(said)

    def always(self, said: str | Scenario) -> None:
        """What happens to all messages that have no plan of their own."""
        self._always = self._known(said)

    def plans(self) -> dict[str, Any]:
        """What is planned: how many of the next messages, which phones, all others."""
        return {"next": len(self._next), "phones": sorted(self._phones), "always": self._always.answer}

    async def report(self, accepted: Accepted, state: str) -> None:
        """Tell what became of a message."""
        accepted.state = state
        await self._post(self.status_hook(accepted, state))

    async def write(self, phone: str, text: str = "", contact: bool = False) -> None:
        """A client writes, or shares his contact with a bot."""
        await self._post(self.contact_hook(digits(phone)) if contact else self.text_hook(digits(phone), text))

    async def session(self, working: bool) -> None:
        """The session goes down, or comes up again."""
        self.working = working
        await self._post(self.state_hook(working))

    # --- how it works

    def body(self, file: str, accepted: Accepted | None = None, *, phone: str = "", text: str = "") -> Any:
        """A recorded body about our message, or about a phone."""
        phone = digits(accepted.phone) if accepted else phone
        own = {self.recorded_id: accepted.id, REFERENCE: accepted.reference} if accepted else {}
        return filled(self._bodies()[file], self.clock(), {**own, self.recorded_chat: phone or PHONE, PHONE: phone or PHONE}, text)

    def recorded(self, file: str, accepted: Accepted | None = None, phone: str = "") -> Response:
        """A recorded body with its HTTP status."""
        return JSONResponse(self.body(file, accepted, phone=phone), http_status(file, *self._folders()))

    async def taking(self, request: Request) -> Response:
        """The endpoint that takes messages."""
        if not await self.allows(request):
            return self.recorded(self.refused)
        try:
            phone, text, reference = await self.read(request)
        except (KeyError, TypeError, ValueError):
            return Response("the request lacks what is documented", 400)
        if (repeat := self.repeated(phone, text, reference)) is not None:
            return JSONResponse(*repeat)
        plan = self._planned(phone)
        if not plan.takes:
            return self._refusal(plan, phone)
        accepted = Accepted(self.new_id(reference), f"+{phone}", text, self.clock(), reference)
        self.ledger.append(accepted)
        return await self._taken(accepted, plan)

    async def _taken(self, accepted: Accepted, plan: Scenario) -> Response:
        answer = self._answered(accepted, plan)
        if plan.before_answer:
            await self._reports(accepted, plan)
        elif plan.lost:
            task = asyncio.create_task(self._reports(accepted, plan))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
        else:
            answer.background = BackgroundTask(self._reports, accepted, plan)
        return answer

    def _answered(self, accepted: Accepted, plan: Scenario) -> Response:
        if plan.lost:
            return Lost(hang=plan.answer == "hang")
        if plan.answer == "accept":
            return JSONResponse(self.answer(accepted), http_status("send.ok", *self._folders()))
        return self._refusal(plan, digits(accepted.phone))

    def _refusal(self, plan: Scenario, phone: str) -> Response:
        if plan.answer == "html_502":
            answer = Response("<html><h1>502 Bad Gateway</h1></html>", 502, media_type="text/html")
        elif plan.answer in ("accept", "drop", "hang", "empty"):
            answer = Response()
        else:
            file = {"session_down": self.session_down, "rate_limited": self.rate_limited}.get(plan.answer, plan.answer)
            answer = self.recorded(file, phone=phone) if file in self._bodies() else JSONResponse({}, 429)
        if plan.retry_after is not None:
            answer.headers["retry-after"] = str(plan.retry_after)
        return answer

    def _planned(self, phone: str) -> Scenario:
        if not self.working:
            return Scenario("session_down")
        if phone in self._phones:
            return self._phones[phone]
        return self._next.popleft() if self._next else self._always

    def _known(self, said: str | Scenario) -> Scenario:
        plan = Scenario(said) if isinstance(said, str) else said
        names = ["accept", "drop", "hang", "empty", "html_502", "session_down", "rate_limited"]
        names += [file for file in self._bodies() if file.startswith(("error.", "send."))]
        if plan.answer not in names:
            raise ValueError(f"{self.name} knows no answer `{plan.answer}`; there are: {', '.join(names)}")
        return plan

    def _folders(self) -> tuple[str, ...]:
        return self.folders or (self.name,)

    def _bodies(self) -> dict[str, str]:
        return dict(bodies(*self._folders()))

    async def _reports(self, accepted: Accepted, plan: Scenario) -> None:
        await asyncio.sleep(plan.after)
        for state in self.reports if plan.report is None else plan.report:
            await self.report(accepted, state)

    async def _post(self, hook: Any) -> None:
        if hook is None or not self.callback or not self.http:
            return
        body, headers = self.sealed(hook)
        with contextlib.suppress(httpx.HTTPError):  # nobody there: the gateway goes on
            await self.http.post(self.callback, content=body, headers=headers)


async def fields(request: Request) -> dict[str, str]:
    """The fields of a form or of a query."""
    return {**request.query_params, **dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))}


def digits(phone: str) -> str:
    return re.sub(r"\D", "", phone)
