# SPDX-License-Identifier: Apache-2.0
"""Amsterdam's two-hour rule, as printed: the usual curve of the day times how busy the last three hours were.

Baseline to beat. It has no interval and knows neither events nor holidays; an actual of 0 counts as "as usual".
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

HORIZONS = 8
"""Quarters ahead."""
WEIGHTS = (0.008, 0.008, 0.012, 0.017, 0.024, 0.034, 0.048, 0.071, 0.103, 0.149, 0.215, 0.311)
"""Of the ratios of the last twelve quarters, oldest first."""
HIGHEST_RATIO = 4.0


def factor(actual: Floats, usual: Floats) -> Floats:
    """How much busier than usual it is.

    Parameters
    ----------
    actual, usual : float64 arrays, series x 12
        Values and medians of the last twelve quarters, oldest first. Missing ones count as usual, as 0 does.

    Returns
    -------
    float64 array over series
    """
    known = (actual > 0) & (usual > 0)
    ratio = np.where(known, np.minimum(actual / np.where(known, usual, 1.0), HIGHEST_RATIO), 1.0)
    # A fixed order of additions: the sum does not hang on how many series there are.
    total = np.zeros(len(ratio))
    for at, weight in enumerate(WEIGHTS):
        total += weight * ratio[:, at]
    return total


def smoothed(usual: Floats) -> Floats:
    """A quarter of the median before, half of its own, a quarter of the one after: two columns fewer."""
    return 0.25 * usual[:, :-2] + 0.5 * usual[:, 1:-1] + 0.25 * usual[:, 2:]


def amsterdam_rule(actual: Floats, usual: Floats, usual_ahead: Floats) -> Floats:
    """The rule's forecast.

    Parameters
    ----------
    actual, usual : float64 arrays, series x 12
        As of `factor`.
    usual_ahead : float64 array, series x (horizons + 2)
        Medians from the newest quarter to the one after the last horizon.

    Returns
    -------
    float64 array, series x horizons
        Whole numbers, half rounded up; NaN where a median ahead is missing.
    """
    return np.asarray(np.floor(smoothed(usual_ahead) * factor(actual, usual)[:, None] + 0.5))
