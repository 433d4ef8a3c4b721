# SPDX-License-Identifier: Apache-2.0
"""Measures that were taken, and whether what they should bring about comes: judged on bands that are shown anyway."""

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.city import City
from schemas.command import MeasureTaken
from streams.core.desk import RefusedCommandError
from streams.core.layout import MINUTE_US, Layout
from streams.core.moves import Moves

WATCHED_US = 60 * MINUTE_US
"""So long after its time a measure without effect is still told of."""
Places = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float64]


class Clock(msgspec.Struct, frozen=True):
    """The clock of one measure's effect.

    Parameters
    ----------
    zone : str
        Where the measure was taken.
    gate : str
        Whose inflow should fall; empty = the people in the zone should.
    fall_percent : float
    due_us : int
        When it should have.
    before : float
        Upper edge of the band when it was taken; passages a minute, or people; -1 where it was not known.
    """

    zone: str
    gate: str
    fall_percent: float
    due_us: int
    before: float


class MeasuresTaken:
    """The clocks that run, and the newest bands that they are held against.

    Attributes
    ----------
    clocks : list of Clock
    """

    STATE = ("clocks", "_inflow_per_min", "_people")

    def __init__(self, city: City, layout: Layout, zones: int) -> None:
        self._city = city
        self._number = {key: at for at, key in enumerate(layout.place_key)}
        self.clocks: list[Clock] = []
        self._inflow_per_min = np.full(len(layout.place_kind), np.nan)
        self._people = np.full(zones, np.nan)

    def carry(self, old: "MeasuresTaken", moves: Moves) -> None:
        """Go on with places that stay."""
        new, was = moves.places()
        self._inflow_per_min[new] = old._inflow_per_min[was]
        zone, was_zone = moves.zones(len(self._people))
        self._people[zone] = old._people[was_zone]
        self.clocks = [one for one in old.clocks
                       if one.zone in self._number and (not one.gate or one.gate in self._number)]

    def gates_closed(self, gate: Places, in_high: Floats, span_min: Floats) -> None:
        """Remember the upper edge of what came in; NaN where it is not shown."""
        self._inflow_per_min[gate] = in_high / span_min

    def take(self, command: MeasureTaken, now_us: int) -> str:
        """Start the clock of a measure; its site. A measure without a stated effect has none."""
        plan = self._city.file.plans.get(command.plan)
        measure = None if plan is None else plan.measures.get(command.measure)
        zone = self._city.file.zones.get(command.place)
        if measure is None or zone is None:
            raise RefusedCommandError("the city file has no such plan, measure or zone")
        if "*" not in measure.zones and command.place not in measure.zones:
            raise RefusedCommandError("the measure does not belong to this zone")
        effect = measure.effect
        if effect is not None:
            gate = effect.gate or ""
            clock = Clock(command.place, gate, effect.fall_percent, now_us + effect.within_min * MINUTE_US,
                          float(np.nan_to_num(self._newest(command.place, gate), nan=-1.0)))
            self.clocks = [one for one in self.clocks if (one.zone, one.gate) != (clock.zone, gate)] + [clock]
        return zone.site

    def _newest(self, zone: str, gate: str) -> float:
        if gate:
            return float(self._inflow_per_min[self._number[gate]])
        return float(self._people[self._number[zone]])

    def lacking(self, zone: Places, high: Floats, now_us: int) -> Floats:
        """How many percent of the stated effect are lacking in zones whose windows close now.

        Parameters
        ----------
        zone : int array
        high : float64 array
            Upper edges of their bands; NaN where missing.
        now_us : int

        Returns
        -------
        float64 array over `zone`
            The most of any measure. 0 where no measure's time is over; NaN where nobody can say.
        """
        self._people[zone] = np.where(np.isnan(high), self._people[zone], high)
        self.clocks = [one for one in self.clocks if now_us < one.due_us + WATCHED_US]
        found = np.zeros(len(zone))
        at = {int(number): position for position, number in enumerate(zone)} if self.clocks else {}
        over: dict[int, list[float]] = {}
        for clock in self.clocks:
            position = at.get(self._number[clock.zone])
            if position is not None and now_us >= clock.due_us:
                unseen = not clock.gate and bool(np.isnan(high[position]))
                over.setdefault(position, []).append(float("nan") if unseen else self._lacking(clock))
        for position, lacking in over.items():
            # What nobody can say is no effect that has come.
            worst = float(np.fmax.reduce(lacking))
            found[position] = worst if worst > 0 or not np.isnan(lacking).any() else np.nan
        return found

    def _lacking(self, clock: Clock) -> float:
        wanted = clock.before * clock.fall_percent / 100
        if not wanted > 0:
            return float("nan")
        return 100 * (1 - (clock.before - self._newest(clock.zone, clock.gate)) / wanted)
