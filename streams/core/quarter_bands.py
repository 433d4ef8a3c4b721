# SPDX-License-Identifier: Apache-2.0
"""Quarter hours made of shown windows: the largest band (people), or the sum (roads, gates)."""

import numpy as np
import numpy.typing as npt

from streams.core.moves import Moves

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

QUARTER_S = 900.0
LEAST_SHARE = 0.6
"""Of a quarter that has to be seen; below it the quarter is missing."""


class QuarterBands:
    """Bands of the running quarter by place, taken in as windows close.

    Parameters
    ----------
    places : int
    """

    STATE = ("low", "high", "total_low", "total_high", "seen_s")

    def __init__(self, places: int) -> None:
        self.low, self.high = np.zeros(places), np.zeros(places)
        self.total_low, self.total_high = np.zeros(places), np.zeros(places)
        self.seen_s = np.zeros(places)

    def carry(self, old: "QuarterBands", moves: Moves) -> None:
        """Go on with the places that stay."""
        new, was = moves.places()
        for name in self.STATE:
            getattr(self, name)[new] = getattr(old, name)[was]

    def add(self, place: Indices, low: Floats, high: Floats, span_s: Floats) -> None:
        """Take closed windows in, one a place at most; NaN = missing, adds nothing."""
        known = ~np.isnan(low) & ~np.isnan(high)
        place, low, high, span_s = place[known], low[known], high[known], span_s[known]
        self.low[place] = np.maximum(self.low[place], low)
        self.high[place] = np.maximum(self.high[place], high)
        self.total_low[place] += low
        self.total_high[place] += high
        self.seen_s[place] += span_s

    def maxima(self) -> tuple[Floats, Floats]:
        """Band of the quarter's maximum; NaN where too little was seen."""
        return self._shown(self.low, 1.0), self._shown(self.high, 1.0)

    def totals(self) -> tuple[Floats, Floats]:
        """Band of the quarter's sum, scaled up to the whole quarter; NaN where too little was seen."""
        share = np.where(self.seen_s > 0, QUARTER_S / np.maximum(self.seen_s, 1.0), 1.0)
        return self._shown(self.total_low, share), self._shown(self.total_high, share)

    def clear(self) -> None:
        """Begin the next quarter."""
        for name in self.STATE:
            getattr(self, name)[:] = 0.0

    def _shown(self, values: Floats, share: Floats | float) -> Floats:
        return np.where(self.seen_s >= LEAST_SHARE * QUARTER_S, values * share, np.nan)


def net_inflow(gate_zones: Indices, in_low: Floats, in_high: Floats, out_low: Floats, out_high: Floats, zones: int
               ) -> tuple[Floats, Floats]:
    """What came in less what went out, per zone, as a band.

    Parameters
    ----------
    gate_zones : int array, gates x 2
        Zone that a gate takes from and zone that it adds to when somebody goes in; -1 = outside.
    in_low, in_high, out_low, out_high : float64 arrays over gates
        Bands; NaN = missing or withheld.
    zones : int

    Returns
    -------
    low, high : float64 arrays over zones
        NaN where a zone has no gate, or a gate without a value.
    """
    low, high, gates = np.zeros(zones), np.zeros(zones), np.zeros(zones, np.int64)
    for side, (gain_low, gain_high) in enumerate(((out_low - in_high, out_high - in_low),
                                                  (in_low - out_high, in_high - out_low))):
        inside = gate_zones[:, side] >= 0
        zone = gate_zones[inside, side]
        low += np.bincount(zone, gain_low[inside], zones)
        high += np.bincount(zone, gain_high[inside], zones)
        gates += np.bincount(zone, minlength=zones)
    return np.where(gates > 0, low, np.nan), np.where(gates > 0, high, np.nan)
