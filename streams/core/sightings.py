# SPDX-License-Identifier: Apache-2.0
"""What people on the ground say of zones, beside what the sensors say.

A sighting is a range in people with a wide stated error, cut to band edges. It is compared with the band of the
zone's own window, which is shown anyway, so nothing new leaks. It changes no density and no level.
"""

import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from schemas.city import City
from schemas.errors import RefusedError
from schemas.refusal import Reason
from schemas.sighting import Disagreement, Said, Sighting, SightingShown
from streams.core.layout import Layout
from streams.core.levels import ZoneFigures
from streams.core.moves import Moves
from streams.core.privacy import band, band_floor
from streams.core.zone_windows import NO_VALUE, ZoneWindows

PERCENT_POINTS = 15.0
"""So many points of the permitted capacity may a judgement in percent be off, either way."""
COUNT_SHARE = 0.25
"""So large a share may a counted crowd be off, either way."""
CLOSED_KEPT = 20
"""Closed windows whose band is kept for sightings that are told later: a quarter of an hour and some."""
PENDING_KEPT = 1_000
"""Sightings that wait for their window; of more than these the oldest are not compared."""

Ints = npt.NDArray[np.int64]


def said_range(people: float, sighting: Sighting, capacity: float) -> tuple[float, float]:
    """The range of people that a percent or a count stands for.

    It is made from the band of the number, not from the number: nobody can read an exact count back out of it.
    """
    low, high = (float(edge) for edge in band(people))
    if sighting.said is Said.COUNT:
        return low * (1 - COUNT_SHARE), high * (1 + COUNT_SHARE)
    slack = capacity * PERCENT_POINTS / 100
    return max(low - slack, 0.0), high + slack


def disagreement(low: int, high: int | None, sensor_low: int, sensor_high: int) -> Disagreement:
    """How a sensor's band lies to a sighting's range; `high` is None where that has no upper end."""
    if sensor_high < low:
        return Disagreement.SENSOR_LOWER
    if high is not None and sensor_low > high:
        return Disagreement.SENSOR_HIGHER
    return Disagreement.AGREES


class Sightings:
    """The last sighting of each zone, those that wait for their window, and the bands of the windows closed last.

    Attributes
    ----------
    last_sightings : list of SightingShown
        The newest of each zone by its own time, compared or not.
    pending_sightings : list of SightingShown
        Those whose window is open.
    """

    STATE = ("last_sightings", "pending_sightings", "_closed_start", "_closed_low", "_closed_high")

    def __init__(self, city: City, layout: Layout, figures: ZoneFigures) -> None:
        self._city, self._layout, self._figures = city, layout, figures
        zones = len(figures.area_m2)
        self._number = {layout.place_key[at]: at for at in range(zones)}
        self.last_sightings: list[SightingShown] = []
        self.pending_sightings: list[SightingShown] = []
        self._closed_start = np.full((CLOSED_KEPT, zones), -1, np.int64)
        self._closed_low = np.full((CLOSED_KEPT, zones), NO_VALUE, np.int64)
        self._closed_high = np.full((CLOSED_KEPT, zones), NO_VALUE, np.int64)

    def carry(self, old: "Sightings", moves: Moves) -> None:
        """Go on with the zones that stay."""
        new, was = moves.zones(len(self._figures.area_m2))
        for name in ("_closed_start", "_closed_low", "_closed_high"):
            getattr(self, name)[:, new] = getattr(old, name)[:, was]
        self.last_sightings = [one for one in old.last_sightings if one.zone in self._number]
        self.pending_sightings = [one for one in old.pending_sightings if one.zone in self._number]

    def check(self, sighting: Sighting) -> None:
        """Raise `RefusedError` where the city in force cannot judge it; nothing is changed."""
        if sighting.zone not in self._number:
            raise RefusedError(Reason.UNKNOWN_ZONE, f"sighting of zone {sighting.zone!r}, which no site here has")
        self._edges(sighting)

    def take(self, sighting: Sighting) -> list[SightingShown]:
        """Take in a checked sighting and tell it: compared at once where its window is closed already."""
        try:
            self.check(sighting)
        except RefusedError:  # a city version took over since it was checked, and no longer has that zone or level
            return []
        zone = self._number[sighting.zone]
        low, high = self._edges(sighting)
        span_us = int(self._layout.place_span_us[zone])
        shown = SightingShown(
            site=self._layout.place_site[zone], zone=sighting.zone, at_us=sighting.at_us, role=sighting.role,
            said=sighting.said, people_low=low, people_high=high, sensor_low=None, sensor_high=None,
            disagreement=Disagreement.NOT_COMPARED, window_start_us=sighting.at_us // span_us * span_us, revision=0,
        )
        ring = shown.window_start_us // span_us % CLOSED_KEPT
        if self._closed_start[ring, zone] == shown.window_start_us:
            shown = _compared(shown, int(self._closed_low[ring, zone]), int(self._closed_high[ring, zone]))
        else:
            self.pending_sightings = [*self.pending_sightings, shown][-PENDING_KEPT:]
        self._keep(shown)
        return [shown]

    def closed(self, zone: npt.NDArray[np.intp], start_us: Ints, windows: ZoneWindows) -> list[SightingShown]:
        """Remember the bands of windows that close now; the sightings that waited for them, compared."""
        at = windows.ring(zone, start_us), zone
        low, high = windows.low[at], windows.high[at]
        ring = start_us // self._layout.place_span_us[zone] % CLOSED_KEPT
        self._closed_start[ring, zone] = start_us
        self._closed_low[ring, zone], self._closed_high[ring, zone] = low, high
        if not self.pending_sightings:
            return []
        position = {number: index for index, number in enumerate(zone.tolist())}
        told: list[SightingShown] = []
        waiting: list[SightingShown] = []
        for one in self.pending_sightings:
            index = position.get(self._number[one.zone])
            if index is None or one.window_start_us > start_us[index]:
                waiting.append(one)
            elif one.window_start_us == start_us[index]:
                told.append(_compared(one, int(low[index]), int(high[index])))
        self.pending_sightings = waiting
        for shown in told:
            self._keep(shown)
        return told

    def _keep(self, shown: SightingShown) -> None:
        last = {one.zone: one for one in self.last_sightings}
        before = last.get(shown.zone)
        if before is None or before.at_us <= shown.at_us:
            last[shown.zone] = shown
            self.last_sightings = list(last.values())

    def _edges(self, sighting: Sighting) -> tuple[int, int | None]:
        """The sighting's range at band edges; raises `RefusedError` where the zone cannot be judged so."""
        zone = self._number[sighting.zone]
        capacity = float(self._figures.capacity[zone])
        if sighting.colour is not None:
            return self._level_edges(zone, sighting.colour)
        if sighting.count is not None:
            low, high = said_range(sighting.count, sighting, capacity)
        elif sighting.percent is not None and not np.isnan(capacity):
            low, high = said_range(sighting.percent * capacity / 100, sighting, capacity)
        else:
            raise RefusedError(
                Reason.BAD_VALUE, f"zone {sighting.zone} has no permitted capacity; say `colour` or `count` instead")
        return int(band_floor(low)), int(band(high)[1])

    def _level_edges(self, zone: int, colour: str) -> tuple[int, int | None]:
        key = self._layout.place_key[zone]
        names = [name.casefold() for name in self._city.file.profiles[self._city.file.zones[key].profile].levels]
        edges = self._figures.people[zone].tolist()
        level = names.index(colour.casefold()) if colour.casefold() in names else -1
        low = 0.0 if level == 0 else (edges[level - 1] if 0 < level <= len(edges) else np.inf)
        if level < 0 or not np.isfinite(low):
            raise RefusedError(Reason.BAD_VALUE, f"zone {key} has no such level; known: {', '.join(names)}")
        high = edges[level] if level < len(edges) else np.inf
        return int(band_floor(low)), int(band(max(high - 1, 0.0))[1]) if np.isfinite(high) else None


def _compared(shown: SightingShown, sensor_low: int, sensor_high: int) -> SightingShown:
    if sensor_low == NO_VALUE:
        return replace(shown, disagreement=Disagreement.NO_SENSOR, revision=1)
    found = disagreement(shown.people_low, shown.people_high, sensor_low, sensor_high)
    return replace(shown, disagreement=found, sensor_low=sensor_low, sensor_high=sensor_high, revision=1)
