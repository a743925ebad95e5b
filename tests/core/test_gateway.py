"""What transports share: what an answer without a documented code means, and how bodies, forms and times are read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import Request, Retry, Unclear, answer, form, listed, moment, objects, otherwise, posted, retry_after

AT = datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)  # 1790000000


def _request(body: bytes, content_type: str = "") -> Request:
    return Request("POST", "/callback/any", {"content-type": content_type}, {}, body)


@pytest.mark.parametrize("status", [401, 403])
def test_refused_key_stops_the_transport(status: int) -> None:
    """A refused key was certainly not taken: the transport waits for a person."""
    assert otherwise(httpx.Response(status)) == Retry(f"HTTP {status}: the key is not accepted", scope="transport", alert=True)


def test_limit_is_waited_for() -> None:
    """429 is tried again, after what `Retry-After` says."""
    assert otherwise(httpx.Response(429, headers={"retry-after": "7"})) == Retry(
        "too many requests", timedelta(seconds=7), "transport"
    )
    assert otherwise(httpx.Response(429)) == Retry("too many requests", None, "transport")


def test_redirect_is_a_wrong_address() -> None:
    """A redirect means that `base_url` is wrong: a person has to mend it."""
    assert otherwise(httpx.Response(302)) == Retry("HTTP 302: base_url points elsewhere", scope="transport", alert=True)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        *[(status, f"HTTP {status} without the id of a message") for status in (200, 204)],
        *[(status, f"HTTP {status}: it may have been taken") for status in (408, 499, 500, 502, 504)],
        *[(status, f"HTTP {status} with nothing that is documented") for status in (400, 404, 422)],
    ],
)
def test_anything_else_is_unclear(status: int, reason: str) -> None:
    """Whatever may have been taken is never tried again by itself."""
    assert otherwise(httpx.Response(status)) == Unclear(reason)


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0), (" 12 ", 12), ("86401", 86_400), ("-1", None), ("soon", None), ("9" * 400, None), ("1.5", None)]
)
def test_retry_after(text: str, seconds: int | None) -> None:
    """Whole seconds, at most a day; a date or nonsense is as if it were not said."""
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert retry_after(httpx.Response(429, headers={"retry-after": text})) == expected


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'"x"', b"{", b'{"a": "\xff', b"[" * 100_000])
def test_callback_that_is_no_object(body: bytes) -> None:
    """A body without a JSON object is named in a sentence."""
    with pytest.raises(ValueError, match="the body is not a JSON object"):
        posted(_request(body))


def test_callback_object() -> None:
    """A JSON object is read, whatever the content type says."""
    assert posted(_request(b'{"a": [1]}', "text/plain")) == {"a": [1]}


@pytest.mark.parametrize("name", [b"\xff", b"\\ud83d", b"\xf0\x9f", b"a\nb\\ud800"[:1] + b"\\udc00"])
def test_broken_letter_loses_no_report(name: bytes) -> None:
    """Half of an emoji in a client's name, as gateways cut it: the rest of the body is read, in text that every column takes."""
    body = b'\xef\xbb\xbf{"id": "m1", "name": "' + name + b'", "n": [1, {"a": null}]}'
    found = posted(_request(body))
    assert (found["id"], found["n"]) == ("m1", [1, {"a": None}])
    found["name"].encode()
    assert answer(httpx.Response(200, content=body)) == found
    assert listed(httpx.Response(200, content=b"[" + body[3:] + b"]")) == [found]


def test_list_of_objects() -> None:
    """Of a list the objects are read; anything else is an empty list."""
    assert listed(httpx.Response(200, content=b'[{"a": 1}, 2, null, {"b": 2}]')) == [{"a": 1}, {"b": 2}]
    assert listed(httpx.Response(200, content=b'{"a": 1}')) == []
    assert listed(httpx.Response(200, content=b"<html>")) == []
    assert objects(None) == objects("text") == objects({"a": {}}) == []


def test_form_of_a_query() -> None:
    """A urlencoded form, with brackets, line feeds and Russian letters."""
    assert form(_request("data%5B0%5D=a%0Ab&data[1]=Да+нет&empty=".encode())) == {
        "data[0]": "a\nb",
        "data[1]": "Да нет",
        "empty": "",
    }


def test_form_in_parts() -> None:
    """A multipart form reads the same as a urlencoded one."""
    part = 'Content-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    body = "--x\r\n" + part.format("data[0]", "a\nb") + "--x\r\n" + part.format("data[1]", "Да нет") + "--x--\r\n"
    assert form(_request(body.encode(), 'multipart/form-data; boundary="x"')) == {"data[0]": "a\nb", "data[1]": "Да нет"}


@given(
    st.binary(max_size=200),
    st.sampled_from(["", "multipart/form-data; boundary=x", "multipart/form-data", "multipart/x; boundary*=%ff"]),
)
def test_any_form_is_read(body: bytes, kind: str) -> None:
    """Whatever is posted as a form, the fields are texts."""
    fields = form(_request(body, kind))
    assert all(isinstance(text, str) for pair in fields.items() for text in pair)


@pytest.mark.parametrize(
    "value",
    [
        1790000000,
        1790000000.0,
        "1790000000",
        1790000000000,
        "1790000000000",
        "2026-09-21T14:13:20Z",
        "2026-09-21T17:13:20.000+03:00",
        AT,
        AT.astimezone(timezone(timedelta(hours=3))),
    ],
)
def test_moment(value: object) -> None:
    """Seconds, milliseconds, texts of both, and ISO 8601 are the same moment in UTC."""
    assert moment(value) == AT
    assert str(moment(value)).endswith("+00:00")


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -5,
        "",
        "soon",
        "2026-09-21T14:13:20",
        AT.replace(tzinfo=None),
        10**30,
        float("inf"),
        [],
        {},
        "0001-01-01T00:00:00+14:00",
        "9" * 5000,
    ],
)
def test_no_moment(value: object) -> None:
    """What is no time, or a time without a zone, is none; nothing is raised."""
    assert moment(value) is None


@given(st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.datetimes().map(str)))
def test_any_moment_is_utc(value: object) -> None:
    """Whatever a gateway writes, the moment is in UTC or none."""
    at = moment(value)
    assert at is None or at.utcoffset() == timedelta(0)
