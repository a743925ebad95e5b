"""The test kit for plugins. It needs nothing but Vestnik; the contract suites in `core.testing.contracts` need `vestnik[test]`.

    from core.testing import NOON, a_case, a_contact
    assert recent_chat.filter(a_case(contact=a_contact(wrote_at=NOON)), NOON, recent_chat.Config()) == Suppressed(…)

Values come by keyword, with defaults that make a plain booking (`a_booking`, `a_case`, …); `load` imports a plugin from its file;
`an_app` runs exactly the plugins you name; `a_gateway` answers over real HTTP.
"""

from core.errors import ConfigError, PluginError
from core.testing.app import App, Row, Told, an_app
from core.testing.driver import Clock
from core.testing.gateway import Asked, Gateway, a_gateway
from core.testing.load import load
from core.testing.values import (
    MOSCOW,
    NOON,
    PHONE,
    REFERENCE,
    SALON,
    SMS,
    TELEGRAM,
    VISIT,
    WHATSAPP,
    a_booking,
    a_case,
    a_contact,
    a_message,
    a_notice,
    a_received,
    a_request,
    a_service,
    an_address,
    an_attempt,
    an_event,
    an_outcome,
)

__all__ = [
    "MOSCOW",
    "NOON",
    "PHONE",
    "REFERENCE",
    "SALON",
    "SMS",
    "TELEGRAM",
    "VISIT",
    "WHATSAPP",
    "App",
    "Asked",
    "Clock",
    "ConfigError",
    "Gateway",
    "PluginError",
    "Row",
    "Told",
    "a_booking",
    "a_case",
    "a_contact",
    "a_gateway",
    "a_message",
    "a_notice",
    "a_received",
    "a_request",
    "a_service",
    "an_address",
    "an_app",
    "an_attempt",
    "an_event",
    "an_outcome",
    "load",
]
