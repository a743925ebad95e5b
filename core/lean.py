"""Imported before anything else: httpx takes the way that it has for machines without its command line.

That would bring rich's and pygments' larger half, which no server uses.
"""

from __future__ import annotations

import sys

sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
