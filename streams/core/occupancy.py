# SPDX-License-Identifier: Apache-2.0
"""People inside, from counts at gates: an estimate with bounds that hold, corrected by what is known now and then.

The bounds widen with every passage, since counters err, and with every minute that a gate was not seen; they narrow
where something else says how many people there are. History is never rewritten: a correction, and counts that come
late, change N from now on.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from streams.core.conservation import Swapped, SwapWatch
from streams.core.exchange import Exchange
from streams.core.layout import MINUTE_US
from streams.core.moves import Moves
from streams.core.occupancy_filter import (
    Floats,
    Rows,
    below_zero,
    bounds,
    condition,
    first_covariance,
    hold_positive,
    measure,
    predict,
)
from streams.core.occupancy_gates import FULL_FLOW_PER_M_MIN, Gates, joints_of
from streams.core.privacy import band

REMEMBERED = 0.998
"""Share of a gate's weight in its zone's errors that is left after a minute: half of it goes in about 6 hours."""
BUSIEST_REMEMBERED = 0.99
"""A gate that is not seen may be as busy as it was lately: half of that goes in about an hour."""
NEWEST_SHARE = 0.2
"""Weight of the newest minute in a gate's flow."""
UNSEEN_FLOW_PER_M_MIN = 2.0
"""What may pass at a gate that never told anything."""


class Kind(StrEnum):
    """What corrected a row."""

    AREA_SENSOR = "area-sensor"
    DEVICES = "devices"
    EMPTY_HOUR = "empty-hour"
    SIGHTING = "sighting"
    ZONE_EMPTY = "zone-empty"
    SET_OCCUPANCY = "set-occupancy"
    NOT_NEGATIVE = "not-negative"
    SUM_OF_ZONES = "sum-of-zones"
    SWAPPED_GATE = "swapped-gate"


REPEATING = frozenset({Kind.AREA_SENSOR, Kind.DEVICES, Kind.SUM_OF_ZONES})
"""Their errors are the same each time: saying it twice makes it no surer."""
ALWAYS_RECORDED = frozenset(Kind) - {Kind.AREA_SENSOR, Kind.DEVICES, Kind.NOT_NEGATIVE, Kind.SUM_OF_ZONES}
"""The others are recorded only where the band changes."""


@dataclass(frozen=True, slots=True)
class Correction:
    """One correction of one row, from then on; bands only.

    Parameters
    ----------
    row : int
        A zone, or from the number of zones on an area.
    at_us : int
    kind : Kind
    version : int
        Counts the row's corrections, from 1.
    before, after : tuple of int
        Bands of the mean, low and high.
    """

    row: int
    at_us: int
    kind: Kind
    version: int
    before: tuple[int, int]
    after: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Estimate:
    """People inside; arrays over zones, then areas. Exact: bands are made of it before it leaves.

    Parameters
    ----------
    mean, lower, upper : float64 arrays
        Bounds at 95 %; 0 <= lower <= mean <= upper.
    """

    mean: Floats
    lower: Floats
    upper: Floats


class Occupancy:
    """The people in every zone and every area of a partition.

    Parameters
    ----------
    gates : Gates
    start_sd : float64 array [zone]
        So many people may be in a zone at the start, of which nothing is known.
    """

    STATE = ("mean", "covariance", "stated_weight", "crowded_weight", "flow", "busiest", "unseen", "is_reversed",
             "versions")

    def __init__(self, gates: Gates, start_sd: Floats) -> None:
        self._gates = gates
        self.joints = joints_of(gates, len(start_sd))
        joints = self.joints
        sd_squared = np.zeros(joints.rows)
        sd_squared[: joints.zones] = start_sd**2
        has_area = joints.area >= 0
        np.add.at(sd_squared, joints.area[has_area], start_sd[has_area] ** 2)
        self.mean = np.zeros((5, joints.rows))
        self.covariance = first_covariance(np.sqrt(sd_squared))
        directions = 2 * len(gates)
        self.stated_weight, self.crowded_weight = np.zeros(directions), np.zeros(directions)
        self.flow, self.unseen = np.zeros(directions), np.zeros(directions)
        self.busiest = UNSEEN_FLOW_PER_M_MIN * np.tile(gates.width_m, 2)
        self.is_reversed = np.zeros(len(gates), np.bool_)
        self.versions = np.zeros(joints.rows, np.int64)
        self.watch = SwapWatch(joints, len(gates), self.covariance[0, 0])
        self.exchange = Exchange(joints, len(gates))

    def carry(self, old: "Occupancy", moves: Moves) -> None:
        """Keep zones and gates that stay, and areas of the same zones; any other area is the sum of its zones."""
        zones = moves.zones(self.joints.zones)
        gates = _staying_gates(old, self, moves)
        rows = _staying_rows(old, self, zones)
        for name in ("mean", "covariance", "versions"):
            getattr(self, name)[..., rows[0]] = getattr(old, name)[..., rows[1]]
        self.is_reversed[gates[0]] = old.is_reversed[gates[1]]
        for name in ("stated_weight", "crowded_weight", "flow", "busiest", "unseen"):
            now, then = getattr(self, name).reshape(2, -1), getattr(old, name).reshape(2, -1)
            now[:, gates[0]] = then[:, gates[1]]
        self.watch.carry(old.watch, rows, gates)
        self.exchange.carry(old.exchange, gates)
        fresh = np.setdiff1d(np.arange(self.joints.zones, self.joints.rows), rows[0])
        people, variance = self._sums()
        condition(self.mean, self.covariance, fresh, people[fresh], variance[fresh])

    def mended(self, gate: int) -> None:
        """Take a gate's counts as they come again: the city file says anew how it is mounted, or what it joins."""
        self.is_reversed[gate] = False
        self.watch.mended(gate)
        self.exchange.mended(gate)

    def minute(self, start_us: int, in_count: Floats, out_count: Floats, coverage: Floats,
               late: tuple[Floats, Floats] | None = None) -> tuple[list[Correction], list[Swapped]]:
        """Take a closed minute of all gates in.

        Parameters
        ----------
        start_us : int
            Of the minute.
        in_count, out_count : float64 arrays [gate]
            Passages seen; not read where the coverage is 0.
        coverage : float64 array [gate]
            Share of the minute that was seen.
        late : tuple of float64 arrays [gate], optional
            Passages in and out of minutes before, that are known only now: they count whatever is seen of this one.
        """
        gates, joints = self._gates, self.joints
        seen = np.tile(np.clip(coverage, 0.0, 1.0), 2)
        newest = np.where(seen > 0, self._by_direction(in_count, out_count), 0.0)
        counts = newest if late is None else newest + self._by_direction(*late)
        people = counts / (1 + gates.bias)
        passed = counts.reshape(2, -1).sum(axis=0)
        crowding = np.tile(passed / (gates.width_m * FULL_FLOW_PER_M_MIN), 2) / np.maximum(seen, 1e-3)
        stated, crowded = gates.sd * people, gates.crowding_sd * np.minimum(crowding, 1.5) * people
        self.stated_weight = self.stated_weight * REMEMBERED + stated
        self.crowded_weight = self.crowded_weight * REMEMBERED + crowded
        chance = people * np.abs(gates.bias) + stated / 2 + crowded + self._not_seen(newest / (1 + gates.bias), seen)
        net = joints.into.sum(people) - joints.out_of.sum(people)
        variance = joints.into.sum(chance) + joints.out_of.sum(chance)
        error = np.stack([
            joints.into.along(stated, self.stated_weight), -joints.out_of.along(stated, self.stated_weight),
            joints.into.along(crowded, self.crowded_weight), -joints.out_of.along(crowded, self.crowded_weight)])
        predict(self.mean, self.covariance, net, error, variance)
        way_in, way_out = people.reshape(2, -1)
        self.watch.minute(way_in - way_out, net, error, variance)
        self.exchange.minute(way_in - way_out, error)
        at_us = start_us + MINUTE_US
        self.exchange.learn(self.watch.look_below_nobody(self.watch.emptied_too_far()))
        told, found = self._exchange_swapped(at_us)
        return told + self._hold_positive(at_us), found

    def anchor(self, at_us: int, kind: Kind, zones: Rows, people: Floats,
               sd: Floats) -> tuple[list[Correction], list[Swapped]]:
        """Correct zones by what else is known of them, from now on.

        Parameters
        ----------
        at_us : int
        kind : Kind
        zones : int array
            Each zone once.
        people, sd : float64 arrays over `zones`
            How many there are, and one standard deviation of that.
        """
        told: list[Correction] = []
        found: list[Swapped] = []
        # Devices err alike for hours: they move a belief, and prove nothing against a gate.
        if kind is Kind.DEVICES:
            self._believe(kind, zones, people, sd)
        else:
            looked = self._with_whole_areas(zones, people, sd)
            self._believe(kind, *looked)
            self.watch.look_at(*looked)
            told, found = self._exchange_swapped(at_us)
            self.watch.now_known()
        told += self._measure(at_us, kind, zones, people, sd)
        areas = np.unique(self.joints.area[zones])
        areas = areas[areas >= 0]
        summed, variance = self._sums()
        better = areas[variance[areas] < self.covariance[0, 0, areas]]
        told += self._measure(at_us, Kind.SUM_OF_ZONES, better, summed[better], np.sqrt(variance[better]))
        return told + self._hold_positive(at_us), found

    def estimate(self) -> Estimate:
        """How many people there are, as far as it is known now; wider where a gate may count the wrong way round."""
        mean, lower, upper = bounds(self.mean[0], self.covariance[0, 0])
        return Estimate(mean, *self.exchange.widened(self.mean[0], self.covariance[0, 0], lower, upper))

    def _by_direction(self, in_count: Floats, out_count: Floats) -> Floats:
        """All ways in, then all ways out, as the gates are mounted."""
        turned = self.is_reversed
        return np.concatenate([np.where(turned, out_count, in_count), np.where(turned, in_count, out_count)])

    def _not_seen(self, people: Floats, seen: Floats) -> Floats:
        """Variance by what may have passed unseen, per direction; a whole outage errs one way."""
        reported = seen > 0
        newest = self.flow + NEWEST_SHARE * (people / np.maximum(seen, 1e-3) - self.flow)
        self.flow = np.where(reported, newest, self.flow)
        self.busiest = np.where(reported, np.maximum(self.busiest * BUSIEST_REMEMBERED, self.flow), self.busiest)
        more = (1 - seen) * self.busiest
        variance = more * (2 * self.unseen + more)
        self.unseen = np.where(seen < 1, self.unseen + more, 0.0)
        return variance

    def _believe(self, kind: Kind, rows: Rows, people: Floats, sd: Floats) -> None:
        """Move the beliefs in exchanged gates; of what repeats only where it tells something new."""
        prior = self.covariance[0, 0, rows]
        new = sd**2 < prior if kind in REPEATING else np.ones(len(rows), np.bool_)
        self.exchange.look(rows[new], people[new] - self.mean[0, rows[new]], sd[new] ** 2 + prior[new])

    def _measure(self, at_us: int, kind: Kind, rows: Rows, people: Floats, sd: Floats) -> list[Correction]:
        before = self.mean[0, rows].copy()
        gain = measure(self.mean, self.covariance, rows, people, sd, repeats=kind in REPEATING)
        self.exchange.follow(rows, gain)
        return self._recorded(at_us, kind, rows, before)

    def _hold_positive(self, at_us: int) -> list[Correction]:
        rows = below_zero(self.mean, self.covariance)
        before, unsure = self.mean[:, rows].copy(), self.covariance[0, 0, rows].copy()
        hold_positive(self.mean, self.covariance, rows)
        self.exchange.folded(rows, self.mean[:, rows] - before, unsure - self.covariance[0, 0, rows])
        self.exchange.limit(self.mean[0])
        return self._recorded(at_us, Kind.NOT_NEGATIVE, rows, before[0])

    def _exchange_swapped(self, at_us: int) -> tuple[list[Correction], list[Swapped]]:
        """Find gates that count the wrong way round and exchange their counts since the rows were last known."""
        found = self.watch.found(at_us, self.is_reversed, self.exchange.belief)
        told: list[Correction] = []
        for one in found:
            rows, people, variance = self.watch.exchanged(one.gate)
            before = self.mean[0, rows].copy()
            first = first_covariance(np.sqrt(variance))
            # What was learned of these rows' errors was learned of exchanged counts.
            self.mean[:, rows], self.covariance[:, :, rows] = 0.0, first
            self.mean[0, rows] = people
            self.exchange.forget(one.gate)
            told += self._recorded(at_us, Kind.SWAPPED_GATE, rows, before)
        return told, found

    def _sums(self) -> tuple[Floats, Floats]:
        """People of each area as the sum of its zones, and variance; by row, 0 for zones."""
        zones, rows = self.joints.zones, self.joints.rows
        area = np.where(self.joints.area >= 0, self.joints.area, rows)
        people = np.bincount(area, self.mean[0, :zones], rows + 1)[:rows]
        variance = np.bincount(area, self.covariance[0, 0, :zones], rows + 1)[:rows]
        return people.astype(np.float64), variance.astype(np.float64)

    def _with_whole_areas(self, zones: Rows, people: Floats, sd: Floats) -> tuple[Rows, Floats, Floats]:
        """Zones with what they hold, and the areas of which every zone is among them."""
        rows = self.joints.rows
        area = np.where(self.joints.area >= 0, self.joints.area, rows)
        all_zones, given = np.bincount(area, minlength=rows + 1), np.bincount(area[zones], minlength=rows + 1)
        whole = np.flatnonzero((all_zones == given)[:rows] & (given[:rows] > 0))
        summed = np.bincount(area[zones], people, rows + 1)[whole]
        variance = np.bincount(area[zones], sd**2, rows + 1)[whole]
        return (np.concatenate([zones, whole]), np.concatenate([people, summed]),
                np.concatenate([sd, np.sqrt(variance)]))

    def _recorded(self, at_us: int, kind: Kind, rows: Rows, before: Floats) -> list[Correction]:
        was_low, was_high = band(np.maximum(before, 0.0))
        low, high = band(np.maximum(self.mean[0, rows], 0.0))
        told = np.flatnonzero((low != was_low) | (kind in ALWAYS_RECORDED))
        self.versions[rows[told]] += 1
        return [
            Correction(int(rows[at]), at_us, kind, int(self.versions[rows[at]]), (int(was_low[at]), int(was_high[at])),
                       (int(low[at]), int(high[at])))
            for at in told.tolist()
        ]


def _staying_gates(old: Occupancy, new: Occupancy, moves: Moves) -> tuple[Rows, Rows]:
    """New and old numbers of the gates that stay."""
    number = np.full(int(max(old._gates.place.max(initial=-1), moves.place.max(initial=-1))) + 2, -1, np.intp)
    number[old._gates.place] = np.arange(len(old._gates))
    was = number[moves.place[new._gates.place]]
    staying = np.flatnonzero(was >= 0)
    return staying, was[staying]


def _staying_rows(old: Occupancy, new: Occupancy, zones: tuple[Rows, Rows]) -> tuple[Rows, Rows]:
    """New and old rows of the zones that stay, and of areas whose zones are the same."""
    was_area = np.full(new.joints.zones, -1, np.intp)
    was_area[zones[0]] = old.joints.area[zones[1]]
    pairs = []
    for area in range(new.joints.zones, new.joints.rows):
        then = np.unique(was_area[new.joints.area == area])
        if len(then) == 1 and then[0] >= 0 and (
                (new.joints.area == area).sum() == (old.joints.area == then[0]).sum()):
            pairs.append((area, int(then[0])))
    areas = np.array(pairs, np.intp).reshape(-1, 2)
    return np.concatenate([zones[0], areas[:, 0]]), np.concatenate([zones[1], areas[:, 1]])
