# SPDX-License-Identifier: Apache-2.0
"""Incidents on roads: speed (and flow) that falls away from what it was, minute by minute.

Two classical measures of deviation decide together: the standard normal deviate (SND) of the minute, and an
exponentially weighted moving average (EWMA) of deviations. What is usual is learned while nothing is wrong, and
frozen during an incident. A fixed threshold on smoothed speed stands beside them as the reference to beat.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.core.baselines import Figures
from streams.core.layout import Layout
from streams.core.moves import Moves

LIMIT = 4.0
"""Standard deviations from which both measures together tell an incident."""
CLEAR_BELOW = 1.5
FIXED_KM_H = 35.0
SMOOTHING = 0.3
"""Weight of the newest minute in the moving average."""
ONSET_MINUTES = 2
"""Deciding minutes in a row: short-term averaging cuts false alarms."""
CLEAR_MINUTES = 5
LEARNED_MINUTES = 15
LONGEST_MINUTES = 180
"""After which a changed road is learned anew."""

_HALF_LIFE_MINUTES = 30.0
_LEAST_SD_KM_H, _LEAST_SD_SHARE = 2.0, 0.05
_LEAST_DROP = 0.15
"""A fall of a smaller share is no incident, however steady the road was."""
_FLOW_SHARE = 0.25
"""How much the flow's fall adds to the speed's, in standard deviations of each."""
# The sd of an EWMA of independent minutes, in sds of a minute.
_SMOOTHED_SD = float(np.sqrt(SMOOTHING / (2 - SMOOTHING)))
_AUTOCORRELATION = 1.6
"""Minutes are not independent: the EWMA's sd is so much larger than if they were."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Places = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class IncidentStep:
    """Roads at closed windows; arrays over `place`.

    Parameters
    ----------
    place : int array
    end_us : int64 array
        End of the window: the time of an onset.
    score : float64 array
        The lesser of SND and EWMA, in standard deviations, over the minutes that decide; NaN without evidence.
    snd, ewma : float64 arrays
        Each measure of this minute, positive = slower than usual.
    smoothed_km_h : float64 array
    below_fixed : bool array
        The reference rule: smoothed speed below a fixed one.
    active, onset, ended : bool arrays
    """

    place: Places
    end_us: Ints
    score: Floats
    snd: Floats
    ewma: Floats
    smoothed_km_h: Floats
    below_fixed: Mask
    active: Mask
    onset: Mask
    ended: Mask


class Incidents:
    """What is usual on every road of a partition, and whether it is so now; arrays over places.

    Parameters
    ----------
    layout : Layout
    fixed_km_h : float64 array, optional
        The reference rule's threshold of each place.
    """

    STATE = ("active", "_mean", "_variance", "_smoothed", "_minutes", "_run", "_calm", "_lasted", "_score_before")

    def __init__(self, layout: Layout, fixed_km_h: Floats | None = None) -> None:
        places = len(layout.place_kind)
        self._fixed = np.full(places, FIXED_KM_H) if fixed_km_h is None else fixed_km_h
        self.active = np.zeros(places, np.bool_)
        # Row 0 is speed, row 1 flow.
        self._mean = np.full((2, places), np.nan)
        self._variance = np.zeros((2, places))
        self._smoothed = np.full((2, places), np.nan)
        self._minutes = np.zeros((2, places), np.int64)
        self._run = np.zeros(places, np.int64)
        self._calm = np.zeros(places, np.int64)
        self._lasted = np.zeros(places, np.int64)
        self._score_before = np.full(places, np.nan)

    def carry(self, old: "Incidents", moves: Moves) -> None:
        """Go on with the places that stay."""
        new, was = moves.places()
        for name in self.STATE:
            getattr(self, name)[..., new] = getattr(old, name)[..., was]

    def closed(self, place: Places, end_us: Ints, speed_km_h: Floats, vehicles: Floats,
               figures: Figures | None = None) -> IncidentStep:
        """Take closed windows of roads in.

        Parameters
        ----------
        place : int array
            Each road once; windows of one place come in their order.
        end_us : int64 array
            Ends of the windows.
        speed_km_h, vehicles : float64 arrays
            NaN where not known: that is no evidence, and passes no time.
        figures : Figures, optional
            What is usual at this quarter of the week; speeds that are (1 in 20) are no incident.
        """
        now = np.stack([speed_km_h, vehicles])
        seen = ~np.isnan(speed_km_h)
        self._smooth(place, now)
        deviate, ewma = self._deviations(place, now)
        snd = deviate[0] + _FLOW_SHARE * np.clip(np.nan_to_num(deviate[1]), 0.0, LIMIT)
        score_now = np.minimum(snd, ewma)
        score_now = np.where(self._is_notable(place, figures), score_now, np.minimum(score_now, 0.0))
        score = np.where(seen, np.fmin(score_now, self._score_before[place]), np.nan)
        self._score_before[place] = np.where(seen, score_now, self._score_before[place])
        onset, ended = self._decide(place, seen, score_now, ewma)
        self._learn(place, now, (score_now < LIMIT / 2) & ~self.active[place])
        smoothed = self._smoothed[0, place]
        return IncidentStep(place, end_us, score, snd, ewma, smoothed, seen & (smoothed < self._fixed[place]),
                            self.active[place], onset, ended)

    def _smooth(self, place: Places, now: Floats) -> None:
        before = self._smoothed[:, place]
        first = np.isnan(before)
        self._smoothed[:, place] = np.where(
            np.isnan(now), before, np.where(first, now, before + SMOOTHING * (now - np.where(first, 0.0, before))))

    def _deviations(self, place: Places, now: Floats) -> tuple[Floats, Floats]:
        """SND of speed and flow, EWMA of speed; NaN until enough was learned."""
        mean = self._mean[:, place]
        least = np.stack([np.maximum(_LEAST_SD_KM_H, _LEAST_SD_SHARE * mean[0]), np.sqrt(np.maximum(mean[1], 1.0))])
        sd = np.maximum(np.sqrt(self._variance[:, place]), least)
        known = self._minutes[:, place] >= LEARNED_MINUTES
        deviate = np.where(known, (mean - now) / sd, np.nan)
        fallen = mean[0] - self._smoothed[0, place]
        ewma = np.where(known[0] & ~np.isnan(now[0]), fallen / (sd[0] * _SMOOTHED_SD * _AUTOCORRELATION), np.nan)
        return deviate, ewma

    def _is_notable(self, place: Places, figures: Figures | None) -> Mask:
        """Whether the smoothed speed has fallen enough, and to where it usually is not."""
        speed = self._smoothed[0, place]
        fallen = speed <= (1 - _LEAST_DROP) * self._mean[0, place]
        if figures is None:
            return np.asarray(fallen)
        usually_from = figures.low[1, place]
        return np.asarray(fallen & ~(speed >= usually_from))

    def _decide(self, place: Places, seen: Mask, score: Floats, ewma: Floats) -> tuple[Mask, Mask]:
        before = self.active[place]
        run = np.where(seen, np.where(score >= LIMIT, self._run[place] + 1, 0), self._run[place])
        calm = np.where(seen, np.where(ewma < CLEAR_BELOW, self._calm[place] + 1, 0), self._calm[place])
        lasted = np.where(before, self._lasted[place] + seen, 0)
        too_long = before & (lasted >= LONGEST_MINUTES)
        ended = before & ((calm >= CLEAR_MINUTES) | too_long)
        onset = ~before & seen & (run >= ONSET_MINUTES)
        self._run[place], self._calm[place] = run, np.where(onset, 0, calm)
        self._lasted[place] = lasted
        self.active[place] = (before & ~ended) | onset
        if too_long.any():
            self._forget(place[too_long])
        return onset, ended

    def _forget(self, place: Places) -> None:
        self._mean[:, place] = np.nan
        self._minutes[:, place] = 0
        self._variance[:, place] = 0.0
        self._run[place] = 0

    def _learn(self, place: Places, now: Floats, learns: Mask) -> None:
        """Mean and variance that forget with a half-life; nothing is learned from what is not normal."""
        mean, variance = self._mean[:, place], self._variance[:, place]
        known = self._minutes[:, place]
        takes = ~np.isnan(now) & (learns | (known < LEARNED_MINUTES))
        # As a plain mean at first, then with the half-life's weight.
        weight = np.maximum(1 / (known + 1.0), 1 - 0.5 ** (1 / _HALF_LIFE_MINUTES))
        first = known == 0
        off = np.where(first, 0.0, now - np.where(first, 0.0, mean))
        self._mean[:, place] = np.where(takes, np.where(first, now, mean + weight * off), mean)
        self._variance[:, place] = np.where(takes, (1 - weight) * (variance + weight * off**2), variance)
        self._minutes[:, place] = known + takes
