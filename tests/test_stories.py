"""A webhook in, the exact text out: over HTTP, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.conftest import Driver, body

CREATED = """✅ *Вы записаны!*

📅 21 августа в 14:30
💇 МУЖСКАЯ СТРИЖКА
👤 Мастер: Бари
💰 Стоимость: ~2000 руб~ 1000 руб (скидка 50%)
📍 Малаховка, Южная улица, 38

Для отмены или переноса напишите мне здесь 👇"""


def test_created(play: Callable[..., Any]) -> None:
    """A booking of the administrator is told, to the byte."""

    async def story(app: Driver) -> None:
        told = await app.tell(body("record_create_discount50"))
        assert (told["status"], told["rule"]) == ("processed", None)
        assert await app.texts() == [CREATED]

    play(story)


def test_there_and_back_is_three_changes(play: Callable[..., Any]) -> None:
    """14:00 → 16:00 → 14:00 → 16:00 are three messages."""

    async def story(app: Driver) -> None:
        for n, hour in enumerate(("14", "16", "14", "16")):
            changed = {"date": f"2025-08-21 {hour}:00:00", "datetime": f"2025-08-21T{hour}:00:00+03:00", "last_change_date": f"2025-08-20T11:0{n}:00+0300"}
            await app.tell(body("record_create_discount50", status="create" if n == 0 else "update", **changed))
        texts = await app.texts()
        assert [text.splitlines()[0] for text in texts] == ["✅ *Вы записаны!*"] + ["📝 *Ваша запись изменена*"] * 3
        assert [text.splitlines()[2] for text in texts] == [f"📅 21 августа в {hour}:00" for hour in (14, 16, 14, 16)]

    play(story)
