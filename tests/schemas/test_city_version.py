# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import city_version
from schemas.city import City
from schemas.city_change import DAY_US
from schemas.city_publication import publication_faults
from schemas.city_timeline import Timeline
from schemas.city_version import decode_city, encode_city
from schemas.errors import RefusedError
from schemas.feeds import native
from schemas.ids import IdKind, Ids
from schemas.registry import Registry
from streams.city_files import load_city
from tests.cities import small_city
from tests.versions import MINUTE_US, as_published, both

NOW_US = 1_780_000_000_000_000 // MINUTE_US * MINUTE_US


def test_a_version_comes_back_as_it_was_published(tmp_path: Path) -> None:
    first, _ = both(tmp_path)
    version = as_published(first, NOW_US)
    key, headers, value = encode_city(version)
    assert key == b"1"
    assert decode_city(headers, value) == version
    assert version.city() == load_city(first)


def test_content_that_is_not_what_the_headers_name_is_refused(tmp_path: Path) -> None:
    first, second = both(tmp_path)
    _, headers, _ = encode_city(as_published(first))
    _, _, other = encode_city(as_published(second))
    with pytest.raises(RefusedError, match="another sha256"):
        decode_city(headers, other)
    for broken in (b"", other[:-3], None):
        with pytest.raises(RefusedError, match="cannot be unpacked"):
            decode_city(headers, broken)
    with pytest.raises(RefusedError, match=r"no city\.v1"):
        decode_city([], other)
    with pytest.raises(RefusedError, match="lacks header 'ce_effectiveat'"):
        decode_city([pair for pair in headers if pair[0] != "ce_effectiveat"], other)


def test_a_version_beyond_the_topics_limit_is_refused_with_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = as_published(both(tmp_path)[0])
    monkeypatch.setattr(city_version, "LIMIT_BYTES", 500)
    with pytest.raises(RefusedError, match="smaller --bbox") as refused:
        encode_city(version)
    assert refused.value.reason == "too-large"


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=5, unique=True), st.lists(st.integers(-10, 1100)))
def test_a_timeline_splits_as_it_answers(since: list[int], asked: list[int]) -> None:
    since.sort()
    line = Timeline(tuple(since), tuple(range(len(since))))
    split = line.split(np.array(asked, np.int64))
    assert sorted(int(at) for _, some in split for at in some) == list(range(len(asked)))
    for entry, some in split:
        for at in some:
            assert line.at(asked[at]) == entry
            assert entry == max(0, sum(one <= asked[at] for one in since) - 1)


@given(st.integers(-10, 110), st.integers(-10, 110), st.integers(-10, 110))
def test_the_part_of_a_timeline_answers_as_the_whole(one: int, other: int, at: int) -> None:
    line = Timeline((0, 30, 60, 90), ("a", "b", "c", "d"))
    first, last = sorted((one, other))
    part = line.between(first, last)
    if first <= at <= last:
        assert part.at(at) == line.at(at)
    assert set(part.entries) == {line.at(moment) for moment in range(first, last + 1)}


def test_what_follows_by_the_rules_has_no_fault(tmp_path: Path) -> None:
    first, second = map(load_city, both(tmp_path))
    assert publication_faults(second, NOW_US + 2 * MINUTE_US, first, 0, NOW_US) == []


def _renumbered(city: City) -> City:
    numbers = {kind: dict(known) for kind, known in city.ids.numbers.items()}
    sensors = numbers[IdKind.SENSOR]
    sensors["cam-plein"], sensors["cam-straat"] = sensors["cam-straat"], sensors["cam-plein"]
    return City(city.file, Ids(numbers), city.roads, city.sha256)


def _moved(city: City, version: int) -> City:
    zones = dict(city.file.zones)
    zones["plein"] = msgspec.structs.replace(zones["plein"], area_m2=1001.0)
    return small_city(version=version, zones=zones)


@pytest.mark.parametrize(("change", "text"), [
    ({"new": small_city()}, "is not above the published 1"),
    ({"effective_at_us": NOW_US + 2 * MINUTE_US + 1}, "no whole minute"),
    ({"effective_at_us": NOW_US + MINUTE_US}, "not two minutes ahead"),
    ({"since_us": NOW_US + 2 * MINUTE_US}, "has to take over after"),
    ({"new": _renumbered(small_city(version=2))}, "number of sensor 'cam-plein' was changed"),
    ({"new": small_city(version=2, city="elders")}, "is not the published 'klein'"),
    ({"new": _moved(small_city(), 2)}, "choose 00:00 UTC"),
])
def test_every_rule_is_told(change: dict[str, object], text: str) -> None:
    sound: dict[str, object] = {
        "new": small_city(version=2), "effective_at_us": NOW_US + 2 * MINUTE_US, "newest": small_city(),
        "since_us": 0, "now_us": NOW_US,
    }
    assert publication_faults(**sound) == []  # type: ignore[arg-type]  # a table of arguments
    [fault] = publication_faults(**(sound | change))  # type: ignore[arg-type]
    assert text in fault


def test_the_map_may_change_at_midnight() -> None:
    midnight_us = (NOW_US // DAY_US + 1) * DAY_US
    assert publication_faults(_moved(small_city(), 2), midnight_us, small_city(), 0, NOW_US) == []


def _reading(sensor: str, second: int) -> bytes:
    at = np.datetime64(NOW_US + second * 1_000_000, "us").item().isoformat() + "Z"
    return msgspec.json.encode({"sensor": sensor, "metric": "people", "from": at, "to": at, "value": 1})


def test_each_reading_is_judged_by_the_version_of_its_own_time(tmp_path: Path) -> None:
    first, second = (Registry.of(load_city(path)) for path in both(tmp_path))
    line = Timeline((0, NOW_US), (first, second))
    body = b"[" + b",".join(_reading("cam-straat-oost", at) for at in (-1, 0, 1)) + b"]"
    decoded = native.decode(body, line, "cameras")
    assert decoded.batch.begin.tolist() == [NOW_US, NOW_US + 1_000_000]
    [refusal] = decoded.refusals
    assert (refusal.reason, refusal.where, refusal.count) == ("unknown-sensor", "$[0]", 1)
