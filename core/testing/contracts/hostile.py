"""What a gateway might answer or post on a bad day: any JSON, and recorded bodies with any part of them replaced or gone."""

from __future__ import annotations

from urllib.parse import urlencode

from hypothesis import strategies as st

from core.testing.contracts.common import text

_WORDS = [
    "id",
    "error",
    "code",
    "message",
    "response",
    "data",
    "status",
    "key",
    "exists",
    "payload",
    "event",
    "entry",
    "errors",
    "from",
]
_SCALARS = st.none() | st.booleans() | st.integers(-3, 2**70) | st.floats(allow_nan=False) | text

STATUSES = st.sampled_from(
    [200, 201, 202, 204, 304, 400, 401, 403, 404, 408, 409, 413, 422, 429, 466, 499, 500, 502, 503]
) | st.integers(200, 599)

any_json = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_WORDS), inner, max_size=4)
)
form = st.dictionaries(st.sampled_from(["data[0]", "data[1]", "hash", "x"]), text).map(
    lambda fields: urlencode(fields, errors="replace").encode()
)


def mangled(known: object) -> st.SearchStrategy[object]:
    """A recorded body with any part of it replaced by something else, or gone."""
    if isinstance(known, dict):
        parts = {key: mangled(value) for key, value in known.items()}
        return st.fixed_dictionaries({}, optional=parts) | st.fixed_dictionaries(parts) | _SCALARS
    if isinstance(known, list):
        return st.tuples(*map(mangled, known)).map(list) | st.just([]) | st.just([known]) | _SCALARS
    return st.just(known) | _SCALARS | st.just([known]) | st.just({"id": known})
