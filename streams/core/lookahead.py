# SPDX-License-Identifier: Apache-2.0
"""What is unusual now and what is ahead: surges, road incidents and forecasts, from published figures only.

A quarter hour is looked back on a minute after its end, when nearly all of its windows have closed; one that closes
later counts in the next quarter.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.baseline import BaselineRows
from schemas.city import City
from schemas.ids import IdKind
from schemas.lesson import Lesson
from schemas.live import OUTLOOK_SCHEMA
from schemas.rules import RuleKind
from streams.core.baselines import Baselines
from streams.core.event_plan import EventPlan, planned, usual_curve
from streams.core.forecast import Forecast, Outlook, QuarterSeen
from streams.core.forecast_series import forecast_series
from streams.core.incident import Incidents
from streams.core.layout import MINUTE_US, Layout, PlaceKind
from streams.core.levels import ZoneFigures
from streams.core.moves import Moves
from streams.core.quarter_bands import QuarterBands, net_inflow
from streams.core.rows import batch_of
from streams.core.surge import Surges
from streams.core.teaching import lessons_of, teach
from streams.core.time_to_level import Reach, minutes_to

QUARTER_US = 15 * MINUTE_US
HORIZONS = 8
DETECTED = (RuleKind.SURGE, RuleKind.INCIDENT)
"""Kinds of rule for which something runs at every close."""
TOLD_AHEAD = (1, 2, 4, 8)
"""Quarters ahead that rows are told of: 15, 30, 60 and 120 minutes."""

Places = npt.NDArray[np.intp]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Ahead:
    """What a quarter hour's look ahead gives; arrays over the zones.

    Parameters
    ----------
    rows : RecordBatch
        As `schemas.live.OUTLOOK_SCHEMA`.
    next_level : int64 array over zones
        The level above the one at which each is.
    next_us : float64 array [2, zone]
        Earliest and latest log time at which it is reached; NaN where nobody can say (or it is not ahead).
    """

    rows: pa.RecordBatch
    next_level: Ints
    next_us: Floats


class LookAhead:
    """Detectors and forecast of a partition; each has its own state.

    Parameters
    ----------
    city : City
    layout : Layout
    figures : ZoneFigures
    wanted : collection of RuleKind
        Of surges and incidents, what any rule looks for: nothing is computed of the others, and they have no past
        when a later version wants them.
    """

    PARTS = ("baselines", "surges", "incidents", "forecast", "zones", "roads", "ways_in", "ways_out")

    def __init__(self, city: City, layout: Layout, figures: ZoneFigures, wanted: Collection[RuleKind] = ()) -> None:
        self._layout, self._figures = layout, figures
        self._idle = frozenset(
            name for name, kind in zip(("surges", "incidents"), DETECTED, strict=True) if kind not in wanted)
        places = len(layout.place_kind)
        self.baselines = Baselines(layout, city.file.timezone)
        self.surges, self.incidents = Surges(layout), Incidents(layout)
        self._series = forecast_series(layout)
        self.forecast = Forecast(self._series, HORIZONS)
        self._pools = [(about, city.ids[IdKind.SITE][site]) for about, site in self._series.pools]
        self.zones, self.roads = QuarterBands(places), QuarterBands(places)
        self.ways_in, self.ways_out = QuarterBands(places), QuarterBands(places)
        self._zones = len(figures.area_m2)
        self._counted = figures.view_m2 > 0
        self._gates = layout.places_of(PlaceKind.GATE)
        self._plans = _plans(city, layout, self._series.sites, len(self._series.place), figures)
        self._kind, self._number = _names(city, layout, self._series.place, self._series.sites)

    def carry(self, old: "LookAhead", moves: Moves) -> None:
        """Go on with what stays; a detector that did not run, or does not, begins anew."""
        for name in self.PARTS:
            if name not in self._idle | old._idle:
                getattr(self, name).carry(getattr(old, name), moves)

    def know_usual(self, rows: BaselineRows) -> None:
        """Take baselines in, and lessons where less was learnt here."""
        self.baselines.take(rows)
        teach(self.forecast, self._pools, rows.lessons)

    def lessons(self) -> tuple[Lesson, ...]:
        """What the forecast has learnt, for one that begins anew."""
        return lessons_of(self.forecast, self._pools)

    def zones_closed(self, zone: Places, start_us: Ints, low: Ints, high: Ints, missing: Mask) -> tuple[Places, Floats]:
        """Take closed bands of zones in; the zones whose slot ended and the probability of a surge there."""
        shown_low, shown_high = np.where(missing, np.nan, low), np.where(missing, np.nan, high)
        span_s = self._layout.place_span_us[zone] / 1e6
        self.zones.add(zone, shown_low, shown_high, span_s)
        if "surges" in self._idle:
            return np.zeros(0, np.intp), np.zeros(0)
        nothing = np.zeros(len(zone))
        shown = [np.stack([np.where(missing, 0.0, edge), nothing]) for edge in (low, high)]
        step = self.surges.closed(
            zone, start_us, shown[0], shown[1], np.stack([~missing, nothing > 0]), self.baselines)
        return step.place, np.where(step.judged[0], step.chance[0], np.nan)

    def gates_closed(self, gate: Places, way_in: tuple[Floats, Floats], way_out: tuple[Floats, Floats]) -> None:
        """Take closed bands of gates in, low and high each; NaN where missing or withheld."""
        span_s = self._layout.place_span_us[gate] / 1e6
        self.ways_in.add(gate, *way_in, span_s)
        self.ways_out.add(gate, *way_out, span_s)

    def roads_closed(self, road: Places, start_us: Ints, speed_km_h: Floats, vehicles: Floats) -> Floats:
        """Take closed windows of roads in; how unusual each is, in standard deviations (NaN = cannot say)."""
        self.roads.add(road, vehicles, vehicles, self._layout.place_span_us[road] / 1e6)
        score = np.full(len(road), np.nan)
        if "incidents" in self._idle:
            return score
        for at_us in np.unique(start_us):
            mine = start_us == at_us
            step = self.incidents.closed(
                road[mine], start_us[mine] + self._layout.place_span_us[road[mine]], speed_km_h[mine], vehicles[mine],
                self.baselines.at(int(at_us)))
            score[mine] = step.score
        return score

    def at_quarter(self, quarter_us: int, people: tuple[Ints, Ints]) -> Ahead:
        """Look ahead from the quarter hour that ended at `quarter_us`; `people` is the zones' newest band."""
        starts = quarter_us + QUARTER_US * np.arange(-1, HORIZONS)
        usual = np.stack([self.baselines.at(int(at)).mean[0] for at in starts], axis=1)
        seen = self._seen()
        self.forecast.at_quarter(
            QuarterSeen(*seen), Outlook(self._series.of_places(usual, self._counted),
                                        planned(self._plans, len(self._series), starts)))
        for bands in (self.zones, self.roads, self.ways_in, self.ways_out):
            bands.clear()
        return self._ahead(quarter_us, *people)

    def probability(self, level: Ints, lead_min: int) -> Floats:
        """Over the zones: how probable `level` or more is in any quarter hour up to `lead_min` ahead."""
        limits = self._limits(level)
        found: Floats = np.fmax.reduce([
            self.forecast.probability_of(limits, horizon)[: self._zones] for horizon in range(lead_min // 15)])
        return found

    def _limits(self, level: Ints) -> Floats:
        """People from which each zone is at a level, over series; NaN for levels it does not have and for others."""
        limits = np.full(len(self._series), np.nan)
        width = self._figures.people.shape[1]
        has = (level >= 1) & (level <= width)
        found = self._figures.people[np.arange(self._zones), np.clip(level, 1, max(width, 1)) - 1]
        limits[: self._zones] = np.where(has & np.isfinite(found), found, np.nan)
        return limits

    def _seen(self) -> tuple[Floats, Floats, Floats, Floats]:
        zone_low, zone_high = self.zones.maxima()
        road_low, road_high = self.roads.totals()
        is_road = self._layout.place_kind == PlaceKind.ROAD
        low, high = np.where(is_road, road_low, zone_low), np.where(is_road, road_high, zone_high)
        in_low, in_high = (side[self._gates] for side in self.ways_in.totals())
        out_low, out_high = (side[self._gates] for side in self.ways_out.totals())
        net = np.full((2, len(self._layout.place_kind)), np.nan)
        net[:, : self._zones] = net_inflow(
            self._layout.gate_zones[self._gates], in_low, in_high, out_low, out_high, self._zones)
        low_net, high_net = (self._series.of_places(side, self._counted) for side in net)
        return (self._series.of_places(low, self._counted), self._series.of_places(high, self._counted),
                low_net, high_net)

    def _ahead(self, quarter_us: int, low: Ints, high: Ints) -> Ahead:
        quantiles = self.forecast.forecast()
        level = (high[:, None] >= self._figures.people).sum(axis=1)
        limits = self._limits(level + 1)
        now = np.full((2, len(self._series)), np.nan)
        now[:, : self._zones] = np.where(low >= 0, np.stack([low, high]), np.nan)
        to_next = minutes_to(now[0], now[1], quantiles, limits)
        # Without a latest time the level may also not be reached at all: then nobody can say.
        told = (to_next.reach == Reach.RANGE) & ~np.isnan(to_next.latest_min)
        minutes = np.where(told, np.stack([to_next.earliest_min, to_next.latest_min]), np.nan)[:, : self._zones]
        return Ahead(self._rows(quarter_us, quantiles, limits), level + 1, quarter_us + MINUTE_US * minutes)

    def _rows(self, quarter_us: int, quantiles: Floats, limits: Floats) -> pa.RecordBatch:
        told = []
        for ahead in TOLD_AHEAD:
            at = np.flatnonzero(~np.isnan(quantiles[:, ahead - 1]).any(axis=1))
            reach = 100 * self.forecast.probability_of(limits, ahead - 1)[at]
            low, middle, high = np.rint(np.maximum(quantiles[at, ahead - 1], 0.0)).astype(np.int64).T
            told.append(batch_of(OUTLOOK_SCHEMA, {
                "kind": self._kind[at], "place": self._number[at],
                "window_start": np.full(len(at), quarter_us - QUARTER_US), "span_s": np.full(len(at), 900),
                "ahead_min": np.full(len(at), 15 * ahead), "low": low, "middle": middle, "high": high,
                "percent_reach": reach,
            }, {"percent_reach": np.isnan(reach)}))
        return pa.concat_batches(told)


def _plans(city: City, layout: Layout, sites: list[str], first_site: int, figures: ZoneFigures) -> list[EventPlan]:
    """Visitors that events bring, to each site and, by area, to its zones."""
    found = []
    for event in city.file.events.values():
        if event.expected_visitors is None:
            continue
        zones = [int(at) for at in layout.places_of(PlaceKind.ZONE) if layout.place_site[at] in event.sites]
        area_m2 = sum(figures.area_m2[zone] for zone in zones)
        for zone in zones:
            visitors = event.expected_visitors * figures.area_m2[zone] / area_m2
            found.append(usual_curve(zone, event.from_us, event.until_us, visitors))
            if not figures.view_m2[zone] > 0:
                continue  # a site is the sum of the zones that somebody counts
            site = first_site + sites.index(layout.place_site[zone])
            found.append(usual_curve(site, event.from_us, event.until_us, visitors))
    return found


def _names(city: City, layout: Layout, place: Places, sites: list[str]) -> tuple[npt.NDArray[np.object_], Ints]:
    """Kind and number of each series."""
    is_zone = layout.place_kind[place] == PlaceKind.ZONE
    kinds = ["zone" if one else "road" for one in is_zone.tolist()] + ["site"] * len(sites)
    numbers = [*layout.place_number[place].tolist(), *(city.ids[IdKind.SITE][site] for site in sites)]
    return np.array(kinds, object), np.array(numbers, np.int64)


