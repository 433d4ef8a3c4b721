# SPDX-License-Identifier: Apache-2.0
"""Seals under fire: hours pass at once, the sealers are killed meanwhile, and each batch is drawn exactly once."""

from dataclasses import dataclass, field

from confluent_kafka import Producer

from schemas.log import Clock, Kind, LogMessage, Topic, encode_log
from schemas.seal import decode_seal
from streams import storage
from streams.kafka_client import headers_of
from streams.settings import KafkaSettings
from streams.verify.topics import TopicReader

HOURS_US = 25_200_000_000
"""More than a quarter's six hours until its seal."""
LIMIT_S = 30.0
_FAULTY_SUMS = """
SELECT count(*) FROM research.hour AS sums FULL JOIN (
    SELECT kind, place, vehicle_class, metric, date_trunc('hour', start AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS start,
           sum((CASE WHEN metric = 'speed' THEN value * weight ELSE value END)::numeric) AS total
    FROM research.cell WHERE status <> 'O' AND grain_s <= 3600 GROUP BY 1, 2, 3, 4, 5
) AS cells USING (kind, place, vehicle_class, metric, start)
WHERE NOT public_source AND (sums.total IS DISTINCT FROM cells.total)"""


@dataclass(slots=True)
class Said:
    """What `seals` holds: the cells of each batch, and batches of which two messages differ."""

    cells: dict[str, bytes] = field(default_factory=dict)
    torn: list[str] = field(default_factory=list)


def let_hours_pass(kafka: KafkaSettings, now_us: int, city_version: int) -> None:
    """Tell every partition that it is seven hours later."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "enable.idempotence": True})
    for number in range(kafka.partitions):
        tick = LogMessage(Kind.TICK, now_us + HOURS_US, Clock.SIMULATED, city_version, "chaos", f"hours-{number}")
        headers, value = encode_log(tick)
        producer.produce(Topic.SITE_LOG.value, value=value, headers=list(headers), partition=number)
    assert producer.flush(LIMIT_S) == 0, "the ticks were not acknowledged"


def said(kafka: KafkaSettings) -> Said:
    """Read `seals` whole."""
    found = Said()
    reader = TopicReader(kafka)
    try:
        for number in range(kafka.partitions):
            low, high = reader.limits(Topic.SEALS, number)
            for message in reader.messages(Topic.SEALS, number, low, high):
                value = message.value() or b""
                key = decode_seal(headers_of(message), value).batch_key
                if found.cells.setdefault(key, value) != value:
                    found.torn.append(key)
    finally:
        reader.close()
    return found


def faults(wanted: dict[str, bytes], kafka: KafkaSettings, uri: str) -> list[str]:
    """What is wrong with seals and their release; `wanted` are the cells of each batch as the fold gives them."""
    found = said(kafka)
    told = [f"seal {key}: two workers said different cells" for key in found.torn]
    told += [f"seal {key}: never said" for key in wanted.keys() - found.cells.keys()]
    told += [f"seal {key}: not of the fold" for key in found.cells.keys() - wanted.keys()]
    told += [f"seal {key}: other cells than the fold's" for key in wanted.keys() & found.cells.keys()
             if wanted[key] != found.cells[key]]
    with storage.connect(uri, "drukte chaos") as connection:
        drawn = {key for key, in connection.execute("SELECT batch_key FROM privacy.ledger")}
        cells = connection.execute("SELECT batch, count(*) FROM research.cell GROUP BY batch").fetchall()
        sums = connection.execute(_FAULTY_SUMS).fetchone()
    told += [f"release {key}: never drawn" for key in wanted.keys() - drawn]
    told += [f"release {key}: of no seal" for key in drawn - wanted.keys()]
    told += [f"release {key}: cells without a ledger row" for key, _ in cells if key not in drawn]
    if sums is None or sums[0]:
        told.append(f"{sums} hours are not the sum of their published cells")
    return told
