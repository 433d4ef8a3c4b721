# SPDX-License-Identifier: Apache-2.0
"""People inside, minute by minute: gates, cameras, sightings, operators' words and devices joined into one estimate.

Gates close their windows at different times; a minute is taken in when all of them have closed it. What leaves are
the bands in which the two bounds lie.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.city import City
from schemas.live import INSIDE_SCHEMA
from schemas.reading import DEVICE_COUNTS, Metric
from streams.core.clock_minutes import minutes_of_day
from streams.core.conservation import Swapped
from streams.core.counts import PARTS
from streams.core.device_ratio import DeviceRatio, DeviceSources
from streams.core.fusion import Fusion
from streams.core.layout import MINUTE_US, Group, Layout, Rate
from streams.core.levels import UNSTATED_VIEW_SD, ZoneFigures
from streams.core.measures import occupancy_density, percent_of_capacity
from streams.core.moves import Moves
from streams.core.occupancy import Correction, Kind, Occupancy
from streams.core.occupancy_gates import gates_of
from streams.core.privacy import band
from streams.core.rows import GateCounts, batch_of

KEPT = 64
"""Minutes that a gate's window may stay open: above the longest allowed delay of people's sensors."""
EMPTY_SD = 4.0
"""Nobody there, as far as somebody saw."""

Places = npt.NDArray[np.intp]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class InsideMinute:
    """One minute of the zones that have gates; arrays over `zone`.

    Parameters
    ----------
    zone : int array
    start_us : int
    low, high : int64 arrays
        Bands of the bounds: lower edge of the lower one's, upper edge of the upper one's.
    coverage : float64 array
        Share of the gates' time that was seen.
    rows : RecordBatch
        As `schemas.live.INSIDE_SCHEMA`.
    """

    zone: Places
    start_us: int
    low: Ints
    high: Ints
    coverage: Floats
    rows: pa.RecordBatch


class Anchor(msgspec.Struct, frozen=True):
    """What somebody says of the people in a zone at an instant, and one standard deviation of that."""

    at_us: int
    kind: Kind
    zone: str
    people: float
    sd: float


class Inside:
    """Gates' minutes until all are closed, and the estimate that they move.

    Parameters
    ----------
    city : City
    layout : Layout
    figures : ZoneFigures

    Attributes
    ----------
    gates : Gates
    occupancy : Occupancy
    devices : DeviceRatio
        The state of each is a part of its own.
    said : list of Anchor
        What waits for its minute.
    swapped : list of str
        Gates that were found to count the wrong way round, newest last.
    """

    STATE = ("_in", "_out", "_coverage", "_seen_people", "_next_minute", "_late_in", "_late_out", "swapped",
             "said")

    def __init__(self, city: City, layout: Layout, figures: ZoneFigures) -> None:
        self._layout, self._figures = layout, figures
        self.gates = gates_of(city, layout)
        zones = len(figures.area_m2)
        capacity = np.where(np.isnan(figures.capacity), figures.area_m2, figures.capacity)
        self.occupancy = Occupancy(self.gates, capacity / 2)
        self.devices = DeviceRatio(DeviceSources.of(city, layout), zones)
        self._fusion = Fusion(self.occupancy, self.devices)
        self._number = np.full(len(layout.place_kind), -1, np.intp)
        self._number[self.gates.place] = np.arange(len(self.gates))
        joined = self.gates.zones
        self._gates_of_zone = np.bincount(joined[joined >= 0], minlength=zones)
        self.zone = np.flatnonzero(self._gates_of_zone)
        self._mounting = _mounting(city, layout, self.gates.place)
        self._view_sd = _view_sd(city, layout, zones)
        self._empty_minute = _empty_minutes(city, layout, zones)
        self._timezone = ZoneInfo(city.file.timezone)
        gates = len(self.gates)
        self._in, self._out, self._coverage = (np.zeros((KEPT, gates)) for _ in range(3))
        self._seen_people = np.full((KEPT, zones), np.nan)
        self._next_minute = -1
        self._late_in, self._late_out = np.zeros(gates), np.zeros(gates)
        self.swapped: list[str] = []
        self.said: list[Anchor] = []
        self._zone_number = {layout.place_key[at]: at for at in range(zones)}

    def carry(self, old: "Inside", moves: Moves) -> None:
        """Go on with zones and gates that stay."""
        self.occupancy.carry(old.occupancy, moves)
        self.devices.carry(old.devices, moves)
        zone, was_zone = moves.zones(len(self._gates_of_zone))
        self._seen_people[:, zone] = old._seen_people[:, was_zone]
        was = moves.place[self.gates.place]
        stays = was >= 0
        gate, old_gate = np.flatnonzero(stays), old._number[was[stays]]
        for name in ("_in", "_out", "_coverage", "_late_in", "_late_out"):
            getattr(self, name)[..., gate] = getattr(old, name)[..., old_gate]
        # Without gates no minute is taken in: the first gates begin at the change.
        self._next_minute = old._next_minute if len(old.gates) else moves.at_us // MINUTE_US
        mended = [at for at, then in zip(gate.tolist(), old_gate.tolist(), strict=True)
                  if self._mounting[at] != old._mounting[then]]
        for at in mended:
            self.occupancy.mended(at)
        keys = {self._layout.place_key[self.gates.place[at]] for at in mended}
        self.swapped = [key for key in old.swapped if key not in keys]
        self.said = [one for one in old.said if one.zone in self._zone_number]

    def start(self, open_start: Ints) -> None:
        """Begin with the minutes that are open in every gate."""
        gates = open_start[self.gates.place]
        self._next_minute = int(gates.max(initial=0)) // MINUTE_US

    def at_step(self, step_us: int, people: Floats, present: npt.NDArray[np.bool_]) -> None:
        """Keep what cameras say of the zones at a minute's end (counted people times their gain)."""
        if step_us % MINUTE_US == 0:
            self._seen_people[(step_us - 1) // MINUTE_US % KEPT] = np.where(present, people, np.nan)

    def gates_closed(self, gate: Places, start_us: Ints, counts: GateCounts) -> None:
        """Take windows of gates; one longer than a minute is shared evenly over its minutes."""
        number = self._number[gate]
        minutes = self._layout.place_span_us[gate] // MINUTE_US
        for ahead in range(int(minutes.max(initial=0))):
            mine = minutes > ahead
            at = (start_us[mine] // MINUTE_US + ahead) % KEPT, number[mine]
            self._in[at] = counts.way_in[mine] / minutes[mine]
            self._out[at] = counts.way_out[mine] / minutes[mine]
            self._coverage[at] = counts.coverage[mine]

    def late(self, group: Group, channel: Places, held: Floats) -> None:
        """Counts of gates that came after their window closed: they change the estimate from now on."""
        if not group.counted or group.semantics is not Rate.INTERVAL or group.role not in (Metric.IN, Metric.OUT):
            return
        number = self._number[self._layout.channel_place[channel]]
        into = self._late_in if group.role is Metric.IN else self._late_out
        np.add.at(into, number, np.nan_to_num(held / PARTS))

    def devices_counted(self, group: Group, channel: Places, end_us: Ints, held: Floats,
                        usable: npt.NDArray[np.bool_]) -> None:
        """Take counts of devices in, each with the time at which it ended; other groups are left alone."""
        if group.role in DEVICE_COUNTS:
            heard = usable[channel]
            count = held if group.is_instant else held / PARTS
            self.devices.counted(channel[heard], end_us[heard], count[heard], self._next_minute)

    def anchor(self, anchor: Anchor) -> bool:
        """Correct a zone by what somebody says; false where it has no gates, so nothing is estimated.

        It holds once the gates' minute in which it was seen is in: else its passages would be added to it.
        """
        zone = self._zone_number.get(anchor.zone)
        if zone is None or not self._gates_of_zone[zone]:
            return False
        self.said = [*self.said, anchor]
        return True

    def _words(self, end_us: int) -> tuple[list[Correction], list[Swapped]]:
        """Correct by what was said of the minute that ends now, or of one before."""
        due = [one for one in self.said if one.at_us < end_us]
        self.said = [one for one in self.said if one.at_us >= end_us]
        told: list[Correction] = []
        found: list[Swapped] = []
        for one in due:
            more, again = self._fusion.anchor(
                end_us, one.kind, np.array([self._zone_number[one.zone]]), np.array([one.people]), np.array([one.sd]))
            told, found = [*told, *more], [*found, *again]
        return told, found

    def minutes(self, open_start: Ints) -> list[InsideMinute]:
        """The minutes that every gate has closed by now, in their order."""
        if not len(self.gates) or self._next_minute < 0:
            return []
        until = int(open_start[self.gates.place].min()) // MINUTE_US
        found = [self._minute(minute) for minute in range(self._next_minute, until)]
        self._next_minute = max(until, self._next_minute)
        return found

    def _minute(self, minute: int) -> InsideMinute:
        at = minute % KEPT
        late, self._late_in, self._late_out = (self._late_in, self._late_out), self._late_in * 0, self._late_out * 0
        coverage = self._coverage[at].copy()
        told, found = self.occupancy.minute(minute * MINUTE_US, self._in[at], self._out[at], coverage, late)
        more, again = self._known(minute, self._seen_people[at])
        for one in [*found, *again]:
            gate = self._layout.place_key[self.gates.place[one.gate]]
            self.swapped = [key for key in self.swapped if key != gate] + ([gate] if one.reversed else [])
        for ring in (self._in, self._out, self._coverage):
            ring[at] = 0.0
        self._seen_people[at] = np.nan
        return self._told(minute, coverage, [*told, *more])

    def _known(self, minute: int, people: Floats) -> tuple[list[Correction], list[Swapped]]:
        """Correct by cameras, by the hour at which nobody is there, and by devices."""
        end_us = (minute + 1) * MINUTE_US
        zone = self.zone[~np.isnan(people[self.zone])]
        told: list[Correction] = []
        found: list[Swapped] = []
        if len(zone):
            sd = self._view_sd[zone] * people[zone] + 1.0
            told, found = self._fusion.anchor(end_us, Kind.AREA_SENSOR, zone, people[zone], sd)
        empty = self.zone[self._empty_minute[self.zone] == minutes_of_day(end_us, self._timezone)]
        if len(empty):
            more, again = self._fusion.anchor(
                end_us, Kind.EMPTY_HOUR, empty, np.zeros(len(empty)), np.full(len(empty), EMPTY_SD))
            told, found = [*told, *more], [*found, *again]
        more, again = self._words(end_us)
        return [*told, *more, *self._fusion.by_devices(minute)], [*found, *again]

    def _told(self, minute: int, coverage: Floats, corrections: Sequence[Correction]) -> InsideMinute:
        estimate, zone = self.occupancy.estimate(), self.zone
        low = band(estimate.lower[zone])[0]
        high = band(estimate.upper[zone])[1]
        sides = self.gates.zones
        twice = np.tile(coverage, (2, 1))
        covered = np.bincount(sides[sides >= 0], twice[sides >= 0], len(self._gates_of_zone))
        share = covered[zone] / self._gates_of_zone[zone]
        why = {one.row: str(one.kind) for one in corrections}
        correction = np.array([why.get(int(at), "") for at in zone], object)
        percent_low, percent_high = percent_of_capacity(low, high, self._figures.capacity[zone])
        unknown = np.isnan(percent_low)
        density_low, density_high, status = occupancy_density(low, high, self._figures.area_m2[zone], share)
        unseen = np.isnan(density_low)
        rows = batch_of(INSIDE_SCHEMA, {
            "zone": self._layout.place_number[zone], "window_start": np.full(len(zone), minute * MINUTE_US),
            "span_s": np.full(len(zone), MINUTE_US // 1_000_000), "inside_low": low, "inside_high": high,
            "percent_low": percent_low, "percent_high": percent_high, "coverage": share,
            "density_low_per_m2": density_low, "density_high_per_m2": density_high, "status": status,
            "correction": correction, "version": self.occupancy.versions[zone],
        }, {"percent_low": unknown, "percent_high": unknown, "correction": correction == "",
            "density_low_per_m2": unseen, "density_high_per_m2": unseen})
        return InsideMinute(zone, minute * MINUTE_US, low, high, share, rows)


def _mounting(city: City, layout: Layout, place: Places) -> list[tuple[str, str, tuple[str, ...]]]:
    """Of every gate what it joins, and which of its sensors the city file says to be mounted the wrong way round."""
    turned: dict[str, list[str]] = {}
    for key, sensor in city.file.sensors.items():
        if sensor.swapped and sensor.gate is not None:
            turned.setdefault(sensor.gate, []).append(key)
    keys = [layout.place_key[at] for at in place]
    gates = city.file.gates
    return [(gates[key].from_, gates[key].to, tuple(sorted(turned.get(key, ())))) for key in keys]


def _view_sd(city: City, layout: Layout, zones: int) -> Floats:
    """Relative error of what the cameras of each zone say: the stated one, and more where they see only a part."""
    sd = np.full(zones, UNSTATED_VIEW_SD)
    number, people = {layout.place_key[at]: at for at in range(zones)}, Metric.PEOPLE.key
    for sensor in city.file.sensors.values():
        measure = sensor.measures.get(people)
        at = number.get(sensor.zone or "")
        if measure is not None and at is not None and (measure.error.sd or measure.error.bias):
            sd[at] = np.hypot(measure.error.sd, measure.error.bias)
    return sd


def _empty_minutes(city: City, layout: Layout, zones: int) -> Ints:
    """Minute of the local day at which nobody is in each zone; -1 without one."""
    found = np.full(zones, -1, np.int64)
    for at in range(zones):
        text = city.file.zones[layout.place_key[at]].empty_at
        if text is not None:
            hours, _, minutes = text.partition(":")
            found[at] = int(hours) * 60 + int(minutes)
    return found
