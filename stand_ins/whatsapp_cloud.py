"""Meta's WhatsApp Cloud API: https://developers.facebook.com/documentation/business-messaging/whatsapp"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from stand_ins.base import StandIn, digits
from stand_ins.scenario import Accepted


class WhatsAppCloud(StandIn):
    name = "whatsapp_cloud"
    config: ClassVar[dict[str, str]] = {
        "phone_number_id": "1122334455667",
        "token": "meta-token",
        "app_secret": "meta-hook",
        "verify_token": "meta-word",
    }
    pace: ClassVar[dict[str, Any]] = {"recipient_gap": "0s"}
    refused = session_down = "error.190_token"
    rate_limited = "error.130429_throughput"
    recorded_id = "wamid.HBgLNzkwMDEyMzQ1NjcVAgARGBI5QTNDQTVCM0Q0Q0Q2RTY3RTcA"

    def routes(self) -> list[BaseRoute]:
        return [Route("/{version}/{number}/messages", self.taking, methods=["POST"])]

    async def allows(self, request: Request) -> bool:
        ours = request.path_params["number"] == self.config["phone_number_id"]
        return ours and request.headers.get("authorization") == f"Bearer {self.config['token']}"

    async def read(self, request: Request) -> tuple[str, str, str]:
        said = await request.json()
        reference = said.get("biz_opaque_callback_data", "")
        if said["type"] == "text":
            return digits(said["to"]), said["text"]["body"], reference
        parameters = [piece["text"] for part in said["template"].get("components", ()) for piece in part["parameters"]]
        return digits(said["to"]), f"{said['template']['name']}: {'; '.join(parameters)}", reference

    def new_id(self, reference: str) -> str:
        return f"wamid.{secrets.token_urlsafe(36)}"

    def answer(self, accepted: Accepted) -> Any:
        return self.body("send_text.ok", accepted)

    def proof(self, body: bytes) -> dict[str, str]:
        return {"x-hub-signature-256": f"sha256={hmac.new(self.config['app_secret'].encode(), body, hashlib.sha256).hexdigest()}"}

    def status_hook(self, accepted: Accepted, state: str) -> Any:
        known = self.body("webhook.status_delivered" if state == "read" else f"webhook.status_{state}", accepted)
        known["entry"][0]["changes"][0]["value"]["statuses"][0]["status"] = state
        return known
