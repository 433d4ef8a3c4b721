# SPDX-License-Identifier: Apache-2.0
"""Context on the page: what holds now or soon, on the maps of the sites that it meets, in any order of messages."""

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from schemas.context import LIVE_TYPE, ContextRecord, encode_context
from schemas.log import JSON, Topic, event_headers
from streams.serve.board import Board, Changed
from streams.serve.document import Present
from streams.serve.drawing import page
from streams.serve.places import city_places
from streams.serve.surroundings import AHEAD_S, SiteMaps, shown_context
from streams.writer.rows import Message
from tests.cities import small_city
from tests.schemas.context_samples import BEGINS_US, record

NOW = dt.datetime.fromtimestamp(BEGINS_US / 1e6, dt.UTC)


def message(*records: ContextRecord) -> Message:
    headers = event_headers(LIVE_TYPE, "urn:drukte:worker", "context/0/1/0", JSON)
    return Message(Topic.LIVE, 0, 1, headers, encode_context(records))


def here() -> tuple[float, float]:
    """A corner of the small city's first zone."""
    lon, lat = next(iter(small_city().file.zones.values())).polygon[0]
    return lon, lat


@given(st.permutations([record(version=number) for number in range(4)]))
def test_the_newest_version_stands(records: list[ContextRecord]) -> None:
    board, changed = Board(), Changed()
    for one in records:
        board.take(message(one), changed)
    assert [one.version for one in board.context.values()] == [3]
    again = Changed()
    board.take(message(*records), again)
    assert changed
    assert not again


def test_it_is_shown_from_a_day_before_until_it_is_over() -> None:
    maps = SiteMaps.of(small_city().file)

    def shown(one: ContextRecord, seconds: float) -> int:
        return len(shown_context([one], maps, NOW + dt.timedelta(seconds=seconds)))

    assert [shown(record(), second) for second in (-AHEAD_S - 1, -AHEAD_S, 0, 86_399, 86_400)] == [0, 1, 1, 1, 0]
    assert shown(record(ended=True), 0) == 0
    assert shown(record(ends_us=None), 1e7) == 1


def test_it_is_drawn_on_the_maps_that_it_meets_and_told_without_a_place() -> None:
    lon, lat = here()
    city = small_city()
    maps = SiteMaps.of(city.file)
    site = next(iter(city.file.zones.values())).site
    assert maps.paths([[(lon, lat)]])[site].endswith("h0")
    assert "L" in maps.paths([[(lon, lat), (lon + 0.01, lat)]])[site]
    assert maps.paths([[(lon + 1, lat)]]) == {}
    (item,) = shown_context([record(place=[])], maps, NOW)
    assert (item.word, item.paths) == ("afsluiting", {})
    assert 'class="context"' in page("$sites", city.file)


def test_the_document_holds_it_whole_or_not_at_all() -> None:
    city = small_city()
    present = Present(city="x", timezone="Europe/Amsterdam", places=city_places(city), maps=SiteMaps.of(city.file))
    changed = Changed()
    present.board.take(message(record(), record("b")), changed)
    told = present.changed(changed, NOW).context
    assert told is not None
    assert [one.id for one in told] == ["b", "works-1"]
    assert present.whole(NOW).context == told
    assert present.changed(Changed(), NOW).context is None
    assert present.clock(NOW).context is None
