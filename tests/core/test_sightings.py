# SPDX-License-Identifier: Apache-2.0
"""Sightings in the fold: ranges at band edges, compared with the band that the row shows."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import RefusedError
from schemas.log import Clock, Kind, LogMessage, decode_log, encode_log
from schemas.sighting import Disagreement, Role, Sighting, SightingShown, decode_sighting, encode_sighting
from streams.core.privacy import band_floor
from streams.core.sightings import disagreement
from streams.core.snapshot import dump, load
from tests.cities import small_city, small_file
from tests.core.play import Player, at_us

CITY = small_city()


def tell(play: Player, second: float, seen_s: float | None = None, zone: str = "plein", **said: Any) -> None:
    seen = Sighting(zone=zone, role=Role.STEWARD, at_us=at_us(second if seen_s is None else seen_s), **said)
    message = LogMessage(Kind.SIGHTING, at_us(second), Clock.SIMULATED, 1, "test", "1", sighting=seen)
    play.effects += play.partition.step(message, at_us(second))


def shown(play: Player) -> list[SightingShown]:
    return [effect for effect in play.effects if isinstance(effect, SightingShown)]


def watched(people: float, until: float = 300) -> Player:
    """A square with `people` in it, every 10 s, seen until a second."""
    play = Player(CITY)
    play.camera("cam-plein", [(second, people) for second in range(0, round(until), 10)])
    return play


@pytest.mark.parametrize(("percent", "expected"), [
    (25, Disagreement.AGREES), (90, Disagreement.SENSOR_LOWER), (0, Disagreement.SENSOR_HIGHER),
])
def test_a_sighting_is_told_at_once_and_compared_when_its_window_closes(
    percent: float, expected: Disagreement
) -> None:
    play = watched(112, until=200)
    tell(play, 200, percent=percent)
    [first] = shown(play)
    assert (first.disagreement, first.revision, first.sensor_low) == (Disagreement.NOT_COMPARED, 0, None)
    play.camera("cam-plein", [(second, 112) for second in range(200, 300, 10)])
    last = shown(play)[-1]
    assert (last.disagreement, last.revision) == (expected, 1)
    [row] = [row for row in play.zone("plein") if row["window_start"] == 180]
    assert (last.sensor_low, last.sensor_high) == (row["people_low"], row["people_high"])
    assert len(shown(play)) == 2


def test_a_percent_is_within_fifteen_points_of_the_capacity() -> None:
    play = Player(CITY)
    tell(play, 30, percent=50)  # of 400
    [one] = shown(play)
    assert (one.people_low, one.people_high) == (140, 264)


def test_a_colour_is_all_of_its_level() -> None:
    play = Player(CITY)
    for colour in ("groen", "Oranje", "rood"):
        tell(play, 30, colour=colour)
    assert [(one.people_low, one.people_high) for one in shown(play)] == [(0, 279), (340, 399), (400, None)]


def test_a_sighting_of_a_window_that_is_closed_is_compared_at_once() -> None:
    play = watched(112)
    tell(play, 300, seen_s=130, count=110)
    [one] = shown(play)
    assert (one.disagreement, one.revision, one.window_start_us) == (Disagreement.AGREES, 1, at_us(120))


def test_without_a_value_there_is_no_sensor() -> None:
    play = Player(CITY)
    tell(play, 70, count=200)
    play.tick(200)
    assert [one.disagreement for one in shown(play)] == [Disagreement.NOT_COMPARED, Disagreement.NO_SENSOR]


def test_a_sighting_changes_no_row_and_no_alert() -> None:
    told, untold = watched(330), watched(330)
    tell(told, 300, colour="rood")
    for play in (told, untold):
        play.camera("cam-plein", [(second, 330) for second in range(300, 600, 10)])
    assert told.zone("plein") == untold.zone("plein")
    assert told.transitions == untold.transitions


@pytest.mark.parametrize(("zone", "said"), [
    ("markt", {"count": 3}), ("straat", {"percent": 50.0}), ("plein", {"colour": "paars"}),
])
def test_what_cannot_be_judged_is_refused_and_changes_nothing(zone: str, said: dict[str, Any]) -> None:
    play = Player(CITY)
    before = dump(play.partition, 1, 0)
    with pytest.raises(RefusedError):
        tell(play, 30, zone=zone, **said)
    assert dump(play.partition, 1, 0) == before


def test_a_snapshot_keeps_what_waits_and_what_is_closed() -> None:
    play = watched(112, until=200)
    tell(play, 200, percent=25)
    restored = Player(CITY, start_s=None)
    restored.partition = load(dump(play.partition, 1, 0), lambda _: CITY, 1, 0)
    play.effects.clear()
    for one in (play, restored):
        one.camera("cam-plein", [(second, 112) for second in range(200, 300, 10)])
        tell(one, 300, seen_s=130, count=500)
    assert len(shown(play)) == 2
    assert shown(restored) == shown(play)


def test_a_newer_city_keeps_the_zones_that_stay() -> None:
    play = watched(112, until=200)
    tell(play, 200, percent=25)
    tell(play, 200, zone="straat", count=20)
    file = small_file(version=2)
    zones = {key: zone for key, zone in file.zones.items() if key != "straat"}
    second = small_city(
        version=2, zones=zones, gates={}, sensors={"cam-plein": file.sensors["cam-plein"]},
        profiles={"nl-evenement": file.profiles["nl-evenement"]})
    play.change(205, second, 240)
    play.camera("cam-plein", [(second_, 112) for second_ in range(210, 300, 10)])
    compared = {one.zone: one.disagreement for one in shown(play) if one.revision}
    assert compared["plein"] is Disagreement.AGREES


@given(count=st.integers(0, 100_000))
def test_a_count_cannot_be_read_back(count: int) -> None:
    """Every count of a band gives the same range, and the range holds the count."""
    ranges = set()
    floor = int(band_floor(count))
    for one in (count, floor, floor + (9 if floor == 0 else 4)):
        play = Player(CITY)
        tell(play, 30, count=one)
        [seen] = shown(play)
        ranges.add((seen.people_low, seen.people_high))
    assert len(ranges) == 1
    [(low, high)] = ranges
    assert high is not None
    assert low <= count * 0.75 + 5
    assert low <= count <= high
    assert high >= count * 1.25


@given(low=st.integers(0, 500), width=st.integers(0, 500), sensor=st.integers(0, 1_000), more=st.integers(0, 50))
def test_a_band_agrees_where_it_touches_the_range(low: int, width: int, sensor: int, more: int) -> None:
    found = disagreement(low, low + width, sensor, sensor + more)
    touches = set(range(low, low + width + 1)) & set(range(sensor, sensor + more + 1))
    assert (found is Disagreement.AGREES) == bool(touches)
    if not touches:
        assert found is (Disagreement.SENSOR_LOWER if sensor < low else Disagreement.SENSOR_HIGHER)


def test_the_log_carries_it_and_refuses_further_fields() -> None:
    seen = Sighting(zone="plein", role=Role.POLICE, at_us=at_us(1), percent=80.0)
    message = LogMessage(Kind.SIGHTING, at_us(2), Clock.WALL, 3, "serve", "7", sighting=seen)
    assert decode_log(*encode_log(message)) == message
    named = msgspec.json.encode({**msgspec.json.decode(encode_sighting(seen)), "name": "x"})
    for bad in (named, b'{"zone":"plein","role":"steward","at_us":1}',
                b'{"zone":"plein","role":"steward","at_us":1,"percent":5,"count":5}', b"[]"):
        with pytest.raises(RefusedError, match="sighting"):
            decode_sighting(bad)
