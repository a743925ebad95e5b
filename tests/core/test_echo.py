"""`VESTNIK_TRACE`: answers in a few words, without what nobody should read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from core import (
    Channel,
    Deferred,
    DeliveryStatus,
    Event,
    Ignored,
    Message,
    Received,
    Rejected,
    Retry,
    Sent,
    Suppressed,
    TransportState,
    Unclear,
    echo,
)

AT = datetime(2026, 8, 20, 14, 30, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "None"),
        (Suppressed("the client knows", client_knows=True), "Suppressed (client_knows): the client knows"),
        (Deferred(AT, "waits 20 s"), "Deferred until 14:30:05 UTC: waits 20 s"),
        (Sent("m1"), "Sent m1"),
        (Sent(None), "Sent before"),
        (Retry("no money left", scope="transport", alert=True), "Retry (transport, alert): no money left"),
        (Rejected("a bad text", scope="content"), "Rejected (content): a bad text"),
        (Unclear("HTTP 502"), "Unclear: HTTP 502"),
        (Ignored("staff"), "Ignored: staff"),
        (Event("updated"), "Event (updated)"),
        (Channel("sms"), "Channel"),
        (Message("Вы записаны"), "Message"),
        (DeliveryStatus("read", "m1"), "DeliveryStatus (read)"),
        (DeliveryStatus("failed", "m1", reason="no money", scope="transport"), "DeliveryStatus (transport, failed): no money"),
        ({"price": "1000 руб", "date": "21 августа"}, "price, date"),
        ({}, "nothing"),
        ([], "nothing"),
        ((TransportState(True), DeliveryStatus("read"), TransportState(False)), "2 TransportState, 1 DeliveryStatus"),
        ([Received("e", "t", "+79000000088")], "1 Received"),
        ("the session is closed", "the session is closed"),
        (7, "int"),
    ],
)
def test_shown(answer: object, words: str) -> None:
    """A result with its reason, items by their number, pieces by their names; never a text or a payload."""
    assert echo.shown(answer) == words


def test_raised(capsys: pytest.CaptureFixture[str]) -> None:
    """An exception is named with its place, not with its words."""
    try:
        {}["+79000000088"]
    except KeyError as error:
        echo.line("filter.vip", "filter", None, error, 0.00123)
    said = capsys.readouterr().err
    assert said.startswith("filter.vip.filter → raised KeyError at test_echo.py line ")
    assert said.endswith(" (1.23 ms)\n")
    assert "9000000" not in said


def test_a_phone_in_a_reason_is_shortened(capsys: pytest.CaptureFixture[str]) -> None:
    """What a careless rule says passes the log's filter, too."""
    echo.line("filter.vip", "filter", Suppressed("+79000000088 is not listed"), None, 0)
    assert capsys.readouterr().err == "filter.vip.filter → Suppressed: +7900…88 is not listed (0.00 ms)\n"
