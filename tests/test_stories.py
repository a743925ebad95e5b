"""A webhook in, the exact text out: over HTTP, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Driver, body
from tests.telling import verdict

CREATED = """✅ *Вы записаны!*

📅 21 августа в 14:30
💇 МУЖСКАЯ СТРИЖКА
👤 Мастер: Бари
💰 Стоимость: ~2000 руб~ 1000 руб (скидка 50%)
📍 Малаховка, Южная улица, 38

Для отмены или переноса напишите мне здесь 👇"""

UPDATED = """📝 *Ваша запись изменена*

📅 21 августа в 16:00
💇 МУЖСКАЯ СТРИЖКА
👤 Мастер: Бари
💰 Стоимость: 2000 руб
📍 Малаховка, Южная улица, 38

Если есть вопросы - пишите!"""

CANCELLED = """❌ *Ваша запись отменена*

Была на: 21 августа в 16:00
Услуга: МУЖСКАЯ СТРИЖКА

Хотите записаться на другое время? Напишите мне!"""


def test_created(play: Callable[..., Any]) -> None:
    """A booking of the administrator is told, to the byte."""

    async def story(app: Driver) -> None:
        told = await app.tell(body("record_create_discount50"))
        assert (told["status"], told["rule"]) == ("processed", None)
        assert await app.texts() == [CREATED]

    play(story)


@pytest.mark.parametrize("deletion", ["record_delete_full", "record_delete_data_empty"])
def test_booked_moved_cancelled(play: Callable[..., Any], deletion: str) -> None:
    """The life of a booking, as recorded: three webhooks, three texts, to the byte."""

    async def story(app: Driver) -> None:
        for name in ("record_create_discount50", "record_update_reschedule", deletion):
            told = await app.tell(body(name))
            assert verdict(told) == ("processed", None, None)
            assert [row["status"] for row in told["notifications"]] == ["sent"]
        assert await app.texts() == [CREATED, UPDATED, CANCELLED]
        assert [row["notification_type"] for row in await app.messages()] == [
            "booking_created",
            "booking_updated",
            "booking_cancelled",
        ]
        assert {row["phone"] for row in await app.messages()} == {"+79000000088"}

    play(story)


def test_the_story_of_an_event(play: Callable[..., Any]) -> None:
    """The journal of a told event: who was asked, and who carried it."""

    async def story(app: Driver) -> None:
        told = await app.tell(body("record_create_discount50"))
        assert [(line["stage"], line["verdict"], line["plugin"]) for line in told["journal"]] == [
            ("filter", "processed", None),
            ("send", "sent", "console"),
        ]

    play(story)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (
            "finances_operation_create_2026",
            "finances_operation: a payment changes nothing that a client must be told about the booking",
        ),
        ("schedule_update", "schedule: not about a booking"),
        ("staff_update", "staff: not about a booking"),
    ],
)
def test_other_resources(play: Callable[..., Any], name: str, reason: str) -> None:
    """What is not about a booking is stored and marked ignored with the reason, never dropped."""

    async def story(app: Driver) -> None:
        noted = await app.tell(body(name))
        assert verdict(noted) == ("ignored", None, reason)
        assert await app.messages() == []

    play(story, salon={str(body(name)["company_id"]): {}})


def test_another_salon(play: Callable[..., Any]) -> None:
    """Once a salon is listed, events of the others are stored and ignored with that reason."""

    async def story(app: Driver) -> None:
        noted = await app.tell(body("record_create_discount50", company_id=7))
        assert verdict(noted) == ("ignored", None, "salon 7 is not listed in config.toml")

    play(story)


def test_there_and_back_is_three_changes(play: Callable[..., Any]) -> None:
    """14:00 → 16:00 → 14:00 → 16:00 are three messages."""

    async def story(app: Driver) -> None:
        for n, hour in enumerate(("14", "16", "14", "16")):
            changed = {
                "date": f"2025-08-21 {hour}:00:00",
                "datetime": f"2025-08-21T{hour}:00:00+03:00",
                "last_change_date": f"2025-08-20T11:0{n}:00+0300",
            }
            await app.tell(body("record_create_discount50", status="create" if n == 0 else "update", **changed))
        texts = await app.texts()
        assert [text.splitlines()[0] for text in texts] == ["✅ *Вы записаны!*"] + ["📝 *Ваша запись изменена*"] * 3
        assert [text.splitlines()[2] for text in texts] == [f"📅 21 августа в {hour}:00" for hour in (14, 16, 14, 16)]

    play(story)
