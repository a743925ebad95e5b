"""What Meta's recorded bodies cannot say: text or template, which template, codes, and callbacks of several numbers."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from core import (
    Address,
    Channel,
    DeliveryStatus,
    InboundMessage,
    Message,
    Refused,
    Rejected,
    Reply,
    Request,
    Retry,
    Sent,
    Unclear,
)
from core.config import decode_settings
from plugins.send._whatsapp_template import Template
from plugins.send.whatsapp_cloud import Config, callback, channel
from tests.plugins.send.kit import NOW, PHONE, TEXT, Answered, Given, as_json, load

CLOUD = load("whatsapp_cloud")
FULL = Template("created_full", parameters=("date", "services", "price"))
SHORT = Template("created_short", language="ru_RU", parameters=("date",))
FIXED = Template("something_changed")
STRANGER = Address(PHONE, reference="ref1")


def _play(
    message: Message, address: Address, *templates: Template, answer: Answered | None = None
) -> tuple[Any, list[dict[str, Any]]]:
    result, calls = CLOUD.play(
        answer, Given(message=message, address=address, config={"templates": {"booking_created": templates}})
    )
    return result, [json.loads(call.content) for call in calls]


def _told(**pieces: str) -> Message:
    return Message(TEXT, "booking_created", pieces)


def _hook(file: str, **changes: Any) -> dict[str, Any]:
    hook = json.loads(CLOUD.body(file))
    value = hook["entry"][0]["changes"][0]["value"]
    value[next(name for name in ("statuses", "messages") if name in value)][0].update(changes)
    return hook


def _read(hook: object) -> tuple[Any, ...]:
    return CLOUD.callback(json.dumps(hook).encode())


def test_channel() -> None:
    """It is WhatsApp, with six seconds between two messages to one client, and no cap on new ones."""
    assert channel(Config()) == Channel("whatsapp", ("*", "*"), ("~", "~"), 4096, recipient_gap=timedelta(seconds=6))


# --- text or template


@pytest.mark.parametrize(
    ("ago", "kind"), [(timedelta(0), "text"), (timedelta(hours=23, minutes=59), "text"), (timedelta(hours=24), "template")]
)
def test_window(ago: timedelta, kind: str) -> None:
    """Free text goes to who wrote less than 24 hours ago, a template to everybody else."""
    _, (body,) = _play(_told(date="21 августа в 14:30"), Address(PHONE, wrote_at=NOW - ago), SHORT)
    assert body["type"] == kind


def test_stranger_gets_a_template() -> None:
    """A client who never wrote gets the template, with our reference."""
    result, (body,) = _play(_told(date="21 августа в 14:30"), STRANGER, SHORT)
    assert isinstance(result, Sent)
    assert body == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "79001234567",
        "type": "template",
        "template": {
            "name": "created_short",
            "language": {"code": "ru_RU"},
            "components": [{"type": "body", "parameters": [{"type": "text", "text": "21 августа в 14:30"}]}],
        },
        "biz_opaque_callback_data": "ref1",
    }


@pytest.mark.parametrize(
    ("pieces", "name"),
    [
        ({"date": "завтра", "services": "СТРИЖКА", "price": "2000 руб"}, "created_full"),
        ({"date": "завтра", "services": "СТРИЖКА"}, "created_short"),
        ({"date": "завтра", "services": "СТРИЖКА", "price": " \n "}, "created_short"),
        ({}, "something_changed"),
    ],
)
def test_first_template_that_fits(pieces: dict[str, str], name: str) -> None:
    """The first template whose pieces are all known is used; an empty piece is not known."""
    _, (body,) = _play(_told(**pieces), STRANGER, FULL, SHORT, FIXED)
    assert body["template"]["name"] == name


def test_template_without_pieces() -> None:
    """A template without variables is sent without components."""
    _, (body,) = _play(_told(), STRANGER, FIXED)
    assert body["template"] == {"name": "something_changed", "language": {"code": "ru"}}


def test_no_template_fits() -> None:
    """Without a template that fits nothing is sent, and it is the content's fault: one alert, nobody burnt."""
    result, bodies = _play(_told(services="СТРИЖКА"), STRANGER, SHORT)
    assert result == Rejected("no template for booking_created fits", scope="content")
    assert bodies == []


def test_pieces_are_cleaned() -> None:
    """Meta takes no line breaks, tabs or runs of spaces in a piece."""
    _, (body,) = _play(_told(date="  21 августа\n\tв     14:30 "), STRANGER, SHORT)
    assert body["template"]["components"][0]["parameters"][0]["text"] == "21 августа в 14:30"


def test_window_that_closed_meanwhile() -> None:
    """If Meta finds the window closed, the message was not taken, and the template goes at once."""
    asked: list[str] = []

    def gateway(request: httpx.Request) -> httpx.Response:
        asked.append(json.loads(request.content)["type"])
        file = "error.131047_window.json" if asked[-1] == "text" else "send_template.ok.json"
        return httpx.Response(CLOUD.files[file]["http_status"], content=CLOUD.body(file))

    case = Given(
        message=_told(date="завтра"), address=Address(PHONE, wrote_at=NOW), config={"templates": {"booking_created": (SHORT,)}}
    )
    assert isinstance(CLOUD.run(httpx.MockTransport(gateway), case), Sent)
    assert asked == ["text", "template"]


def test_other_refusals_of_a_text_are_final() -> None:
    """Any other refusal of a text is not answered with a template: the message may be on its way."""
    _, bodies = _play(_told(date="завтра"), Address(PHONE, wrote_at=NOW), SHORT, answer=Answered(500, b""))
    assert [body["type"] for body in bodies] == ["text"]


def test_templates_in_the_file(tmp_path: Path) -> None:
    """Templates are written in config.toml as tables, by notification."""
    table = tomllib.loads('templates.booking_created = [{ name = "created_full", parameters = ["date", "services", "price"] }]')
    config = decode_settings(Config, table, tmp_path, "send.whatsapp_cloud", {})
    assert config.templates == {"booking_created": (FULL,)}


# --- codes


@pytest.mark.parametrize(
    ("codes", "scope", "alert"),
    [
        (
            (0, 3, 10, 33, 190, 200, 250, 299, 368, 130497, 131005, 131031, 131037, 131042, 131045, 131048, 133010),
            "transport",
            True,
        ),
        ((4, 80007, 130429, 131064, 133016), "transport", False),
        ((1, 2, 131000, 131016, 131056, 131057, 135000), "recipient", False),
    ],
)
@pytest.mark.parametrize("status", [200, 400, 403, 500])
def test_codes_to_try_again(codes: tuple[int, ...], scope: str, alert: bool, status: int) -> None:
    """The code says whether the account, its rate, or only this message waits; the HTTP status does not matter."""
    for code in codes:
        result, _ = CLOUD.play(as_json(status, {"error": {"code": code}}))
        assert isinstance(result, Retry), code
        assert (result.scope, result.alert) == (scope, alert), code


@pytest.mark.parametrize(
    ("codes", "scope"),
    [
        ((131021, 131026, 131030, 131047, 131049, 131050, 131062, 130472), "recipient"),
        (
            (100, 131008, 131009, 131051, 131063, 132000, 132001, 132005, 132007, 132008, 132012, 132015, 132016, 132068, 132069),
            "content",
        ),
    ],
)
@pytest.mark.parametrize("status", [200, 400, 404, 500])
def test_codes_that_are_final(codes: tuple[int, ...], scope: str, status: int) -> None:
    """The code says whether the client or the text is at fault; the HTTP status does not matter."""
    for code in codes:
        result, _ = CLOUD.play(as_json(status, {"error": {"code": code}}))
        assert isinstance(result, Rejected), code
        assert result.scope == scope, code


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": {"code": 999999}}, Rejected),
        (503, {"error": {"code": 999999}}, Retry),
        (500, {"error": {"code": "190"}}, Retry),
        (500, {"error": {"code": "soon"}}, Unclear),
        (200, {"messages": []}, Unclear),
        (200, {"messages": [{"id": ""}]}, Unclear),
        (401, {}, Retry),
        (429, {}, Retry),
    ],
)
def test_unknown_answers(status: int, body: dict[str, Any], kind: type) -> None:
    """An unknown code with a 5xx is Meta's own word that it failed; a page without one leaves it open."""
    assert isinstance(CLOUD.play(as_json(status, body))[0], kind)


# --- callbacks


def _get(**query: str) -> Request:
    return Request("GET", "/callback/whatsapp_cloud", {}, {f"hub.{name}": value for name, value in query.items()}, b"")


def test_verification() -> None:
    """Meta's question when the webhook is set is answered with the challenge, as plain text."""
    request = _get(mode="subscribe", challenge="1158201444", verify_token="w0rd")
    assert callback(request, Config(verify_token="w0rd")) == Reply(body="1158201444", content_type="text/plain")


@pytest.mark.parametrize(("word", "given"), [("w0rd", "other"), ("w0rd", ""), ("", ""), ("", "w0rd")])
def test_wrong_verification(word: str, given: str) -> None:
    """Another word, or none, is refused; so is everything while none is set."""
    with pytest.raises(Refused):
        callback(_get(mode="subscribe", challenge="1", verify_token=given), Config(verify_token=word))


def test_no_secret_set() -> None:
    """Without `app_secret` callbacks are taken as they come."""
    assert len(CLOUD.callback(CLOUD.body("webhook.status_sent.json"), {}, app_secret="")) == 1


def test_other_number_is_refused() -> None:
    """A callback that speaks of other numbers alone is refused, so that core can try the account whose it is."""
    with pytest.raises(Refused, match="another number"):
        CLOUD.callback(CLOUD.body("webhook.status_sent.json"), phone_number_id="9")


def test_several_numbers_in_one_body() -> None:
    """Of a body that speaks of several numbers only ours is read."""
    ours, other = _hook("webhook.status_sent.json"), _hook("webhook.status_delivered.json")
    other["entry"][0]["changes"][0]["value"]["metadata"]["phone_number_id"] = "9"
    items = _read({"entry": [*other["entry"], *ours["entry"]]})
    assert [item.status for item in items] == ["sent"]


def test_everything_in_one_body() -> None:
    """Several entries, changes, statuses and messages in one body are all read, in order."""
    files = ("webhook.inbound_text.json", "webhook.status_sent.json", "webhook.status_failed.json")
    items = _read({"entry": [entry for file in files for entry in _hook(file)["entry"]]})
    assert items == tuple(item for file in files for item in CLOUD.account.items[file])


@pytest.mark.parametrize(
    "hook",
    [
        {},
        {"entry": None},
        {"entry": [None, {"changes": [3, {"field": "messages", "value": None}]}]},
        {"entry": [{"changes": [{"field": "account_update", "value": {}}]}]},
    ],
)
def test_nothing_of_ours(hook: dict[str, Any]) -> None:
    """Other fields and broken parts are no items."""
    assert _read(hook) == ()


def test_one_broken_status_does_not_lose_the_others() -> None:
    """A status that cannot be read is passed over."""
    hook = _hook("webhook.status_sent.json")
    hook["entry"][0]["changes"][0]["value"]["statuses"].insert(0, {"id": 5, "status": "sent"})
    assert [item.status for item in _read(hook)] == ["sent"]


def test_failure_of_the_account_stops_it() -> None:
    """A `failed` status for the account's sake (here the payment) fails the message, and says that it is the account's."""
    (message,) = _read(_hook("webhook.status_failed.json", errors=[{"code": 131042, "title": "…"}]))
    assert isinstance(message, DeliveryStatus)
    assert (message.status, message.reason, message.scope) == ("failed", "the payment method fails", "transport")


def test_unknown_failure_names_its_code() -> None:
    """A code that we do not know is named, its text is not quoted."""
    (item,) = _read(_hook("webhook.status_failed.json", errors=[{"code": 999, "message": "79001234567"}]))
    assert item.reason == "Meta's code 999"


def test_read_at_once() -> None:
    """A message may be read without having been reported as delivered."""
    (item,) = _read(_hook("webhook.status_delivered.json", status="read"))
    assert item.status == "read"


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (
            {
                "type": "interactive",
                "text": None,
                "interactive": {"type": "button_reply", "button_reply": {"id": "1", "title": "Приду"}},
            },
            "Приду",
        ),
        (
            {
                "type": "interactive",
                "text": None,
                "interactive": {"type": "list_reply", "list_reply": {"id": "1", "title": "12:00"}},
            },
            "12:00",
        ),
        ({"type": "image", "text": None, "image": {"id": "1"}}, ""),
        ({"type": "unsupported", "text": None, "errors": [{"code": 131051}]}, ""),
    ],
)
def test_inbound_kinds(message: dict[str, Any], text: str) -> None:
    """Buttons and lists have their words; other kinds of messages have the text ""."""
    at = datetime(2026, 9, 21, 14, 15, tzinfo=UTC)
    assert _read(_hook("webhook.inbound_text.json", **message)) == (InboundMessage(text, PHONE, at=at),)


def test_changed_number_is_no_message() -> None:
    """Meta's note that a client changed the number is not the client writing."""
    assert _read(_hook("webhook.inbound_text.json", type="system", text=None)) == ()
