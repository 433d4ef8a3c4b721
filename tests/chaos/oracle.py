# SPDX-License-Identifier: Apache-2.0
"""What the database has to hold: one undisturbed fold of the log, in this process, in full."""

from collections import Counter
from dataclasses import dataclass, field

from psycopg import sql

from schemas.alert import Transition
from schemas.city import City
from schemas.errors import RefusedError
from schemas.live import SCHEMAS, LiveTable
from schemas.log import Topic, decode_log
from schemas.seal import Seal, encode_seal
from streams import storage
from streams.core.effect import LiveRows
from streams.core.step import Partition
from streams.kafka_client import headers_of
from streams.settings import KafkaSettings
from streams.verify.stored import TRANSITION_COLUMNS, row_of_transition
from streams.verify.topics import TopicReader
from streams.writer.rows import KEYS, Row
from tests.chaos.feed import Key, keys_of

TRANSITION_KEY = ("alert_id", "seq")
SHOWN = 20


@dataclass(slots=True)
class Truth:
    """All rows by table and key, and what stands in the log."""

    rows: dict[str, dict[Row, Row]] = field(default_factory=dict)
    logged: Counter[Key] = field(default_factory=Counter)
    messages: int = 0
    refused: int = 0
    next_offsets: dict[int, int] = field(default_factory=dict)
    seals: dict[str, bytes] = field(default_factory=dict)
    """Cells of every batch that the fold seals, by batch key."""


TABLES = {str(table): (SCHEMAS[table].names, KEYS[table]) for table in LiveTable} | {
    "transition": (TRANSITION_COLUMNS, TRANSITION_KEY), "alert": (TRANSITION_COLUMNS, ("alert_id",)),
}
"""Columns and key of every table that is compared."""


def _keyed(table: str, rows: list[Row]) -> dict[Row, Row]:
    columns, key = TABLES[table]
    at = [columns.index(name) for name in key]
    return {tuple(row[position] for position in at): row for row in rows}


def folded(kafka: KafkaSettings, city: City) -> Truth:
    """Read `site-log` whole and fold it."""
    truth = Truth(rows={table: {} for table in TABLES})
    reader = TopicReader(kafka)
    try:
        for number in range(kafka.partitions):
            state = Partition(city, kafka.partitions, number)
            low, high = reader.limits(Topic.SITE_LOG, number)
            assert low == 0, "the log was cut"
            truth.next_offsets[number] = high
            for message in reader.messages(Topic.SITE_LOG, number, low, high):
                truth.messages += 1
                try:
                    decoded = decode_log(headers_of(message), message.value())
                    if decoded.batch is not None:
                        truth.logged.update(keys_of(decoded.batch))
                    effects = state.step(decoded, message.timestamp()[1] * 1000)
                except RefusedError:
                    truth.refused += 1
                    continue
                for effect in effects:
                    if isinstance(effect, Transition):
                        row = row_of_transition(effect)
                        if truth.rows["transition"].get(row[:2]) == row:
                            continue  # an open alert is told again every hour
                        _note(truth, "transition", [row])
                        truth.rows["alert"] |= _keyed("alert", [row])
                    elif isinstance(effect, Seal):
                        truth.seals[effect.batch_key] = encode_seal("", effect)[1]
                    elif isinstance(effect, LiveRows):
                        columns = (column.to_pylist() for column in effect.rows.columns)
                        _note(truth, str(effect.table), list(zip(*columns, strict=True)))
    finally:
        reader.close()
    return truth


def _note(truth: Truth, table: str, rows: list[Row]) -> None:
    held = truth.rows[table]
    for key, row in _keyed(table, rows).items():
        # Only a road's row is told again, with a higher revision.
        assert table == LiveTable.ROAD or key not in held, f"the fold told {table} {key} twice"
        held[key] = row


def stored(uri: str) -> dict[str, dict[Row, Row]]:
    """All rows of the database, by table and key."""
    found = {}
    with storage.connect(uri, "drukte chaos") as connection, connection.cursor(binary=True) as cursor:
        for table, (columns, _) in TABLES.items():
            query = sql.SQL("SELECT {} FROM {}").format(
                sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier("live", table))
            rows = cursor.execute(query).fetchall()
            found[table] = _keyed(table, rows)
            assert len(found[table]) == len(rows), f"{table} holds a key twice"
    return found


def is_stored(truth: Truth, uri: str) -> bool:
    """Whether the database holds these rows and no others; cheap while their number differs."""
    with storage.connect(uri, "drukte chaos") as connection:
        for table, rows in truth.rows.items():
            count = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier("live", table)))
            if count.fetchone() != (len(rows),):
                return False
    return not differences(truth.rows, stored(uri))


def stored_offsets(uri: str) -> dict[tuple[str, int], int]:
    """The writer's next offsets, by topic and partition."""
    with storage.connect(uri, "drukte chaos") as connection:
        found = connection.execute("SELECT topic, partition, next_offset FROM engine.writer_offset").fetchall()
    return {(topic, partition): following for topic, partition, following in found}


def differences(wanted: dict[str, dict[Row, Row]], found: dict[str, dict[Row, Row]]) -> list[str]:
    """Every row that is missing, extra or other than wanted."""
    told = []
    for table in TABLES:
        one, other = wanted[table], found[table]
        told += [f"{table} {key}: missing" for key in one.keys() - other.keys()]
        told += [f"{table} {key}: extra" for key in other.keys() - one.keys()]
        told += [
            f"{table} {key}: is {other[key]}, has to be {one[key]}"
            for key in one.keys() & other.keys() if one[key] != other[key]
        ]
    return told


def lost(acknowledged: list[Key], logged: Counter[Key]) -> list[Key]:
    """Acknowledged readings that do not stand in the log."""
    return [key for key in acknowledged if not logged[key]]
