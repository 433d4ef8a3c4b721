# SPDX-License-Identifier: Apache-2.0
"""A new city version takes over in a running chain, without a restart: on real Kafka and TimescaleDB."""

from pathlib import Path
from typing import cast

import msgspec
import psycopg
import pytest
from confluent_kafka import Consumer, Message, TopicPartition

from schemas.city_publication import instant
from schemas.log import Headers, ReadHeaders, Topic, decode_log
from streams.cities import Cities, first_state
from streams.city_files import load_city
from streams.city_publish import publish
from streams.core.step import Partition
from streams.settings import KafkaSettings, load_settings
from streams.worker.effects import in_messages, outgoing
from tests.real.chain import PARTITIONS, Chain
from tests.services.process import wait_until
from tests.versions import MINUTE_US, SECOND_TOML, written

pytestmark = pytest.mark.real
LIMIT_S = 90.0

Effects = dict[tuple[str, bytes], bytes]


def sample(sensor: str, at_us: int, people: int) -> dict[str, object]:
    return {"sensor": sensor, "metric": "people", "from": instant(at_us), "to": instant(at_us), "value": people}


def messages(bootstrap: str, *topics: Topic) -> list[Message]:
    """All messages of topics up to their present ends, in the order of each partition."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test-city", "enable.auto.commit": False,
                         "fetch.wait.max.ms": 50})
    places = [TopicPartition(topic.value, number, 0) for topic in topics for number in range(PARTITIONS)]
    ends = {(place.topic, place.partition): consumer.get_watermark_offsets(place, timeout=10)[1] for place in places}
    consumer.assign(places)
    found: list[Message] = []
    try:
        def read() -> bool:
            found.extend(one for one in consumer.consume(1_000, 0.1) if one.error() is None)
            return len(found) >= sum(ends.values())
        wait_until(read, LIMIT_S, "topics are read")
    finally:
        consumer.close()
    return [one for one in found if cast("int", one.offset()) < ends[str(one.topic()), cast("int", one.partition())]]


def said(bootstrap: str) -> Effects:
    """What the workers said; two effects with one identity have to be the same."""
    effects: Effects = {}
    for one in messages(bootstrap, Topic.LIVE, Topic.ALERTS):
        identity = (str(one.topic()), dict(cast("Headers", one.headers()))["ce_id"])
        assert effects.setdefault(identity, one.value() or b"") == one.value()
    return effects


def folded(cities: Cities, log: list[Message]) -> Effects:
    """What one fold in this process says about the same log."""
    states: dict[int, Partition] = {}
    effects: Effects = {}
    for one in log:
        number, offset, append_us = cast("int", one.partition()), cast("int", one.offset()), one.timestamp()[1] * 1000
        decoded = cities.resolved(decode_log(cast("ReadHeaders", one.headers()), one.value()))
        if number not in states:
            states[number] = first_state(cities, decoded, append_us, PARTITIONS, number)
        for position, effect in enumerate(in_messages(states[number].step(decoded, append_us))):
            letter = outgoing(effect, number, offset, position)
            effects[letter.topic.value, dict(letter.headers)["ce_id"]] = letter.value
    return effects


def test_a_version_takes_over_in_a_running_chain(
    chain: Chain, tmp_path: Path, kafka_bootstrap: str, fresh_database: str
) -> None:
    first = tmp_path / "klein.toml"
    second = written(tmp_path / "klein-2.toml", SECOND_TOML.replace('"Straat"', '"De Straat"'), first)
    settings = load_settings(tmp_path / "drukte.toml")

    def taken(sensor: str, at_us: int, people: int = 400) -> bool:
        body = msgspec.json.encode([sample("cam-plein", at_us, people), sample(sensor, at_us, people // 4)])
        answer = chain.post("cameras", body)
        assert answer.status_code == 202, answer.text
        return bool(answer.json()["readings"] == 2)

    with psycopg.connect(fresh_database, autocommit=True) as database:
        def street() -> list[str]:
            return [row[0] for row in database.execute("SELECT name FROM engine.place_now WHERE key = 'straat'")]

        def opened() -> bool:
            taken("cam-straat", chain.now_us())
            return bool(_rules(database, "firing"))

        wait_until(opened, LIMIT_S, "an alert is open")
        assert not taken("cam-straat-oost", chain.now_us())
        at_us = (chain.now_us() // MINUTE_US + 4) * MINUTE_US
        publish(settings, second, at_us)
        wait_until(lambda: _versions(database) == [(1, None), (2, at_us)], LIMIT_S, "both versions are stored")
        if chain.now_us() < at_us:
            assert street() == ["Straat"]
        wait_until(lambda: street() == ["De Straat"], LIMIT_S, "the dashboards' places are those of version 2")
        assert chain.now_us() >= at_us
        wait_until(lambda: taken("cam-straat-oost", chain.now_us()), LIMIT_S, "the new camera is taken in")
        assert not taken("cam-straat-oost", at_us - 1_000_000)
        _the_core_took_it_over(database, chain, taken, at_us)

    cities = Cities(load_city(first), KafkaSettings(bootstrap=kafka_bootstrap, partitions=PARTITIONS))
    cities.refresh()
    chain.stop()
    expected = folded(cities, messages(kafka_bootstrap, Topic.SITE_LOG))
    done = said(kafka_bootstrap)
    assert done.keys() <= expected.keys()
    assert done == {identity: expected[identity] for identity in done}
    assert {topic for topic, _ in done} == {Topic.LIVE, Topic.ALERTS}


def _the_core_took_it_over(
    database: psycopg.Connection[tuple[object, ...]], chain: Chain, taken: object, at_us: int
) -> None:
    """The removed rule's alert closes for that reason, and the street is seen whole."""
    assert callable(taken)

    def so() -> bool:
        taken("cam-straat-oost", chain.now_us())
        closed = database.execute(
            "SELECT cause FROM live.transition WHERE rule = 'oranje' AND state_to = 'resolved'").fetchall()
        counted = database.execute(
            "SELECT z.coverage FROM live.zone_minute AS z JOIN engine.place_now AS p ON p.number = z.zone "
            "WHERE p.kind = 'zone' AND p.key = 'straat' AND z.window_start >= to_timestamp(%s) AND z.coverage > 0",
            (at_us / 1e6,)).fetchall()
        return closed == [("city",)] and bool(counted)

    wait_until(so, LIMIT_S, "the removed rule's alert is closed and the new camera is counted")


def _rules(database: psycopg.Connection[tuple[object, ...]], state: str) -> list[object]:
    return [row[0] for row in database.execute("SELECT rule FROM live.alert WHERE state_to = %s", (state,))]


def _versions(database: psycopg.Connection[tuple[object, ...]]) -> list[tuple[object, ...]]:
    return database.execute(
        "SELECT version, round(extract(epoch FROM effective_at) * 1000000)::bigint FROM engine.city_version "
        "ORDER BY version").fetchall()
