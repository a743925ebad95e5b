"""config.toml → values. Every mistake is one sentence that names table and key, suggests the near miss, and says what to do.

This package knows the tables of core. What a plugin's table may hold, the plugin's `Config` says; `decode_settings` reads it.
"""

from core.config.file import build, load, read
from core.config.settings import decode_settings, near, plain
from core.config.tables import (
    STAGES,
    UNUSABLE,
    Alert,
    Configuration,
    Database,
    Plugins,
    Route,
    SalonTable,
    Server,
    usable,
)

__all__ = [
    "STAGES",
    "UNUSABLE",
    "Alert",
    "Configuration",
    "Database",
    "Plugins",
    "Route",
    "SalonTable",
    "Server",
    "build",
    "decode_settings",
    "load",
    "near",
    "plain",
    "read",
    "usable",
]
