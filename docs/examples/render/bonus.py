"""Tells the client how many bonus points the visit brings, and thanks in one line where a booking has no text of its own."""

from __future__ import annotations

from core import Channel, Message, Notice, Settings, hookimpl


class Config(Settings, frozen=True):
    percent: int = 5  # of the price, as points


@hookimpl
def parts(notice: Notice, channel: Channel, config: Config) -> dict[str, str]:
    services = notice.booking.services if notice.booking else None
    points = int(sum(service.cost or 0 for service in services or ()) * config.percent / 100)
    bold, end = channel.bold or ("", "")
    return {"bonus": f"{bold}{points}{end} баллов"} if points else {}


@hookimpl
def render(notice: Notice, parts: dict[str, str]) -> Message | None:
    if notice.type != "visit_thanks":
        return None  # the next renderer writes it
    return Message(f"Спасибо, что были у нас! Начислено: {parts.get('bonus', '0 баллов')}", notice.type, parts)
