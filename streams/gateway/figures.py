# SPDX-License-Identifier: Apache-2.0
"""The gateway's metrics, read from its tally and its queues."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from streams import metrics
from streams.gateway.door_states import DoorStates
from streams.gateway.edge import Edge
from streams.gateway.outlet import Outlet
from streams.gateway.producer import LogProducer
from streams.gateway.tally import Tally
from streams.metrics import Figure
from streams.settings import ClockSettings


@dataclass(frozen=True, slots=True)
class GatewayFigures:
    """Where the figures stand; nothing is kept here."""

    clock: ClockSettings
    tally: Tally
    outlet: Outlet
    producer: LogProducer
    edge: Edge | None
    doors: DoorStates

    def read(self) -> Iterator[Figure]:
        """All figures of this moment; sources are added up."""
        yield from metrics.clock_figures(self.clock)
        if self.outlet.log_time_us:
            yield Figure(metrics.LOG_TIME, self.outlet.log_time_us / metrics.SECOND_US)
        yield from metrics.age_figures(self.outlet.acknowledged_s)
        yield Figure(metrics.REQUESTS, self.tally.requests)
        yield Figure(metrics.MESSAGES, self.tally.messages)
        yield Figure(metrics.READINGS, self.tally.readings, "written")
        yield Figure(metrics.TICKS, self.tally.ticks)
        yield Figure(metrics.LETTERS_LOST, self.tally.letters_lost)
        yield Figure(metrics.TURNED_AWAY, self.tally.turned_away)
        yield Figure(metrics.WAITING, self.outlet.waiting_readings, "readings")
        yield Figure(metrics.WAITING, len(self.producer), "producer-messages")
        yield from metrics.refused_figures(_by_reason(self.tally))
        yield from self.doors.figures()
        yield from self._of_edge()

    def health(self) -> dict[str, object]:
        """What `/health` shows."""
        return {**self.tally.as_dict(), "doors": self.doors.as_dict()}

    def _of_edge(self) -> Iterator[Figure]:
        if self.edge is None:
            return
        yield Figure(metrics.EDGE_MESSAGES, self.edge.messages)
        yield Figure(metrics.WAITING, self.edge.waiting_batches, "edge-batches")
        lag = self.edge.lag_messages
        if lag is not None:
            yield Figure(metrics.LAG, lag, "edge")


def _by_reason(tally: Tally) -> Counter[str]:
    counted: Counter[str] = Counter()
    for (_, reason), count in dict(tally.refused).items():
        counted[reason.value] += count
    return counted
