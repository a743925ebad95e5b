"""Every stand-in, driven by the real plugin of its transport over a real socket; its callbacks are read by that plugin."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from core import Binding, DeliveryStatus, InboundMessage, Rejected, Retry, Sent, TransportState, Unclear
from stand_ins import ALL, Scenario
from tests.stand_ins.journey import NAMES, OTHER, PHONE, REFERENCE, TEXT, Journey, travel

POLLED = ("smsc", "smsru")
BOTS = ("max", "telegram")
REPORTING = [name for name in NAMES if name not in (*BOTS, "smsc")]
SESSIONS = [name for name in NAMES if name in ("green_api", "green_api_max", "waha", "wazzup", "evolution")]
WRITING = [name for name in NAMES if name not in POLLED]
KEYS = {"green_api": "token", "green_api_max": "token", "whatsapp_cloud": "token", "max": "token", "telegram": "token"}
KEYS |= {"waha": "api_key", "wazzup": "api_key", "evolution": "api_key", "smsc": "password", "smsru": "api_id"}
BINDINGS = {"green_api_max": PHONE.removeprefix("+")}  # the chat that a look-up found, which the answer gives to be kept
RECENT = timedelta(minutes=5)


@pytest.mark.parametrize("name", NAMES)
def test_a_message_is_taken_and_reported(name: str) -> None:
    """Sent once, it stands once in the ledger, and every state comes back about this message."""

    async def story(journey: Journey) -> None:
        result = await journey.send()
        (taken,) = journey.stand_in.ledger
        assert result == Sent(taken.id, BINDINGS.get(name))
        assert (taken.phone, taken.text) == (PHONE, TEXT)
        for state in journey.stand_in.reports if name in REPORTING else ():
            (item,) = await journey.hear()
            assert isinstance(item, DeliveryStatus)
            assert (item.status, item.id) == (state, taken.id)
            assert item.at is None or abs(datetime.now(UTC) - item.at) < RECENT

    travel(name, story)


@pytest.mark.parametrize("name", POLLED)
def test_a_gateway_that_is_asked(name: str) -> None:
    """The status of a message is there for who asks."""

    async def story(journey: Journey) -> None:
        journey.stand_in.always(Scenario(report=()))
        await journey.send()
        (taken,) = journey.stand_in.ledger
        for state in ("sent", "delivered", "failed"):
            await journey.stand_in.report(taken, state)
            assert (await journey.check(taken)).status == state

    travel(name, story)


@pytest.mark.parametrize("name", NAMES)
def test_the_account_works(name: str) -> None:
    """The plugin's probe finds nothing wrong, where it has one."""

    async def story(journey: Journey) -> None:
        if hasattr(journey.plugin, "probe"):
            assert await journey.probe() is None

    travel(name, story)


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_key_is_refused(name: str) -> None:
    """Nothing is taken under a wrong key; the transport waits for a person."""

    async def story(journey: Journey) -> None:
        result = await journey.send(**{KEYS[name]: "wrong"})
        assert isinstance(result, Retry)
        assert (result.scope, result.alert) == ("transport", True)
        assert journey.stand_in.ledger == []

    travel(name, story)


@pytest.mark.parametrize("name", NAMES)
def test_every_documented_error_by_name(name: str) -> None:
    """Each recorded error can be asked for by its name; the message is not taken, and the plugin does not think so."""

    async def story(journey: Journey) -> None:
        folder = Path(__file__).parents[2] / "stand_ins" / "bodies" / name
        for file in sorted(folder.glob("error.*.json")):
            journey.stand_in.plan(file.stem)
            assert not isinstance(await journey.send(), Sent), file.stem
        assert journey.stand_in.ledger == []
        assert isinstance(await journey.send(), Sent)

    travel(name, story)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_answer(name: str) -> None:
    """A proxy's page and an empty body promise nothing, taken or not."""

    async def story(journey: Journey) -> None:
        journey.stand_in.plan("html_502", "empty", Scenario("html_502", taken=True, report=()))
        for _ in range(3):
            assert isinstance(await journey.send(), Unclear)
        assert [taken.phone for taken in journey.stand_in.ledger] == [PHONE]

    travel(name, story)


@pytest.mark.parametrize("name", NAMES)
def test_the_connection_breaks_after_taking(name: str) -> None:
    """The message is taken once, the answer is lost, and what is lost may have been written."""

    async def story(journey: Journey) -> None:
        journey.stand_in.plan("drop")
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            await journey.send()
        (taken,) = journey.stand_in.ledger
        if name in REPORTING:
            (item,) = await journey.hear()
            assert isinstance(item, DeliveryStatus)
            assert item.id == taken.id

    travel(name, story)


@pytest.mark.parametrize("name", NAMES)
def test_no_answer_after_taking(name: str) -> None:
    """The message is taken once, and the sender gives up waiting."""

    async def story(journey: Journey) -> None:
        journey.stand_in.plan("hang")
        journey.http.timeout = httpx.Timeout(5, read=0.2)
        with pytest.raises(httpx.ReadTimeout):
            await journey.send()
        assert len(journey.stand_in.ledger) == 1

    travel(name, story)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seconds", [None, 7])
def test_too_many_requests(name: str, seconds: int | None) -> None:
    """A limit is tried again, with and without the header Retry-After."""

    async def story(journey: Journey) -> None:
        journey.stand_in.plan(Scenario("rate_limited", retry_after=seconds))
        assert isinstance(await journey.send(), Retry)
        assert journey.stand_in.ledger == []

    travel(name, story)


@pytest.mark.parametrize("name", REPORTING)
def test_reports_as_they_really_come(name: str) -> None:
    """Out of order, twice, before the answer, or that it failed: exactly as the scenario says."""

    async def story(journey: Journey) -> None:
        states = ("delivered", "sent", "sent", "failed")
        journey.stand_in.plan(Scenario(report=states, before_answer=True))
        result = await journey.send()
        assert journey.heard.qsize() == len(states)
        heard = [item for _ in states for item in await journey.hear() if isinstance(item, DeliveryStatus)]
        assert [item.status for item in heard] == list(states)
        assert result == Sent(heard[0].id, BINDINGS.get(name))

    travel(name, story)


@pytest.mark.parametrize("name", REPORTING)
def test_delivered_late(name: str) -> None:
    """Nothing is reported at first; the state comes when the test says so."""

    async def story(journey: Journey) -> None:
        journey.stand_in.always(Scenario(report=()))
        await journey.send()
        (taken,) = journey.stand_in.ledger
        assert (taken.state, journey.heard.qsize()) == ("accepted", 0)
        await journey.stand_in.report(taken, "delivered")
        (item,) = await journey.hear()
        assert isinstance(item, DeliveryStatus)
        assert (item.status, taken.state) == ("delivered", "delivered")

    travel(name, story)


@pytest.mark.parametrize("name", NAMES)
def test_one_phone_fares_otherwise(name: str) -> None:
    """A plan for one phone holds for it alone, until it is taken back."""

    async def story(journey: Journey) -> None:
        journey.stand_in.plan_for(OTHER, "session_down")
        results = [await journey.send(OTHER, f"{number}", f"a{number}") for number in range(2)]
        assert all(isinstance(result, Retry) for result in results)
        assert isinstance(await journey.send(PHONE), Sent)
        journey.stand_in.plan_for(OTHER, None)
        assert isinstance(await journey.send(OTHER, "3", "a3"), Sent)
        assert [taken.phone for taken in journey.stand_in.ledger] == [PHONE, OTHER]

    travel(name, story)


@pytest.mark.parametrize("name", SESSIONS)
def test_the_session_goes_down_and_comes_back(name: str) -> None:
    """It is reported, nothing is taken, the probe sees it; afterwards all is well again."""

    async def story(journey: Journey) -> None:
        await journey.stand_in.session(working=False)
        (state,) = await journey.hear()
        assert isinstance(state, TransportState)
        assert not state.working
        result = await journey.send()
        assert isinstance(result, Retry)
        assert (result.scope, result.alert) == ("transport", True)
        assert await journey.probe()
        await journey.stand_in.session(working=True)
        assert await journey.hear() == [TransportState(True)]
        assert await journey.probe() is None
        assert isinstance(await journey.send(), Sent)

    travel(name, story)


@pytest.mark.parametrize("name", WRITING)
def test_the_client_writes(name: str) -> None:
    """What a client writes is an inbound message of this phone, or of its chat with the bot."""

    async def story(journey: Journey) -> None:
        await journey.stand_in.write(PHONE, "СТОП")
        (item,) = await journey.hear()
        assert isinstance(item, InboundMessage)
        assert item.text == "СТОП"
        assert PHONE in (item.phone, f"+{item.binding}")

    travel(name, story)


@pytest.mark.parametrize("name", BOTS)
def test_a_client_binds_the_bot_and_leaves_it(name: str) -> None:
    """The link's token, the own contact, and the end of it."""

    async def story(journey: Journey) -> None:
        chat = PHONE.removeprefix("+")
        await journey.stand_in.write(PHONE, "/start c_7f3a9b")
        assert await journey.hear() == [Binding(chat, token="c_7f3a9b")]
        await journey.stand_in.write(PHONE, contact=True)
        assert await journey.hear() == [Binding(chat, phone=PHONE)]
        await journey.stand_in.write(PHONE, "/stop")
        assert await journey.hear() == [Binding(chat, bound=False)]

    travel(name, story)


def test_wazzup_knows_a_repeat_for_a_minute() -> None:
    """The same crmMessageId within 60 s is taken once; later it is a new message."""
    now = [datetime(2026, 8, 20, 9, 0, tzinfo=UTC)]

    async def story(journey: Journey) -> None:
        assert isinstance(await journey.send(), Sent)
        now[0] += timedelta(seconds=59)
        assert await journey.send() == Sent(None)
        assert len(journey.stand_in.ledger) == 1
        now[0] += timedelta(seconds=2)
        assert isinstance(await journey.send(), Sent)
        assert len(journey.stand_in.ledger) == 2

    travel("wazzup", story, lambda: now[0])


def test_smsc_is_asked_about_a_lost_answer() -> None:
    """The same SMS within a minute is refused; what became of the first is found by our own id."""

    async def story(journey: Journey) -> None:
        journey.stand_in.plan("drop")
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            await journey.send()
        assert isinstance(await journey.send(), Unclear)
        (taken,) = journey.stand_in.ledger
        await journey.stand_in.report(taken, "delivered")
        taken.reference = REFERENCE
        found = await journey.check(taken, known=False)
        assert (found.status, found.id) == ("delivered", taken.id)

    travel("smsc", story)


def test_number_that_is_not_there() -> None:
    """A recorded error speaks of the phone that was written to."""

    async def story(journey: Journey) -> None:
        journey.stand_in.plan_for(PHONE, "send.per_number_202")
        assert isinstance(await journey.send(), Rejected)

    travel("smsru", story)


def test_every_transport_has_a_stand_in() -> None:
    """One for each messaging API that there is a plugin for."""
    folder = Path(__file__).parents[2] / "plugins" / "send"
    assert {file.stem for file in folder.glob("[!_]*.py")} - {"console"} == set(ALL)


@pytest.mark.parametrize("name", NAMES)
def test_its_bodies_are_the_documented_ones(name: str) -> None:
    """The installed bodies are those that the plugins are tested against."""
    root = Path(__file__).parents[2]
    for file in (root / "stand_ins" / "bodies" / name).glob("*.json"):
        assert file.read_bytes() == (root / "tests" / "payloads" / "transports" / name / file.name).read_bytes(), file.name
