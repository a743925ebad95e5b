"""Sends WhatsApp messages through Meta's own API: approved templates, and free text to who wrote within 24 hours.

In the app's webhooks set the address `https://…/callback/whatsapp_cloud`, the verify token, and the field `messages`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import httpx
from msgspec import field
from msgspec.structs import replace

from core import (
    Address,
    CallbackItem,
    Channel,
    Duration,
    Message,
    Needed,
    Rejected,
    Reply,
    Request,
    SendResult,
    Sent,
    Settings,
    hookimpl,
    posted,
    prove,
    prove_hmac,
)
from plugins.send._whatsapp_cloud import WINDOW_CLOSED, WRONG_FOR_ALL, items, judge
from plugins.send._whatsapp_template import Template, pieces_of

proven_by = "app_secret"


class Config(Settings, frozen=True):
    base_url: str = "https://graph.facebook.com"  # where the API lives
    version: str = "v23.0"  # of the API
    phone_number_id: Needed = ""  # the sending number's id, not the number
    token: Needed = ""  # of a system user
    app_secret: str = ""  # proves callbacks; unset: callbacks are taken on loopback alone; "none": from anybody
    verify_token: str = ""  # the word that Meta asks for once, when the webhook is set
    recipient_gap: Duration = Duration("6s")  # least time between two messages to one client, which Meta asks for; "0s": none
    templates: dict[str, tuple[Template, ...]] = field(default_factory=dict)  # by notification; the first that fits is used


@hookimpl
def channel(config: Config) -> Channel:
    return Channel("whatsapp", ("*", "*"), ("~", "~"), recipient_gap=config.recipient_gap)


@hookimpl
async def send(message: Message, address: Address, http: httpx.AsyncClient, config: Config, now: datetime) -> SendResult:
    pieces = pieces_of(message.parameters)
    fitting = [entry for entry in config.templates.get(message.type, ()) if entry.fits(pieces)]
    template = next((entry for entry in fitting if entry.key not in message.refused), None)
    if address.wrote_at and now - address.wrote_at < timedelta(hours=24):
        said = await _post({"type": "text", "text": {"preview_url": False, "body": message.text}}, address, http, config)
        if said != WINDOW_CLOSED or not template:
            return said
    if not template and fitting:
        return Rejected("Meta refuses the template", scope="content", template=fitting[0].key)
    if not template:
        return Rejected(f"no template for {message.type} fits", scope="content")
    said = await _post({"type": "template", "template": template.filled(pieces)}, address, http, config)
    return replace(said, template=template.key) if isinstance(said, Sent) or said in WRONG_FOR_ALL else said


async def _post(body: dict[str, Any], address: Address, http: httpx.AsyncClient, config: Config) -> SendResult:
    to = {"messaging_product": "whatsapp", "recipient_type": "individual", "to": address.phone.removeprefix("+")}
    ours = {"biz_opaque_callback_data": address.reference} if address.reference else {}
    url = f"{config.base_url.rstrip('/')}/{config.version}/{config.phone_number_id}/messages"
    return judge(await http.post(url, headers={"Authorization": f"Bearer {config.token}"}, json={**to, **body, **ours}))


@hookimpl
def callback(request: Request, config: Config) -> Sequence[CallbackItem] | Reply:
    if request.method == "GET":
        prove(request.query.get("hub.verify_token"), config.verify_token, status=403)
        return Reply(body=request.query.get("hub.challenge", ""), content_type="text/plain")
    if config.app_secret:
        prove_hmac(config.app_secret, request.body, request.headers.get("x-hub-signature-256"))
    return tuple(items(posted(request), config.phone_number_id))
