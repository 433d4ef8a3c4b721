# SPDX-License-Identifier: Apache-2.0
"""A simulated city for forecasts: people who come, stay and go, with weather, and events that do not keep their plan.

Events differ from their plan in visitors (log-normal, sd 0.2), start and end (sd 10 min) and in the shape of the
curve. Cameras err by 3 %, gates miss 5 %; both are seen as bands only, as an operator sees them.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.core.event_plan import EventPlan, usual_curve
from streams.core.privacy import GATE_SHOWN_FROM, band

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

STEP_MIN = 5
QUARTER_STEPS = 3
DAY_STEPS = 24 * 60 // STEP_MIN
DAY_QUARTERS = 96
QUARTER_US = 15 * 60_000_000
_STAY_MIN = 45.0
_MISSED = 0.05
_CAMERA_SD = 0.03


@dataclass(frozen=True, slots=True)
class Crowd:
    """What happened and what was seen; float64 arrays, zones x quarters.

    Parameters
    ----------
    site : int array over zones
    truth : array
        The largest number of people in the quarter.
    low, high : arrays
        Band of what the cameras saw.
    net_low, net_high : arrays
        From the gates' bands; NaN where withheld.
    plans : list of EventPlan
        As the city file would hold them.
    event : bool array
        From an hour before the plan's first visitor to an hour after its last.
    level_people : float64 array over zones
        Where the zone's next level begins.
    """

    site: npt.NDArray[np.intp]
    truth: Floats
    low: Floats
    high: Floats
    net_low: Floats
    net_high: Floats
    plans: list[EventPlan]
    event: Mask
    level_people: Floats


def simulated(sites: int, zones_a_site: int, quiet_days: int, event_days: int, seed: int) -> Crowd:
    """`quiet_days` without events, then `event_days` with some two events a week at each site."""
    draw = np.random.default_rng(seed)
    site = np.repeat(np.arange(sites), zones_a_site)
    steps = (quiet_days + event_days) * DAY_STEPS
    usual = _usual(len(site), steps, draw)
    level = usual.max(axis=1) * draw.uniform(1.2, 2.0, len(site))
    wanted = usual * np.exp(_weather(sites, steps, draw)[site] + _wander(len(site), steps, 180.0, 0.1, draw))
    plans, aims, hours = _events(site, level, quiet_days, event_days, draw)
    people, came, went = _moved(wanted, aims, draw)
    quarters = steps // QUARTER_STEPS
    seen = people * (1 + _CAMERA_SD * draw.standard_normal(people.shape))
    low, high = band(_by_quarter(np.maximum(seen, 0)).max(axis=2))
    gates = [_gate_bands(count, draw) for count in (came, went)]
    hidden = low < GATE_SHOWN_FROM
    net_low = np.where(hidden, np.nan, gates[0][0] - gates[1][1])
    net_high = np.where(hidden, np.nan, gates[0][1] - gates[1][0])
    return Crowd(site, _by_quarter(people).max(axis=2), low.astype(np.float64), high.astype(np.float64), net_low,
                 net_high, plans, hours[:, :quarters], level)


def _by_quarter(steps: Floats) -> Floats:
    return steps.reshape(len(steps), -1, QUARTER_STEPS)


def _gate_bands(count: Floats, draw: np.random.Generator) -> tuple[Floats, Floats]:
    """Sums of the bands of single minutes, as gates are shown."""
    seen = draw.binomial(count.astype(np.int64), 1 - _MISSED)
    low, high = band(np.floor(seen / STEP_MIN))
    return _by_quarter(STEP_MIN * low.astype(np.float64)).sum(axis=2), _by_quarter(
        STEP_MIN * high.astype(np.float64)).sum(axis=2)


def _usual(zones: int, steps: int, draw: np.random.Generator) -> Floats:
    """The weekly pattern: a midday and an evening peak, other heights at weekends, quiet nights."""
    hour = np.arange(steps) * STEP_MIN / 60 % 24
    day = np.arange(steps) // DAY_STEPS % 7
    peak = draw.uniform(60, 500, zones)[:, None]
    noon, evening = draw.uniform(11, 15, zones)[:, None], draw.uniform(17, 21, zones)[:, None]
    share = draw.uniform(0.3, 1.0, (zones, 7))[:, day]
    return np.asarray(peak * share * (0.03 + np.exp(-((hour - noon) / 2.5) ** 2)
                                      + 0.7 * np.exp(-((hour - evening) / 1.8) ** 2)))


def _weather(sites: int, steps: int, draw: np.random.Generator) -> Floats:
    return _wander(sites, steps, 24 * 60.0, 0.2, draw) + _wander(sites, steps, 180.0, 0.12, draw)


def _wander(series: int, steps: int, memory_min: float, sd: float, draw: np.random.Generator) -> Floats:
    kept = np.exp(-STEP_MIN / memory_min)
    shocks = sd * np.sqrt(1 - kept**2) * draw.standard_normal((steps, series))
    shocks[0] = sd * draw.standard_normal(series)
    for at in range(1, steps):
        shocks[at] += kept * shocks[at - 1]
    return np.ascontiguousarray(shocks.T)


def _events(site: npt.NDArray[np.intp], level: Floats, quiet_days: int, event_days: int, draw: np.random.Generator
            ) -> tuple[list[EventPlan], Floats, Mask]:
    """Plans, how many visitors want to be present at each step, and quarters around the plans."""
    steps = (quiet_days + event_days) * DAY_STEPS
    minute = np.arange(steps) * STEP_MIN
    quarter = np.arange(steps // QUARTER_STEPS) * QUARTER_US
    aims, hours, plans = np.zeros((len(site), steps)), np.zeros((len(site), len(quarter)), np.bool_), []
    for place in range(site.max() + 1):
        for day in range(quiet_days, quiet_days + event_days):
            if draw.random() > 2 / 7:
                continue
            start = day * 1440 + 15 * int(draw.integers(48, 80))
            end = start + 15 * int(draw.integers(8, 17))
            turnout = np.exp(0.2 * draw.standard_normal())
            shift = 10 * draw.standard_normal(2)
            shape = _sigmoid((minute - start - shift[0] + 25) / 16) - _sigmoid((minute - end - shift[1] - 15) / 10)
            for zone in np.flatnonzero(site == place).tolist():
                visitors = draw.uniform(0.4, 1.4) * level[zone]
                plan = usual_curve(zone, start * 60_000_000, end * 60_000_000, visitors)
                plans.append(plan)
                aims[zone] += visitors * turnout * np.exp(0.1 * draw.standard_normal()) * shape
                hours[zone] |= ((quarter >= plan.at_us[0] - 4 * QUARTER_US)
                                & (quarter <= plan.at_us[-1] + 4 * QUARTER_US))
    return plans, aims, hours


def _sigmoid(values: Floats) -> Floats:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * values)))


def _moved(wanted: Floats, aims: Floats, draw: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """People present, and how many came and went in each step; visitors of events have their own hours."""
    zones, steps = wanted.shape
    leave = 1 - np.exp(-STEP_MIN / _STAY_MIN)
    rise = np.diff(aims, axis=1, prepend=0.0)
    going = np.where(rise < 0, np.minimum(-rise / np.maximum(aims - rise, 1.0), 1.0), 0.0)
    came = draw.poisson(wanted * leave) + (visitors := draw.poisson(np.maximum(rise, 0.0)))
    people, went = np.zeros((zones, steps)), np.zeros((zones, steps))
    locals_now, guests = draw.poisson(wanted[:, 0]), np.zeros(zones, np.int64)
    for at in range(steps):
        left, home = draw.binomial(locals_now, leave), draw.binomial(guests, going[:, at])
        locals_now = locals_now - left + came[:, at] - visitors[:, at]
        guests = guests - home + visitors[:, at]
        people[:, at], went[:, at] = locals_now + guests, left + home
    return people, came.astype(np.float64), went
