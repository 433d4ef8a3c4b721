# SPDX-License-Identifier: Apache-2.0
"""How many people the plans of events add to each place, as curves over time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]

MINUTE_US = 60_000_000
_USUAL_CURVE = ((-90.0, False, 0.0), (-30.0, False, 0.45), (0.0, False, 0.85), (30.0, False, 1.0),
                (-15.0, True, 0.95), (15.0, True, 0.5), (45.0, True, 0.1), (75.0, True, 0.0))
"""Minutes from the start or the end (true), and the share of the visitors that is present then."""


@dataclass(frozen=True, slots=True)
class EventPlan:
    """One event at one place.

    Parameters
    ----------
    place : int
        Number of the series.
    at_us : int64 array
        Points of the curve, rising; microseconds since 1970, UTC.
    people : float64 array
        Visitors present at each point; before the first and after the last there are none.
    """

    place: int
    at_us: Times
    people: Floats


def usual_curve(place: int, start_us: int, end_us: int, visitors: float) -> EventPlan:
    """The curve of an event of which only start, end and visitors are known: a planning value, replace it."""
    points = sorted(((end_us if of_end else start_us) + round(minutes * MINUTE_US), share)
                    for minutes, of_end, share in _USUAL_CURVE)
    at_us = np.array([at for at, _ in points], np.int64)
    return EventPlan(place, at_us, visitors * np.array([share for _, share in points]))


def planned(plans: Sequence[EventPlan], series: int, at_us: Times, slot_us: int = 15 * MINUTE_US) -> Floats:
    """People that all plans add.

    Parameters
    ----------
    plans : sequence of EventPlan
    series : int
        How many series there are.
    at_us : int64 array
        Starts of slots.
    slot_us : int
        The larger of the plan's values at a slot's two ends counts: a slot's value is its maximum.

    Returns
    -------
    float64 array, series x len(at_us)
    """
    added = np.zeros((series, len(at_us)))
    for plan in plans:
        ends = [np.interp(at_us + shift, plan.at_us, plan.people, left=0.0, right=0.0) for shift in (0, slot_us)]
        added[plan.place] += np.maximum(ends[0], ends[1])
    return added
