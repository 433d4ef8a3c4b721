# SPDX-License-Identifier: Apache-2.0
"""The daily baseline: published cells of eight weeks in, messages of kind `baseline` out.

It reads with the rights of a reader (`research.cell`, `live.alert`, `live.context`): about people it sees nothing that
is not published. Windows with an event or an alert are left out, so that what is unusual does not become usual.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

import numpy as np
import numpy.typing as npt

from schemas.baseline import ROWS_A_MESSAGE, BaselineRows
from schemas.city import City, SensorStatus
from schemas.ids import IdKind
from schemas.log import Kind, LogMessage, Topic, encode_log
from schemas.moment import datetime_of, us_of
from schemas.reading import Metric
from streams import storage
from streams.acknowledged_sender import AcknowledgedSender
from streams.clock import now_us
from streams.core.baseline_figures import LEAST_COVERAGE, Tables, count_tables, left_in, samples_of, value_tables
from streams.core.layout import PlaceKind, partition_of_site
from streams.core.release import MEASURES
from streams.settings import Settings

WEEKS = 8
SOURCE = "baseline"
PLACES_AT_ONCE = 40
"""Places whose cells are in memory together: about 10 MB each at most."""
NEAR_M = 500.0
"""An event of the context feed counts at places so near to it."""

_METRICS = {MEASURES[metric].name: metric for metric in MEASURES}
_KINDS = {PlaceKind.ZONE: "zone", PlaceKind.GATE: "gate", PlaceKind.ROAD: "road"}
_DAY_US = 86_400_000_000
_QUARTER_US = 900_000_000
_CELLS: LiteralString = """
SELECT place, vehicle_class, metric, (extract(epoch FROM start) * 1000000)::bigint, grain_s, value, weight, sd
FROM research.cell
WHERE kind = %s AND place = ANY(%s) AND start >= %s AND start < %s AND value IS NOT NULL AND coverage >= %s
ORDER BY place, vehicle_class, metric, start"""
_ALERTS: LiteralString = """
SELECT place, opened_at, CASE WHEN state_to = 'resolved' THEN at END FROM live.alert
WHERE state_to <> 'resolved' OR at >= %s"""
_EVENTS: LiteralString = """
SELECT lon, lat, begins_at, ends_at FROM live.context_between(%s, %s) WHERE kind = 'event' AND lon IS NOT NULL"""


@dataclass(frozen=True, slots=True)
class Place:
    """A zone, gate or road: `gain` is for how many people one counted person stands while all sensors report."""

    kind: PlaceKind
    number: int
    key: str
    site: str
    gain: float
    spot: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Windows [from, until) of places, by kind and number, that are not usual; microseconds since 1970, UTC."""

    place: tuple[PlaceKind, int]
    from_us: int
    until_us: int


def places_of(city: City) -> list[Place]:
    """All places of a city that have a history."""
    zones, gates = city.ids[IdKind.ZONE], city.ids[IdKind.GATE]
    found = [
        Place(PlaceKind.ZONE, zones[key], key, zone.site, _gain(city, key, zone.area_m2), zone.polygon[0])
        for key, zone in city.file.zones.items()
    ]
    found += [
        Place(PlaceKind.GATE, gates[key], key, gate.site, 1.0, gate.line[0]) for key, gate in city.file.gates.items()
    ]
    roads = dict(zip(map(str, city.roads.column("zone")), map(str, city.roads.column("site")), strict=True))
    return found + [Place(PlaceKind.ROAD, zones[key], key, site, 1.0, None) for key, site in roads.items()]


def _gain(city: City, zone: str, area_m2: float) -> float:
    key = Metric.PEOPLE.key
    seen_m2 = sum(
        sensor.measures[key].view_area_m2 or 0.0 for sensor in city.file.sensors.values()
        if sensor.zone == zone and sensor.status is SensorStatus.ACTIVE and key in sensor.measures
    )
    return max(area_m2 / seen_m2, 1.0) if seen_m2 else 1.0


def left_out(session: storage.Connection, city: City, places: Sequence[Place], from_us: int,
             until_us: int) -> list[LeftOut]:
    """Windows with an open alert at the place, or with an event of the city file or of the context near to it."""
    found: list[LeftOut] = []
    since = datetime_of(from_us)
    for key, opened, closed in session.execute(_ALERTS, (since,)).fetchall():
        # The quarter before the alert was already on its way to it.
        begins_us, ends_us = us_of(opened) - _QUARTER_US, until_us if closed is None else us_of(closed)
        found += [LeftOut((one.kind, one.number), begins_us, ends_us) for one in places if one.key == key]
    for event in city.file.events.values():
        found += [LeftOut((one.kind, one.number), us_of(event.from_), us_of(event.until))
                  for one in places if one.site in event.sites]
    for lon, lat, begins, ends in session.execute(_EVENTS, (since, datetime_of(until_us))).fetchall():
        ends_us = until_us if ends is None else us_of(ends)
        found += [LeftOut((one.kind, one.number), us_of(begins), ends_us) for one in places
                  if one.spot is not None and _metres(one.spot, (lon, lat)) <= NEAR_M]
    return found


def baseline_rows(session: storage.Connection, city: City, places: Sequence[Place], out: Iterable[LeftOut],
                  computed_at_us: int) -> BaselineRows | None:
    """The baseline of some places of one kind; None where nothing is published of them.

    Parameters
    ----------
    computed_at_us : int
        Cells of the `WEEKS` before it are read.
    """
    kind = places[0].kind
    from_us = computed_at_us - 7 * WEEKS * _DAY_US
    numbers = [one.number for one in places]
    cells = session.execute(
        _CELLS, (_KINDS[kind], numbers, datetime_of(from_us), datetime_of(computed_at_us), LEAST_COVERAGE)).fetchall()
    if not cells:
        return None
    columns = list(zip(*cells, strict=True))
    place, start_us, grain_s = (np.array(columns[at], np.int64) for at in (0, 3, 4))
    mine = [one for one in out if one.place[0] is kind and one.place[1] in set(numbers)]
    stays = left_in(
        place, start_us, grain_s, np.array([one.place[1] for one in mine], np.int64),
        np.array([one.from_us for one in mine], np.int64), np.array([one.until_us for one in mine], np.int64))
    names = list(zip(columns[0], columns[1], (int(_METRICS[name]) for name in columns[2]), strict=True))
    keys = sorted(set(names))
    row_of = {key: at for at, key in enumerate(keys)}
    row = np.array([row_of[name] for name in names], np.int64)
    metric = np.array([name[2] for name in names], np.int64)
    value, noise_sd = _figures(columns, metric, grain_s, {one.number: one.gain for one in places})
    return _rows(kind, keys, computed_at_us, [
        _part(row, start_us, grain_s, value, noise_sd, stays & (metric == measure), measure, len(keys),
              city.file.timezone)
        for measure in sorted(set(metric.tolist()))
    ])


def _figures(columns: Sequence[Sequence[float]], metric: npt.NDArray[np.int64], grain_s: npt.NDArray[np.int64],
             gain_of: dict[int, float]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Values of cells in a baseline's units, and the sd of their noise.

    Person-seconds become people present (over the seconds that were seen, for the whole zone); counts are scaled
    to the whole cell.
    """
    value, weight, sd = (np.array(columns[at], np.float64) for at in (5, 6, 7))
    gain = np.array([gain_of[int(number)] for number in columns[0]])
    seen = np.maximum(weight, 1.0)
    scale = np.select(
        [metric == Metric.PEOPLE, metric == Metric.SPEED], [gain / seen, np.ones(len(value))], grain_s / seen)
    return value * scale, sd * scale


def _part(row: npt.NDArray[np.int64], start_us: npt.NDArray[np.int64], grain_s: npt.NDArray[np.int64],
          value: npt.NDArray[np.float64], noise_sd: npt.NDArray[np.float64], mine: npt.NDArray[np.bool_], measure: int,
          rows: int, timezone: str) -> tuple[int, Tables]:
    is_total = np.full(int(mine.sum()), measure in (Metric.IN, Metric.OUT, Metric.VEHICLES))
    samples = samples_of(row[mine], start_us[mine], grain_s[mine], value[mine], noise_sd[mine], is_total, timezone)
    return measure, value_tables(samples, rows) if measure == Metric.SPEED else count_tables(samples, rows)


def _rows(kind: PlaceKind, keys: list[tuple[int, str, int]], computed_at_us: int,
          parts: list[tuple[int, Tables]]) -> BaselineRows:
    tables = dict(parts)
    taken = [(tables[measure], at) for at, (_, _, measure) in enumerate(keys)]

    def table(name: str) -> npt.NDArray[Any]:
        return np.stack([getattr(found, name)[at] for found, at in taken])

    figures: dict[str, Any] = {
        name: table(name) for name in ("mean", "sd", "low", "middle", "high", "weeks", "grain_s")}
    return BaselineRows(
        kind=np.full(len(keys), kind, np.uint8), place=np.array([key[0] for key in keys], np.int32),
        vehicle_class=[key[1] for key in keys], measure=np.array([key[2] for key in keys], np.uint8),
        computed_at_us=np.full(len(keys), computed_at_us, np.int64),
        **figures)


def compute(settings: Settings, city: City, keys: Sequence[str] = ()) -> Iterator[tuple[int, BaselineRows]]:
    """Baselines by partition of `site-log`, in messages' sizes; of all places, or of those named.

    Raises
    ------
    TransientError, FatalError
        As `streams.storage.connect`.
    """
    places = [one for one in places_of(city) if not keys or one.key in keys]
    with storage.connect(settings.database.uri, "drukte baseline") as session:
        yield from computed(session, city, places, settings.kafka.partitions, now_us(settings.clock))


def computed(session: storage.Connection, city: City, places: Sequence[Place], partitions: int,
             at_us: int) -> Iterator[tuple[int, BaselineRows]]:
    """Baselines of some places by partition, as if computed at a time; in messages' sizes."""
    sites = city.ids[IdKind.SITE]
    out = left_out(session, city, places, at_us - 7 * WEEKS * _DAY_US, at_us)
    groups: dict[tuple[int, PlaceKind], list[Place]] = {}
    for one in places:
        groups.setdefault((partition_of_site(sites[one.site], partitions), one.kind), []).append(one)
    for (partition, _), group in sorted(groups.items()):
        for first in range(0, len(group), PLACES_AT_ONCE):
            rows = baseline_rows(session, city, group[first : first + PLACES_AT_ONCE], out, at_us)
            if rows is None:
                continue
            for piece in range(0, len(rows), ROWS_A_MESSAGE):
                at = np.arange(piece, min(piece + ROWS_A_MESSAGE, len(rows)), dtype=np.intp)
                yield partition, rows.take(at)


def append(settings: Settings, city: City, found: Iterable[tuple[int, BaselineRows]]) -> int:
    """Append baselines to the log; how many rows were told.

    Raises
    ------
    TransientError
        The broker did not take all of it: the same command again mends it, since the newest of a place holds.
    """
    sender, told = AcknowledgedSender(settings.kafka), 0
    for number, (partition, rows) in enumerate(found):
        at_us = now_us(settings.clock)
        message = LogMessage(Kind.BASELINE, at_us, settings.clock.kind, city.version, SOURCE,
                             f"{at_us}/{partition}/{number}", baseline=rows)
        headers, value = encode_log(message)
        sender.queue(Topic.SITE_LOG, partition, value, headers)
        told += len(rows)
    sender.flush()
    return told


def _metres(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Distance of two near points in WGS 84."""
    east = (other[0] - one[0]) * 111_320.0 * float(np.cos(np.radians(one[1])))
    return float(np.hypot(east, (other[1] - one[1]) * 110_950.0))
