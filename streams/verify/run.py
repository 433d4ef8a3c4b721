# SPDX-License-Identifier: Apache-2.0
"""The log folded again and compared with the database, partition by partition; changes nothing.

Order makes it safe on a live system. The database is read as it was at one moment; the ends of the log are asked
for after it, so that every stored row has its cause below them. What the writer had not taken by that moment is
known from the messages below its offsets, and is no difference.
"""

import contextlib
from collections.abc import Iterator

import psycopg
from confluent_kafka import Message as KafkaMessage

from schemas.alert import Transition
from schemas.city import City
from schemas.command import Adopt
from schemas.errors import FatalError, RefusedError, TransientError
from schemas.ids import IdKind
from schemas.live import WINDOW_TABLES, LiveTable
from schemas.log import Clock, Topic, decode_log
from streams import storage
from streams.cities import Cities, first_state
from streams.clock import wall_us
from streams.core.effect import LiveRows
from streams.core.layout import layout
from streams.core.log_time import UNSET
from streams.core.step import Partition
from streams.kafka_client import headers_of
from streams.settings import Settings
from streams.verify.comparison import FAR_US, HOUR_US, Comparison, Report, Watch
from streams.verify.stored import Stored
from streams.verify.topics import TopicReader, event_id, told
from streams.worker.effects import in_messages

LIVE_HOURS = 72
"""How long live windows are kept."""
STAMP_SLACK_MS = 600_000
"""A worker's clock may differ from the broker's by so much."""
PROGRESS_MESSAGES = 1_000
ALERT_ID_PARTS = 2
"""An effect's identity: alert and sequence number."""


def verify(settings: Settings, city: City, watch: Watch | None = None) -> Report:
    """Compare everything that the log still reaches.

    Parameters
    ----------
    settings : Settings
    city : City
        As the workers have it; with what was published since.
    watch : Watch, optional
        Told of each difference as it is found, and of progress.

    Raises
    ------
    TransientError
        Broker or database are away.
    FatalError
        The log has a hole, or the database no tables.
    """
    report = Report()
    reader = TopicReader(settings.kafka)
    try:
        with _one_moment(settings.database.uri) as connection:
            verification = _Verification(settings, city, Stored(connection), reader, report, watch or Watch())
            for partition in range(settings.kafka.partitions):
                verification.compare(partition)
            verification.count_places_of_none()
    finally:
        reader.close()
    return report


@contextlib.contextmanager
def _one_moment(uri: str) -> Iterator[storage.Connection]:
    """A session that sees the database as it is at its first question, and cannot write."""
    try:
        with storage.connect(uri, "drukte verify") as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            with connection.transaction():
                yield connection
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.InvalidSchemaName):
        raise FatalError("the database lacks tables or columns of this program; run `drukte db migrate`") from None
    except psycopg.errors.InsufficientPrivilege:
        raise FatalError("this account may not read live.* and engine.*; use the writer's account") from None
    except psycopg.OperationalError as error:
        raise TransientError(f"database: {type(error).__name__}; is it up?") from None


class _Verification:
    """One look at all partitions."""

    def __init__(
        self, settings: Settings, city: City, stored: Stored, reader: TopicReader, report: Report, watch: Watch
    ) -> None:
        self._settings = settings
        self._stored = stored
        self._reader = reader
        self._report = report
        self._watch = watch
        self._offsets = stored.offsets()
        self._limits = {
            partition: reader.limits(Topic.SITE_LOG, partition) for partition in range(settings.kafka.partitions)
        }
        # After the ends: a version stands in its topic before the log puts it into force.
        self._cities = Cities(city, settings.kafka)
        self._cities.refresh()
        self._first_ms = {partition: self._first_stamp_ms(partition) for partition in self._limits}
        stamps = [stamp for stamp in self._first_ms.values() if stamp is not None]
        self._from_ms = min(stamps, default=0) - STAMP_SLACK_MS
        self._said = self._transitions_said()

    def compare(self, number: int) -> None:
        """Fold one partition again and compare it."""
        low, high = self._limits[number]
        if self._first_ms[number] is None:
            return
        settings = self._settings.kafka
        comparison = Comparison(
            self._cities.newest, [layout(one.city, settings.partitions, number) for one in self._cities.known],
            self._stored,
            told(self._written(Topic.LIVE, number)), self._said, self._report, self._watch,
        )
        state: Partition | None = None
        following: int | None = None
        for message in self._reader.messages(Topic.SITE_LOG, number, low, high):
            offset = message.offset() or 0
            if following is not None and offset != following:
                raise FatalError(f"{Topic.SITE_LOG}[{number}]: {offset} came where {following} was due; try again")
            state = self._fold(state, number, comparison, message)
            following = offset + 1
            if not following % PROGRESS_MESSAGES:
                self._watch.progress(number, following - low, high - low)
        comparison.compare_to(FAR_US)
        comparison.compare_transitions()
        comparison.count_left_out()
        self._watch.progress(number, high - low, high - low)

    def count_places_of_none(self) -> None:
        """Count the stored rows of places that the city file does not have."""
        for table, kind in ((LiveTable.ZONE, IdKind.ZONE), (LiveTable.GATE, IdKind.GATE),
                            (LiveTable.ROAD, IdKind.ZONE)):
            self._report.left_out += self._stored.count_others(table, list(self._cities.newest.ids[kind].values()))

    def _fold(
        self, state: Partition | None, number: int, comparison: Comparison, message: KafkaMessage
    ) -> Partition | None:
        """Fold a message in; the state, which begins with the first one that can be read."""
        self._report.messages += 1
        offset, append_us = message.offset() or 0, message.timestamp()[1] * 1000
        try:
            decoded = self._cities.resolved(decode_log(headers_of(message), message.value()))
        except RefusedError:
            self._report.refused += 1
            return state
        is_first = state is None or state.log_time_us == UNSET
        if state is None:
            state = first_state(self._cities, decoded, append_us, self._settings.kafka.partitions, number)
        try:
            effects = state.step(decoded, append_us)
        except RefusedError:
            # Another city file numbered it: what is stored of that time may be of that file.
            self._report.refused += 1
            comparison.begin(max(state.log_time_us, decoded.ingested_at_us), whole=False)
            return state
        if is_first and comparison.whole:
            # Offset 0 is the log's own beginning, where the worker began too.
            comparison.begin(self._reach(state.log_time_us), whole=offset == 0)
        if isinstance(decoded.command, Adopt):
            comparison.take_adoption(decoded.command.alerts)
        for position, effect in enumerate(in_messages(effects)):
            if isinstance(effect, Transition):
                comparison.take_transition(effect)
            elif isinstance(effect, LiveRows) and effect.table in WINDOW_TABLES:
                columns = (column.to_pylist() for column in effect.rows.columns)
                comparison.take(effect.table, zip(*columns, strict=True), (offset, position))
        comparison.compare_settled(state.log_time_us)
        return state

    def _reach(self, log_begins_us: int) -> int:
        if self._settings.clock.kind is not Clock.WALL:
            return log_begins_us
        return max(log_begins_us, wall_us() - LIVE_HOURS * HOUR_US)

    def _first_stamp_ms(self, partition: int) -> int | None:
        """When the broker got the first message that the log still holds; None where it holds none."""
        first = next(self._reader.messages(Topic.SITE_LOG, partition, *self._limits[partition]), None)
        return None if first is None else first.timestamp()[1]

    def _written(self, topic: Topic, partition: int) -> Iterator[KafkaMessage]:
        """What the writer had taken of a topic since the log begins."""
        end = self._offsets.get((topic.value, partition), 0)
        if end:
            start = self._reader.offset_at(topic, partition, self._from_ms)
            yield from self._reader.messages(topic, partition, start, end)

    def _transitions_said(self) -> set[tuple[str, int]]:
        said = set()
        for partition in range(self._settings.kafka.partitions):
            for message in self._written(Topic.ALERTS, partition):
                named = event_id(message)
                if len(named) == ALERT_ID_PARTS and named[1].isdigit():
                    said.add((named[0], int(named[1])))
        return said
