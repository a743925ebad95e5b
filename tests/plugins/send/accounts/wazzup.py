"""How the suite plays Wazzup24."""

from datetime import UTC, datetime

from core import Address, DeliveryStatus, InboundMessage, Message, TransportState
from tests.plugins.send.kit import PHONE, Account, Given

ID = "f66c53a6-957a-46b2-b41b-5a2ef4844bcb"
AT = datetime(2026, 7, 20, 10, 0, 3, tzinfo=UTC)
RECORDED = "Здравствуйте, Анна! Вы записаны: *25 июля, 14:00*, мастер Ольга.\nСтоимость: ~2500 ₽~ *2000 ₽*"

account = Account(
    config={
        "base_url": "https://api.wazzup24.test",
        "channel_id": "0a7d1f2e-0000-4000-8000-000000000001",
        "api_key": "key-of-api",
        "webhook_token": "t0ken-of-hook",
    },
    main="/v3/message",
    fill={"<apiKey>": "key-of-api"},
    given={"send.request.json": Given(message=Message(RECORDED), address=Address(PHONE, reference="ntf-01J8Z3K8Q2N7"))},
    ids={"send.ok.json": ID},
    items={
        "webhook.status_sent.json": (DeliveryStatus("sent", ID, at=AT),),
        "webhook.status_delivered.json": (DeliveryStatus("delivered", ID, at=AT),),
        "webhook.status_read.json": (DeliveryStatus("read", ID, at=AT),),
        "webhook.status_error.json": (
            DeliveryStatus("failed", ID, at=AT, reason="the number is not on WhatsApp, or cannot be written to"),
        ),
        "webhook.status_error_24h.json": (
            DeliveryStatus("failed", ID, at=AT, reason="WhatsApp or the tariff does not let us write first"),
        ),
        "webhook.inbound_text.json": (InboundMessage("Да, приду", PHONE, at=datetime(2026, 7, 20, 10, 5, tzinfo=UTC)),),
        "webhook.echo_from_phone.json": (),
        "webhook.channels_updates.json": (TransportState(False, "the channel wants its QR code scanned"),),
        "webhook.test.json": (),
    },
    proven_by="webhook_token",
    sign=lambda _: {"Authorization": "Bearer t0ken-of-hook"},
    unused={
        "send_max.request.json": "MAX through Wazzup is not confirmed",
        "send_waba_template.request.json": "templates are for numbers on the official API, which whatsapp_cloud carries",
        "webhooks_patch.request.json": "an administrator sets the webhook: it replaces another CRM's",
    },
)
