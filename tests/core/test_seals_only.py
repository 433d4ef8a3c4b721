# SPDX-License-Identifier: Apache-2.0
"""A fold for seals alone tells the same seals as the whole one, and nothing else of a place."""

import numpy as np
import pytest
from msgspec.structs import replace

from schemas.alert import Transition
from schemas.city import City, Grain
from schemas.log import Clock
from schemas.reading import Metric
from schemas.seal import Group, Seal, encode_seal
from streams.core.effect import LiveRows
from tests.cities import small_city, small_file, small_roads
from tests.core.play import Player

LANE = "RWS01_MONIBAS_0120vwg0001ra/lane"
NOON_S = 12 * 3_600
END_S = NOON_S + 5_400
SEALED_S = END_S + 7 * 3_600
LATEST_S = 2 * 3_600


def city(version: int) -> City:
    """The second version has a camera more."""
    file = small_file()
    sensors = dict(file.sensors)
    if version == 2:
        sensors["cam-nieuw"] = replace(sensors["cam-plein"])
    zones = {key: replace(zone, grain=Grain.QUARTER) for key, zone in file.zones.items()}
    gates = {key: replace(gate, grain=Grain.QUARTER) for key, gate in file.gates.items()}
    return small_city(small_roads(), version=version, sensors=sensors, zones=zones, gates=gates)


def played(seed: int, clock: Clock, seals_only: bool) -> Player:
    """An hour and a half of people, passages and vehicles: late, twice, corrected, silent at times; a city change."""
    rng = np.random.default_rng(seed)
    play = Player(city(1), clock, NOON_S, seals_only=seals_only)
    play.change(NOON_S + 1, city(2), NOON_S + 1_800)
    sent: list[tuple[str, Metric, float, float, float]] = []
    for second in range(NOON_S + 10, END_S, 10):
        known: list[tuple[str, Metric, float, float, float]] = []
        if rng.random() < 0.95:
            known.append(("cam-plein", Metric.PEOPLE, second, float(rng.integers(0, 450)), 0))
        if second % 60 == 0:
            for sensor in ("teller-plein-straat", "teller-straat-uit"):
                known += [(sensor, metric, second - 60, float(rng.integers(0, 40)), 60)
                          for metric in (Metric.IN, Metric.OUT)]
            known += [(f"{LANE}{lane}", metric, second - 60, float(rng.integers(20, 90)), 60)
                      for lane in (1, 2) for metric in (Metric.VEHICLES, Metric.SPEED)]
        late = [one for one in known if rng.random() < 0.1]
        now = [one for one in known if one not in late]
        if sent and rng.random() < 0.3:  # again, some of them corrected; up to two hours late
            sensor, metric, begin_s, value, span_s = sent[int(rng.integers(len(sent)))]
            now.append((sensor, metric, begin_s, value + float(rng.integers(0, 2)), span_s))
        sent += known
        play.send(second + 1, *(play.reading(*one) for one in now))
    for at, one in enumerate(sent[::97]):
        play.send(END_S + at * LATEST_S / len(sent[::97]), play.reading(*one))
    play.tick(SEALED_S)
    return play


def told(play: Player) -> list[object]:
    """The seals, byte for byte."""
    return [encode_seal("test", one) for one in play.effects if isinstance(one, Seal)]


@pytest.mark.parametrize(("seed", "clock"), [(1, Clock.SIMULATED), (2, Clock.DATA)])
def test_the_seals_are_those_of_the_whole_fold(seed: int, clock: Clock) -> None:
    whole, alone = played(seed, clock, seals_only=False), played(seed, clock, seals_only=True)
    assert told(whole) == told(alone)
    seals = [one for one in whole.effects if isinstance(one, Seal)]
    assert {seal.group for seal in seals} == set(Group)
    assert {seal.group for seal in seals if any(row["value"] for row in seal.cells.to_pylist())} == set(Group)
    assert whole.counters == alone.counters
    assert whole.counters["late"] > 0
    assert whole.counters["revisions"] > 0
    assert any(isinstance(one, LiveRows) for one in whole.effects)
    assert whole.transitions
    assert not [one for one in alone.effects if isinstance(one, LiveRows | Transition)]
