# SPDX-License-Identifier: Apache-2.0
"""Shown sightings to rows: repeats say the same, the comparison takes the place of the first telling."""

from typing import Any

import pytest

from schemas.errors import RefusedError
from schemas.log import JSON, Topic, event_headers
from schemas.sighting import SHOWN_TYPE, Disagreement, Role, Said, SightingShown, encode_shown
from streams.writer.rows import Message, RowBuffer


def shown(revision: int, **changes: Any) -> SightingShown:
    return SightingShown(**{
        "site": "centrum", "zone": "plein", "at_us": 1_767_225_630_000_000, "role": Role.STEWARD, "said": Said.COUNT,
        "people_low": 80, "people_high": None, "sensor_low": None, "sensor_high": None,
        "disagreement": Disagreement.NOT_COMPARED, "window_start_us": 1_767_225_600_000_000, "revision": revision,
        **changes})


def message(seen: SightingShown, value: bytes | None = None) -> Message:
    headers = event_headers(SHOWN_TYPE, "urn:drukte:worker", seen.event_id, JSON)
    return Message(Topic.LIVE, 0, 7, headers, encode_shown(seen) if value is None else value)


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 1, 0, 1)])
def test_the_compared_one_stands(order: tuple[int, ...]) -> None:
    tellings = [shown(0), shown(1, disagreement=Disagreement.AGREES, sensor_low=80, sensor_high=84)]
    buffer = RowBuffer()
    for number in order:
        buffer.add(message(tellings[number]))
    assert buffer.sorted_sightings() == [tellings[1]]
    assert len(buffer) == 1
    assert buffer.next_offsets == {(Topic.LIVE, 0): 8}


def test_other_zones_times_and_roles_are_others() -> None:
    seen = [shown(0), shown(0, zone="straat"), shown(0, role=Role.POLICE), shown(0, at_us=1_767_225_631_000_000)]
    buffer = RowBuffer()
    for one in seen:
        buffer.add(message(one))
    assert len(buffer.sorted_sightings()) == 4


@pytest.mark.parametrize("value", [b"{}", b"x", encode_shown(shown(0, at_us=-1))])
def test_what_cannot_be_read_is_refused(value: bytes) -> None:
    buffer = RowBuffer()
    with pytest.raises(RefusedError):
        buffer.add(message(shown(0), value))
    assert len(buffer) == 0
    assert not buffer.next_offsets
