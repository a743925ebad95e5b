"""How the suite plays SMS.ru."""

from datetime import UTC, datetime

from core import Attempt, DeliveryStatus, Message
from tests.plugins.send.kit import NOW, PHONE, Account, Given

ID = "000000-10000000"

account = Account(
    config={"base_url": "https://sms.test", "api_id": "test_api_id"},
    main="/sms/send",
    attempt=Attempt(ID, "3eb0a1b2c3d4e5f60718", PHONE, NOW),
    given={
        "send.request.json": Given(
            message=Message("Запись 25.07 в 14:00, мастер Ольга"), instead={"api_id": "test_api_id", "ttl": None, "test": None}
        )
    },
    ids={"send.ok.json": ID},
    items={
        "webhook.form_fields.json": (
            DeliveryStatus("delivered", ID, at=datetime.fromtimestamp(1790000005, UTC)),
            DeliveryStatus("failed", "000000-10000001", at=datetime.fromtimestamp(1790000006, UTC), reason="not delivered in time"),
        ),
        "webhook.heartbeat_form_fields.json": (),
    },
    proven_by="api_id",
)
