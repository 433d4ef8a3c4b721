# SPDX-License-Identifier: Apache-2.0
"""Draws the noise of a release, from the operating system's randomness: nobody can seed or repeat it.

OpenDP draws and says what a draw costs; numpy's generators must never draw here. Loading it takes a third of a
second and is left to those who draw.
"""

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt
import opendp.prelude as dp

from schemas.errors import FatalError
from streams.core import release
from streams.core.release import Grid, Mechanism, Protection

dp.enable_features("contrib")


@cache
def _gaussian(protection: Protection) -> dp.Measurement:
    # Without T="i64" OpenDP takes 32 bits, which person-seconds would overflow.
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T="f64")
    measurement = dp.m.make_gaussian(*space, scale=float(protection.sigma))
    cost = measurement.map(float(protection.sensitivity))  # type: ignore[no-untyped-call]  # opendp's own gap
    if not cost <= protection.rho * (1 + 1e-9):
        raise FatalError(f"noise costs rho {cost}, the policy allows {protection.rho}; the policy contradicts itself")
    return measurement


def noised(values: npt.NDArray[np.int64], protection: Protection) -> npt.NDArray[np.int64]:
    """Each value with a discrete Gaussian of its own: signed, never clamped.

    All in one call, which is nine times faster than one by one.

    Parameters
    ----------
    values : int64 array
        Exact.
    protection : Protection
        Of mechanism DISCRETE_GAUSSIAN.

    Raises
    ------
    FatalError
        The mechanism draws nothing, or costs more than the policy says.
    """
    if protection.mechanism is not Mechanism.DISCRETE_GAUSSIAN:
        raise FatalError(f"mechanism {protection.mechanism} draws nothing; this is a bug")
    if not values.size:
        return values.astype(np.int64)
    return np.asarray(_gaussian(protection)(np.ascontiguousarray(values, dtype=np.int64)), dtype=np.int64)


def published_values(grid: Grid, protection: Protection) -> npt.NDArray[np.float64]:
    """What is published of a grid: exact where the source is public, else drawn now. NaN stays NaN, without a draw."""
    if protection.public_source:
        return grid.exact.copy()
    published = np.full(grid.exact.shape, np.nan)
    known = grid.known
    published[known] = noised(grid.exact[known].astype(np.int64), protection)
    return published


@cache
def code_hash() -> str:
    """64 hex digits of SHA-256 over the code that decides and draws, and OpenDP's version."""
    digest = hashlib.sha256(version("opendp").encode())
    for file in (release.__file__, __file__):
        digest.update(Path(file).read_bytes())
    return digest.hexdigest()
