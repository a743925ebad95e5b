"""`python -m core.docs`: write the made blocks of README.md and docs/ anew, and say which pages were stale."""

import sys

from core.docs import ROOT, write

for page in write():
    sys.stdout.write(f"{page.relative_to(ROOT)} is written anew\n")
