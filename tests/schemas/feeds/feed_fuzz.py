# SPDX-License-Identifier: Apache-2.0
"""Bodies that no decoder may break on: random bytes, random JSON, and good messages with something changed."""

import copy
import json
from typing import Any

from hypothesis import strategies as st

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-10**30, 10**30), st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8), st.sampled_from(["2026-03-01T11:04:00Z", "2026-03-29T02:30:00", "-1", "0", ""]))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6)


def _places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = document.items() if isinstance(document, dict) else (
        enumerate(document) if isinstance(document, list) else ())
    return [path, *(place for key, one in inner for place in _places(one, (*path, key)))]


@st.composite
def mutated(draw: st.DrawFn, document: Any) -> bytes:
    """`document` as JSON with up to three of its values replaced or taken out."""
    changed = copy.deepcopy(document)
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.sampled_from(_places(changed)))
        if not place:
            continue
        parent = changed
        for key in place[:-1]:
            parent = parent[key]
        if draw(st.booleans()):
            parent[place[-1]] = draw(VALUES)
        else:
            del parent[place[-1]]
    return json.dumps(changed).encode()
