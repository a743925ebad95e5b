"""A stand-in is told what to do over HTTP, and run as a program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import msgspec
import pytest

from core import InboundMessage, Retry, Sent, TransportState, Unclear
from stand_ins import Accepted
from stand_ins.wazzup import Wazzup
from tests.stand_ins.journey import OTHER, PHONE, TEXT, Journey, travel


def test_scenarios_come_over_http() -> None:
    """`POST /_scenario` plans the next messages, those to a phone, and all others."""

    async def story(journey: Journey) -> None:
        said = await journey.control(
            "_scenario",
            {
                "next": ["error.429", {"answer": "html_502"}],
                "phones": {OTHER: "error.400_bad_contact"},
                "always": {"answer": "error.500"},
            },
        )
        assert (said.status_code, said.json()) == (200, {"next": 2, "phones": [OTHER.removeprefix("+")], "always": "error.500"})
        assert isinstance(await journey.send(), Retry)
        assert not isinstance(await journey.send(OTHER), Sent | Retry)
        assert isinstance(await journey.send(), Unclear)
        assert isinstance(await journey.send(), Retry)
        await journey.control("_scenario", {"phones": {OTHER: None}, "always": "accept"})
        assert isinstance(await journey.send(OTHER), Sent)

    travel("wazzup", story)


def test_ledger_is_shown() -> None:
    """`GET /_ledger` lists what was taken: id, phone, text, time, reference, state."""

    async def story(journey: Journey) -> None:
        await journey.send()
        for _ in range(3):
            await journey.hear()
        shown = msgspec.json.decode((await journey.http.get(f"{journey.url}/_ledger")).content, type=list[Accepted])
        assert shown == journey.stand_in.ledger
        assert [(taken.phone, taken.text, taken.state) for taken in shown] == [(PHONE, TEXT, "read")]

    travel("wazzup", story)


def test_client_and_session_over_http() -> None:
    """`POST /_client` lets a client write, `POST /_session` takes the session down."""

    async def story(journey: Journey) -> None:
        await journey.control("_client", {"phone": PHONE, "text": "Да"})
        (item,) = await journey.hear()
        assert isinstance(item, InboundMessage)
        assert (item.text, item.phone) == ("Да", PHONE)
        await journey.control("_session", {"working": False})
        assert isinstance((await journey.hear())[0], TransportState)
        assert not journey.stand_in.working

    travel("wazzup", story)


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("_scenario", {"next": ["error.418"]}, "wazzup knows no answer `error.418`; there are: accept, drop,"),
        ("_scenario", {"nexxt": []}, "unknown field `nexxt`"),
        ("_client", {"text": "Да"}, "missing required field `phone`"),
        ("_session", {"working": "no"}, "Expected `bool`"),
    ],
)
def test_a_wrong_order_is_explained(path: str, body: object, words: str) -> None:
    """What a stand-in does not understand is a 400 with a sentence."""

    async def story(journey: Journey) -> None:
        said = await journey.control(path, body)
        assert said.status_code == 400
        assert words in said.text

    travel("wazzup", story)


def test_a_request_without_the_documented_fields() -> None:
    """A request that the real API would not understand is a 400, and not taken."""

    async def story(journey: Journey) -> None:
        headers = {"authorization": f"Bearer {Wazzup.config['api_key']}"}
        for body in ({"text": "x"}, [], {"chatId": 5, "text": "x"}):
            said = await journey.http.post(f"{journey.url}/v3/message", json=body, headers=headers)
            assert said.status_code == 400
        assert journey.stand_in.ledger == []

    travel("wazzup", story)


def test_runs_as_a_program() -> None:
    """`python -m stand_ins NAME` says where it listens and what to write into config.toml, and takes messages there."""
    root = Path(__file__).parents[2]
    program = [sys.executable, "-m", "stand_ins", "wazzup"]
    with subprocess.Popen(program, cwd=root, stdout=subprocess.PIPE, text=True, env={**os.environ}) as running:
        assert running.stdout is not None
        said = [running.stdout.readline().strip() for _ in range(9)]
        keys = {**Wazzup.config, **Wazzup.pace}
        url = said[0].removeprefix("wazzup stands in at ").removesuffix("; in config.toml:")
        assert said[2:] == [
            "[send.wazzup]",
            f'base_url = "{url}"',
            *(f"{key} = {json.dumps(value)}" for key, value in keys.items()),
        ]
        body = {"channelId": Wazzup.config["channel_id"], "chatType": "whatsapp", "chatId": "79000000088", "text": "Да"}
        headers = {"authorization": f"Bearer {Wazzup.config['api_key']}"}
        try:
            assert httpx.post(f"{url}/v3/message", json=body, headers=headers, trust_env=False).status_code == 201
            assert [taken["text"] for taken in httpx.get(f"{url}/_ledger", trust_env=False).json()] == ["Да"]
        finally:
            running.terminate()
