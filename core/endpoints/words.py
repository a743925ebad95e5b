"""What the salon's page says in Russian: what became of a message, and why the client heard nothing."""

from __future__ import annotations

from core.hooks import Hooks

STATUS = {
    "received": "получено", "deferred": "отложено", "processed": "обработано", "suppressed": "не отправлено", "ignored": "не относится",
    "unreadable": "не распознано", "parked": "требует внимания", "pending": "ждёт отправки", "sending": "отправляется", "sent": "отправлено",
    "delivered": "доставлено", "read": "прочитано", "failed": "не ушло", "unclear": "не подтверждено", "expired": "срок истёк",
    "superseded": "заменено новым", "withheld": "пробный режим",
}  # fmt: skip
# Core's own; a rule has its own, and what a gateway or a source says is shown as it is.
_REASONS = {
    "no phone": "нет телефона",
    "the phone is hidden by access rights": "телефон скрыт правами доступа",
    "no client belongs to the booking": "в записи нет клиента",
    "another bot has told the client": "клиенту уже написал другой бот",
    "the client has been told meanwhile": "клиенту уже сообщили",
    "delivered on another channel": "доставлено по другому каналу",
    "deleted, and nothing is known of the booking": "удалена запись, о которой мы не знали",
    "created and cancelled before the client was told": "создана и отменена раньше, чем клиенту написали",
    "the cancellation has been told already": "об отмене уже написали",
    "its time is over": "не успели до визита",
}


def why(hooks: Hooks, rule: str | None, reason: str | None) -> str:
    """In Russian, where that is known, and behind it in brackets as `vestnik trace` has it: the rule and its reason."""
    said = f"{rule}: {reason}" if rule and reason else rule or reason or ""
    plugin = hooks.get("filter", rule) if rule else None
    russian = getattr(plugin.module, "IN_RUSSIAN", None) if plugin is not None else _REASONS.get(reason or "")
    return f"{russian} ({said})" if isinstance(russian, str) and russian else said
