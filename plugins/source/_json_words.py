"""Which word of a CRM means what, as the table of the source says. No plugin itself."""

from __future__ import annotations

from typing import Any, Literal

Meaning = Literal["created", "updated", "deleted", "ignored"]
_KEYS: tuple[Meaning, ...] = ("created", "updated", "deleted", "ignored")


def apart(config: Any) -> None:
    """Raises ValueError where a word stands below two keys."""
    seen: dict[str, str] = {}
    for key in _KEYS:
        for word in getattr(config, key):
            if seen.setdefault(word, key) != key:
                raise ValueError(f"{key}: `{word}` stands in {seen[word]}, too; leave it in one of them")


def meaning(word: str, config: Any) -> Meaning | None:
    """What a word means; `None` where no key has it. While none is listed as a change, all others are."""
    found = next((key for key in _KEYS if word in getattr(config, key)), None)
    return found or (None if config.updated else "updated")
