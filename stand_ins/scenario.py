"""What a stand-in is told to do with messages, and what it keeps of them."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct
from starlette.responses import Response
from starlette.types import Receive, Scope, Send


class Accepted(Struct):
    """One message that was taken. `state` is what was reported last."""

    id: str
    phone: str
    text: str
    at: datetime
    reference: str = ""
    state: str = "accepted"


class Scenario(Struct, frozen=True, forbid_unknown_fields=True):
    """What happens to one message.

    `answer`: "accept"; "drop" (taken, then the connection breaks) or "hang" (taken, then no answer); "empty", "html_502";
    "session_down", "rate_limited"; or a recorded body by name: "error.400_spam". `taken` overrules whether it is taken.
    `report`: the states reported of a taken message, in this order ("failed" too); `None`: all that the API knows.
    `before_answer`: they are reported before the answer. `after`: so many seconds late.
    """

    answer: str = "accept"
    taken: bool | None = None
    retry_after: int | None = None
    report: tuple[str, ...] | None = None
    before_answer: bool = False
    after: float = 0

    @property
    def lost(self) -> bool:
        return self.answer in ("drop", "hang")

    @property
    def takes(self) -> bool:
        return self.taken if self.taken is not None else self.lost or self.answer == "accept"


class Control(Struct, forbid_unknown_fields=True):
    """The body of `POST /_scenario`: for the next messages, for every message to a phone (`null`: no more), for all others."""

    next: tuple[str | Scenario, ...] = ()
    phones: dict[str, str | Scenario | None] = {}
    always: str | Scenario | None = None


class Client(Struct, forbid_unknown_fields=True):
    """The body of `POST /_client`: a client writes, or shares his contact with a bot."""

    phone: str
    text: str = ""
    contact: bool = False


class Session(Struct, forbid_unknown_fields=True):
    """The body of `POST /_session`: it goes down, or comes up again."""

    working: bool


class Lost(Response):
    """An answer that never arrives: the connection breaks, or nothing is said until the other side gives up."""

    def __init__(self, hang: bool) -> None:
        super().__init__()
        self._hang = hang

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._hang:
            while (await receive())["type"] != "http.disconnect":
                pass
        else:  # less body than promised, so the server hangs up
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"64")]})
