"""The tables of a gateway's codes and states: what follows from each, and what an answer is worth."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from core import Codes, DeliveryStatus, Rejected, Retry, SendResult, Sent, Statuses, Unclear, down

CODES = Codes(
    sent="repeat",
    recipient={"7 8": "no such number"},
    content={"5": "a bad text"},
    account={"2": "a wrong key", "4": "blocked for a while"},
    limited={"429": "too many requests", "430": "too many an hour"},
    later={"500": "away", "501": "away for long"},
    unclear={"9": "it may be there already"},
    after={"4 430 501": timedelta(hours=1)},
)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        ("repeat", Sent(None)),
        ("7", Rejected("no such number")),
        (8, Rejected("no such number")),
        (5, Rejected("a bad text", scope="content")),
        (2, Retry("a wrong key", scope="transport", alert=True)),
        (4, Retry("blocked for a while", HOUR, scope="transport", alert=True)),
        (429, Retry("too many requests", scope="transport")),
        (430, Retry("too many an hour", HOUR, scope="transport")),
        (500, Retry("away")),
        (501, Retry("away for long", HOUR)),
        (9, Unclear("it may be there already")),
        (None, None),
        (True, None),
        ("7 8", None),
        ("", None),
        ([7], None),
    ],
)
def test_each_code_means_one_thing(code: object, meaning: SendResult | None) -> None:
    """Numbers and texts count the same; what is not in the table means nothing."""
    assert CODES.get(code) == meaning


def test_reason() -> None:
    """The sentence behind a code, or the one that is given for those unknown."""
    assert CODES.reason(7, "HTTP 400") == "no such number"
    assert CODES.reason(77, "HTTP 400") == "HTTP 400"
    assert CODES.reason("repeat", "HTTP 400") == "HTTP 400"


@pytest.mark.parametrize(
    ("status", "code", "sent", "meaning"),
    [
        (200, None, "m1", Sent("m1")),
        (201, None, 5, Sent("5")),
        (200, 7, None, Rejected("no such number")),
        (500, 7, "m1", Rejected("no such number")),
        (200, None, "", Unclear("HTTP 200 without the id of a message")),
        (200, None, True, Unclear("HTTP 200 without the id of a message")),
        (200, None, {"id": 1}, Unclear("HTTP 200 without the id of a message")),
        (500, None, "m1", Unclear("HTTP 500: it may have been taken")),
        (401, 77, None, down("HTTP 401: the key is not accepted")),
    ],
)
def test_answer_is_judged(status: int, code: object, sent: object, meaning: SendResult) -> None:
    """Only a 2xx with an id is a success; then the code counts, whatever the status; then the status."""
    assert CODES.judge(httpx.Response(status), code, sent) == meaning


@pytest.mark.parametrize(
    ("code", "header", "after", "wait"),
    [
        (429, "7", None, timedelta(seconds=7)),
        (429, "7", 35, timedelta(seconds=35)),
        (429, "7", "35", timedelta(seconds=35)),
        (429, "7", "soon", timedelta(seconds=7)),
        (429, "", -1, None),
        (429, "", True, None),
        (429, "", 10**12, None),
        (430, "7", 35, HOUR),
        (2, "7", None, None),
        (500, "7", None, None),
    ],
)
def test_a_limit_is_waited_for(code: int, header: str, after: object, wait: timedelta | None) -> None:
    """As long as the table says, else the body, else the header; what is no limit has no wait of its own."""
    said = CODES.judge(httpx.Response(400, headers={"retry-after": header}), code, after=after)
    assert isinstance(said, Retry)
    assert said.after == wait


STATES = Statuses(sent="0 1", delivered="2", read="3 4", failed={"5": "out of reach", "6": ""})
AT = datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)


def test_states() -> None:
    """A state becomes a status of the message that is named; its time is read as gateways write it."""
    assert STATES.report("2", "m1", at=1790000000) == DeliveryStatus("delivered", "m1", at=AT)
    assert STATES.report(4, None, reference="r1", phone="+79000000088") == DeliveryStatus("read", None, "r1", "+79000000088")
    assert STATES.report(1, "m1") == DeliveryStatus("sent", "m1")
    assert STATES.report(5, "m1") == DeliveryStatus("failed", "m1", reason="out of reach")
    assert STATES.report(5, "m1", reason="a full phone") == DeliveryStatus("failed", "m1", reason="a full phone")
    assert STATES.report(6, "m1") == DeliveryStatus("failed", "m1")


def test_unknown_state() -> None:
    """A state that is not in the table is no status: `None`, or no item."""
    assert STATES.report(9, "m1") is None
    assert STATES.reports(9, "m1") == ()
    assert STATES.reports(2, "m1", at=1790000000) == (DeliveryStatus("delivered", "m1", at=AT),)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"recipient": {"7": "a"}, "content": {"8 7": "b"}}, "Codes: `7` stands in recipient and in content; leave it in one"),
        ({"sent": "7", "unclear": {"7": "b"}}, "Codes: `7` stands in sent and in unclear; leave it in one"),
        (
            {"later": {"a": "b"}, "within": {"unknwn": HOUR}},
            "Codes: within has `unknwn`, which stands in no group `later`; mend its name",
        ),
        (
            {"recipient": {"a": "b"}, "after": {"a": HOUR}},
            "Codes: after has `a`, which stands in no group `account`, `limited` or `later`; mend its name",
        ),
        ({"later": {"a": "b"}, "within": {"a": "24h"}}, "Codes: within of `a` is '24h'; write a timedelta: timedelta(hours=24)"),
        ({"later": {"a": 5}}, "Codes: the reason of `a` is 5; write a sentence"),
    ],
)
def test_a_table_that_contradicts_itself(table: dict[str, object], said: str) -> None:
    """A code in two groups, a wait for a code that is none, a length as text: the module's import says so."""
    with pytest.raises(ValueError, match=r"stands|has|write") as wrong:
        Codes(**table)  # type: ignore[arg-type]
    assert str(wrong.value) == said


def test_a_state_in_two_groups() -> None:
    """One word of `Statuses` cannot mean two things."""
    with pytest.raises(ValueError, match=r"stands|has|write") as wrong:
        Statuses(sent="queued sent", failed={"sent": "no"})
    assert str(wrong.value) == "Statuses: `sent` stands in sent and in failed; leave it in one"


def test_what_a_gateway_says_of_a_state_is_text_or_nothing() -> None:
    """A reason that is `true` and a reference that is a number are no texts: the table's own reason stands."""
    found = Statuses(failed={"5": "out of reach"}).report("5", "1", reference=7, phone=[], reason=True)  # type: ignore[arg-type]
    assert found == DeliveryStatus("failed", "1", reason="out of reach")
