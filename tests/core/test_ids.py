"""Ids of senders as numbers, and ids of our own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from core.ids import is_made, new_id, number_of

NOON = datetime(2025, 8, 20, 9, 0, tzinfo=UTC)


def test_new_ids_are_in_the_order_of_their_time() -> None:
    """What is stored one after another lies together in an index."""
    ids = [new_id("n_", NOON + timedelta(milliseconds=n)) for n in range(200)]
    assert ids == sorted(ids)
    assert new_id("v", NOON + timedelta(days=365 * 200), 23) > new_id("v", NOON, 23)


def test_new_ids_are_distinct_and_as_long_as_asked() -> None:
    """Of one moment too."""
    ids = {new_id("v", NOON, 23) for _ in range(1000)}
    assert len(ids) == 1000
    assert {len(found) for found in ids} == {24}


def test_a_number_made_of_a_text_is_seen_to_be_one() -> None:
    """Nobody's own numbers are so large."""
    assert [is_made(number_of(raw)[0] or 0) for raw in ("A-314", "north", 962302, "1213336367")] == [True, True, False, False]
