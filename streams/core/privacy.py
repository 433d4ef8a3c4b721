# SPDX-License-Identifier: Apache-2.0
"""What may leave about people: bands, snapped thresholds and withholding. The only place that makes them.

Everything is cut on persons actually counted; an estimate that stands for more people than were counted has
its edges scaled by the gain. Source of the figures: docs/privacy.md, "Parameters".
"""

from typing import Any

import numpy as np
import numpy.typing as npt

FIRST_BAND = 10
"""Below so many counted persons the band is "<10", stored as 0 to 9."""
BAND_WIDTH = 5
"""Counted persons in a band from `FIRST_BAND` up."""
LOWEST_RAISE = FIRST_BAND + BAND_WIDTH
"""The lowest raising edge that leaves room for a clearing edge below it."""
STEP_RULE_FROM = 25
"""Counted persons from which a threshold about a state may be decided on the 10 s grid."""
GATE_SHOWN_FROM = 50
"""People in a zone beside a gate (low edge of its band) from which the gate's flows are shown."""
_EPSILON = 1e-9

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def band_floor(counted: npt.ArrayLike) -> Ints:
    """The low edge of the band in counted persons: 0 below 10, else the multiple of 5 at or below."""
    floored = np.floor(np.asarray(counted, np.float64) / BAND_WIDTH + _EPSILON).astype(np.int64) * BAND_WIDTH
    return np.where(floored < FIRST_BAND, 0, floored)


def band(counted: npt.ArrayLike, gain: npt.ArrayLike = 1.0) -> tuple[Ints, Ints]:
    """The band shown for a number of persons.

    Parameters
    ----------
    counted : array
        Persons actually counted, at least 0.
    gain : array
        For how many people one counted person stands, at least 1.

    Returns
    -------
    low, high : int64 arrays
        Whole people, both inclusive: 0 to 9, 10 to 14, 15 to 19, ... times the gain.
    """
    low = band_floor(counted)
    following = np.where(low == 0, FIRST_BAND, low + BAND_WIDTH)
    gain = np.asarray(gain, np.float64)
    scaled_low = np.ceil(low * gain - _EPSILON).astype(np.int64)
    scaled_high = np.ceil(following * gain - _EPSILON).astype(np.int64) - 1
    return scaled_low, scaled_high


def snapped(people: npt.ArrayLike, gain: npt.ArrayLike) -> Ints:
    """A threshold in people, floored to a band edge in counted persons; at least 10.

    Flooring warns earlier, never later, and makes the decision on the exact value the same as on its band.
    """
    counted = np.asarray(people, np.float64) / np.asarray(gain, np.float64)
    return np.asarray(np.maximum(band_floor(counted), FIRST_BAND))


def clearing_edge(people: npt.ArrayLike, gain: npt.ArrayLike, raising: npt.ArrayLike) -> Ints:
    """The clearing threshold's edge in counted persons: snapped, and one band below the raising edge at most.

    Where the raising edge is 10, the clearing edge is 10 as well (below is "<10"); `drukte city check`
    refuses thresholds for which that happens while all sensors report.
    """
    below = np.minimum(snapped(people, gain), np.asarray(raising) - BAND_WIDTH)
    return np.asarray(np.maximum(below, FIRST_BAND))


def gate_withheld(people_low: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Whether a gate's flows are withheld, from the low edges of the zones beside it (shape gates x 2).

    In quiet surroundings inflow, outflow and occupancy together would tell single persons. A zone without a
    value, and `outside`, count as 0.
    """
    return np.asarray((people_low < GATE_SHOWN_FROM).all(axis=1))
