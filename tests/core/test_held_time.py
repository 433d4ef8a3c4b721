# SPDX-License-Identifier: Apache-2.0
"""What samples amount to over time, for many channels at once, against each channel by itself in plain words."""

import math
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.reading import Metric
from streams.core.integrals import held_time
from streams.core.layout import layout
from streams.core.log_time import STEP_US
from streams.core.slots import Slots
from streams.core.states import States
from tests.cities import small_city, small_file

SECOND_US = 1_000_000
BEGIN_US = 1_780_000_020_000_000
CAMERAS = {key: small_file().sensors[key] for key in ("cam-plein", "cam-straat")}
CITY = small_city(sensors={**small_file().sensors, **{
    key: replace(camera, measures={"people": replace(camera.measures["people"], interval_s=1.0)})
    for key, camera in CAMERAS.items()
}})
LAYOUT = layout(CITY, 1, 0)
PEOPLE = np.flatnonzero(LAYOUT.channel_role == Metric.PEOPLE)
HOLD_US = int(LAYOUT.channel_hold_us[PEOPLE[0]])
Samples = list[tuple[int, float]]
"""Begin in microseconds and value of each, in order."""


@st.composite
def samples(draw: st.DrawFn, begin_us: int, seconds: int) -> list[Samples]:
    """One list a camera: a sample a second, of which some are missing, late within their second or without value."""
    offset = draw(st.integers(0, SECOND_US - 1))
    found: list[Samples] = [
        [(begin_us + second * SECOND_US + offset, float(second % 7)) for second in range(seconds)] for _ in PEOPLE]
    for camera in found:
        for second in draw(st.lists(st.integers(0, seconds - 1), max_size=6, unique=True)):
            at_us = begin_us + second * SECOND_US + draw(st.integers(0, SECOND_US - 1))
            camera[second] = at_us, draw(st.sampled_from([math.nan, 0.0, 2.5, 300.0]))
        for second in draw(st.lists(st.integers(0, seconds - 1), max_size=6, unique=True)):
            camera[second] = 0, math.nan
    return [[one for one in camera if one[0]] for camera in found]


def slots_of(cameras: list[Samples]) -> Slots:
    slots = Slots(LAYOUT)
    for channel, camera in zip(PEOPLE, cameras, strict=True):
        begin = np.array([at_us for at_us, _ in camera], np.int64)
        at = slots.slot(np.full(len(camera), channel, np.intp), begin)
        slots.begin[at], slots.value[at] = begin, [value for _, value in camera]
    return slots


@settings(max_examples=40, deadline=None)
@given(samples(BEGIN_US - 5 * SECOND_US, 70))
def test_each_sample_stands_until_the_next_one_or_its_end(cameras: list[Samples]) -> None:
    start_us, end_us = BEGIN_US, BEGIN_US + 60 * SECOND_US
    found = held_time(LAYOUT, slots_of(cameras), PEOPLE, np.full(len(PEOPLE), start_us), 60 * SECOND_US)
    for at, camera in enumerate(cameras):
        person_ms, covered_ms = 0.0, 0
        for (begin, value), (after, _) in pairwise([*camera, (end_us, 0.0)]):
            stood_us = min(after, end_us, begin + HOLD_US) - max(begin, start_us)
            if begin < end_us and stood_us > 0 and not math.isnan(value):
                person_ms += math.floor(value * (stood_us // 1000) + 0.5)
                covered_ms += stood_us // 1000
        assert (found.person_ms[at], found.covered_ms[at]) == (person_ms, covered_ms)


@settings(max_examples=40, deadline=None)
@given(samples(BEGIN_US - 5 * SECOND_US, 20))
def test_a_quick_camera_counts_with_its_mean_from_its_first_sample_of_the_step_on(cameras: list[Samples]) -> None:
    step_us = BEGIN_US + STEP_US
    slots, states = slots_of(cameras), States(LAYOUT, 2)
    usable: npt.NDArray[np.bool_] = np.ones(len(LAYOUT.channel_role), np.bool_)
    counted = states.at_step(step_us, slots, usable).counted
    for at, camera in enumerate(cameras):
        inside = [one for one in camera if BEGIN_US <= one[0] < step_us]
        held = [(value, after - begin) for (begin, value), (after, _) in pairwise([*inside, (step_us, 0.0)])
                if not math.isnan(value)]
        people = sum(value * held_us for value, held_us in held) / max(sum(held_us for _, held_us in held), 1)
        assert math.isclose(counted[LAYOUT.channel_place[PEOPLE[at]]], people, rel_tol=1e-12)
