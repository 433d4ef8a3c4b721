# SPDX-License-Identifier: Apache-2.0
"""The pages of the camera formats: their entries of a city file and their messages, as the tests read them."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import strategies as st

from schemas.city import City, Sensor, Source
from schemas.city_sensors import sensor_faults
from schemas.errors import RefusedError
from schemas.feeds.decoded import Decoded
from schemas.feeds.formats import FORMATS
from schemas.feeds.observed import Observed, placed
from schemas.refusal import Reason
from schemas.registry import Registry
from tests.cities import small_city
from tests.conftest import ROOT

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(
    ["12", " 7 ", "-3", "1e9", "2026-06-01T11:04:00Z", 1780311840000, 10**400])
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
"""Any value that could stand where another was meant."""


def example(name: str, language: str) -> bytes:
    """The only block of a language in the page of a format."""
    page = (ROOT / "docs" / "feeds" / f"{name}.md").read_text()
    [block] = re.findall(rf"^```{language}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    return str(block).encode()


def city_of(name: str) -> City:
    """The small city with the page's sources and sensors in place of its own."""
    entries = msgspec.toml.decode(example(name, "toml"))
    city = small_city(
        sources=msgspec.convert(entries["sources"], dict[str, Source]),
        sensors=msgspec.convert(entries["sensors"], dict[str, Sensor]),
    )
    assert list(sensor_faults(city.file)) == []
    return city


def placed_by(name: str, city: City, body: bytes, **context: str) -> Decoded:
    """Readings of a body that the page's only source sent."""
    [(key, source)] = city.file.sources.items()
    return placed(FORMATS[name].decode(body, source, context), Registry.of(city), key)


def readings(city: City, decoded: Decoded) -> list[tuple[str, int, int, int, float]]:
    """Sensor key, metric, begin in microseconds, span in ms and value of each reading."""
    keys = Registry.of(city).key
    batch = decoded.batch
    return [
        (keys[sensor], metric, begin, span_ms, value) for sensor, metric, begin, span_ms, value in zip(
            batch.sensor.tolist(), batch.metric.tolist(), batch.begin.tolist(), batch.span_ms.tolist(),
            batch.value.tolist(), strict=True)
    ]


def reasons(observed: Observed | Decoded) -> dict[str, int]:
    """How many values were refused, by reason."""
    found: dict[str, int] = {}
    for refusal in observed.refusals:
        found[refusal.reason] = found.get(refusal.reason, 0) + refusal.count
    return found


def values_in(observed: Observed) -> int:
    """All values of a message: observed (with or without a value), refused, read past."""
    return len(observed.observations) + sum(reasons(observed).values()) + sum(observed.counts.values())


def refused(decode: Callable[[], Observed]) -> RefusedError:
    """The refusal of a whole body; its text repeats nothing of the body."""
    with pytest.raises(RefusedError) as error:
        decode()
    assert error.value.reason in set(Reason)
    return error.value


def only_refuses(decode: Callable[[], Observed]) -> Observed | None:
    """What a decoder says of any body: nothing but `RefusedError` may leave it."""
    try:
        return decode()
    except RefusedError as error:
        Reason(error.reason)  # raises for a reason that has no name
        return None


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values of a JSON document, inner ones too."""
    inner = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in inner:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


def changed(document: Any, path: tuple[Any, ...], value: object) -> Any:
    """A copy of a JSON document with another value at a path."""
    copy = msgspec.json.decode(msgspec.json.encode(document))
    at = copy
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return copy
