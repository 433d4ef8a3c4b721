# SPDX-License-Identifier: Apache-2.0
"""How long a site needs to empty: its upper number of people through its open exits, by the narrowest way.

Walking times are left out: this is the bound that the widths set, the sum over people behind the worst
bottleneck. Every shut gate can be tried.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

MAXIMUM_FLOW_PER_M_MIN = 82.0
"""Persons per metre of effective width and minute on the level: the Green Guide's maximum."""
MEASURED_FLOW_PER_M_MIN = 60.0
"""Stadium egress stayed below it; the default here."""
_ENOUGH = 1.0 - 1e-9
_NOTHING = 1e-12


@dataclass(frozen=True, slots=True)
class Exits:
    """The gates of one site.

    Parameters
    ----------
    zones : int array, gates x 2
        Zones on its two sides; -1 = outside.
    width_m : float64 array over gates
        Effective width.
    is_open : bool array over gates
    flow_per_m_min : float
        Planning value in persons per metre and minute; show it beside the result.
    """

    zones: Indices
    width_m: Floats
    is_open: Mask
    flow_per_m_min: float = MEASURED_FLOW_PER_M_MIN

    def without(self, gate: int) -> "Exits":
        """The same with one gate shut."""
        left = self.is_open.copy()
        left[gate] = False
        return Exits(self.zones, self.width_m, left, self.flow_per_m_min)


def minutes_to_empty(upper_people: Floats, exits: Exits) -> float:
    """Minutes until everybody is outside.

    Parameters
    ----------
    upper_people : float64 array over the site's zones
        Upper bound (high edge of the band) of the people inside.
    exits : Exits

    Returns
    -------
    float
        0 for an empty site; NaN = cannot say: people without an open way out, or a number that is missing.
    """
    if np.isnan(upper_people).any():
        return float("nan")
    total = float(upper_people.sum())
    if total <= 0:
        return 0.0
    capacity = _capacities(len(upper_people), exits)
    outside = float(capacity[:-2, -1].sum())
    minutes = total / outside if outside > 0 else float("inf")
    # Each round finds the zones behind a tighter bottleneck than the one before, so there are few.
    while np.isfinite(minutes):
        behind = _held_back(upper_people, capacity * minutes, total)
        if behind is None:
            return minutes
        leaving = float(capacity[:-2][behind][:, np.append(~behind, [False, True])].sum())
        needed = float(upper_people[behind].sum()) / leaving if leaving > 0 else float("inf")
        if needed <= minutes:  # only rounding is left
            return minutes
        minutes = needed
    return float("nan")


def minutes_with_one_shut(upper_people: Floats, exits: Exits) -> Floats:
    """Minutes to empty with each gate shut, the others as they are: float64 array over gates; NaN = cannot say."""
    return np.array([minutes_to_empty(upper_people, exits.without(gate)) for gate in range(len(exits.width_m))])


def _capacities(zones: int, exits: Exits) -> Floats:
    """Persons a minute between zones, in both directions: nodes are the zones, a source and the outside."""
    capacity = np.zeros((zones + 2, zones + 2))
    for gate in np.flatnonzero(exits.is_open).tolist():
        one, other = (int(zone) if zone >= 0 else zones + 1 for zone in exits.zones[gate])
        for left, right in ((one, other), (other, one)):
            if left != zones + 1:  # nobody comes in
                capacity[left, right] += exits.width_m[gate] * exits.flow_per_m_min
    return capacity


def _held_back(people: Floats, capacity: Floats, total: float) -> Mask | None:
    """Zones from which not all can leave within these capacities; None where all can (maximum flow)."""
    left = capacity / total  # in shares, so that what counts as nothing does not hang on the size of the crowd
    source, outside = len(people), len(people) + 1
    left[source, : len(people)] = people / total
    moved = 0.0
    while (way := _way(left, source, outside)) is not None:
        amount = min(float(left[one, other]) for one, other in way)
        for one, other in way:
            left[one, other] -= amount
            left[other, one] += amount
        moved += amount
    if moved >= _ENOUGH:
        return None
    return _reachable(left, source)[: len(people)]


def _way(left: Floats, source: int, outside: int) -> list[tuple[int, int]] | None:
    """The shortest way with room on it, as pairs of nodes."""
    came = {source: source}
    waiting = [source]
    for node in waiting:
        for following in np.flatnonzero(left[node] > _NOTHING).tolist():
            if following not in came:
                came[following] = node
                waiting.append(following)
    if outside not in came:
        return None
    way, node = [], outside
    while node != source:
        way.append((came[node], node))
        node = came[node]
    return way


def _reachable(left: Floats, source: int) -> Mask:
    found = np.zeros(len(left), np.bool_)
    found[source] = True
    waiting = [source]
    for node in waiting:
        following = np.flatnonzero((left[node] > _NOTHING) & ~found)
        found[following] = True
        waiting += following.tolist()
    return found
