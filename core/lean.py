"""Imported before anything else: keeps httpx from loading its command line, and with it large parts of rich and pygments.

No server uses them, and they would stay in its memory.
"""

from __future__ import annotations

import sys

sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
