# SPDX-License-Identifier: Apache-2.0
"""Surges: a hidden state of each count (normal, event, low) that is filtered forward, slot by slot.

After Ihler, Hutchins and Smyth's Markov-modulated Poisson process, without sampling. A count is a usual part,
Gamma-Poisson around the baseline, and while there is an event an excess. Inputs are published bands and baselines
only, so that the answer tells nothing new about people; a band's likelihood is the sum over its values.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.core.baselines import SIDES, Baselines, Figures
from streams.core.layout import Layout, PlaceKind
from streams.core.moves import Moves
from streams.core.negative_binomial import interval_chances

SLOT_US = 300_000_000
"""How often a count is judged; a place with longer rows is judged at each of them."""
NORMAL, EVENT, LOW = range(3)
STATES = 3
RAISE_FROM = 0.99
"""Chance of an event from which there is a surge."""
CLEAR_BELOW = 0.5

_REFERENCE_US = 900_000_000
# Chances of leaving a state within a quarter: an event begins in one of a hundred and lasts an hour; a low is rarer.
_TO_EVENT, _TO_LOW, _TO_NORMAL = 0.01, 0.005, 0.25
_EXCESS = 15.0
"""Least mean excess of an event in a quarter, or of people present."""
_EXCESS_SDS = 4.0
"""... and at least so many standard deviations of the usual count: a big place has big surges."""
_EXCESS_SHAPE = 2.0
_LOW_SHARE, _LOW_SHAPE = 0.3, 5.0
_LEAST_MEAN = 0.5
_LEAST_CV = 0.05
_LASTING = 0.75
"""Share of the baseline's variance that lasts for hours (weather, a busy day); the rest is the slot's own."""
_HALF_LIFE_US = 7_200_000_000
"""After which what was seen of the day counts for half."""
_LONGEST_GAP = 96
_IMPOSSIBLE = 1e-60
_SEEN_SHARE = 0.5

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Places = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class SurgeStep:
    """What was judged when windows closed; arrays of shape `SIDES` x places judged, unless said otherwise.

    Parameters
    ----------
    place : int array over places judged
    end_us : int64 array over places judged
        End of the slot: the time of an onset.
    chance : float64 array
        Of an event.
    surging, onset, ended : bool arrays
    expected : float64 array
        What was usual for the slot on this day; NaN without a baseline.
    judged : bool array
        Whether there was both a baseline and enough of the slot; else only time has passed.
    """

    place: Places
    end_us: Ints
    chance: Floats
    surging: Mask
    onset: Mask
    ended: Mask
    expected: Floats
    judged: Mask


class Surges:
    """The filter of every count of a partition.

    Attributes
    ----------
    chance : float64 array, `STATES` x `SIDES` x places
        Of each state; the sum over states is 1.
    surging : bool array, `SIDES` x places
    """

    STATE = ("chance", "surging", "_seen", "_usual", "_low", "_high", "_covered_us", "_judged_us")

    def __init__(self, layout: Layout, slot_us: int = SLOT_US) -> None:
        places = len(layout.place_kind)
        self._slot_us = np.maximum(layout.place_span_us, slot_us)
        self._span_us = layout.place_span_us
        self._is_state = layout.place_kind == PlaceKind.ZONE
        self.chance = np.zeros((STATES, SIDES, places))
        self.chance[NORMAL] = 1.0
        self.surging = np.zeros((SIDES, places), np.bool_)
        # Of the day so far, each slot weighed by what it tells and faded with time: seen, and usual beside it.
        self._seen = np.zeros((SIDES, places))
        self._usual = np.zeros((SIDES, places))
        # Of the slot that runs: sums over its windows.
        self._low = np.zeros((SIDES, places))
        self._high = np.zeros((SIDES, places))
        self._covered_us = np.zeros((SIDES, places), np.int64)
        self._judged_us = np.zeros(places, np.int64)

    def carry(self, old: "Surges", moves: Moves) -> None:
        """Go on with the places that stay."""
        new, was = moves.places()
        for name in self.STATE:
            getattr(self, name)[..., new] = getattr(old, name)[..., was]

    def closed(self, place: Places, start_us: Ints, low: Floats, high: Floats, seen: Mask,
               baselines: Baselines) -> SurgeStep:
        """Take closed windows in; judge the places whose slot ends with them.

        Parameters
        ----------
        place : int array
            Each place once.
        start_us : int64 array over `place`
            Begin of the window.
        low, high : float64 arrays, `SIDES` x places
            The published band: of people present, or of passages in and out. Of vehicles, which are public, twice
            the number. Speeds are not judged here: their side is not `seen`.
        seen : bool array, `SIDES` x places
            False where the row is missing or withheld: that is no evidence.
        baselines : Baselines
        """
        span_us = self._span_us[place]
        weight = np.where(self._is_state[place], span_us, 1) * seen
        self._low[:, place] += np.where(seen, low, 0.0) * weight
        self._high[:, place] += np.where(seen, high, 0.0) * weight
        self._covered_us[:, place] += span_us * seen
        slot_us = self._slot_us[place]
        ends = (start_us + span_us) // slot_us > start_us // slot_us
        due, end_us = place[ends], (start_us + span_us)[ends] // slot_us[ends] * slot_us[ends]
        order = np.argsort(end_us, kind="stable")
        steps = [self._judge(due[order][at], int(end), baselines) for end, at in _runs(end_us[order])]
        return _joined(steps)

    def _judge(self, place: Places, end_us: int, baselines: Baselines) -> SurgeStep:
        slot_us = self._slot_us[place]
        at_us = end_us - int(slot_us.min()) if len(place) else end_us
        figures = baselines.at(at_us)
        usual = self._usual_of(place, figures)
        low, high, covered = self._observed(place)
        judged = ~np.isnan(usual.mean) & covered
        chance = self._predicted(place, end_us)
        sure = usual.at(judged)
        chance[:, judged] = _updated(chance[:, judged], sure, low[judged], high[judged], self._excess(place)[judged])
        self.chance[:, :, place] = chance
        self._learn(place, usual, low, high, judged & (chance[NORMAL] > CLEAR_BELOW))
        before = self.surging[:, place]
        surging = np.where(before, chance[EVENT] >= CLEAR_BELOW, chance[EVENT] >= RAISE_FROM)
        self.surging[:, place] = surging
        self._judged_us[place] = end_us
        for sums in (self._low, self._high, self._covered_us):
            sums[:, place] = 0
        return SurgeStep(place, np.full(len(place), end_us, np.int64), chance[EVENT], surging, surging & ~before,
                         before & ~surging, usual.mean, judged)

    def _observed(self, place: Places) -> tuple[Ints, Ints, Mask]:
        """The band of the slot: mean of people present, or passages scaled to the whole slot."""
        covered_us = self._covered_us[:, place]
        divisor = np.where(self._is_state[place], covered_us, covered_us / self._slot_us[place])
        safe = np.where(covered_us > 0, divisor, 1.0)
        # What lies between two whole numbers may be either: a band only ever grows wider.
        low = np.floor(self._low[:, place] / safe + 1e-9).astype(np.int64)
        high = np.ceil(self._high[:, place] / safe - 1e-9).astype(np.int64)
        return low, high, covered_us >= _SEEN_SHARE * self._slot_us[place]

    def _excess(self, place: Places) -> Floats:
        share = np.where(self._is_state[place], 1.0, self._slot_us[place] / _REFERENCE_US)
        return np.broadcast_to(_EXCESS * share, (SIDES, len(place)))

    def _usual_of(self, place: Places, figures: Figures) -> "_Usual":
        """The usual count of the slot, with what the day has shown so far."""
        share = np.where(self._is_state[place], 1.0, self._slot_us[place] / _REFERENCE_US)
        baseline = np.maximum(figures.mean[:, place], _LEAST_MEAN) * share
        variation = np.maximum(figures.sd[:, place] / np.maximum(figures.mean[:, place], _LEAST_MEAN), _LEAST_CV) ** 2
        lasting = 1 / (_LASTING * variation)
        slot_shape = 1 / ((1 - _LASTING) * variation)
        day_shape = lasting + self._seen[:, place]
        effect = day_shape / (lasting + self._usual[:, place])
        return _Usual(baseline, baseline * effect, 1 / (1 / day_shape + 1 / slot_shape), slot_shape)

    def _predicted(self, place: Places, end_us: int) -> Floats:
        """The chances before the slot is looked at; slots that nobody judged pass time only."""
        slot_us = self._slot_us[place]
        gap = np.where(self._judged_us[place] > 0, (end_us - self._judged_us[place]) // slot_us, 1)
        gap = np.clip(gap, 1, _LONGEST_GAP)
        found = self.chance[:, :, place].copy()
        for one, slots in sorted(set(zip(slot_us.tolist(), gap.tolist(), strict=True))):
            mine = (slot_us == one) & (gap == slots)
            step = np.linalg.matrix_power(transitions(one), slots)
            found[:, :, mine] = np.einsum("ij,isk->jsk", step, found[:, :, mine])
        return np.asarray(found / found.sum(axis=0))

    def _learn(self, place: Places, usual: "_Usual", low: Ints, high: Ints, learns: Mask) -> None:
        """Learn how the day differs from the baseline: only while all is normal; else it fades and nothing is added."""
        fade = 0.5 ** (self._slot_us[place] / _HALF_LIFE_US)
        # The usual figure where the band holds it, else the band's nearer edge: a band tells no more than that.
        count = np.clip(usual.mean, low, high)
        weight = 1 / (1 + usual.baseline / usual.slot_shape)
        for total, part in ((self._seen, count), (self._usual, usual.baseline)):
            total[:, place] = fade * total[:, place] + np.where(learns, weight * part, 0.0)


@dataclass(frozen=True, slots=True)
class _Usual:
    baseline: Floats
    mean: Floats
    shape: Floats
    slot_shape: Floats

    def at(self, mine: Mask) -> "_Usual":
        return _Usual(self.baseline[mine], self.mean[mine], self.shape[mine], self.slot_shape[mine])


def transitions(slot_us: int) -> Floats:
    """Chances of going from state to state within a slot, row by row; set for a quarter, rescaled to the slot."""
    share = slot_us / _REFERENCE_US
    to_event, to_low, to_normal = (1 - (1 - chance) ** share for chance in (_TO_EVENT, _TO_LOW, _TO_NORMAL))
    return np.array([
        [1 - to_event - to_low, to_event, to_low], [to_normal, 1 - to_normal, 0.0], [to_normal, 0.0, 1 - to_normal],
    ])


def _updated(chance: Floats, usual: _Usual, low: Ints, high: Ints, least_excess: Floats) -> Floats:
    """Bayes' rule over the states, for counts within bands; arrays over counts, chances `STATES` x counts."""
    sd = np.sqrt(usual.mean + usual.mean**2 / usual.shape)
    excess = np.maximum(least_excess, _EXCESS_SDS * sd)
    normal, event = interval_chances(low, high, usual.mean, usual.shape, excess, np.full(len(sd), _EXCESS_SHAPE))
    low_mean = np.maximum(_LOW_SHARE * usual.mean, _LEAST_MEAN * _LOW_SHARE)
    few, _ = interval_chances(low, high, low_mean, np.minimum(usual.shape, _LOW_SHAPE), None, None)
    # Beyond what any state expects the side of the usual count decides, and no chance is ever divided by 0.
    likelihood = np.stack([
        normal + _IMPOSSIBLE * 1e-20,
        event + np.where(low > usual.mean, _IMPOSSIBLE, 0.0),
        few + np.where(high < usual.mean, _IMPOSSIBLE, 0.0),
    ])
    found = chance * likelihood
    return np.asarray(found / found.sum(axis=0))


def _runs(ends: Ints) -> list[tuple[int, slice]]:
    """Values of an ascending array and where each of them stands."""
    if not len(ends):
        return []
    first = np.flatnonzero(np.concatenate([[True], ends[1:] != ends[:-1]])).tolist()
    return [(int(ends[at]), slice(at, following)) for at, following in zip(first, [*first[1:], len(ends)], strict=True)]


def _joined(steps: list[SurgeStep]) -> SurgeStep:
    if len(steps) == 1:
        return steps[0]
    if not steps:
        none, flags = np.zeros((SIDES, 0)), np.zeros((SIDES, 0), np.bool_)
        return SurgeStep(np.zeros(0, np.intp), np.zeros(0, np.int64), none, flags, flags, flags, none, flags)
    return SurgeStep(
        np.concatenate([one.place for one in steps]), np.concatenate([one.end_us for one in steps]),
        np.concatenate([one.chance for one in steps], 1), np.concatenate([one.surging for one in steps], 1),
        np.concatenate([one.onset for one in steps], 1), np.concatenate([one.ended for one in steps], 1),
        np.concatenate([one.expected for one in steps], 1), np.concatenate([one.judged for one in steps], 1))
