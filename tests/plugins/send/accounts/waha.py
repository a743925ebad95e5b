"""How the suite plays WAHA."""

import hashlib
import hmac
from datetime import UTC, datetime

from core import DeliveryStatus, InboundMessage, Message, TransportState
from tests.plugins.send.kit import Account, Given

ID = "3EB0A1B2C3D4E5F60718"
RECORDED = "Здравствуйте, Анна! Вы записаны: *25 июля, 14:00*, мастер Ольга.\nСтоимость: ~2500 ₽~ *2000 ₽*"


def _ack(status: str, ms: int) -> tuple[DeliveryStatus]:
    at = datetime(2026, 9, 21, 14, 13, 23, ms * 1000, UTC)
    return (DeliveryStatus(status, ID, ID.lower(), "+79001234567", at),)


account = Account(
    config={"base_url": "http://waha.test:3000", "api_key": "k3y-of-api", "webhook_hmac_key": "k3y-of-hook"},
    main="/api/sendText",
    fill={"<key>": "k3y-of-api"},
    given={
        "send.request.json": Given(message=Message(RECORDED)),
    },
    ids={"send.ok.json": ID, "send.ok_raw_baileys.json": ID},
    items={
        "webhook.ack_error.json": _ack("failed", 0),
        "webhook.ack_server.json": _ack("sent", 1),
        "webhook.ack_device.json": _ack("delivered", 2),
        "webhook.ack_read.json": _ack("read", 3),
        "webhook.inbound_text.json": (InboundMessage("Да, приду", "+79001234567", at=datetime(2026, 9, 21, 14, 15, tzinfo=UTC)),),
        "webhook.session_failed.json": (TransportState(False, "the session is not working"),),
    },
    proven_by="webhook_hmac_key",
    sign=lambda body: {"X-Webhook-Hmac": hmac.new(b"k3y-of-hook", body, hashlib.sha512).hexdigest()},
    unused={
        "new_message_id.ok.json": "our reference is the id: one request less",
        "check_exists.absent.json": "asked only after a 500 that lacks a LID: see test_waha.py",
        "check_exists.ok.json": "asked only after a 500 that lacks a LID: see test_waha.py",
    },
)
