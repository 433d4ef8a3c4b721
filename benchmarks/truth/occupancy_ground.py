# SPDX-License-Identifier: Apache-2.0
"""Many event days at once: people who are never made or lost, and counters that err in a known way."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.core.occupancy_gates import CROWDING_SD, FULL_FLOW_PER_M_MIN, Gates

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ZONES, MINUTES, EMPTY_MINUTE = 4, 34 * 60, 22 * 60
"""A day from 06:00 to 16:00 the next day; the empty hour is at 04:00."""
FROM = np.array([-1, -1, -1, -1, 0, 1, 2, 0])
TO = np.array([0, 0, 1, 3, 1, 2, 3, 2])
WIDTH_M = np.array([6.0, 5.0, 4.0, 5.0, 5.0, 4.0, 4.0, 3.0])
STATED_BIAS, STATED_SD = -0.03, 0.04
"""What the city file says of every counter, in every scenario."""
STAY_MIN = 20.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """How the counters of a scenario err; `misses` is the largest share missed where it is fully crowded."""

    name: str
    misses: float = 0.0
    one_way: bool = False
    drop_outs: bool = False
    swapped: bool = False


@dataclass(frozen=True, slots=True)
class Days:
    """What happened, minute by minute: people [minute, seed, zone], passages [minute, direction, seed, gate]."""

    people: Ints
    passages: Ints


def lived(seeds: int, random: np.random.Generator) -> Days:
    """Let the people of `seeds` event days come, mill about and go."""
    most = random.uniform(500, 2500, (seeds, ZONES))
    begin, end = random.uniform(11 * 60, 13 * 60, (seeds, 1)), random.uniform(15 * 60, 17 * 60, (seeds, 1))
    ramp = random.uniform(60, 150, (seeds, 1))
    people = np.zeros((seeds, ZONES + 1), np.int64)
    story = np.zeros((MINUTES, seeds, ZONES), np.int64)
    passages = np.zeros((MINUTES, 2, seeds, len(FROM)), np.int64)
    for minute in range(MINUTES):
        clock = (minute + 360) % 1440
        by_day = 0.15 * max(0.0, np.sin(np.pi * (clock - 360) / 1080)) if clock >= 360 else 0.0
        event = np.clip((minute - begin) / ramp, 0, 1) * np.clip((end - minute) / ramp + 1, 0, 1)
        wanted = most * np.maximum(event, by_day)
        passages[minute] = _minute(people, wanted, random)
        story[minute] = people[:, :ZONES]
    return Days(story, passages)


def _minute(people: Ints, wanted: Floats, random: np.random.Generator) -> Ints:
    """One minute's passages forth and back, gate by gate, never more than there are; moves `people`."""
    moved = np.zeros((2, len(people), len(FROM)), np.int64)
    openings = np.bincount(np.concatenate([FROM, TO])[np.concatenate([FROM, TO]) >= 0], minlength=ZONES)
    for gate in random.permutation(len(FROM)):
        source, target = FROM[gate], TO[gate]
        lack = wanted[:, target] - people[:, target]
        if source >= 0:
            lack = (lack - (wanted[:, source] - people[:, source])) / 2
        mill = people[:, target] / STAY_MIN / openings[target]
        net, limit = lack / 6, WIDTH_M[gate] * 0.8 * FULL_FLOW_PER_M_MIN
        forth, back = mill + np.maximum(net, 0), mill + np.maximum(-net, 0)
        squeeze = np.minimum(1, limit / np.maximum(forth + back, 1e-9))
        moved[0, :, gate] = random.poisson(forth * squeeze)
        if source >= 0:
            moved[0, :, gate] = np.minimum(moved[0, :, gate], people[:, source])
            people[:, source] -= moved[0, :, gate]
        people[:, target] += moved[0, :, gate]
        moved[1, :, gate] = np.minimum(random.poisson(back * squeeze), people[:, target])
        people[:, target] -= moved[1, :, gate]
        if source >= 0:
            people[:, source] += moved[1, :, gate]
    return moved


def gates(seeds: int) -> Gates:
    """The gates of all days, side by side, as the city file describes them."""
    at = np.arange(seeds)[:, None] * ZONES
    zones = np.stack([np.where(FROM >= 0, FROM + at, -1).ravel(), np.where(TO >= 0, TO + at, -1).ravel()])
    many = seeds * len(FROM)
    return Gates(
        place=np.arange(many), zones=zones, width_m=np.tile(WIDTH_M, seeds), bias=np.full(2 * many, STATED_BIAS),
        sd=np.full(2 * many, STATED_SD), crowding_sd=np.full(2 * many, CROWDING_SD))


class Counters:
    """Counters that err as a scenario has it, drawn for each gate of each day."""

    def __init__(self, scenario: Scenario, seeds: int, random: np.random.Generator) -> None:
        shape = (2, seeds, len(FROM))
        self._random = random
        self._bias = np.clip(random.normal(STATED_BIAS, STATED_SD, shape), -0.3, 0.3)
        self._misses = np.broadcast_to(random.uniform(0, scenario.misses, shape[1:]), shape).copy()
        if scenario.one_way:
            way = random.integers(0, 2, shape[1:])
            self._misses *= np.arange(2)[:, None, None] == way
        self._drops = scenario.drop_outs
        self._down_until = np.zeros(shape[1:], np.int64)
        self.swapped = np.zeros(shape[1:], np.bool_)
        if scenario.swapped:
            self.swapped[np.arange(seeds), random.integers(0, len(FROM), seeds)] = True

    def seen(self, minute: int, passages: Ints) -> tuple[Ints, Floats]:
        """Counts [direction, seed, gate] of a minute and the coverage [seed, gate]."""
        crowding = passages.sum(axis=0) / (WIDTH_M * FULL_FLOW_PER_M_MIN)
        share = self._bias - self._misses * np.minimum(crowding, 1)
        seen = self._random.binomial(passages, np.clip(1 + np.minimum(share, 0), 0, 1))
        seen += self._random.binomial(passages, np.maximum(share, 0))
        seen = np.where(self.swapped, seen[::-1], seen)
        coverage = np.ones(self.swapped.shape)
        if self._drops:
            falls = self._random.random(self.swapped.shape) < 1 / 600
            length = self._random.integers(2, 30, self.swapped.shape)
            self._down_until = np.where(falls, np.maximum(self._down_until, minute + length), self._down_until)
            coverage[minute < self._down_until] = 0.0
            seen = seen * (coverage > 0)
        return seen, coverage
