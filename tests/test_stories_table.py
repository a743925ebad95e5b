"""Every row of the table of what counts as worth a message, told over HTTP on both databases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Driver, body
from tests.telling import CANCELLED, CREATED, UPDATED, client, heard, said, service, staff, states, types, verdict

Play = Callable[..., Any]


def test_an_unseen_change_is_told(play: Play) -> None:
    """No snapshot must not mean silence: an update of a booking never seen is told as a change."""

    async def story(app: Driver) -> None:
        told = await app.tell(said("update", hour="16:00"))
        assert verdict(told) == ("processed", None, None)
        assert await types(app) == [UPDATED]
        assert (await app.texts())[0].splitlines()[:3] == ["📝 *Ваша запись изменена*", "", "📅 21 августа в 16:00"]

    play(story)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"paid_full": 1}, "a booking not seen before, which is paid, confirmed or past: noted"),
        ({"attendance": 2}, "a booking not seen before, which is paid, confirmed or past: noted"),
        ({"attendance": -1}, "a no-show is not a cancellation"),
        ({"attendance": 1}, "the client has come"),
    ],
)
def test_an_unseen_change_that_tells_nothing_is_noted(play: Play, changes: dict[str, Any], reason: str) -> None:
    """Paid, confirmed or attended when first seen: noted silently, and the next move is a change against it."""

    async def story(app: Driver) -> None:
        noted = await app.tell(said("update", at="11:00", **changes))
        assert verdict(noted) == ("suppressed", "unchanged", reason)
        assert heard(noted) == [("suppressed", "unchanged", reason)]
        await app.tell(said("update", at="11:01", hour="16:00"))
        assert await types(app) == [UPDATED]

    play(story)


def test_an_unseen_past_visit_is_noted(play: Play) -> None:
    """A change of a visit that is over is noted, and nobody is told."""

    async def story(app: Driver) -> None:
        noted = await app.tell(body("record_update_past_visit"))
        assert noted["status"] == "suppressed"
        assert await app.messages() == []

    play(story)


def test_unseen_may_be_silenced(play: Play) -> None:
    """With unseen = "note" a first change is only noted; the next one is told."""

    async def story(app: Driver) -> None:
        noted = await app.tell(said("update", at="11:00"))
        assert verdict(noted) == ("suppressed", "unchanged", "a change of a booking never seen before is only noted")
        await app.tell(said("update", at="11:01", hour="16:00"))
        assert await types(app) == [UPDATED]

    play(story, filter={"unchanged": {"unseen": "note"}})


def test_an_unseen_change_with_the_bots_mark_is_noted(play: Play) -> None:
    """`own_comment` notes silently an unseen update that bears a mark."""

    async def story(app: Driver) -> None:
        noted = await app.tell(said("update", at="11:00", comment="создано: AI Admin"))
        assert verdict(noted) == ("suppressed", "own_comment", 'the comment bears the mark "AI Admin"')
        await app.tell(said("update", at="11:01", hour="16:00", comment="создано: AI Admin"))
        assert await types(app) == [UPDATED]

    play(story)


def test_an_unseen_deletion_is_told(play: Play) -> None:
    """A deletion of a booking never seen tells a cancellation where phone and time are known and the visit is ahead."""

    async def story(app: Driver) -> None:
        told = await app.tell(body("record_delete_full", last_change_date="2025-08-20T11:00:00+0300"))
        assert verdict(told) == ("processed", None, None)
        assert await types(app) == [CANCELLED]

    play(story)


@pytest.mark.parametrize("changes", [{"client": []}, {"date": "2025-08-20 09:00:00", "datetime": "2025-08-20T09:00:00+03:00"}])
def test_an_unseen_deletion_that_reaches_nobody(play: Play, changes: dict[str, Any]) -> None:
    """Without a phone, or with the visit behind, an unseen deletion is silent, and says why."""

    async def story(app: Driver) -> None:
        silent = await app.tell(body("record_delete_full", last_change_date="2025-08-20T11:00:00+0300", **changes))
        why = "a booking not seen before is deleted, and its phone or a time ahead is unknown"
        assert verdict(silent) == ("suppressed", "unchanged", why)
        assert await app.messages() == []

    play(story)


def test_seen_and_never_told_may_vanish(play: Play) -> None:
    """A booking the client never heard of (pseudo-staff) is deleted: nothing to tell."""

    async def story(app: Driver) -> None:
        first = await app.tell(said(staff=staff("Очередь", 1)))
        assert verdict(first) == ("suppressed", "skip_staff", '"Очередь" is no real staff')
        gone = await app.tell(said("delete", at="11:05", staff=staff("Очередь", 1)))
        assert verdict(gone) == ("suppressed", "unchanged", "created and cancelled before the client was told")
        assert await app.messages() == []

    play(story)


def test_the_real_slot_is_a_new_booking(play: Play) -> None:
    """Moved from the waiting list to a master: to the client it is a new booking."""

    async def story(app: Driver) -> None:
        await app.tell(said(staff=staff("Лист ожидания", 1)))
        told = await app.tell(said("update", at="11:05"))
        assert verdict(told) == ("processed", None, None)
        assert await types(app) == [CREATED]

    play(story)


def test_a_phone_that_comes_later(play: Play) -> None:
    """No phone is a silence with its reason; once there is one, the client is told of the booking."""

    async def story(app: Driver) -> None:
        silent = await app.tell(said(client=client("")))
        assert (silent["status"], silent["rule"]) == ("suppressed", None)
        assert "phone" in silent["reason"]
        again = await app.tell(said("update", at="11:01", client=client(""), comment="позвонить"))
        assert (again["status"], again["reason"]) == ("suppressed", silent["reason"])
        told = await app.tell(said("update", at="11:05"))
        assert verdict(told) == ("processed", None, None)
        assert await types(app) == [CREATED]

    play(story)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"hour": "16:00"}, "📅 21 августа в 16:00"),
        ({"services": [service("СТРИЖКА БОРОДЫ", 7)]}, "💇 СТРИЖКА БОРОДЫ"),
        ({"staff": staff("Рамзан", 5)}, "👤 Мастер: Рамзан"),
    ],
)
def test_what_is_worth_a_message(play: Play, changes: dict[str, Any], line: str) -> None:
    """Another time, service or master of an announced booking is told as a change."""

    async def story(app: Driver) -> None:
        await app.tell(said())
        told = await app.tell(said("update", at="11:05", **changes))
        assert verdict(told) == ("processed", None, None)
        assert await types(app) == [CREATED, UPDATED]
        assert line in (await app.texts())[1].splitlines()

    play(story)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"attendance": 2}, "the client confirmed"),
        ({"attendance": 1}, "the client has come"),
        ({"attendance": -1}, "a no-show is not a cancellation"),
        ({"paid_full": 1}, "only the payment differs"),
        ({"comment": "кофе, писать в WhatsApp"}, "only the comment differs"),
        ({"record_labels": [{"id": 1, "title": "VIP"}]}, "nothing that the client could see differs"),
    ],
)
def test_what_is_not(play: Play, changes: dict[str, Any], reason: str) -> None:
    """Attendance, payment, comment and labels of an announced booking are nobody's message."""

    async def story(app: Driver) -> None:
        await app.tell(said())
        silent = await app.tell(said("update", at="11:05", **changes))
        assert verdict(silent) == ("suppressed", "unchanged", reason)
        assert heard(silent) == [("suppressed", "unchanged", reason)]
        assert await types(app) == [CREATED]

    play(story)


def test_services_in_another_order(play: Play) -> None:
    """The order of services is not stable from one read to the next, and means nothing."""
    cut, beard = service("СТРИЖКА", 1), service("БОРОДА", 2, 1000)

    async def story(app: Driver) -> None:
        await app.tell(said(services=[cut, beard]))
        silent = await app.tell(said("update", at="11:05", services=[beard, cut]))
        assert verdict(silent) == ("suppressed", "unchanged", "nothing that the client could see differs")
        assert await types(app) == [CREATED]

    play(story)


def test_another_phone(play: Play) -> None:
    """Another phone is a new booking to the new one and nothing to the old one, and the event says so."""

    async def story(app: Driver) -> None:
        await app.tell(said())
        told = await app.tell(said("update", at="11:05", client=client("+79000000099")))
        why = "another phone: the new one is told of the booking, the old one of nothing"
        assert verdict(told) == ("processed", None, why)
        assert [(row["notification_type"], row["phone"]) for row in await app.messages()] == [
            (CREATED, "+79000000088"),
            (CREATED, "+79000000099"),
        ]
        await app.tell(said("update", at="11:06", hour="16:00", client=client("+79000000099")))
        assert [row["phone"] for row in await app.messages()][2:] == ["+79000000099"]

    play(story)


def test_a_masked_phone_keeps_the_known_one(play: Play) -> None:
    """A phone hidden by rights in a later webhook is the one that was seen before."""
    masked = body("record_create_phone_masked")["data"]["client"]

    async def story(app: Driver) -> None:
        await app.tell(said())
        await app.tell(said("update", at="11:05", hour="16:00", client=masked))
        assert [(row["notification_type"], row["phone"]) for row in await app.messages()] == [
            (CREATED, "+79000000088"),
            (UPDATED, "+79000000088"),
        ]

    play(story)


def test_cancelled_once(play: Play) -> None:
    """A deletion comes as `delete` and as an update with `deleted: true`: one message."""

    async def story(app: Driver) -> None:
        await app.tell(said())
        first = await app.tell(said("delete", at="11:05", deleted=True))
        assert verdict(first) == ("processed", None, None)
        second = await app.tell(said("update", at="11:06", deleted=True))
        assert verdict(second) == ("suppressed", "unchanged", "the cancellation has been told already")
        assert await types(app) == [CREATED, CANCELLED]

    play(story)


def test_deleted_in_an_update(play: Play) -> None:
    """`deleted: true` in an update alone is a cancellation."""

    async def story(app: Driver) -> None:
        await app.tell(said())
        await app.tell(said("update", at="11:06", deleted=True))
        assert await types(app) == [CREATED, CANCELLED]

    play(story)


def test_cancelled_restored_cancelled(play: Play) -> None:
    """A booking that comes back is new, and may be cancelled again; an old deletion of the first time is stale by then."""

    async def story(app: Driver) -> None:
        await app.tell(said())
        await app.tell(said("delete", at="11:05", deleted=True))
        await app.tell(said("update", at="11:10"))
        late = await app.tell(said("update", at="11:06", deleted=True))
        assert verdict(late) == ("suppressed", "stale", "a change of 11:10:00 is already known")
        await app.tell(said("delete", at="11:15", deleted=True))
        assert await types(app) == [CREATED, CANCELLED, CREATED, CANCELLED]

    play(story)


def test_a_no_show_stays_one(play: Play) -> None:
    """A no-show of a visit ahead is no cancellation; a deletion after it still is."""

    async def story(app: Driver) -> None:
        await app.tell(said())
        await app.tell(said("update", at="11:05", attendance=-1))
        assert await types(app) == [CREATED]
        await app.tell(said("delete", at="11:10", attendance=-1, deleted=True))
        assert await types(app) == [CREATED, CANCELLED]

    play(story)


def test_confirmed_and_moved(play: Play) -> None:
    """A confirmed booking that is moved is told: only the attendance alone is nothing."""

    async def story(app: Driver) -> None:
        await app.tell(said())
        await app.tell(said("update", at="11:05", hour="16:00", attendance=2))
        assert await types(app) == [CREATED, UPDATED]

    play(story)


def test_price_alone_waits_for_company(play: Play) -> None:
    """A new price alone is silent; the next change tells it."""

    async def story(app: Driver) -> None:
        await app.tell(said())
        silent = await app.tell(said("update", at="11:05", services=[service("МУЖСКАЯ СТРИЖКА", 18356041, 2500)]))
        assert verdict(silent) == ("suppressed", "unchanged", "only the price differs")
        await app.tell(said("update", at="11:10", hour="16:00", services=[service("МУЖСКАЯ СТРИЖКА", 18356041, 2500)]))
        assert await types(app) == [CREATED, UPDATED]
        assert "💰 Стоимость: 2500 руб" in (await app.texts())[1].splitlines()

    play(story)


def test_small_shifts_add_up(play: Play) -> None:
    """Three shifts of two minutes are one of six: measured from what the client knows."""

    async def story(app: Driver) -> None:
        await app.tell(said())
        for at, hour, by in (("11:01", "14:32", "2"), ("11:02", "14:34", "4")):
            silent = await app.tell(said("update", at=at, hour=hour))
            assert verdict(silent) == ("suppressed", "unchanged", f"only the time (by {by} min) differs")
        await app.tell(said("update", at="11:03", hour="14:36"))
        assert await types(app) == [CREATED, UPDATED]
        assert "📅 21 августа в 14:36" in (await app.texts())[1].splitlines()

    play(story)


def test_a_cancellation_tells_what_the_client_knows(play: Play) -> None:
    """A cancellation names the announced time and services, not those of the deletion."""

    async def story(app: Driver) -> None:
        await app.tell(said(services=[service("БОРОДА", 2), service("СТРИЖКА", 1)]))
        await app.tell(said("update", at="11:01", hour="14:32", services=[service("БОРОДА", 2), service("СТРИЖКА", 1)]))
        await app.tell(said("delete", at="11:05", hour="15:00", services=[service("СТРИЖКА", 1)], deleted=True))
        assert "Была на: 21 августа в 14:30\nУслуги: БОРОДА, СТРИЖКА" in (await app.texts())[1]

    play(story)


def test_withheld_counts_as_announced(play: Play) -> None:
    """In a trial run nothing leaves, the text is kept, and the next change is one against it: its end is no storm."""

    async def story(app: Driver) -> None:
        first = await app.tell(said())
        assert verdict(first) == ("suppressed", "only_phones", "trial run: +7900…88 is not among the listed phones (1)")
        await app.tell(said("update", at="11:05", hour="16:00"))
        assert await states(app) == [(CREATED, "withheld"), (UPDATED, "withheld")]
        assert [row["message"].splitlines()[0] for row in await app.messages()] == [
            "✅ *Вы записаны!*",
            "📝 *Ваша запись изменена*",
        ]

    play(story, filter={"only_phones": {"phones": ["+79000000001"]}})


def test_the_bots_own_booking_and_its_move(play: Play) -> None:
    """A booking that bears the bot's mark counts as told; a later move of it is told."""

    async def story(app: Driver) -> None:
        own = await app.tell(said(comment="Запись из WhatsApp"))
        assert verdict(own) == ("suppressed", "own_comment", 'the comment bears the mark "WhatsApp"')
        await app.tell(said("update", at="11:05", hour="16:00", comment="Запись из WhatsApp"))
        assert await types(app) == [UPDATED]

    play(story)


def test_a_chat_silences_the_booking_and_not_the_move(play: Play) -> None:
    """A client who chatted a minute ago knows of the booking, and is still told that the hour was moved."""

    async def story(app: Driver) -> None:
        chat = {"phone": "+79000000088", "at": "2025-08-20T08:59:00+00:00"}
        answered = await app.post(chat, "/activity", headers={"Authorization": "Bearer operators-token"})
        assert answered.status_code == 200
        booked = await app.tell(said(at="12:00"))
        assert verdict(booked) == ("suppressed", "recent_chat", "the client wrote 1 min before the change")
        await app.tell(said("update", at="12:00", hour="16:00"))
        assert await types(app) == [UPDATED]

    play(story)


@pytest.mark.parametrize("first", ["told", "webhook"])
def test_another_bot_has_told(play: Play, first: str) -> None:
    """`told` sets announced, before or after the webhook: the next change is told as a change."""

    async def story(app: Driver) -> None:
        told = {"record_id": said()["resource_id"], "told": True}
        waiting = said(staff=staff("Очередь", 1)) if first == "webhook" else said()
        if first == "webhook":
            await app.tell(waiting)
        await app.post(told, "/activity", headers={"Authorization": "Bearer operators-token"})
        if first == "told":
            assert verdict(await app.tell(waiting)) == ("suppressed", None, "another bot has told the client")
        await app.tell(said("update", at="11:05", hour="16:00"))
        assert await types(app) == [UPDATED]

    play(story)
