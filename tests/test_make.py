"""`make` by itself is no surprise: it says what there is."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_make_lists_every_target() -> None:
    """Bare `make` and `make help` give each target a sentence, and do nothing."""
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert phony is not None
    for words in ([], ["help"]):
        out = subprocess.run(
            ["make", "--no-print-directory", *words], cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=True
        ).stdout
        found = [re.fullmatch(r"make (\w+) +(\S.+\.)(?: ARGS=.+)?(?: .+\.)?", line) for line in out.splitlines()]
        assert None not in found, out
        assert {line[1] for line in found if line} == set(phony[1].split())
