"""The bell: who is woken by what."""

from __future__ import annotations

from core.runtime import Bell


def test_a_bell_wakes_those_who_listen_for_that_kind() -> None:
    """A stored event does not wake the loop that sends; a ring without a kind wakes everybody."""
    bell = Bell()
    events, messages = bell.listen("events"), bell.listen("messages")
    bell.set("events")
    assert (events.is_set(), messages.is_set()) == (True, False)
    bell.set()
    assert messages.is_set()


def test_a_freed_slot_wakes_only_who_waits_for_one() -> None:
    """When a request ends, a loop that has nothing due sleeps on; one that looks at that very moment is told that it happened."""
    bell = Bell()
    idle, blocked = bell.listen("events"), bell.listen("messages")
    blocked.blocked = True
    bell.freed()
    assert (idle.is_set(), blocked.is_set()) == (False, True)
    assert idle.freed
