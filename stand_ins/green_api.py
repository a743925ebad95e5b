"""Green-API, for WhatsApp and for MAX: https://green-api.com/docs/api/ and https://green-api.com/v3/docs/api/"""

from __future__ import annotations

import secrets
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from stand_ins.base import StandIn, digits
from stand_ins.scenario import Accepted


class GreenApi(StandIn):
    name = "green_api"
    config: ClassVar[dict[str, str]] = {"id_instance": "1101000001", "token": "green-token", "webhook_token": "green-hook"}
    pace: ClassVar[dict[str, Any]] = {"gap": "0s", "first_contacts": 0}
    session_down = "error.400_not_authorized"
    recorded_id = "3EB0C767D097B7C7C030"
    prefix = "/waInstance{instance}"

    def routes(self) -> list[BaseRoute]:
        return [
            Route(self.prefix + "/sendMessage/{token}", self.taking, methods=["POST"]),
            Route(self.prefix + "/checkWhatsapp/{token}", self._check, methods=["POST"]),
            Route(self.prefix + "/getStateInstance/{token}", self._state),
        ]

    async def allows(self, request: Request) -> bool:
        return request.path_params == {"instance": self.config["id_instance"], "token": self.config["token"]}

    async def read(self, request: Request) -> tuple[str, str, str]:
        said = await request.json()
        return digits(said["chatId"]), said["message"], ""

    async def _check(self, request: Request) -> Response:
        return self.recorded("check_whatsapp.ok_exists") if await self.allows(request) else self.recorded(self.refused)

    async def _state(self, request: Request) -> Response:
        if not await self.allows(request):
            return self.recorded(self.refused)
        return JSONResponse({"stateInstance": "authorized" if self.working else "notAuthorized"})

    def state_hook(self, working: bool) -> Any:
        return {**self.body("webhook.state_changed"), "stateInstance": "authorized" if working else "notAuthorized"}

    def proof(self, body: bytes) -> dict[str, str]:
        return {"authorization": f"Bearer {self.config['webhook_token']}"}


class GreenApiMax(GreenApi):
    name = "green_api_max"
    pace: ClassVar[dict[str, Any]] = {"gap": "0s"}
    folders = ("green_api", "green_api_max")
    recorded_id = "1763970000000"
    prefix = "/v3/waInstance{instance}"

    def routes(self) -> list[BaseRoute]:
        return [*super().routes(), Route(self.prefix + "/checkAccount/{token}", self._account, methods=["POST"])]

    async def _account(self, request: Request) -> Response:
        if not await self.allows(request):
            return self.recorded(self.refused)
        return JSONResponse({"exist": True, "chatId": str((await request.json())["phoneNumber"])})

    def new_id(self, reference: str) -> str:
        return str(secrets.randbelow(10**13))

    def status_hook(self, accepted: Accepted, state: str) -> Any:
        hook = {**super().status_hook(accepted, state), "idMessage": accepted.id, "chatId": digits(accepted.phone)}
        return {**hook, "instanceData": {**hook["instanceData"], "typeInstance": "v3"}}

    def text_hook(self, phone: str, text: str) -> Any:
        hook = super().text_hook(phone, text)
        return {**hook, "senderData": {**hook["senderData"], "chatId": phone, "sender": phone}}
