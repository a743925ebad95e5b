"""Sends WhatsApp messages through Wazzup24.

A Wazzup account has one webhook address for everything: giving it ours (`PATCH /v3/webhooks`) takes it away from another CRM.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import httpx

from core import (
    Address,
    CallbackItem,
    Channel,
    Codes,
    DeliveryStatus,
    InboundMessage,
    Message,
    Needed,
    Request,
    SendResult,
    Statuses,
    TransportState,
    answer,
    hookimpl,
    listed,
    moment,
    objects,
    parse_phone,
    posted,
    prove,
)
from plugins.send._whatsapp import OwnNumber, facts, text_of

# Wazzup writes both REPEATED_CRM_MESSAGE_ID and repeatedCrmMessageId, so here without "_" and in lower case. A code means the same in
# an answer and in a later status. Wazzup knows a repeat by crmMessageId for 60 s: after an unknown error the next try comes within them.
CODES = Codes(
    sent="repeatedcrmmessageid",
    recipient={
        "badcontact chatnoaccess": "the number is not on WhatsApp, or cannot be written to",
        "messagesnottextfirst 24hoursexceeded": "WhatsApp or the tariff does not let us write first",
    },
    content={
        "invalidmessagedata wrongtransport validationerror templaterejected": "the message is not valid",
        "messagetexttoolong toolongtext messagestoolongwaba messagestoolongwabatemplate": "the text is too long",
        "messagesisspam spam": "Wazzup takes the text for spam",
    },
    account={
        "channelnotfound invalidapikey": "api_key or channel_id is wrong",
        "channelblocked channelwapirejected channelrejected": "the channel is off or blocked",
        "channelnomoney balanceisempty channellimitexceeded": "the channel is not paid for",
    },
    later={"messagechannelunavailable": "the channel is away for a moment", "unknownerror": "Wazzup failed"},
    after={"unknownerror": timedelta(seconds=10)},
    within={"unknownerror": timedelta(seconds=50)},
)
STATES = Statuses(sent="sent", delivered="delivered", read="read", failed={"error": "Wazzup could not deliver it"})
proven_by = "webhook_token"


class Config(OwnNumber, frozen=True):
    base_url: str = "https://api.wazzup24.com"  # where the API lives
    channel_id: Needed = ""  # channelId of the WhatsApp channel to send from
    api_key: Needed = ""  # the account's API key
    webhook_token: str = ""  # crmKey; unset: callbacks are taken on loopback alone; "none": from anybody


@hookimpl
def channel(config: Config) -> Channel:
    return facts(config, 10_000, repeats=timedelta(seconds=50))


@hookimpl
async def send(message: Message, address: Address, http: httpx.AsyncClient, config: Config) -> SendResult:
    body = {"channelId": config.channel_id, "chatType": "whatsapp", "chatId": address.phone.removeprefix("+"), "text": message.text}
    if address.reference:  # two messages with an empty one would be repeats of each other
        body["crmMessageId"] = address.reference
    headers = {"Authorization": f"Bearer {config.api_key}"}
    response = await http.post(f"{config.base_url.rstrip('/')}/v3/message", headers=headers, json=body)
    said = answer(response)
    return CODES.judge(response, _plain(said.get("error")), said.get("messageId"))


@hookimpl
def callback(request: Request, config: Config) -> Sequence[CallbackItem]:
    if config.webhook_token:
        prove(request.headers.get("authorization"), f"Bearer {config.webhook_token}")
    body, me = posted(request), config.channel_id  # which a status does not name
    ours = {name: [e for e in objects(body.get(name)) if e.get("channelId", me) == me] for name in ("messages", "channelsUpdates")}
    found = [*map(_status, objects(body.get("statuses"))), *map(_inbound, ours["messages"]), *map(_state, ours["channelsUpdates"])]
    return [item for item in found if item is not None]


@hookimpl
async def probe(http: httpx.AsyncClient, config: Config) -> str | None:
    response = await http.get(f"{config.base_url.rstrip('/')}/v3/channels", headers={"Authorization": f"Bearer {config.api_key}"})
    state = next((entry for entry in listed(response) if entry.get("channelId") == config.channel_id), None)
    if state is None or not response.is_success:
        return f"HTTP {response.status_code} and no channel with this channel_id"
    return _state(state).reason or None


def _plain(code: object) -> str:
    return str(code).replace("_", "").lower().replace("unknownerrorwithtraceid", "unknownerror")


def _status(entry: dict[str, Any]) -> DeliveryStatus | None:
    match entry:
        case {"messageId": str() | int() as message_id, "status": state}:
            error = entry.get("error")
            cause = CODES.get(_plain(error.get("error") if isinstance(error, dict) else error))
            return STATES.report(state, str(message_id), at=entry.get("timestamp"), cause=cause)
    return None


def _inbound(entry: dict[str, Any]) -> InboundMessage | None:
    if entry.get("status") != "inbound" or entry.get("isEcho") or entry.get("chatType", "whatsapp") != "whatsapp":
        return None
    phone, _ = parse_phone(f"+{entry.get('chatId')}")
    return InboundMessage(text_of(entry.get("text")), phone, at=moment(entry.get("dateTime"))) if phone else None


def _state(entry: dict[str, Any]) -> TransportState:
    if entry.get("state") == "active":
        return TransportState(True)
    why = {"qr": "wants its QR code scanned", "notEnoughMoney": "is not paid for", "phoneUnavailable": "cannot reach the phone"}
    return TransportState(False, f"the channel {why.get(str(entry.get('state')), 'is out of order')}")
