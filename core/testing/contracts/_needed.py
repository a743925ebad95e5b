"""Says in a sentence what the suites need and the service does not."""

from importlib.util import find_spec

for _name in ("pytest", "hypothesis"):
    if find_spec(_name) is None:
        raise ModuleNotFoundError(f'the contract suites need {_name}: pip install "vestnik[test]"', name=_name)
