"""A person says that a client did not get a message: it begins its route anew. And the channel is chosen when a message leaves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core import DeliveryStatus, Rejected, Retry, Unclear
from core.errors import StoreError
from core.store.rows import Key, Notification
from tests.conftest import Driver, drive
from tests.timed import booking, gateway, paced, run_for, seen, sms, told

Two = Callable[..., Any]
COMMENT = {"comment": "просила у окна", "status": "update", "last_change_date": "2025-08-20T11:59:00+0300"}


@pytest.fixture
def two(database_url: str, tmp_path: Path) -> Two:
    """`two(story)`: WhatsApp and SMS, both scripted, on both databases; `sms=False` leaves the first alone."""

    def run(story: Callable[[Driver], Any], *, sms: bool = True, **keys: Any) -> Any:
        return drive(paced(database_url, tmp_path, sms=sms, **keys), tmp_path, story)

    return run


async def resend(app: Driver, key: str = "", record: int | None = 1) -> Notification | None:
    now = app.clock()
    found = await app.vestnik.run.store.reports.resend(key, record, now, now + timedelta(hours=24))
    await app.settle()
    return found


async def report(app: Driver, status: Any, number: str | None = None, reference: str | None = None) -> None:
    await app.vestnik.worker.callbacks.status("timed", 0, DeliveryStatus(status, number, reference, reason="given up"), app.clock())
    await app.settle()


async def announced(app: Driver) -> bool:
    """Whether the client counts as told of the booking as it is."""
    (known,) = await app.rows("SELECT snapshot, announced FROM appointments_cache")
    return bool(known["announced"] == known["snapshot"])


def test_it_goes_over_all_channels_again(two: Two) -> None:
    """Neither channel took it. Sent again, it begins at WhatsApp, which refuses once more, and goes on to SMS, which takes it."""

    async def story(app: Driver) -> None:
        gateway().ANSWERS.extend([Rejected("no such number")] * 2)
        sms().ANSWERS.append(Rejected("the sender is not known", scope="content"))
        await told(app, booking(1))
        assert await seen(app) == [("whatsapp", "failed"), ("sms", "failed")]
        again = await resend(app)
        assert again is not None
        assert await seen(app) == [("whatsapp", "failed"), ("sms", "failed"), ("whatsapp", "failed"), ("sms", "sent")]
        rows = await app.messages()
        assert {row["notification_id"] for row in rows} == {again.notification_id}
        assert [(row["step"], row["round"]) for row in rows] == [(0, 0), (1, 0), (2, 1), (3, 1)]
        assert await announced(app)
        await told(app, booking(1, **COMMENT))
        assert len(await app.messages()) == 4

    two(story)


def test_what_its_gateway_gave_up_is_sent_again(two: Two) -> None:
    """Taken, and then reported failed: sent again it leaves, and is not taken for superseded."""

    async def story(app: Driver) -> None:
        await told(app, booking(1))
        await report(app, "failed", "g1")
        assert (await seen(app), await announced(app)) == ([("whatsapp", "failed")], False)
        await resend(app)
        assert (await seen(app), await announced(app)) == ([("whatsapp", "failed"), ("whatsapp", "sent")], True)
        await report(app, "failed", "g2")
        assert await announced(app) is False
        await resend(app)
        assert [status for _, status in await seen(app)] == ["failed", "failed", "sent"]

    two(story, sms=False)


def test_both_channels_gave_it_up_one_after_the_other(two: Two) -> None:
    """WhatsApp gave it up, SMS refuses it: sent again, it leaves by WhatsApp."""

    async def story(app: Driver) -> None:
        sms().ANSWERS.append(Rejected("the sender is not known", scope="content"))
        await told(app, booking(1))
        await report(app, "failed", "g1")
        assert await seen(app) == [("whatsapp", "failed"), ("sms", "failed")]
        await resend(app)
        assert (await seen(app))[2:] == [("whatsapp", "sent")]
        assert await announced(app)

    two(story)


def test_what_is_unclear_is_sent_again(two: Two) -> None:
    """Unclear on WhatsApp, refused by SMS, and the revision has moved on: sent again, it leaves, and the person's word ends the doubt."""

    async def story(app: Driver) -> None:
        gateway().ANSWERS.append(Unclear("no answer"))
        sms().ANSWERS.append(Rejected("the sender is not known", scope="content"))
        await told(app, booking(1))
        await run_for(app, timedelta(minutes=11))
        assert await seen(app) == [("whatsapp", "unclear"), ("sms", "failed")]
        await resend(app)
        assert await seen(app) == [("whatsapp", "failed"), ("sms", "failed"), ("whatsapp", "sent")]
        assert (await app.messages())[0]["error"] == "it did not arrive, says who sent it again"
        assert await announced(app)
        await run_for(app, timedelta(minutes=11))
        assert (await seen(app))[3:] == [("sms", "sent")]  # undelivered again: the next channel, once
        await run_for(app, timedelta(hours=5))
        assert len(await app.messages()) == 4

    two(story)


def test_another_bot_has_told_it_meanwhile(two: Two) -> None:
    """The other bot says that it has told the client; whoever sends again knows better."""

    async def story(app: Driver) -> None:
        gateway().ANSWERS.append(Unclear("no answer"))
        await told(app, booking(1, hour="14:30"))
        await told(app, booking(1, hour="16:00", status="update", last_change_date="2025-08-20T11:58:00+0300"))
        await report(app, "failed", "g2")
        await app.vestnik.run.store.reports.told_by_another(Key("yclients", 962302, 1), app.clock(), "told")
        await resend(app)
        assert [status for _, status in await seen(app)] == ["unclear", "failed", "sent"]
        assert (await app.messages())[2]["notification_type"] == "booking_updated"

    two(story, sms=False)


def test_it_arrived_after_all(two: Two) -> None:
    """While what was sent again waits for its account, the first one is reported delivered: the second never leaves."""

    async def story(app: Driver) -> None:
        gateway().ANSWERS.extend([Unclear("no answer"), Retry("later")])
        await told(app, booking(1))
        reference = (await app.messages())[0]["reference"]
        await resend(app)
        assert await seen(app) == [("whatsapp", "failed"), ("whatsapp", "pending")]
        await report(app, "delivered", reference=reference)
        assert await seen(app) == [("whatsapp", "delivered"), ("whatsapp", "superseded")]
        await run_for(app, timedelta(hours=5))
        assert (len(gateway().TAKEN), sms().TAKEN) == (2, [])
        assert await announced(app)
        assert await resend(app) is None

    two(story)


def test_sent_again_in_vain(two: Two) -> None:
    """It fails once more: nobody is told because somebody touches the booking; a person may try again, and a newer state is told."""

    async def story(app: Driver) -> None:
        gateway().ANSWERS.extend([Rejected("no such number")] * 2)
        await told(app, booking(1))
        await resend(app)
        await told(app, booking(1, **COMMENT))
        assert [status for _, status in await seen(app)] == ["failed", "failed"]
        dead = await app.vestnik.run.store.look.ask("dead_letters", since=app.clock() - timedelta(days=1), most=9)
        assert [row["step"] for row in dead] == [1]
        await resend(app)
        assert [status for _, status in await seen(app)] == ["failed", "failed", "sent"]
        dead = await app.vestnik.run.store.look.ask("dead_letters", since=app.clock() - timedelta(days=1), most=9)
        assert dead == []

    two(story, sms=False)


def test_a_change_that_reached_nobody_is_not_told_because_of_a_comment(two: Two) -> None:
    """Both channels refuse a new time: a later comment sends nothing, a further new time does."""

    async def story(app: Driver) -> None:
        await told(app, booking(1))
        gateway().ANSWERS.append(Rejected("no such number"))
        sms().ANSWERS.append(Rejected("the sender is not known", scope="content"))
        await told(app, booking(1, hour="16:00", status="update", last_change_date="2025-08-20T11:58:00+0300"))
        assert (await seen(app))[1:] == [("whatsapp", "failed"), ("sms", "failed")]
        await told(app, booking(1, hour="16:00", **COMMENT))
        assert len(await app.messages()) == 3
        await told(app, booking(1, hour="17:00", status="update", last_change_date="2025-08-20T11:59:30+0300"))
        assert (await seen(app))[3:] == [("whatsapp", "sent")]

    two(story)


def test_a_newer_message_has_replaced_it(two: Two) -> None:
    """What a newer message has replaced, and what was delivered, is not sent again."""

    async def story(app: Driver) -> None:
        gateway().ANSWERS.append(Rejected("no such number"))
        await told(app, booking(1))
        first = (await app.messages())[0]["notification_id"]
        await told(app, booking(1, hour="16:00", status="update", last_change_date="2025-08-20T11:58:00+0300"))
        assert await resend(app, first, None) is None
        await report(app, "delivered", "g2")
        assert await resend(app) is None
        assert [status for _, status in await seen(app)] == ["failed", "delivered"]

    two(story, sms=False)


def test_the_channel_is_chosen_when_it_leaves(two: Two) -> None:
    """While it waits for its account, an SMS reaches the client: it leaves by SMS, as one row, and WhatsApp is what comes next."""

    async def story(app: Driver) -> None:
        await told(app, booking(1), booking(2))
        assert await seen(app) == [("whatsapp", "sent"), ("whatsapp", "pending")]
        await app.vestnik.run.store.people.won("+79000000002", 962302, "sms", app.clock())
        sms().ANSWERS.append(Rejected("no such number"))
        await app.settle(20)
        rows = (await app.messages())[1:]
        assert [(row["channel"], row["transport"], row["status"], row["step"]) for row in rows] == [
            ("sms", "extra_sms", "failed", 0), ("whatsapp", "timed", "sent", 1)
        ]  # fmt: skip
        assert (rows[0]["attempts"], rows[0]["turn_at"]) == (1, None)

    two(story, gap="10s")


def test_a_channel_that_was_tried_stays(two: Two) -> None:
    """A message that waits for its second attempt keeps its channel: another one is another row."""

    async def story(app: Driver) -> None:
        gateway().ANSWERS.append(Retry("later"))
        await told(app, booking(1))
        await app.vestnik.run.store.people.won("+79000000001", 962302, "sms", app.clock())
        await app.settle(20)
        assert (await seen(app), sms().TAKEN) == ([("whatsapp", "sent")], [])

    two(story)


def test_a_number_of_several_bookings(database_url: str, tmp_path: Path) -> None:
    """Two sources may give the same number: who sends again by it is asked for the event id, and nothing leaves."""

    async def story(app: Driver) -> None:
        gateway().ANSWERS.extend([Rejected("no such number")] * 2)
        await told(app, booking(1))
        other = await app.tell(booking(1), path="/webhook/altegio")
        sentence = "1: several bookings have this number; name the event id, which `vestnik trace 1` tells"
        with pytest.raises(StoreError, match=f"^{sentence}$"):
            await resend(app, "1")
        assert [status for _, status in await seen(app)] == ["failed", "failed"]
        again = await resend(app, other["event_id"], None)
        assert again is not None
        assert again.source == "altegio"
        assert [status for _, status in await seen(app)] == ["failed", "failed", "sent"]

    raw = paced(database_url, tmp_path, sms=False)
    drive({**raw, "source": {**raw["source"], "altegio": {"secret": "none"}}}, tmp_path, story)
