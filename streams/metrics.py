# SPDX-License-Identifier: Apache-2.0
"""Metrics for Prometheus: the list of all of them, and the small endpoint of a process.

A process keeps its own counters; it is asked for figures when somebody scrapes. No metric counts people, and
no label names a site, a zone or a sensor (docs/privacy.md).
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

import structlog
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from schemas.errors import FatalError
from schemas.log import Clock, Topic
from streams.clock import now_us
from streams.settings import ClockSettings, MetricsSettings

SECOND_US = 1_000_000

log = structlog.get_logger(__name__)


class Process(StrEnum):
    """The processes that have an endpoint; the settings are `metrics.port_PROCESS`."""

    GATEWAY = "gateway"
    WORKER = "worker"
    WRITER = "writer"
    DELIVER = "deliver"
    SERVE = "serve"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Parameters
    ----------
    name : str
        Without the `_total` that Prometheus gives counters.
    help : str
    is_counter : bool
        Grows from the start of the process; else it is what is so now.
    label : str, optional
        Its one label.
    """

    name: str
    help: str
    is_counter: bool = False
    label: str | None = None


class Figure(NamedTuple):
    """A metric's value now; `label` is the value of its label, where it has one."""

    metric: Metric
    value: float
    label: str = ""


Read = Callable[[], Iterable[Figure]]

CLOCK = Metric("drukte_clock_seconds", "The deployment's clock, seconds since 1970.")
LOG_TIME = Metric("drukte_log_time_seconds", "Log time that this process has reached, seconds since 1970.")
ACKNOWLEDGED_AGE = Metric(
    "drukte_acknowledged_age_seconds", "Since the last acknowledgement: by the broker, of the writer's by the database."
)
MESSAGES = Metric("drukte_messages", "Messages written (gateway) or taken in (others).", is_counter=True)
READINGS = Metric("drukte_readings", "Readings of all sensors together, by what became of them.", is_counter=True,
                  label="fate")
REQUESTS = Metric("drukte_requests", "Requests taken in over HTTP.", is_counter=True)
TICKS = Metric("drukte_ticks", "Ticks sent to silent partitions.", is_counter=True)
EDGE_MESSAGES = Metric("drukte_edge_messages", "Messages of the edge topic that were taken in.", is_counter=True)
REFUSED = Metric("drukte_refused", "Refused values or messages, by reason.", is_counter=True, label="reason")
LOST = Metric("drukte_lost_messages", "Messages that aged out before they were dealt with, by topic.", is_counter=True,
              label="topic")
TURNED_AWAY = Metric("drukte_turned_away", "Requests that showed no right to any source, answered with 401.",
                     is_counter=True)
LETTERS_LOST = Metric("drukte_letters_lost", "Dead letters that the broker did not take.", is_counter=True)
LAG = Metric("drukte_lag_messages", "Messages not dealt with yet, as the broker last told; by topic.", label="topic")
WAITING = Metric("drukte_waiting", "What waits in memory, by queue.", label="queue")
DATABASE_AWAY = Metric("drukte_database_away", "1 while there is no session with the database.")
BROKER_AWAY = Metric("drukte_broker_away", "1 while the broker does not answer.")
RECEIVER_FAILURES = Metric(
    "drukte_receiver_failures", "Failed calls in a row, by receiver of alerts; 0 = it took the last one.",
    label="receiver",
)
WATCHERS_LET_GO = Metric("drukte_watchers_let_go", "Pages that did not keep up and were cut off.", is_counter=True)
RELEASED = Metric("drukte_released_batches", "Sealed batches that were drawn and published.", is_counter=True)
RESTORES = Metric("drukte_restore_found", "1 when the writer found at its start that the database was put back.")
MQTT_CONNECTED = Metric("drukte_mqtt_connected", "1 while the gateway is subscribed at the MQTT broker.")
DOOR_MESSAGES = Metric(
    "drukte_door_messages", "Messages, answers or files of MQTT, pulls and folders that were dealt with.",
    is_counter=True, label="door",
)
MQTT_REFUSED = Metric("drukte_mqtt_refused", "Of drukte_refused, what came over MQTT; by reason.", is_counter=True,
                      label="reason")
PULL_REFUSED = Metric("drukte_pull_refused", "Of drukte_refused, what was pulled; by reason.", is_counter=True,
                      label="reason")
FOLDER_REFUSED = Metric("drukte_folder_refused", "Of drukte_refused, what stood in files; by reason.", is_counter=True,
                        label="reason")
DOOR_FAILURES = Metric("drukte_door_failures", "Tries in a row that failed, by door; 0 = the last was good.",
                       label="door")
DOOR_SUCCESS_AGE = Metric(
    "drukte_door_success_age_seconds", "Since the last success of a door, or since the start: MQTT acknowledged or "
    "connected, a pull asked all its devices, a folder was looked through.", label="door",
)
PARTITIONS = Metric("drukte_partitions", "Partitions of the log that this worker holds.")

METRICS = (
    CLOCK, LOG_TIME, ACKNOWLEDGED_AGE, MESSAGES, READINGS, REQUESTS, TICKS, EDGE_MESSAGES, REFUSED, LOST, LETTERS_LOST,
    TURNED_AWAY, LAG, WAITING, DATABASE_AWAY, BROKER_AWAY, RECEIVER_FAILURES, WATCHERS_LET_GO, RELEASED,
    RESTORES, PARTITIONS, MQTT_CONNECTED, DOOR_MESSAGES, MQTT_REFUSED, PULL_REFUSED, FOLDER_REFUSED,
    DOOR_FAILURES, DOOR_SUCCESS_AGE,
)
"""All of them."""
LABELS = frozenset({"reason", "fate", "queue", "topic", "receiver", "door"})
"""The only labels there are."""


class _Figures(Collector):
    def __init__(self, read: Read) -> None:
        self._read = read

    def describe(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """Names only: nothing is read before the first scrape."""
        return iter(())

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """The figures of this moment, grouped by metric."""
        found: dict[Metric, list[Figure]] = {}
        for figure in self._read():
            found.setdefault(figure.metric, []).append(figure)
        for metric, figures in found.items():
            kind = CounterMetricFamily if metric.is_counter else GaugeMetricFamily
            family = kind(metric.name, metric.help, labels=[] if metric.label is None else [metric.label])
            for figure in figures:
                family.add_metric([] if metric.label is None else [figure.label], figure.value)
            yield family


@contextmanager
def metrics_endpoint(settings: MetricsSettings, process: Process, read: Read) -> Iterator[None]:
    """Answer scrapes at `/metrics` in a thread, as long as the context is open; without a port do nothing.

    Parameters
    ----------
    settings : MetricsSettings
    process : Process
        Whose port of the settings.
    read : callable
        Gives the figures; it is called in another thread at any time and must not wait for anything.

    Raises
    ------
    FatalError
        The port cannot be listened on.
    """
    port: int = getattr(settings, f"port_{process}")
    if not port:
        yield
        return
    registry = CollectorRegistry()
    registry.register(_Figures(read))
    try:
        server, thread = start_http_server(port, settings.host, registry)
    except OSError as error:
        raise FatalError(
            f"drukte.toml: metrics.port_{process}: cannot listen on {settings.host}:{port} ({error.strerror}); "
            "each process needs a port of its own, 0 = no metrics"
        ) from None
    log.info("metrics", address=f"http://{settings.host}:{port}/metrics")
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def clock_figures(clock: ClockSettings) -> Iterator[Figure]:
    """The deployment's clock, where it has one of its own."""
    if clock.kind is not Clock.DATA:
        yield Figure(CLOCK, now_us(clock) / SECOND_US)


def age_figures(acknowledged_s: float | None) -> Iterator[Figure]:
    """The age of the last acknowledgement, given when it was (monotonic seconds); none before the first."""
    if acknowledged_s is not None:
        yield Figure(ACKNOWLEDGED_AGE, max(time.monotonic() - acknowledged_s, 0.0))


def refused_figures(refused: Mapping[str, int]) -> Iterator[Figure]:
    """Refusals by reason."""
    # A copy in one go: the owner may add a reason meanwhile.
    for reason, count in dict(refused).items():
        yield Figure(REFUSED, count, str(reason))


def lost_figures(lost: Mapping[str, int]) -> Iterator[Figure]:
    """Messages that aged out, by topic."""
    for topic, messages in dict(lost).items():
        yield Figure(LOST, messages, str(topic))


class HeldState(Protocol):
    """The state of a partition, as far as metrics look at it (`streams.core.step.Partition`)."""

    @property
    def log_time_us(self) -> int:
        """Microseconds since 1970, UTC; -1 before the first message."""

    @property
    def counters(self) -> Mapping[str, int]:
        """What became of readings."""


def worker_figures(
    clock: ClockSettings, held: Iterable[HeldState], counters: Mapping[str, int]
) -> Iterator[Figure]:
    """The figures of a worker.

    Parameters
    ----------
    clock : ClockSettings
    held : iterable of HeldState
        The partitions that it holds. The slowest one is the worker's log time.
    counters : mapping of str to int
        The worker's own: `refused` and `lost` messages.
    """
    yield from clock_figures(clock)
    states = list(held)
    yield Figure(PARTITIONS, len(states))
    times_us = [state.log_time_us for state in states if state.log_time_us >= 0]
    if times_us:
        yield Figure(LOG_TIME, min(times_us) / SECOND_US)
    fates: dict[str, int] = {}
    for state in states:
        for fate, count in dict(state.counters).items():
            fates[fate] = fates.get(fate, 0) + count
    for fate, count in fates.items():
        yield Figure(READINGS, count, fate)
    yield Figure(REFUSED, dict(counters).get("refused", 0), "message")
    if lost := dict(counters).get("lost"):
        yield Figure(LOST, lost, Topic.SITE_LOG)
