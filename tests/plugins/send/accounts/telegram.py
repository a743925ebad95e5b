"""How the suite plays the Bot API of Telegram."""

from datetime import UTC, datetime

from core import Address, Binding, InboundMessage, Message
from tests.plugins.send.kit import PHONE, Account, Given

RECORDED = "Здравствуйте, Анна! Вы записаны: <b>25 июля, 14:00</b>, мастер Ольга.\nСтоимость: <s>2500 ₽</s> <b>2000 ₽</b>"

account = Account(
    config={"base_url": "https://api.telegram.test", "token": "123456789:t0ken-of-bot", "webhook_secret": "s3cret-of-hook"},
    main="/sendMessage",
    address=Address(PHONE, binding="987654321", reference="3eb0a1b2c3d4e5f60718"),
    fill={"{token}": "123456789:t0ken-of-bot"},
    given={"send.request.json": Given(message=Message(RECORDED))},
    ids={"send.ok.json": "1365"},
    items={
        "webhook.start_payload.json": (Binding("987654321", token="c_7f3a9b"),),
        "webhook.contact_shared.json": (Binding("987654321", phone=PHONE),),
        "webhook.inbound_text.json": (
            InboundMessage("Да, приду", binding="987654321", at=datetime.fromtimestamp(1790000100, UTC)),
        ),
        "webhook.my_chat_member_blocked.json": (Binding("987654321", bound=False),),
    },
    proven_by="webhook_secret",
    sign=lambda _: {"X-Telegram-Bot-Api-Secret-Token": "s3cret-of-hook"},
)
