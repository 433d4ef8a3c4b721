# SPDX-License-Identifier: Apache-2.0
"""Seasonal naive: what the same weekday and time was in the weeks before, as mean and as median.

The mean is a permanent public baseline; the median is what Amsterdam's rule stands on.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

WEEKS = 8
"""Weeks that are looked back."""
LEFT_OUT_DAYS = 2
"""The newest days, which are not used."""


@dataclass(frozen=True, slots=True)
class Usual:
    """Figures of the same weekday and time; arrays, series x targets, NaN where no week has a value.

    Parameters
    ----------
    mean, median : float64 arrays
    weeks : int64 array
        How many weeks had a value.
    """

    mean: Floats
    median: Floats
    weeks: npt.NDArray[np.int64]


def usual(history: Floats, origin: int, targets: npt.NDArray[np.int64], slots_a_day: int) -> Usual:
    """Means and medians for `targets`, from what lies before `origin`.

    Parameters
    ----------
    history : float64 array, series x slots
        Values; NaN = missing, or left out because of an event.
    origin : int
        The first slot that is not known yet; nothing from `LEFT_OUT_DAYS` before it on is looked at.
    targets : int64 array
        Slots to say something about.
    slots_a_day : int

    Returns
    -------
    Usual
    """
    newest = origin - LEFT_OUT_DAYS * slots_a_day
    slot = targets - np.arange(1, WEEKS + 1)[:, None] * 7 * slots_a_day
    inside = (slot >= 0) & (slot < newest)
    values = np.where(inside, history[:, np.where(inside, slot, 0)], np.nan)
    weeks = (~np.isnan(values)).sum(axis=1)
    return Usual(_mean(values, weeks), _median(values, weeks), weeks)


def _mean(values: Floats, weeks: npt.NDArray[np.int64]) -> Floats:
    total = np.where(np.isnan(values), 0.0, values).sum(axis=1)
    return np.where(weeks > 0, total / np.maximum(weeks, 1), np.nan)


def _median(values: Floats, weeks: npt.NDArray[np.int64]) -> Floats:
    ordered = np.sort(values, axis=1)  # missing ones come last
    lower = np.take_along_axis(ordered, np.maximum(weeks - 1, 0)[:, None] // 2, axis=1)
    upper = np.take_along_axis(ordered, weeks[:, None] // 2, axis=1)
    found: Floats = (0.5 * (lower + upper))[:, 0]
    return found
