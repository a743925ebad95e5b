"""Evolution API: https://doc.evolution-api.com/"""

from __future__ import annotations

from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from stand_ins.base import StandIn, digits
from stand_ins.scenario import Accepted

_UPDATES = {"sent": "server_ack", "delivered": "delivery_ack", "read": "read", "failed": "error"}


class Evolution(StandIn):
    name = "evolution"
    config: ClassVar[dict[str, str]] = {"instance": "salon", "api_key": "evolution-key", "webhook_token": "evolution-hook"}
    pace: ClassVar[dict[str, Any]] = {"gap": "0s", "first_contacts": 0}
    session_down = "error.400_connection_closed"
    recorded_id = "3EB0F1E2D3C4B5A69788"

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/message/sendText/{instance}", self.taking, methods=["POST"]),
            Route("/chat/whatsappNumbers/{instance}", self._numbers, methods=["POST"]),
            Route("/instance/connectionState/{instance}", self._state),
        ]

    async def allows(self, request: Request) -> bool:
        ours = request.path_params["instance"] == self.config["instance"]
        return ours and request.headers.get("apikey") == self.config["api_key"]

    async def read(self, request: Request) -> tuple[str, str, str]:
        said = await request.json()
        return digits(said["number"]), said["text"], ""

    def answer(self, accepted: Accepted) -> Any:
        return {**self.body("send.ok", accepted), "message": {"conversation": accepted.text}}

    async def _numbers(self, request: Request) -> Response:
        if not await self.allows(request):
            return self.recorded(self.refused)
        phones = [digits(number) for number in (await request.json())["numbers"]]
        return JSONResponse([entry for phone in phones for entry in self.body("whatsapp_numbers.ok", phone=phone)])

    async def _state(self, request: Request) -> Response:
        if not await self.allows(request):
            return self.recorded(self.refused)
        return self.recorded("connection_state.open" if self.working else "connection_state.close")

    def status_hook(self, accepted: Accepted, state: str) -> Any:
        return self.body(f"webhook.messages_update_{_UPDATES[state]}", accepted)

    def text_hook(self, phone: str, text: str) -> Any:
        return self.body("webhook.messages_upsert_inbound", phone=phone, text=text)

    def state_hook(self, working: bool) -> Any:
        hook = self.body("webhook.connection_update_close")
        return {**hook, "data": {**hook["data"], "state": "open" if working else "close", "statusReason": 200 if working else 401}}

    def proof(self, body: bytes) -> dict[str, str]:
        return {"authorization": f"Bearer {self.config['webhook_token']}"}
