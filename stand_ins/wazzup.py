"""Wazzup24: https://wazzup24.com/help/api-en/"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from stand_ins.base import StandIn, digits
from stand_ins.scenario import Accepted


class Wazzup(StandIn):
    name = "wazzup"
    config: ClassVar[dict[str, str]] = {
        "channel_id": "0a7d1f2e-0000-4000-8000-000000000001",
        "api_key": "wazzup-key",
        "webhook_token": "wazzup-hook",
    }
    pace: ClassVar[dict[str, Any]] = {"gap": "0s", "first_contacts": 0}
    session_down = "error.400_channel_blocked"
    recorded_id = "f66c53a6-957a-46b2-b41b-5a2ef4844bcb"

    def routes(self) -> list[BaseRoute]:
        return [Route("/v3/message", self.taking, methods=["POST"]), Route("/v3/channels", self._channels)]

    async def allows(self, request: Request) -> bool:
        return request.headers.get("authorization") == f"Bearer {self.config['api_key']}"

    async def read(self, request: Request) -> tuple[str, str, str]:
        said = await request.json()
        return digits(said["chatId"]), said["text"], said.get("crmMessageId", "")

    def repeated(self, phone: str, text: str, reference: str) -> Any:
        since = self.clock() - timedelta(seconds=60)
        if not any(taken.reference == reference and taken.at > since for taken in self.ledger if reference):
            return None
        error = {"error": "REPEATED_CRM_MESSAGE_ID", "description": "A message with this crmMessageId was sent already"}
        return {**self.body("error.400_spam"), **error}, 400

    def new_id(self, reference: str) -> str:
        return str(uuid.uuid4())

    async def _channels(self, request: Request) -> Response:
        if not await self.allows(request):
            return self.recorded(self.refused)
        return JSONResponse([{**channel, "state": "active" if self.working else "qr"} for channel in self.body("channels.ok")])

    def status_hook(self, accepted: Accepted, state: str) -> Any:
        return self.body("webhook.status_error" if state == "failed" else f"webhook.status_{state}", accepted)

    def state_hook(self, working: bool) -> Any:
        (update,) = self.body("webhook.channels_updates")["channelsUpdates"]
        return {"channelsUpdates": [{**update, "state": "active" if working else "qr"}]}

    def proof(self, body: bytes) -> dict[str, str]:
        return {"authorization": f"Bearer {self.config['webhook_token']}"}
