"""Every documented answer, spelled otherwise: numbers as text, text as numbers, capitals, fields that nobody knows. It means the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from core.model import Retry
from tests.plugins.send import kit

SPELLINGS: dict[str, Callable[[Any], Any]] = {
    "numbers as text": lambda value: str(value) if type(value) is int else value,
    "text as numbers": lambda value: int(value) if isinstance(value, str) and value.isdecimal() else value,
    "capitals": lambda value: value.upper() if isinstance(value, str) else value,
    "small letters": lambda value: value.lower() if isinstance(value, str) else value,
    "a stranger's fields": lambda value: value,
}


def changed(body: Any, spell: Callable[[Any], Any]) -> Any:
    if isinstance(body, dict):
        return {name: changed(value, spell) for name, value in body.items()} | {"unknown": [[{"a": None}]]}
    return [changed(value, spell) for value in body] if isinstance(body, list) else spell(body)


def recorded(transport: kit.Transport) -> Iterator[str]:
    """The answers to `send` that are told apart by their bodies."""
    for file, entry in transport.files.items():
        if transport.body(file).strip() and (entry["kind"] == "error" or entry.get("outcome") == "permanent_recipient"):
            yield file


def meaning(result: Any) -> tuple[Any, ...]:
    return (type(result), *(getattr(result, name, None) for name in ("scope", "alert", "after", "within", "unbind")))


@pytest.mark.parametrize("how", sorted(SPELLINGS))
@pytest.mark.parametrize("name", kit.names())
def test_it_means_the_same(name: str, how: str) -> None:
    """Judged as the recorded body is; only the reason may be vaguer."""
    transport = kit.load(name)
    for file in recorded(transport):
        answer, given = transport.answered(file), transport.given(file)
        body = json.dumps(changed(json.loads(answer.body), SPELLINGS[how]), ensure_ascii=False).encode()
        plain, odd = (meaning(transport.play(kit.Answered(answer.status, raw), given)[0]) for raw in (answer.body, body))
        assert odd == plain, (file, body)


@pytest.mark.parametrize(
    ("name", "file"), [("evolution", "error.401.json"), ("evolution", "error.404_instance.json"), ("waha", "error.401.json")]
)
def test_an_error_inside_a_success(name: str, file: str) -> None:
    """A proxy has made a 200 of it: the account is out of order all the same."""
    transport = kit.load(name)
    said, _ = transport.play(kit.Answered(200, transport.body(file)), transport.given(file))
    assert isinstance(said, Retry)
    assert (said.scope, said.alert) == ("transport", True)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("green_api", {"idMessage": 12345}),
        ("wazzup", {"messageId": 17}),
        ("telegram", {"ok": True, "result": {"message_id": "17"}}),
    ],
)
def test_an_id_is_text_or_a_number(name: str, body: dict[str, Any]) -> None:
    """What was taken is not taken for unclear because of the kind of its id."""
    transport = kit.load(name)
    said, _ = transport.play(kit.as_json(200, body))
    assert said.id in ("12345", "17")
