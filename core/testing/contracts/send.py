"""The suite of the stage send: a transport against the bodies that its gateway really answers and posts, and against any other."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from types import ModuleType

from core.testing.contracts.common import suite
from core.testing.contracts.send_any import AnyContract
from core.testing.contracts.send_bodies import BodiesContract
from core.testing.contracts.transports import PLAYED, FactsContract
from core.testing.player import Transport
from core.testing.recorded import Account

HOOKS = {
    "test_asked_status": "check",
    "test_lost_answer_is_asked_by_our_reference": "check",
    "test_any_status_answer_is_read": "check",
    "test_probe": "probe",
    "test_any_probe_is_answered": "probe",
    "test_callback_is_read": "callback",
    "test_any_callback_is_read_or_named": "callback",
    "test_unproven_callback_is_refused": "callback",
}


class SendContract(BodiesContract, AnyContract):
    """Both halves."""


def transport(plugin: ModuleType, account: Account = Account()) -> type[FactsContract]:
    """The suite for a transport. One that asks for no `http` (it writes into a terminal, say) has only its facts tried."""
    if "http" not in inspect.signature(plugin.send).parameters:
        return suite(FactsContract, "send", plugin, account.config)  # type: ignore[return-value]
    found = suite(SendContract, "send", plugin, account.config, transport=Transport(plugin, account))
    for name in _left_out(found):  # type: ignore[arg-type]
        setattr(found, name, None)
    return found  # type: ignore[return-value]


def _left_out(found: type[SendContract]) -> Iterable[str]:
    """Tests for which there is nothing to try: no such hook, no such body."""
    yield from (name for name, hook in HOOKS.items() if not found.subject.has(hook))
    yield from (name for name, (kinds, judged) in PLAYED.items() if not found.files(*kinds, outcome=judged))
    if not found.transport.manifest.get("signature_vectors"):
        yield "test_documented_signature"
    if found.transport.account.bodies is None:
        yield "test_every_body_is_played_or_named"
