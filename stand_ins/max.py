"""The bot API of MAX: https://dev.max.ru/docs-api. A client's user_id is here the digits of his phone."""

from __future__ import annotations

import secrets
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from stand_ins.base import StandIn, digits
from stand_ins.scenario import Accepted


class Max(StandIn):
    name = "max"
    config: ClassVar[dict[str, str]] = {"token": "max-token", "webhook_secret": "max-hook"}
    pace: ClassVar[dict[str, Any]] = {"gap": "0s", "recipient_gap": "0s"}
    reports = ()
    recorded_id = "mid.000000000adf429c019d47d58f2b3d9e"
    recorded_chat = "123456789"

    def routes(self) -> list[BaseRoute]:
        return [Route("/messages", self.taking, methods=["POST"]), Route("/me", self._me)]

    async def allows(self, request: Request) -> bool:
        return request.headers.get("authorization") == self.config["token"]

    async def read(self, request: Request) -> tuple[str, str, str]:
        return digits(request.query_params["user_id"]), (await request.json())["text"], ""

    def new_id(self, reference: str) -> str:
        return f"mid.{secrets.token_hex(16)}"

    def answer(self, accepted: Accepted) -> Any:
        said = self.body("send.ok", accepted)
        said["message"]["body"]["text"] = accepted.text
        return said

    async def _me(self, request: Request) -> Response:
        return self.recorded("me.ok") if await self.allows(request) else self.recorded(self.refused)

    def status_hook(self, accepted: Accepted, state: str) -> Any:
        return None  # a bot is told nothing

    def text_hook(self, phone: str, text: str) -> Any:
        """ "/start TOKEN" is a client who followed the link, "/stop" one who stopped the bot."""
        if text.startswith("/start"):
            return {**self.body("webhook.bot_started", phone=phone), "payload": text.removeprefix("/start").strip() or None}
        return self.body("webhook.bot_stopped" if text == "/stop" else "webhook.message_created", phone=phone, text=text)

    def contact_hook(self, phone: str) -> Any:
        hook = self.body("webhook.message_created", phone=phone)
        card = f"BEGIN:VCARD\r\nVERSION:3.0\r\nTEL;TYPE=cell:{phone}\r\nFN:Анна\r\nEND:VCARD"
        contact = {"type": "contact", "payload": {"vcf_info": card, "max_info": hook["message"]["sender"]}}
        hook["message"]["body"] = {**hook["message"]["body"], "text": "", "attachments": [contact]}
        return hook

    def proof(self, body: bytes) -> dict[str, str]:
        return {"x-max-bot-api-secret": self.config["webhook_secret"]}
