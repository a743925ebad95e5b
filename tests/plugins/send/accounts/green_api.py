"""How the suite plays Green-API."""

from datetime import UTC, datetime

from core import DeliveryStatus, InboundMessage, Message, TransportState
from tests.plugins.send.kit import Account, Given

ID = "3EB0C767D097B7C7C030"
AT = datetime.fromtimestamp(1790000003, UTC)
RECORDED = "Здравствуйте, Анна! Вы записаны: *25 июля, 14:00*, мастер Ольга.\nСтоимость: ~2500 ₽~ *2000 ₽*"

account = Account(
    config={
        "base_url": "https://1103.api.green-api.test",
        "id_instance": "1101000001",
        "token": "t0ken-of-api",
        "webhook_token": "t0ken-of-hook",
    },
    main="/sendMessage/",
    fill={"{idInstance}": "1101000001", "{apiTokenInstance}": "t0ken-of-api"},
    given={
        "send.request.json": Given(message=Message(RECORDED)),
        "check_whatsapp.request.json": Given(
            config={"check_number": True}, answers={"/checkWhatsapp/": "check_whatsapp.ok_exists.json"}
        ),
        "check_whatsapp.ok_absent.json": Given(config={"check_number": True}, at="/checkWhatsapp/"),
    },
    ids={"send.ok.json": ID},
    items={
        "webhook.status_sent.json": (DeliveryStatus("sent", ID, phone="+79001234567", at=AT),),
        "webhook.status_delivered.json": (DeliveryStatus("delivered", ID, phone="+79001234567", at=AT),),
        "webhook.status_read.json": (DeliveryStatus("read", ID, phone="+79001234567", at=AT),),
        "webhook.status_failed.json": (DeliveryStatus("failed", ID, phone="+79001234567", at=AT, reason="it was not delivered"),),
        "webhook.status_noAccount.json": (
            DeliveryStatus("failed", ID, phone="+79001234567", at=AT, reason="the number has no account"),
        ),
        "webhook.inbound_text.json": (InboundMessage("Да, приду", "+79001234567", at=datetime.fromtimestamp(1790000100, UTC)),),
        "webhook.outgoing_api_echo.json": (
            DeliveryStatus("sent", ID, phone="+79001234567", at=datetime.fromtimestamp(1790000002, UTC), text=RECORDED),
        ),
        "webhook.state_changed.json": (TransportState(False, "the instance is not authorized: scan its QR code"),),
        "webhook.quota_exceeded.json": (TransportState(False, "the tariff's quota is used up"),),
    },
    proven_by="webhook_token",
    sign=lambda _: {"Authorization": "Bearer t0ken-of-hook"},
    unused={"receive_notification.ok.json": "notifications are posted to us, the queue is not polled"},
)
