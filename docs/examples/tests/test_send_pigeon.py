"""The transport pigeon: over real HTTP, and the suite with the bodies that Pigeon's own page shows."""

from __future__ import annotations

from pathlib import Path

from core.testing import PHONE, a_booking, a_gateway, an_app, contracts, load

PRIVATE = Path(__file__).parents[1]
plugin = load(PRIVATE / "send" / "pigeon.py")
ACCOUNT = contracts.Account(
    config={"base_url": "https://pigeon.test", "token": "t0ken-of-api", "webhook_token": "w0rd-of-hook"},
    bodies=Path(__file__).parent / "bodies" / "send_pigeon",
    proven_by="webhook_token",
    sign=lambda body: {"x-token": "w0rd-of-hook"},
    fill={"<token>": "t0ken-of-api"},
)


def test_a_message_leaves_and_arrives() -> None:
    """What Pigeon is asked, and what it reports afterwards."""
    with a_gateway({"id": "m1"}) as gateway:
        table = {"base_url": gateway.url, "token": "t", "webhook_token": "w"}
        with an_app(path=PRIVATE, send={"pigeon": table}) as app:
            assert app.book(a_booking()).texts[0].startswith("Вы записаны: 21 августа в 14:30")
            assert (gateway.asked[0].path, gateway.asked[0].json["to"]) == ("/messages", PHONE)
            app.post("/callback/pigeon", {"id": "m1", "state": "delivered"}, headers={"x-token": "w"})
            assert app.messages[0].status == "delivered"


def test_a_broken_connection_is_resolved() -> None:
    """Nobody knows whether it was taken; five minutes later Pigeon is asked, and knows."""
    with a_gateway({"state": "delivered"}) as gateway, an_app(path=PRIVATE, send={"pigeon": {"base_url": gateway.url}}) as app:
        gateway.hangs_up()
        assert [row.status for row in app.book(a_booking()).messages] == ["unclear"]
        app.wait("5m")
        assert app.messages[0].status == "delivered"


TestContract = contracts.transport(plugin, ACCOUNT)
