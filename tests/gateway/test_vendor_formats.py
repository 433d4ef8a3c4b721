# SPDX-License-Identifier: Apache-2.0
import datetime as dt
import json

import msgspec
from confluent_kafka import Message, Producer

from schemas.city import City, Source
from schemas.log import LogMessage, Topic
from schemas.reading import Metric
from streams.settings import EdgeSettings
from tests.cities import small_city, small_file
from tests.gateway.mock_broker import MockBroker
from tests.gateway.running import running, settings_for


def _city() -> City:
    """The small city with a Telraam camera at its gate."""
    file = small_file()
    sensor = msgspec.structs.replace(file.sensors["teller-plein-straat"], vendor_id="9000", in_direction="lft")
    return small_city(
        sources={**file.sources, "counters": Source(format="telraam")},
        sensors={**file.sensors, "teller-plein-straat": sensor})


def _row(left: int, segment: int = 9000) -> bytes:
    hour = dt.datetime.now(dt.UTC).replace(minute=0, second=0, microsecond=0) - dt.timedelta(hours=2)
    return json.dumps({
        "segment_id": segment, "date": hour.isoformat(), "interval": "hourly", "uptime": 0.9,
        "pedestrian_lft": left, "pedestrian_rgt": 3}).encode()


def _entered(found: list[LogMessage]) -> set[float]:
    return {
        float(value) for one in found if one.batch is not None
        for value, metric in zip(one.batch.value, one.batch.metric, strict=True) if metric == Metric.IN
    }


def _told(letters: list[Message]) -> set[tuple[str, str]]:
    """Reasons and topics of dead letters: how many there are depends on how the messages came together."""
    return {(one["reason"], one["where"].split("@")[0].split("[")[0]) for one in (
        json.loads(letter.value() or b"") for letter in letters)}


def test_a_vendors_format_is_read_over_http_and_from_edge(broker: MockBroker) -> None:
    settings = settings_for(broker.kafka)
    gateway = msgspec.structs.replace(settings.gateway, edge=EdgeSettings(topic="sensoren", source="counters"))
    producer = Producer({"bootstrap.servers": broker.kafka.bootstrap, "log_level": 2})
    for body in (_row(81), b"no row", _row(82, segment=1), _row(83)):
        producer.produce("sensoren", body)
    assert producer.flush(20) == 0
    with running(msgspec.structs.replace(settings, gateway=gateway), city=_city()) as client:
        answer = client.post("/in/counters", content=_row(80))
        assert answer.status_code == 202, answer.text
        broker.decoded(lambda found: _entered(found) >= {80.0, 81.0, 83.0})
        broker.read(Topic.DEAD_LETTERS, lambda found: _told(found) >= {
            ("malformed", "sensoren"), ("unknown-sensor", "sensoren")})
