"""How the suite plays Green-API's MAX."""

from core import Message
from tests.plugins.send.kit import Account, Given

account = Account(
    config={
        "base_url": "https://3100.api.green-api.test",
        "id_instance": "3100000001",
        "token": "t0ken-of-api",
        "webhook_token": "t0ken-of-hook",
    },
    main="/sendMessage/",
    answers={"/checkAccount/": "check_account.ok.json"},
    fill={"{idInstance}": "3100000001", "{apiTokenInstance}": "t0ken-of-api"},
    given={"send.request.json": Given(message=Message("Здравствуйте, Анна! Вы записаны на 25 июля, 14:00."))},
    ids={"send.ok.json": "1763970000000"},
    proven_by="webhook_token",
    sign=lambda _: {"Authorization": "Bearer t0ken-of-hook"},
)
