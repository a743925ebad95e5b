"""How the suite plays Meta's Cloud API."""

import hashlib
import hmac
from datetime import UTC, datetime

from core import Address, DeliveryStatus, InboundMessage, Message
from plugins.send._whatsapp_template import Template
from tests.plugins.send.kit import NOW, PHONE, TEXT, Account, Given

TEXT_ID = "wamid.HBgLNzkwMDEyMzQ1NjcVAgARGBI5QTNDQTVCM0Q0Q0Q2RTY3RTcA"
RECORDED = "Здравствуйте, Анна! Вы записаны: *25 июля, 14:00*, мастер Ольга.\nСтоимость: ~2500 ₽~ *2000 ₽*"
PIECES = {"client": "Анна", "date": "25 июля, 14:00", "staff": "Ольга", "client_name": "Анна", "visit_time": "25 июля, 14:00"}
WROTE = Address(PHONE, reference="ntf:01J8Z3K8Q2N7", wrote_at=NOW)
POSITIONAL = {"booking_created": (Template("visit_reminder", parameters=("client", "date", "staff")),)}
NAMED = {"booking_created": (Template("visit_reminder_named", parameters=("client_name", "visit_time"), named=True),)}


def _status(
    status: str, second: int, reference: str | None = "ntf:01J8Z3K8Q2N7", reason: str | None = None
) -> tuple[DeliveryStatus]:
    at = datetime(2026, 9, 21, 14, 13, 20 + second, tzinfo=UTC)
    return (DeliveryStatus(status, TEXT_ID, reference, PHONE, at, reason),)


account = Account(
    config={
        "base_url": "https://graph.test",
        "phone_number_id": "1122334455667",
        "token": "t0ken-of-meta",
        "app_secret": "s3cret-of-app",
        "verify_token": "w0rd-of-verification",
    },
    main="/messages",
    ok="send_text.ok.json",
    address=WROTE,
    message=Message(TEXT, "booking_created", PIECES),
    fill={"{phone_number_id}": "1122334455667", "<token>": "t0ken-of-meta"},
    given={
        "send_text.request.json": Given(message=Message(RECORDED)),
        "send_template.request.json": Given(address=Address(PHONE, reference="ntf:01J8Z3K8Q2N8"), config={"templates": POSITIONAL}),
        "send_template.ok.json": Given(address=Address(PHONE), config={"templates": POSITIONAL}),
        "send_template_named_params.request.json": Given(address=Address(PHONE), config={"templates": NAMED}),
        "error.132000_param_count.json": Given(address=Address(PHONE), config={"templates": POSITIONAL}),
        "error.132001_template_missing.json": Given(address=Address(PHONE), config={"templates": POSITIONAL}),
    },
    ids={"send_text.ok.json": TEXT_ID, "send_template.ok.json": TEXT_ID.replace("RTcA", "RTgA")},
    items={
        "webhook.status_sent.json": _status("sent", 1),
        "webhook.status_delivered.json": _status("delivered", 3),
        "webhook.status_failed.json": _status("failed", 4, reason="it cannot be delivered: no WhatsApp, or an old one"),
        "webhook.status_failed_window.json": _status("failed", 4, None, "the client has not written for 24 hours"),
        "webhook.inbound_text.json": (InboundMessage("Да, приду", PHONE, at=datetime(2026, 9, 21, 14, 15, tzinfo=UTC)),),
        "webhook.inbound_button_reply.json": (InboundMessage("Приду", PHONE, at=datetime(2026, 9, 21, 14, 15, 1, tzinfo=UTC)),),
    },
    proven_by="app_secret",
    sign=lambda body: {"X-Hub-Signature-256": "sha256=" + hmac.new(b"s3cret-of-app", body, hashlib.sha256).hexdigest()},
)
