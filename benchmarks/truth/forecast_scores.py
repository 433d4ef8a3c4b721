# SPDX-License-Identifier: Apache-2.0
"""How good quantiles and probabilities were."""

import numpy as np
import numpy.typing as npt

from streams.core.calibration import QUANTILES

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def pinball(quantiles: Floats, actual: Floats) -> Floats:
    """Mean of the pinball losses of the three quantiles, in the unit of the values; shape of `actual`."""
    off = actual[..., None] - quantiles
    return np.asarray(np.maximum(np.array(QUANTILES) * off, (np.array(QUANTILES) - 1) * off).mean(axis=-1))


def inside(quantiles: Floats, actual: Floats) -> Mask:
    """Whether the 90 % interval holds the actual."""
    return np.asarray((quantiles[..., 0] <= actual) & (actual <= quantiles[..., 2]))


def brier(probability: Floats, happened: Mask) -> float:
    """Mean squared error of probabilities."""
    return float(((probability - happened) ** 2).mean())
