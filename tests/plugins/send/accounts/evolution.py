"""How the suite plays Evolution API."""

from datetime import UTC, datetime

from core import DeliveryStatus, InboundMessage, Message, TransportState
from tests.plugins.send.kit import PHONE, Account, Given

ID = "3EB0F1E2D3C4B5A69788"
RECORDED = "Здравствуйте, Анна! Вы записаны: *25 июля, 14:00*, мастер Ольга.\nСтоимость: ~2500 ₽~ *2000 ₽*"
CLOSED = (TransportState(False, "the session is closed"),)

account = Account(
    config={
        "base_url": "http://evolution.test:8080",
        "instance": "salon",
        "api_key": "k3y-of-api",
        "webhook_token": "t0ken-of-hook",
    },
    main="/message/sendText/",
    fill={"{instance}": "salon", "<key>": "k3y-of-api"},
    given={"send.request.json": Given(message=Message(RECORDED))},
    ids={"send.ok.json": ID},
    items={
        "webhook.messages_update_server_ack.json": (DeliveryStatus("sent", ID, phone=PHONE),),
        "webhook.messages_update_delivery_ack.json": (DeliveryStatus("delivered", ID, phone=PHONE),),
        "webhook.messages_update_read.json": (DeliveryStatus("read", ID, phone=PHONE),),
        "webhook.messages_update_error.json": (DeliveryStatus("failed", ID, phone=PHONE),),
        "webhook.messages_upsert_inbound.json": (InboundMessage("Да, приду", PHONE, at=datetime(2026, 9, 21, 14, 15, tzinfo=UTC)),),
        "webhook.send_message_echo.json": (
            DeliveryStatus("sent", ID, phone=PHONE, at=datetime(2026, 9, 21, 14, 13, 21, tzinfo=UTC), text=RECORDED),
        ),
        "webhook.connection_update_close.json": CLOSED,
        "webhook.status_instance_closed.json": CLOSED,
    },
    proven_by="webhook_token",
    sign=lambda _: {"Authorization": "Bearer t0ken-of-hook"},
    unused={
        "whatsapp_numbers.request.json": "the gateway looks the number up itself before it sends",
        "whatsapp_numbers.ok.json": "the gateway looks the number up itself before it sends",
    },
)
