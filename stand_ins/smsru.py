"""SMS.ru: https://sms.ru/api"""

from __future__ import annotations

import hashlib
import secrets
from typing import Any, ClassVar
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from stand_ins.base import StandIn, digits, fields
from stand_ins.scenario import Accepted

_CODES = {"accepted": 100, "sent": 102, "delivered": 103, "failed": 104}


class SmsRu(StandIn):
    name = "smsru"
    config: ClassVar[dict[str, str]] = {"api_id": "smsru-api-id"}
    reports = ("sent", "delivered")
    refused = "error.200"
    session_down = "error.201"
    rate_limited = "error.220"
    recorded_id = "000000-10000000"

    def routes(self) -> list[BaseRoute]:
        both = ["GET", "POST"]
        return [
            Route("/sms/send", self.taking, methods=both),
            Route("/sms/status", self._status, methods=both),
            Route("/auth/check", self._account, methods=both),
        ]

    async def allows(self, request: Request) -> bool:
        return (await fields(request)).get("api_id") == self.config["api_id"]

    async def read(self, request: Request) -> tuple[str, str, str]:
        form = await fields(request)
        return digits(form["to"]), form["msg"], ""

    def new_id(self, reference: str) -> str:
        return f"{secrets.randbelow(10**6):06}-{secrets.randbelow(10**8):08}"

    async def _status(self, request: Request) -> Response:
        if not await self.allows(request):
            return self.recorded(self.refused)
        sms_id = (await fields(request))["sms_id"]
        states = [taken.state for taken in self.ledger if taken.id == sms_id]
        entry = {"status": "OK", "status_code": _CODES[states[0]]} if states else {"status": "ERROR", "status_code": -1}
        return JSONResponse({"status": "OK", "status_code": 100, "sms": {sms_id: entry}})

    async def _account(self, request: Request) -> Response:
        known = await self.allows(request)
        return JSONResponse({"status": "OK", "status_code": 100}) if known else self.recorded(self.refused)

    def status_hook(self, accepted: Accepted, state: str) -> Any:
        return [f"sms_status\n{accepted.id}\n{_CODES[state]}\n{int(self.clock().timestamp())}"]

    def text_hook(self, phone: str, text: str) -> Any:
        return None

    def sealed(self, hook: Any) -> tuple[bytes, dict[str, str]]:
        form = {f"data[{number}]": line for number, line in enumerate(hook)}
        form["hash"] = hashlib.sha256((self.config["api_id"] + "".join(hook)).encode()).hexdigest()
        return urlencode(form).encode(), {"content-type": "application/x-www-form-urlencoded"}
