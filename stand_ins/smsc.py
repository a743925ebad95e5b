"""SMSC: https://smsc.ru/api/http/. It is asked for statuses, and posts none."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from stand_ins.base import StandIn, digits, fields
from stand_ins.scenario import Accepted

_CODES = {"accepted": -1, "sent": 0, "delivered": 1, "read": 2, "failed": 20}


class Smsc(StandIn):
    name = "smsc"
    config: ClassVar[dict[str, str]] = {"login": "salon", "password": "smsc-password"}
    reports = ("sent", "delivered")
    refused = "error.2"
    session_down = "error.3"
    rate_limited = "error.4"
    recorded_id = "1790001"

    def routes(self) -> list[BaseRoute]:
        both = ["GET", "POST"]
        return [
            Route("/sys/send.php", self.taking, methods=both),
            Route("/sys/status.php", self._status, methods=both),
            Route("/sys/balance.php", self._balance, methods=both),
        ]

    async def allows(self, request: Request) -> bool:
        form = await fields(request)
        return (form.get("login"), form.get("psw")) == (self.config["login"], self.config["password"])

    async def read(self, request: Request) -> tuple[str, str, str]:
        form = await fields(request)
        return digits(form["phones"]), form["mes"], form.get("id", "")

    def new_id(self, reference: str) -> str:
        return reference or str(secrets.randbelow(2_147_483_647) + 1)

    def repeated(self, phone: str, text: str, reference: str) -> Any:
        since = self.clock() - timedelta(minutes=1)
        same = [taken for taken in self.ledger if (taken.phone, taken.text, taken.reference) == (f"+{phone}", text, reference)]
        return (
            ({"error": "duplicate request, wait a minute", "error_code": 9}, 200)
            if any(taken.at > since for taken in same)
            else None
        )

    async def _status(self, request: Request) -> Response:
        if not await self.allows(request):
            return self.recorded(self.refused)
        form = await fields(request)
        ours = (taken for taken in self.ledger if (taken.phone, taken.id) == (f"+{digits(form['phone'])}", form["id"]))
        taken = next(ours, None)
        known = {"status": _CODES[taken.state], "last_timestamp": int(self.clock().timestamp())} if taken else {"status": -3}
        return JSONResponse(known)

    async def _balance(self, request: Request) -> Response:
        return JSONResponse({"balance": "812.4"}) if await self.allows(request) else self.recorded(self.refused)

    def status_hook(self, accepted: Accepted, state: str) -> Any:
        return None

    def text_hook(self, phone: str, text: str) -> Any:
        return None
