"""The HTTP edge: a module per sender. What arrives is on disk, in the database or the spool, before its sender is answered."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from starlette.routing import Route

from core.endpoints import activity, callbacks, flat, page, state, webhooks

if TYPE_CHECKING:
    from core.app import Vestnik


def routes(app: Vestnik) -> list[Route]:
    """Every address there is. `docs/http.md` tells them to the outside."""
    return [
        Route("/webhook/{source}", partial(webhooks.webhook, app), methods=["GET", "POST"]),
        Route("/webhook/{source}/events", partial(webhooks.webhook, app), methods=["GET", "POST"]),
        Route("/webhook/{source}/test", partial(flat.flat, app), methods=["POST"]),
        Route("/callback/{transport}", partial(callbacks.callback, app), methods=["GET", "POST"]),
        Route("/activity", partial(activity.activity, app), methods=["POST"]),
        Route("/health", partial(state.health, app)),
        Route("/ready", partial(state.ready, app)),
        Route("/metrics", partial(state.metrics, app)),
        Route("/", partial(page.page, app), methods=["GET", "POST"]),
    ]
