"""The kit's gateway: real HTTP, and whatever a test says."""

from __future__ import annotations

import httpx
import pytest

from core.testing import a_gateway


def test_it_answers_and_keeps_what_it_was_asked() -> None:
    """The usual answer, one instead of it, and what came: method, path, query, headers, body as JSON and as a form."""
    with a_gateway({"id": "m1"}, 201, {"X-Own": "1"}) as gateway, httpx.Client(base_url=gateway.url, trust_env=False) as http:
        gateway.answers("slow down", 429, {"retry-after": "7"})
        first = http.post("/messages?a=1&a=2&b=", json={"to": "x"}, headers={"X-Key": "k"})
        assert (first.status_code, first.text, first.headers["retry-after"]) == (429, "slow down", "7")
        second = http.request("DELETE", "/messages", data={"text": "да"})
        assert (second.status_code, second.json(), second.headers["x-own"]) == (201, {"id": "m1"}, "1")
        asked = gateway.asked
        assert [(entry.method, entry.path, dict(entry.query)) for entry in asked] == [
            ("POST", "/messages", {"a": "1", "b": ""}),
            ("DELETE", "/messages", {}),
        ]
        assert (asked[0].json, asked[0].headers["x-key"], asked[1].form) == ({"to": "x"}, "k", {"text": "да"})


def test_it_takes_a_request_and_breaks_the_connection() -> None:
    """What was taken is known, and no answer comes; the next request is answered again."""
    with a_gateway() as gateway, httpx.Client(base_url=gateway.url, trust_env=False) as http:
        gateway.hangs_up()
        with pytest.raises(httpx.RemoteProtocolError):
            http.post("/messages", content=b"x")
        assert (gateway.asked[0].body, http.get("/").json()) == (b"x", {})
    with pytest.raises(httpx.ConnectError), httpx.Client(trust_env=False) as http:
        http.get(gateway.url)
