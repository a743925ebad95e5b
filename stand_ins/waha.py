"""WAHA: https://waha.devlike.pro/docs/"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from stand_ins.base import StandIn, digits
from stand_ins.scenario import Accepted

_ACKS = {"sent": "server", "delivered": "device", "read": "read", "failed": "error"}


class Waha(StandIn):
    name = "waha"
    config: ClassVar[dict[str, str]] = {"session": "default", "api_key": "waha-key", "webhook_hmac_key": "waha-hook"}
    pace: ClassVar[dict[str, Any]] = {"gap": "0s", "first_contacts": 0}
    session_down = "error.422_session_not_working"
    recorded_id = "3EB0A1B2C3D4E5F60718"

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/api/sendText", self.taking, methods=["POST"]),
            Route("/api/contacts/check-exists", self._exists),
            Route("/api/sessions/{session}", self._session_info),
            Route("/api/{session}/new-message-id", self._new_id),
        ]

    async def allows(self, request: Request) -> bool:
        return request.headers.get("x-api-key") == self.config["api_key"]

    async def read(self, request: Request) -> tuple[str, str, str]:
        said = await request.json()
        return digits(said["chatId"]), said["text"], said.get("id", "")

    def new_id(self, reference: str) -> str:
        return reference or super().new_id(reference)

    def answer(self, accepted: Accepted) -> Any:
        return {**self.body("send.ok", accepted), "body": accepted.text}

    async def _exists(self, request: Request) -> Response:
        phone = digits(request.query_params.get("phone", ""))
        return self.recorded("check_exists.ok", phone=phone) if await self.allows(request) else self.recorded(self.refused)

    async def _session_info(self, request: Request) -> Response:
        if not await self.allows(request):
            return self.recorded(self.refused)
        return self.recorded("session.working" if self.working else "session.scan_qr")

    async def _new_id(self, request: Request) -> Response:
        return JSONResponse({"id": f"3EB0{secrets.token_hex(8).upper()}"})

    def status_hook(self, accepted: Accepted, state: str) -> Any:
        return self.body(f"webhook.ack_{_ACKS[state]}", accepted)

    def state_hook(self, working: bool) -> Any:
        hook = self.body("webhook.session_failed")
        return {**hook, "payload": {**hook["payload"], "status": "WORKING" if working else "SCAN_QR_CODE"}}

    def proof(self, body: bytes) -> dict[str, str]:
        signature = hmac.new(self.config["webhook_hmac_key"].encode(), body, hashlib.sha512).hexdigest()
        return {"x-webhook-hmac": signature, "x-webhook-hmac-algorithm": "sha512"}
