"""The Bot API of Telegram: https://core.telegram.org/bots/api. A client's chat_id is here the digits of his phone."""

from __future__ import annotations

import secrets
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from stand_ins.base import StandIn, digits
from stand_ins.scenario import Accepted


class Telegram(StandIn):
    name = "telegram"
    config: ClassVar[dict[str, str]] = {"token": "123456789:telegram-token", "webhook_secret": "telegram-hook"}
    pace: ClassVar[dict[str, Any]] = {"gap": "0s", "recipient_gap": "0s"}
    reports = ()
    recorded_id = "1365"
    recorded_chat = "987654321"

    def routes(self) -> list[BaseRoute]:
        return [Route("/bot{token}/sendMessage", self.taking, methods=["POST"]), Route("/bot{token}/getMe", self._me)]

    async def allows(self, request: Request) -> bool:
        return bool(request.path_params["token"] == self.config["token"])

    async def read(self, request: Request) -> tuple[str, str, str]:
        said = await request.json()
        return digits(str(said["chat_id"])), said["text"], ""

    def new_id(self, reference: str) -> str:
        return str(secrets.randbelow(2**31))

    def answer(self, accepted: Accepted) -> Any:
        said = self.body("send.ok", accepted)
        return {**said, "result": {**said["result"], "text": accepted.text, "entities": []}}

    async def _me(self, request: Request) -> Response:
        if not await self.allows(request):
            return self.recorded(self.refused)
        return JSONResponse(
            {"ok": True, "result": {"id": 123456789, "is_bot": True, "first_name": "Салон", "username": "salon_demo_bot"}}
        )

    def status_hook(self, accepted: Accepted, state: str) -> Any:
        return None  # a bot is told nothing

    def text_hook(self, phone: str, text: str) -> Any:
        """ "/start TOKEN" is a client who followed the link, "/stop" one who blocked the bot, "/back" one who lets it write again."""
        hook = self.body(
            "webhook.my_chat_member_blocked" if text in ("/stop", "/back") else "webhook.inbound_text", phone=phone, text=text
        )
        if text == "/back":
            hook["my_chat_member"]["new_chat_member"]["status"] = "member"
        return hook

    def contact_hook(self, phone: str) -> Any:
        return self.body("webhook.contact_shared", phone=phone)

    def proof(self, body: bytes) -> dict[str, str]:
        return {"x-telegram-bot-api-secret-token": self.config["webhook_secret"]}
