# SPDX-License-Identifier: Apache-2.0
"""Shares per sensor and UTC day for the vendor scorecard, and readings that come again long after their time.

Counts of readings, never of people.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.health import DAY_SCHEMA, INTEGRITY_SCHEMA, HealthTable, IntegrityKind, Sureness
from streams.core.effect import HealthRows
from streams.core.grain_plan import QUARTER_US
from streams.core.layout import COUNTED_METRICS, MINUTE_US, Layout
from streams.core.moves import Moves

DAY_US = 96 * QUARTER_US
OLD_US = 15 * MINUTE_US
"""A repeat of a reading that ended so long ago (beyond its allowed delay) is no repetition by the way."""
REPLAYED_READINGS = 30
REPLAYED_SHARE = 0.5
"""Of the readings that a quarter hour should bring: so many old repeats are an event."""
SURE_SHARE = 1.0

Places = npt.NDArray[np.intp]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Some = Places | slice
"""Channels, each once; as a slice where they lie side by side."""


class SensorDays:
    """Counters over channels since the last UTC midnight, and of old repeats since the last quarter.

    Parameters
    ----------
    layout : Layout
    """

    STATE = ("day_us", "_expected", "_available", "_unusable", "_late", "_corrected", "_missed", "_uptime",
             "_uptimes", "_old_repeats")
    _COUNTERS = STATE[1:]

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        channels = len(layout.channel_place)
        self.day_us = 0
        self._expected = np.zeros(channels, np.int64)
        self._available = np.zeros(channels, np.int64)
        self._unusable = np.zeros(channels, np.int64)
        self._late = np.zeros(channels, np.int64)
        self._corrected = np.zeros(channels, np.int64)
        self._missed = np.zeros(channels, np.int64)
        self._uptime = np.zeros(channels, np.float64)
        self._uptimes = np.zeros(channels, np.int64)
        self._old_repeats = np.zeros(channels, np.int64)
        self.sensor, self._position = np.unique(layout.channel_sensor, return_inverse=True)
        counts = np.isin(layout.channel_role, COUNTED_METRICS)
        # A sensor that counts nothing is judged by what else it says.
        has_counts = np.bincount(self._position, counts, len(self.sensor)) > 0
        self._judged = counts | ~has_counts[self._position]

    def start(self, now_us: int) -> None:
        """Begin with the day of `now_us`."""
        self.day_us = now_us // DAY_US * DAY_US

    def carry(self, old: "SensorDays", moves: Moves) -> None:
        """Go on with the channels that stay."""
        self.day_us = old.day_us
        new, was = moves.channels()
        for name in self._COUNTERS:
            getattr(self, name)[new] = getattr(old, name)[was]

    def expected(self, channel: Some, came: Mask | np.bool_, unusable: Mask, at_us: int) -> None:
        """Note for channels (each once) that a reading was due, whether it came in time, and whether it is not used."""
        if not self._layout.service.has_gaps:
            self._expected[channel] += 1
        else:
            in_service = ~self._layout.service.out(at_us)[channel]
            self._expected[channel] += in_service
            came = came & in_service
        self._available[channel] += came
        if unusable.any():
            self._unusable[channel] += unusable

    def uptime(self, channel: Some, share: npt.NDArray[np.float64]) -> None:
        """Note what devices (each once) say of their own uptime."""
        self._uptime[channel] += share
        self._uptimes[channel] += 1

    def late(self, channel: Places) -> None:
        """Note readings that came after their window had closed."""
        np.add.at(self._late, channel, 1)

    def corrected(self, channel: Places) -> None:
        """Note readings that were told again with another value."""
        np.add.at(self._corrected, channel, 1)

    def missed(self, channel: Places) -> None:
        """Note readings that were too late for research as well."""
        np.add.at(self._missed, channel, 1)

    def repeated(self, channel: Places, end_us: Ints, received_us: Ints) -> None:
        """Note readings that had been taken in before; those whose time is long past count as old."""
        old = end_us < received_us - OLD_US - self._layout.channel_delay_us[channel]
        if old.any():
            np.add.at(self._old_repeats, channel[old], 1)

    def at_quarter(self, now_us: int) -> list[HealthRows]:
        """Tell of replayed readings in the quarter that ends at `now_us`; at midnight of the day as well."""
        told = self._replayed(now_us)
        if now_us % DAY_US == 0:
            told += self._day()
            self.day_us = now_us
        return told

    def _sum(self, of_channels: npt.NDArray[np.generic], mine: Mask | None = None) -> npt.NDArray[np.float64]:
        mine = self._judged if mine is None else mine
        counted = np.bincount(self._position[mine], of_channels[mine].astype(np.float64), len(self.sensor))
        return counted.astype(np.float64)

    def _replayed(self, now_us: int) -> list[HealthRows]:
        if not self._old_repeats.any():
            return []
        everything = np.ones(len(self._old_repeats), np.bool_)
        found = self._sum(self._old_repeats, everything)
        due = self._sum(QUARTER_US / self._layout.channel_interval_us, everything)
        self._old_repeats[:] = 0
        odd = np.flatnonzero((found >= REPLAYED_READINGS) & (found >= REPLAYED_SHARE * due))
        if not len(odd):
            return []
        sure = np.where(found[odd] >= SURE_SHARE * due[odd], Sureness.SURE.value, Sureness.LIKELY.value)
        return [HealthRows(HealthTable.INTEGRITY, pa.RecordBatch.from_arrays([
            pa.array(self.sensor[odd].astype(np.int32)), pa.array([IntegrityKind.REPLAY.value] * len(odd)),
            _times(now_us - QUARTER_US, len(odd)), _times(now_us, len(odd)),
            pa.array(found[odd].astype(np.int32)), pa.array(sure.tolist(), pa.string()),
        ], schema=INTEGRITY_SCHEMA))]

    def _day(self) -> list[HealthRows]:
        expected, available, late = self._sum(self._expected), self._sum(self._available), self._sum(self._late)
        came = np.maximum(available + late, 1)
        everything = np.ones(len(self._uptimes), np.bool_)
        uptimes = self._sum(self._uptimes, everything)
        shares = (
            available / np.maximum(expected, 1), late / came, self._sum(self._corrected) / came,
            self._sum(self._missed) / came, self._sum(self._unusable) / np.maximum(expected, 1),
        )
        uptime = self._sum(self._uptime, everything) / np.maximum(uptimes, 1)
        for name in self._COUNTERS:
            getattr(self, name)[:] = 0
        known = np.flatnonzero(expected > 0)
        if not len(known):
            return []
        return [HealthRows(HealthTable.DAY, pa.RecordBatch.from_arrays([
            pa.array(self.sensor[known].astype(np.int32)), _times(self.day_us, len(known)),
            *(pa.array(np.minimum(share[known], 1.0).astype(np.float32)) for share in shares),
            pa.array(uptime[known].astype(np.float32), mask=uptimes[known] == 0),
        ], schema=DAY_SCHEMA))]


def _times(at_us: int, size: int) -> pa.Array:
    return pa.array(np.full(size, at_us).astype("datetime64[us]"), DAY_SCHEMA.field("day").type)
