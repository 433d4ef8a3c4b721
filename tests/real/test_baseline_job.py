# SPDX-License-Identifier: Apache-2.0
"""The daily baseline on a real database, with a reader's rights, into a real log that a fold can read."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from psycopg.conninfo import make_conninfo

from schemas.baseline import slot_of
from schemas.ids import IdKind
from schemas.lesson import PEOPLE
from schemas.log import Kind, Topic, decode_log
from schemas.reading import Metric
from streams import storage
from streams.baseline_job import append, compute
from streams.baseline_lessons import taught
from streams.core.layout import partition_of_site
from streams.kafka_client import headers_of
from streams.settings import DatabaseSettings, KafkaSettings, Settings
from tests.cities import small_city
from tests.real.kafka_service import MakeTopics
from tests.real.timescale_service import Databases

pytestmark = pytest.mark.real
CITY = small_city()
PLEIN = CITY.ids[IdKind.ZONE]["plein"]
PARTITIONS = 4
LIMIT_S = 30.0
NOON = (dt.datetime.now(dt.UTC) - dt.timedelta(days=1)).replace(hour=12, minute=0, second=0, microsecond=0)
_CELL = """
INSERT INTO research.cell (kind, place, vehicle_class, metric, start, grain_s, value, weight, coverage, status, sd,
    public_source, policy_version, batch, zone_map)
VALUES ('zone', %s, '', 'person_seconds', %s, 900, %s, 900, 1, 'A', 4500, false, '1', 'b', 'm')"""
_ALERT = """
INSERT INTO live.alert (alert_id, seq, site, place, rule, severity, measure, unit, level_from, level_to, state_from,
    state_to, stale, window_start, window_end, coverage, profile, city_version, cause, opened_at, at)
VALUES ('a', 2, 'centrum', 'plein', 'rood', 'critical', 'people', '1', 3, 0, 'recovering', 'resolved', false, %(at)s,
    %(at)s, 1, 'p', 1, 'threshold', %(at)s, %(end)s)"""


@pytest.fixture
def uri(databases: Databases) -> Iterator[str]:
    made = databases.create()
    storage.migrate(made)
    try:
        with storage.connect(made) as session:
            for week in range(7):
                start = NOON - dt.timedelta(weeks=week)
                # 60 people usually; one day with an alert had six times as many.
                session.execute(_CELL, (PLEIN, start, 900 * (360 if week == 3 else 60)))
            alert = NOON - dt.timedelta(weeks=3)
            session.execute(_ALERT, {"at": alert, "end": alert + dt.timedelta(minutes=10)})
        yield made
    finally:
        databases.drop(made)


_MINUTE = """
INSERT INTO live.zone_minute (zone, window_start, span_s, people_low, people_high, coverage, status)
SELECT %(zone)s, at, 60, low, low + 4, 1, 0
FROM generate_series(now() - interval '20 hours', now(), interval '1 minute') AS at,
    LATERAL (SELECT 100 + 5 * (floor(extract(epoch FROM at) / 900)::int %% 8) AS low) AS band"""


def test_published_windows_become_lessons_of_their_site(uri: str, kafka_bootstrap: str) -> None:
    settings = Settings(city=Path(__file__), kafka=KafkaSettings(bootstrap=kafka_bootstrap, partitions=PARTITIONS),
                        database=DatabaseSettings(uri=make_conninfo(uri, options="-c role=drukte_reader")))
    assert list(taught(settings, CITY)) == []
    with storage.connect(uri) as session:
        for zone in CITY.ids[IdKind.ZONE].values():
            session.execute(_MINUTE, {"zone": zone})
    [(partition, rows)] = list(taught(settings, CITY))
    centrum = CITY.ids[IdKind.SITE]["centrum"]
    assert partition == partition_of_site(centrum, PARTITIONS)
    assert len(rows) == 0
    [lesson] = rows.lessons
    assert (lesson.about, lesson.site) == (PEOPLE, centrum)
    # Each of at least 70 quarters was held against forecasts of eight horizons, of two zones and their site.
    assert lesson.histogram.sum() > 3 * 8 * 60


def test_published_cells_become_a_baseline_in_the_log(
        uri: str, kafka_bootstrap: str, make_topics: MakeTopics) -> None:
    make_topics(Topic.SITE_LOG, partitions=PARTITIONS)
    reader = make_conninfo(uri, options="-c role=drukte_reader")
    settings = Settings(city=Path(__file__), kafka=KafkaSettings(bootstrap=kafka_bootstrap, partitions=PARTITIONS),
                        database=DatabaseSettings(uri=reader))
    assert append(settings, CITY, compute(settings, CITY)) == 1
    consumer = Consumer({"bootstrap.servers": kafka_bootstrap, "group.id": "baseline-test"})
    try:
        partition = partition_of_site(CITY.ids[IdKind.SITE]["centrum"], PARTITIONS)
        consumer.assign([TopicPartition(Topic.SITE_LOG.value, partition, 0)])
        message = consumer.poll(LIMIT_S)
    finally:
        consumer.close()
    assert message is not None
    assert message.error() is None
    found = decode_log(headers_of(message), message.value())
    assert found.kind is Kind.BASELINE
    assert found.baseline is not None
    assert found.baseline.keys() == [(0, PLEIN, "", int(Metric.PEOPLE))]
    slot = slot_of(round(NOON.timestamp()) * 1_000_000, CITY.file.timezone)
    weeks = int(found.baseline.weeks[0, slot])
    assert weeks >= 3  # six, fewer where some of these days are holidays
    assert found.baseline.mean[0, slot] == pytest.approx(60, rel=0.01)
    assert list(compute(settings, CITY, ["straat"])) == []
