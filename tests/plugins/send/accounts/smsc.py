"""How the suite plays SMSC."""

from core import Address, Attempt, Message
from tests.plugins.send.kit import NOW, PHONE, Account, Given

REFERENCE = "3eb0a1b2c3d4e5f60718"
OWN_ID = "1745236061"  # of REFERENCE

account = Account(
    config={"base_url": "https://smsc.test", "login": "<login>", "password": "<password>", "sender": "SALON"},
    main="/sys/send.php",
    address=Address(PHONE, reference=REFERENCE),
    attempt=Attempt("1790001", REFERENCE, PHONE, NOW),
    given={
        "send.request.json": Given(message=Message("Запись 25.07 в 14:00, мастер Ольга"), instead={"id": OWN_ID}),
        "status.request.json": Given(hook="check", at="/sys/status.php", attempt=Attempt("1790001", REFERENCE, PHONE, NOW)),
    },
    ids={"send.ok.json": "1790001", "send.ok_cost.json": "1790001"},
)
