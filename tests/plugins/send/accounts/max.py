"""How the suite plays the bot API of MAX."""

from datetime import UTC, datetime, timedelta

from core import Address, Binding, InboundMessage, Message
from tests.plugins.send.kit import PHONE, Account, Given

USER = "123456789"
RECORDED = "Здравствуйте, Анна! Вы записаны: <b>25 июля, 14:00</b>.\nСтоимость: <s>2500 ₽</s> <b>2000 ₽</b>"


def _at(seconds: int, milliseconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC) + timedelta(milliseconds=milliseconds)


account = Account(
    config={"base_url": "https://platform-api2.max.test", "token": "t0ken-of-bot", "webhook_secret": "s3cret-of-hook"},
    main="/messages",
    address=Address(PHONE, binding=USER, reference="3eb0a1b2c3d4e5f60718"),
    fill={"<token> (no Bearer)": "t0ken-of-bot"},
    given={"send.request.json": Given(message=Message(RECORDED))},
    ids={"send.ok.json": "mid.000000000adf429c019d47d58f2b3d9e"},
    items={
        "webhook.bot_started.json": (Binding(USER, token="c_7f3a9b"),),
        "webhook.message_created.json": (InboundMessage("Да, приду", binding=USER, at=_at(1790000100, 737)),),
        "webhook.message_callback.json": (InboundMessage("confirm:visit:555", binding=USER, at=_at(1790000150, 210)),),
        "webhook.bot_stopped.json": (Binding(USER, bound=False),),
        "webhook.dialog_removed.json": (Binding(USER, bound=False),),
    },
    proven_by="webhook_secret",
    sign=lambda _: {"X-Max-Bot-Api-Secret": "s3cret-of-hook"},
    unused={
        "subscribe.request.json": "an administrator subscribes the webhook",
        "subscribe.ok.json": "as above",
    },
)
