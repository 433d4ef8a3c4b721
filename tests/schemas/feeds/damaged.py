# SPDX-License-Identifier: Apache-2.0
"""Good JSON messages, damaged: other types in places of theirs, and bytes changed."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

from schemas.city import Source
from schemas.errors import RefusedError
from schemas.feeds.format import Context
from schemas.feeds.observed import Observed
from schemas.refusal import Reason

ALLOWED = ("read", Reason.MALFORMED, Reason.PERSON_LEVEL)
"""What may become of a body as a whole."""

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8) | st.sampled_from(["2026-03-01T11:04:00Z", "a/b", "urn:ngsi-ld:null", "17"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["value", "type", "object", "data", "@iot.id", "x"]), inner, max_size=3),
    max_leaves=6,
)


def whole(decode: Callable[[bytes, Source, Context], Observed], body: bytes, source: Source, topic: str = "") -> str:
    """`read`, or why the body was refused; any other error leaves it."""
    try:
        decode(body, source, {"topic": topic})
    except RefusedError as refused:
        return refused.reason
    return "read"


def _places(document: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    if isinstance(document, dict):
        for name, inner in document.items():
            yield from _places(inner, (*at, name))
    elif isinstance(document, list):
        for index, inner in enumerate(document):
            yield from _places(inner, (*at, index))


@st.composite
def documents(draw: st.DrawFn, good: Any) -> Any:
    """`good` with one to three of its values exchanged for any JSON."""
    document = json.loads(json.dumps(good))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(list(_places(document))))
        value = draw(ANY_JSON)
        if not place:
            return value
        inner = document
        for step in place[:-1]:
            inner = inner[step]
        inner[place[-1]] = value
    return document


@st.composite
def bodies(draw: st.DrawFn, good: Any) -> bytes:
    """The bytes of `good`, some of them cut out or exchanged; or any bytes."""
    if draw(st.integers(0, 4)) == 0:
        return draw(st.binary(max_size=60))
    body = bytearray(json.dumps(good).encode())
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(body)))
        body[at : at + draw(st.integers(0, 6))] = draw(
            st.binary(max_size=5) | st.sampled_from([b"1e999", b"NaN", b"{", b"]", b'"', b"null", b"\xff", b"-1"]))
    return bytes(body)
