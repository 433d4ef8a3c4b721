# SPDX-License-Identifier: Apache-2.0
"""What the forecast learns from the windows that are published now, so that a cold start forecasts as one taught.

The fold's own look ahead is played over the last three days of the live tier: bands of people and gates, vehicles of
roads. What is usual is computed from cells that ended before them, since the days that are forecast may not be known.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import LiteralString

import numpy as np
import numpy.typing as npt

from schemas.baseline import BaselineRows, no_rows
from schemas.city import City
from schemas.ids import IdKind
from schemas.lesson import Lesson
from schemas.moment import datetime_of
from streams import storage
from streams.baseline_job import Place, computed, places_of
from streams.clock import now_us
from streams.core.layout import Layout, PlaceKind, layout, partition_of_site
from streams.core.levels import zone_figures
from streams.core.lookahead import QUARTER_US, LookAhead
from streams.core.quarter_bands import QuarterBands
from streams.settings import Settings

QUARTERS = 288
"""Three days: so long the live tier keeps its windows."""
SETTLED_US = QUARTER_US
"""A quarter is looked at when all of its windows have closed and were written."""
LESSONS_A_MESSAGE = 50
"""With 20 kB each they stay below a quarter of the largest message."""


def _quarters(kind: LiteralString, low: LiteralString, high: LiteralString, taken: LiteralString = "sum",
              place: LiteralString = "zone", vehicle_class: LiteralString = "''::text") -> LiteralString:
    """Quarters of the windows that have a value: `taken` of their lower and upper edges, and their seconds."""
    return f"""
SELECT {place}, {vehicle_class}, floor(extract(epoch FROM window_start) / 900)::bigint, {taken}({low}), {taken}({high}),
    sum(span_s)
FROM live.{kind}_minute
WHERE {place} = ANY(%(places)s) AND window_start >= %(from)s AND window_start < %(until)s AND {low} IS NOT NULL
GROUP BY 1, 2, 3"""  # noqa: S608  no text of others


_QUERIES: tuple[tuple[PlaceKind, LiteralString], ...] = (
    (PlaceKind.ZONE, _quarters("zone", "people_low", "people_high", "max")),
    (PlaceKind.ROAD, _quarters("road", "vehicles", "vehicles", vehicle_class="vehicle_class")),
    (PlaceKind.GATE, _quarters("gate", "in_low", "in_high", place="gate")),
    (PlaceKind.GATE, _quarters("gate", "out_low", "out_high", place="gate")),
)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Seen:
    """Quarters of the places of one partition; float64 arrays, quarters x places.

    Parameters
    ----------
    low, high : arrays
        Edges of the quarter's largest band of a zone, or its sum of a gate or a road.
    seen_s : array
        Seconds of its windows that have a value; 0 = missing.
    """

    low: Floats
    high: Floats
    seen_s: Floats

    def add_to(self, bands: QuarterBands, quarter: int) -> None:
        """Take one quarter in, as if its windows had closed."""
        at = np.flatnonzero(self.seen_s[quarter])
        bands.add(at, self.low[quarter, at], self.high[quarter, at], self.seen_s[quarter, at])


def taught(settings: Settings, city: City) -> Iterator[tuple[int, BaselineRows]]:
    """Lessons by partition of `site-log`, as messages without rows.

    Raises
    ------
    TransientError, FatalError
        As `streams.storage.connect`.
    """
    partitions = settings.kafka.partitions
    until_us = (now_us(settings.clock) - SETTLED_US) // QUARTER_US * QUARTER_US
    sites = city.ids[IdKind.SITE]
    by_partition: dict[int, list[Place]] = {}
    for one in places_of(city):
        by_partition.setdefault(partition_of_site(sites[one.site], partitions), []).append(one)
    with storage.connect(settings.database.uri, "drukte baseline") as session:
        for number, places in sorted(by_partition.items()):
            usual = (rows for _, rows in computed(session, city, places, partitions, until_us - QUARTERS * QUARTER_US))
            found = lessons(session, city, layout(city, partitions, number), usual, until_us)
            for first in range(0, len(found), LESSONS_A_MESSAGE):
                yield number, replace(no_rows(), lessons=found[first : first + LESSONS_A_MESSAGE])


def lessons(session: storage.Connection, city: City, laid_out: Layout, usual: Iterable[BaselineRows],
            until_us: int) -> tuple[Lesson, ...]:
    """What the forecast of one partition learns from the quarters before `until_us`, the end of one."""
    ahead = LookAhead(city, laid_out, zone_figures(city, laid_out))
    for rows in usual:
        ahead.know_usual(rows)
    first_us = until_us - QUARTERS * QUARTER_US
    seen = [_seen(session, laid_out, kind, query, first_us) for kind, query in _QUERIES]
    bands = (ahead.zones, ahead.roads, ahead.ways_in, ahead.ways_out)
    nobody = np.full(len(laid_out.places_of(PlaceKind.ZONE)), -1, np.int64)
    for quarter in range(QUARTERS):
        for one, taking in zip(seen, bands, strict=True):
            one.add_to(taking, quarter)
        ahead.at_quarter(first_us + (quarter + 1) * QUARTER_US, (nobody, nobody))
    return ahead.lessons()


def _seen(session: storage.Connection, laid_out: Layout, kind: PlaceKind, query: LiteralString,
          first_us: int) -> Seen:
    mine = laid_out.places_of(kind)
    at = {(int(laid_out.place_number[one]), laid_out.place_class[one]): int(one) for one in mine}
    values = {"places": sorted({number for number, _ in at}), "from": datetime_of(first_us),
              "until": datetime_of(first_us + QUARTERS * QUARTER_US)}
    shape = (QUARTERS, len(laid_out.place_kind))
    found = Seen(np.zeros(shape), np.zeros(shape), np.zeros(shape))
    rows: Sequence[tuple[int, str, int, float, float, int]] = session.execute(query, values).fetchall()
    for number, vehicle_class, quarter, low, high, seen_s in rows:
        place = at.get((number, vehicle_class))
        if place is not None:
            where = quarter - first_us // QUARTER_US, place
            found.low[where], found.high[where], found.seen_s[where] = low, high, seen_s
    return found
