# SPDX-License-Identifier: Apache-2.0
"""The policy of the release: what each kind of value costs, how much noise hides one contribution. Pure.

Nothing here draws: the edge draws once, with what this module says (docs/privacy.md).
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.errors import RefusedError
from schemas.live import Status
from schemas.reading import Metric
from schemas.refusal import Reason
from schemas.seal import GRAINS_S, METRICS, Group, Seal

POLICY_VERSION = "1"
"""Raise it with every change of the policy; a test holds the policy's hash against it."""
SIGMA_FACTOR = 5
"""Standard deviation of the noise, in sensitivities."""
RHO_PER_CELL = 0.02
"""What one contribution to one cell costs, in zCDP: 1 / (2 x 5^2)."""
TARGET = "research.cell"
STATUS_FINAL = "A"
STATUS_MISSING = "O"
SECOND_US = 1_000_000
_FIRST_US, _LAST_US = 0, 7_258_118_400 * SECOND_US  # 1970 to 2200: what driver and database both can hold
_LARGEST = 2.0**52


class Mechanism(StrEnum):
    """How a value is protected."""

    DISCRETE_GAUSSIAN = "discrete-gaussian"
    NONE = "none"
    """Public at its source."""


class PlaceKind(StrEnum):
    """What `place` numbers."""

    ZONE = "zone"
    GATE = "gate"
    ROAD = "road"


@dataclass(frozen=True, slots=True)
class Measure:
    """How a metric is called in the research tier, and its unit."""

    name: str
    unit: str


MEASURES: dict[Metric, Measure] = {
    Metric.PEOPLE: Measure("person_seconds", "s"),
    Metric.IN: Measure("passages_in", "1"),
    Metric.OUT: Measure("passages_out", "1"),
    Metric.VEHICLES: Measure("vehicles", "1"),
    Metric.SPEED: Measure("speed", "km/h"),
}
PLACES: dict[Group, PlaceKind] = {
    Group.PEOPLE: PlaceKind.ZONE, Group.PASSAGES: PlaceKind.GATE, Group.VEHICLES: PlaceKind.ROAD,
}
_IS_PUBLIC = {Group.PEOPLE: False, Group.PASSAGES: False, Group.VEHICLES: True}


@dataclass(frozen=True, slots=True)
class Protection:
    """What a batch's values go through.

    Parameters
    ----------
    mechanism : Mechanism
    sensitivity : int
        The most that one contribution changes a cell, in the metric's unit; 0 where the source is public.
    sigma : int
        Standard deviation of the noise.
    rho : float
        Cost of one contribution to one cell (zCDP).
    """

    mechanism: Mechanism
    sensitivity: int
    sigma: int
    rho: float

    @property
    def public_source(self) -> bool:
        """Whether the values are public at their source, and so exact."""
        return self.mechanism is Mechanism.NONE


def protection(group: Group, grain_s: int) -> Protection:
    """The protection of a batch: one passage counts 1, one person is in view for at most the grain's seconds."""
    if _IS_PUBLIC[group]:
        return Protection(Mechanism.NONE, 0, 0, 0.0)
    sensitivity = grain_s if group is Group.PEOPLE else 1
    return Protection(Mechanism.DISCRETE_GAUSSIAN, sensitivity, SIGMA_FACTOR * sensitivity, RHO_PER_CELL)


def policy() -> dict[str, Any]:
    """The whole policy as plain data."""
    return {
        "version": POLICY_VERSION, "sigma_factor": SIGMA_FACTOR, "rho_per_cell": RHO_PER_CELL,
        "groups": {
            str(group): {
                "mechanism": str(protection(group, GRAINS_S[0]).mechanism),
                "sensitivity": {str(grain_s): protection(group, grain_s).sensitivity for grain_s in GRAINS_S},
                "metrics": [MEASURES[metric].name for metric in METRICS[group]],
            } for group in Group
        },
    }


def policy_hash() -> str:
    """64 hex digits of SHA-256 over the policy."""
    return hashlib.sha256(msgspec.json.encode(policy(), order="deterministic")).hexdigest()


@dataclass(frozen=True, slots=True)
class Grid:
    """The cells of a batch, checked: columns of one length.

    Parameters
    ----------
    place : int32 array
    vehicle_class, metric : list of str
    exact : float64 array
        NaN where the cell is missing; whole numbers where the batch is protected.
    weight, coverage : float64 array
    """

    place: npt.NDArray[np.int32]
    vehicle_class: list[str]
    metric: list[str]
    exact: npt.NDArray[np.float64]
    weight: npt.NDArray[np.float64]
    coverage: npt.NDArray[np.float64]

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Which cells have a value."""
        return ~np.isnan(self.exact)

    def statuses(self) -> list[str]:
        """SDMX letters: final, or missing. How much was seen is said by coverage."""
        return [STATUS_FINAL if known else STATUS_MISSING for known in self.known]


def _bad(what: str) -> RefusedError:
    # Never the value itself: it is exact.
    return RefusedError(Reason.BAD_VALUE, f"seal {what}; this is a bug of the worker that sealed it")


def _check_times(seal: Seal) -> None:
    grain_us = seal.grain_s * SECOND_US
    if seal.grain_s not in GRAINS_S or seal.start_us % grain_us:
        raise _bad("has a grain that is not known, or begins within one")
    if not (_FIRST_US <= seal.start_us < _LAST_US and _FIRST_US <= seal.sealed_at_us < _LAST_US):
        raise RefusedError(Reason.BAD_TIME, "seal is stamped outside 1970 to 2200")
    if seal.part < 0 or not seal.site:
        raise _bad("has no site or a part below 0")


def _check_keys(seal: Seal, grid: Grid, metrics: npt.NDArray[np.int64]) -> None:
    if not set(metrics.tolist()) <= set(METRICS[seal.group]):
        raise _bad(f"of {seal.group} holds another group's metric")
    if any(grid.vehicle_class) and seal.group is not Group.VEHICLES:
        raise _bad(f"of {seal.group} holds classes of vehicles")
    keys = set(zip(grid.place.tolist(), grid.vehicle_class, grid.metric, strict=True))
    if len(keys) != len(grid.metric):
        raise _bad("holds a cell twice")


def _check_values(seal: Seal, grid: Grid) -> None:
    values = grid.exact[grid.known]
    if not (np.isfinite(values).all() and (values >= 0).all() and (values < _LARGEST).all()):
        raise _bad("holds a value that is negative, infinite or too large")
    if not protection(seal.group, seal.grain_s).public_source and (values != np.floor(values)).any():
        raise _bad(f"of {seal.group} holds a value that is no whole number")
    if not (np.isfinite(grid.weight).all() and (grid.weight >= 0).all()):
        raise _bad("holds a weight that is negative or infinite")
    if not ((grid.coverage >= 0) & (grid.coverage <= 1)).all():
        raise _bad("holds a coverage outside 0 to 1")


def checked_grid(seal: Seal) -> Grid:
    """The cells of a seal, checked against what a release can carry.

    Raises
    ------
    RefusedError
        `bad-value` or `bad-time`: the text never holds a value.
    """
    _check_times(seal)
    cells = seal.cells
    if any(cells[name].null_count for name in cells.schema.names if name != "value"):
        raise _bad("lacks values of a column that must have them")
    metrics = cells["metric"].to_numpy(zero_copy_only=False).astype(np.int64)
    exact = cells["value"].to_numpy(zero_copy_only=False).astype(np.float64)
    status = cells["status"].to_numpy(zero_copy_only=False)
    if (~np.isnan(exact) & (status == Status.MISSING)).any():
        raise _bad("has a value where it says missing")
    names = {int(metric): MEASURES[metric].name for metric in MEASURES}
    grid = Grid(
        place=cells["place"].to_numpy(zero_copy_only=False), vehicle_class=cells["vehicle_class"].to_pylist(),
        metric=[names.get(number, "") for number in metrics.tolist()], exact=exact,
        weight=cells["weight"].to_numpy(zero_copy_only=False).astype(np.float64),
        coverage=cells["coverage"].to_numpy(zero_copy_only=False).astype(np.float64),
    )
    _check_keys(seal, grid, metrics)
    _check_values(seal, grid)
    return grid
