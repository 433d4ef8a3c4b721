# SPDX-License-Identifier: Apache-2.0
"""Plays readings to a partition and collects what it says."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from schemas.alert import Transition
from schemas.city import City
from schemas.city_change import CityChange
from schemas.command import Adopt, OperatorCommand, Outcome
from schemas.ids import IdKind
from schemas.live import LiveTable
from schemas.log import Clock, Kind, LogMessage
from schemas.reading import Batch, Metric, NoValue
from schemas.seal import Group, Seal
from streams.core.effect import Effect, LiveRows
from streams.core.snapshot import dump, load
from streams.core.step import Partition

START_S = 1_767_225_600
"""2026-01-01 00:00 UTC; times in tests count seconds from it."""

Row = dict[str, Any]


def at_us(second: float) -> int:
    return round((START_S + second) * 1_000_000)


class Player:
    """A partition and all it said. It starts with a tick at second 0, so that the first window counts."""

    def __init__(self, city: City, clock: Clock = Clock.SIMULATED, start_s: float | None = 0.0,
                 awaiting_adoption: bool = False, seals_only: bool = False) -> None:
        self.city = city
        self.clock = clock
        self.partition = Partition(city, 1, 0, awaiting_adoption, seals_only=seals_only)
        self.effects: list[Effect] = []
        if start_s is not None:
            self.tick(start_s)

    def reading(self, sensor: str, metric: Metric, begin_s: float, value: float | None, span_s: float = 0,
                weight: float = np.nan) -> Batch:
        return Batch.of(
            sensor=self.city.ids[IdKind.SENSOR][sensor], metric=metric, begin=at_us(begin_s),
            span_ms=round(span_s * 1000), value=np.nan if value is None else value,
            reason=NoValue.NULL if value is None else NoValue.NONE, weight=weight)

    def send(self, second: float, *readings: Batch, version: int = 1, append_s: float | None = None) -> None:
        message = LogMessage(Kind.READINGS, at_us(second), self.clock, version, "test", "1",
                             Batch.concatenated(readings))
        append_us = at_us(second if append_s is None else append_s)
        self.effects += self.partition.step(message, append_us)

    def tick(self, second: float, append_s: float | None = None) -> None:
        message = LogMessage(Kind.TICK, at_us(second), self.clock, 1, "test", "1")
        self.effects += self.partition.step(message, at_us(second if append_s is None else append_s))

    def adopt(self, second: float, *alerts: Transition) -> None:
        """Fold in the command that hands over the alerts that were open before."""
        message = LogMessage(Kind.COMMAND, at_us(second), self.clock, 1, "test", "1", command=Adopt(alerts=[*alerts]))
        self.effects += self.partition.step(message, at_us(second))

    def command(self, second: float, command: OperatorCommand) -> Outcome:
        """Fold an operator's command in; what became of it."""
        message = LogMessage(Kind.COMMAND, at_us(second), self.clock, 1, "test", "1", command=command)
        told = self.partition.step(message, at_us(second))
        self.effects += told
        [outcome] = [effect for effect in told if isinstance(effect, Outcome)]
        return outcome

    def restart(self, *cities: City) -> None:
        """Put the state away and take it out again; `cities` are versions besides the first."""
        known = {city.sha256: city for city in (self.city, *cities)}
        self.partition = load(dump(self.partition, 1, 0), known.__getitem__, 1, 0)

    def change(self, second: float, city: City, effective_s: float) -> None:
        """Announce a city version."""
        change = CityChange(version=city.version, sha256=city.sha256, effective_at_us=at_us(effective_s))
        message = LogMessage(Kind.CITY, at_us(second), self.clock, 1, "test", "1", change=change, city=city)
        self.effects += self.partition.step(message, at_us(second))

    def camera(self, sensor: str, values: Iterable[tuple[float, float | None]]) -> None:
        """Samples (second, people), each taken in as it is made."""
        for second, people in values:
            self.send(second, self.reading(sensor, Metric.PEOPLE, second, people))

    def rows(self, table: LiveTable, place: str) -> list[Row]:
        """Rows of a place in the order of closing, `window_start` in seconds from the start."""
        kind, column = (IdKind.GATE, "gate") if table is LiveTable.GATE else (IdKind.ZONE, "zone")
        number = self.city.ids[kind][place]
        found: list[Row] = []
        for effect in self.effects:
            if isinstance(effect, LiveRows) and effect.table is table:
                found += [row for row in effect.rows.to_pylist() if row[column] == number]
        for row in found:
            row["window_start"] = round(row["window_start"].timestamp() - START_S)
        return found

    def zone(self, place: str) -> list[Row]:
        return self.rows(LiveTable.ZONE, place)

    def gate(self, place: str) -> list[Row]:
        return self.rows(LiveTable.GATE, place)

    def seals(self, group: Group) -> list[Seal]:
        return [effect for effect in self.effects if isinstance(effect, Seal) and effect.group is group]

    @property
    def counters(self) -> Counter[str]:
        """What became of all readings that were sent."""
        self.partition.settle()
        return self.partition.counters

    @property
    def transitions(self) -> list[Transition]:
        return [effect for effect in self.effects if isinstance(effect, Transition)]
