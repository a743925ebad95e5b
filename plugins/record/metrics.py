"""Counts what became of events and messages, for Prometheus on /metrics.

Labels are few and bounded: no salon, no phone.
"""

from __future__ import annotations

from prometheus_client import Counter, Histogram

from core import Outcome, Settings, hookimpl

_OUTCOMES = Counter("vestnik_outcomes", "What became of events and messages", ["stage", "status", "rule", "channel", "transport"])
_SECONDS = Histogram("vestnik_seconds", "From arrival to outcome", ["stage"], buckets=(0.01, 0.05, 0.25, 1, 5, 30, 120, 600, 3600))


class Config(Settings, frozen=True):
    seconds: bool = True  # also how long it took


@hookimpl
async def record(outcome: Outcome, config: Config) -> None:
    stage = "send" if outcome.transport else "decide"
    _OUTCOMES.labels(stage, outcome.status, outcome.rule or "", outcome.channel or "", outcome.transport or "").inc()
    if config.seconds and outcome.seconds is not None:
        _SECONDS.labels(stage).observe(max(outcome.seconds, 0))
