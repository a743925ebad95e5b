"""The suite that every plugin of a stage passes, ours too. One line in a test file of your own, for pytest to collect:

    from core.testing import contracts, load

    TestContract = contracts.rule(load("private/filter/staff_tells.py"), config={"names": ["Бари"]})

A check that fails says in a sentence which plugin and hook, what is wrong, and the mend. Needs pytest and hypothesis: `vestnik[test]`.
"""

from core.testing.contracts import _needed  # noqa: F401  first: it says what is not installed
from core.testing.contracts.record import recorder
from core.testing.contracts.render import renderer
from core.testing.contracts.rule import rule
from core.testing.contracts.send import transport
from core.testing.contracts.source import source
from core.testing.recorded import Account, Given

__all__ = ["Account", "Given", "recorder", "renderer", "rule", "source", "transport"]
