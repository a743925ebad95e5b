"""`python -m core` is `vestnik`."""

from core.cli import main

main()
