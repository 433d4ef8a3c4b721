# SPDX-License-Identifier: Apache-2.0
"""How fast people leave a zone, per metre of its gates together: when a dense crowd's outflow falls it stands still.

Source of the limit: Helbing et al. 2007 (PRE 75:046109), laminar flow turned into stop-and-go below 48 persons per
metre and minute. It needs the zone to be dense: an empty one has no outflow either.
"""

import numpy as np
import numpy.typing as npt

from streams.core.layout import Layout, PlaceKind
from streams.core.moves import Moves

Places = npt.NDArray[np.intp]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Outflow:
    """Outflow of each zone in its newest window, from the bands of its gates.

    Parameters
    ----------
    layout : Layout
    width_m : float64 array over places
        Effective widths of gates.
    """

    STATE = ("_start_us", "_people", "_gates")

    def __init__(self, layout: Layout, width_m: Floats) -> None:
        zones = len(layout.places_of(PlaceKind.ZONE))
        self._joined, self._width_m = layout.gate_zones, width_m
        gates = layout.places_of(PlaceKind.GATE)
        side = self._joined[gates]
        self._zone_gates = np.bincount(side[side >= 0], minlength=zones)
        width = np.repeat(width_m[gates][:, None], 2, 1)
        self._zone_width_m = np.bincount(side[side >= 0], width[side >= 0], minlength=zones)
        self._start_us = np.full(zones, -1, np.int64)
        self._people = np.zeros(zones)
        self._gates = np.zeros(zones, np.int64)

    def carry(self, old: "Outflow", moves: Moves) -> None:
        """Go on with the zones that stay; one whose gates changed begins its window anew."""
        new, was = moves.zones(len(self._start_us))
        same = self._zone_gates[new] == old._zone_gates[was]
        for name in self.STATE:
            getattr(self, name)[new[same]] = getattr(old, name)[was[same]]

    def closed(self, gate: Places, start_us: Ints, in_high: Floats, out_high: Floats,
               span_min: Floats) -> tuple[Places, Ints, Floats]:
        """Take closed gate windows in.

        Parameters
        ----------
        gate, start_us : int arrays
        in_high, out_high : float64 arrays
            Upper edges of the bands; NaN where missing or withheld.
        span_min : float64 array
            Length of the windows, minutes.

        Returns
        -------
        zone, start_us, figure : arrays
            Zones of which every gate has closed this window, and their outflow in persons per metre and minute;
            NaN where a gate has no figure.
        """
        for side, leaving in ((0, in_high), (1, out_high)):
            zone = self._joined[gate, side]
            mine = zone >= 0
            self._add(zone[mine], start_us[mine], (leaving / span_min)[mine])
        touched = np.unique(self._joined[gate])
        touched = touched[touched >= 0]
        full = touched[self._gates[touched] >= self._zone_gates[touched]]
        figure = self._people[full] / self._zone_width_m[full]
        self._gates[full] = 0
        return full, self._start_us[full], figure

    def _add(self, zone: Places, start_us: Ints, people_per_min: Floats) -> None:
        for at in np.unique(start_us):
            mine = start_us == at
            later = np.unique(zone[mine & (self._start_us[zone] != at)])
            self._start_us[later], self._people[later], self._gates[later] = at, 0.0, 0
            np.add.at(self._people, zone[mine], people_per_min[mine])
            np.add.at(self._gates, zone[mine], 1)
