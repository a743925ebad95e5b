"""What the tests of the suites share: a plugin that is wrong in one way, and the sentence with which a check fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
Write = Callable[..., ModuleType]
RULE = "@hookimpl\ndef filter(case):\n    {}\n"


def fails(suite: type, check: str, *values: Any) -> str:
    """The sentence with which a check of a suite fails."""
    with pytest.raises(pytest.fail.Exception) as failed:
        getattr(suite(), f"test_{check}")(*values)
    assert not failed.value.pytrace
    return str(failed.value)
