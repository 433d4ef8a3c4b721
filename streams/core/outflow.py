# SPDX-License-Identifier: Apache-2.0
"""How fast people leave a zone, per metre of its gates together: when a dense crowd's outflow falls it stands still.

Source of the limit: Helbing et al. 2007 (PRE 75:046109), laminar flow turned into stop-and-go below 48 persons per
metre and minute. It needs the zone to be dense: an empty one has no outflow either.
"""

import numpy as np
import numpy.typing as npt

from streams.core.layout import MINUTE_US, Layout, PlaceKind
from streams.core.moves import Moves

KEPT = 128
"""Minutes by which the gates of a zone may close apart: an hour's window, and an hour that a sensor may be late."""

Places = npt.NDArray[np.intp]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


class Outflow:
    """Outflow of each zone, minute by minute, from the bands of its gates; each gate closes in its own time.

    Parameters
    ----------
    layout : Layout
    width_m : float64 array over places
        Effective widths of gates.
    """

    STATE = ("_leaving", "_closed_us", "_judged_us")

    def __init__(self, layout: Layout, width_m: Floats) -> None:
        zones = len(layout.places_of(PlaceKind.ZONE))
        self._joined, self._span_us = layout.gate_zones, layout.place_span_us
        gates = layout.places_of(PlaceKind.GATE)
        sides = layout.gate_zones[gates]
        inside = sides >= 0
        self._side_zone, self._side_gate = sides[inside], np.repeat(gates[:, None], 2, 1)[inside]
        self._zone_width_m = np.bincount(self._side_zone, width_m[self._side_gate], zones)
        self._longest_us = np.zeros(zones, np.int64)
        np.maximum.at(self._longest_us, self._side_zone, self._span_us[self._side_gate])
        self._leaving = np.zeros((KEPT, zones))
        """People a minute that left through the gates that closed the minute."""
        self._closed_us = np.zeros(len(layout.place_kind), np.int64)
        """End of the window that each gate closed last."""
        self._judged_us = np.zeros(zones, np.int64)
        """Until when each zone was judged; 0 before its first gate closed."""

    def carry(self, old: "Outflow", moves: Moves) -> None:
        """Go on with the zones that stay; one whose gates changed begins anew, with what they all see after it."""
        new, was = moves.zones(len(self._judged_us))
        self._leaving[:, new], self._judged_us[new] = old._leaving[:, was], old._judged_us[was]
        place, was_place = moves.places()
        self._closed_us[place] = old._closed_us[was_place]
        zones = len(self._judged_us)
        before = np.zeros(zones, np.int64)
        before[new] = np.bincount(old._side_zone, minlength=len(old._judged_us))[was]
        changed = np.bincount(self._side_zone, minlength=zones) != before
        changed[self._side_zone[moves.place[self._side_gate] < 0]] = True
        self._leaving[:, changed] = 0.0
        self._judged_us[changed] = -(-moves.at_us // MINUTE_US) * MINUTE_US + self._longest_us[changed]

    def closed(self, gate: Places, start_us: Ints, in_high: Floats, out_high: Floats,
               span_min: Floats) -> tuple[Places, Ints, Floats]:
        """Take closed gate windows in.

        Parameters
        ----------
        gate, start_us : int arrays
            Each gate once; its windows come in their order.
        in_high, out_high : float64 arrays
            Upper edges of the bands; NaN where missing or withheld.
        span_min : float64 array
            Length of the windows, minutes.

        Returns
        -------
        zone, start_us, figure : arrays
            Zones of which every gate has closed more minutes, the begin of these, and their mean outflow in persons
            per metre and minute; NaN where a gate has no figure.
        """
        self._closed_us[gate] = start_us + self._span_us[gate]
        for side, leaving in ((0, in_high), (1, out_high)):
            zone = self._joined[gate, side]
            mine = zone >= 0
            self._add(zone[mine], start_us[mine], self._span_us[gate[mine]] // MINUTE_US, (leaving / span_min)[mine])
        reached_us = np.full(len(self._judged_us), np.iinfo(np.int64).max)
        np.minimum.at(reached_us, self._side_zone, self._closed_us[self._side_gate])
        beside = np.unique(self._joined[gate])
        beside = beside[beside >= 0]
        zone = beside[reached_us[beside] > self._judged_us[beside]]
        return zone, self._judged_us[zone], self._judged(zone, reached_us[zone])

    def _add(self, zone: Places, start_us: Ints, minutes: Ints, people_per_min: Floats) -> None:
        # The other gates of a zone may begin later by one of their windows.
        first = np.flatnonzero(self._judged_us[zone] == 0)
        self._judged_us[zone[first]] = start_us[first] + self._longest_us[zone[first]]
        for ahead in range(int(minutes.max(initial=0))):
            at_us = start_us + ahead * MINUTE_US
            mine = (minutes > ahead) & (at_us >= self._judged_us[zone])
            np.add.at(self._leaving, (at_us[mine] // MINUTE_US % KEPT, zone[mine]), people_per_min[mine])

    def _judged(self, zone: Places, until_us: Ints) -> Floats:
        """Mean outflow of zones since they were judged; these minutes are forgotten."""
        first = self._judged_us[zone] // MINUTE_US
        minutes = until_us // MINUTE_US - first
        people = np.zeros(len(zone))
        for ahead in range(int(minutes.max(initial=0))):
            mine = minutes > ahead
            at = (first[mine] + ahead) % KEPT, zone[mine]
            people[mine] += self._leaving[at]
            self._leaving[at] = 0.0
        self._judged_us[zone] = until_us
        return people / minutes / self._zone_width_m[zone]
