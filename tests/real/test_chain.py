# SPDX-License-Identifier: Apache-2.0
"""HTTP reading in, band in TimescaleDB, transition on `alerts`: on the real services."""

import datetime as dt
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psycopg
import pytest
from confluent_kafka import Consumer

from schemas.alert import State, Transition, decode_transition
from schemas.log import Topic
from tests.real.chain import Chain

pytestmark = pytest.mark.real
LIMIT_S = 90.0


@pytest.fixture
def chain(tmp_path: Path, kafka_bootstrap: str, fresh_database: str) -> Iterator[Chain]:
    with Chain(tmp_path, kafka_bootstrap, fresh_database) as running:
        yield running


def sample(sensor: str, at_us: int, people: int) -> dict[str, object]:
    at = dt.datetime.fromtimestamp(at_us / 1e6, dt.UTC).isoformat()
    return {"sensor": sensor, "metric": "people", "from": at, "to": at, "value": people}


def transitions(bootstrap: str) -> Iterator[Transition | None]:
    """What `alerts` says, from its beginning; None while there is nothing new."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": f"test-{time.time_ns()}",
                         "auto.offset.reset": "earliest"})
    consumer.subscribe([Topic.ALERTS])
    try:
        while True:
            message = consumer.poll(0.2)
            if message is None or message.error():
                yield None
            else:
                headers, value = message.headers(), message.value()
                assert isinstance(headers, list)
                assert ("ce_type", b"nl.drukte.alert.transition.v1") in headers
                assert message.key() == b"centrum"
                assert value is not None
                yield decode_transition(value)
    finally:
        consumer.close()


def test_from_a_reading_to_a_band_and_a_transition(
    chain: Chain, kafka_bootstrap: str, fresh_database: str
) -> None:
    told: list[Transition] = []
    rows: list[tuple[int, int, int]] = []
    listening = transitions(kafka_bootstrap)
    end = time.monotonic() + LIMIT_S
    with psycopg.connect(fresh_database, autocommit=True) as database:
        while not (told and rows):
            assert time.monotonic() < end, (told, rows)
            now_us = chain.now_us()
            body = msgspec.json.encode([sample("cam-plein", now_us, 388), sample("cam-straat", now_us, 3)])
            answer = chain.post("cameras", body)
            assert answer.status_code == 202, answer.text
            assert answer.json()["readings"] == 2
            transition = next(listening)
            if transition is not None and transition.place == "plein":
                told.append(transition)
            rows = database.execute("""
                SELECT people_low, people_high, level FROM live.zone_minute
                JOIN engine.place ON kind = 'zone' AND number = zone
                WHERE key = 'plein' AND people_low IS NOT NULL""").fetchall()
    assert set(rows) == {(385, 389, 2)}
    first = told[0]
    assert (first.rule, first.state_to, first.level_to) == ("oranje", State.FIRING, 2)
    assert (first.people_low, first.people_high) == (385, 389)


def test_what_is_refused_says_why_and_the_flow_goes_on(chain: Chain) -> None:
    now_us = chain.now_us()
    good = sample("cam-plein", now_us, 12)
    bad = {
        "unknown-sensor": sample("cam-nergens", now_us, 1),
        "bad-value": {**good, "value": -4},
        "in-future": sample("cam-plein", now_us + 86_400_000_000, 5),
        "wrong-source": {**sample("teller-straat-uit", now_us - 60_000_000, 3), "metric": "in", "to": good["to"]},
    }
    for reason, reading in bad.items():
        answer = chain.post("cameras", msgspec.json.encode([good, reading]))
        assert answer.status_code == 202, (reason, answer.text)
        assert [refusal["reason"] for refusal in answer.json()["refused"]] == [reason]
    person = chain.post("cameras", msgspec.json.encode({**good, "mac_address": "00:11:22:33:44:55"}))
    assert (person.status_code, "person-level" in person.text, "00:11" in person.text) == (422, True, False)
    assert chain.post("cameras", b"{").status_code == 400
    assert chain.post("cameras", b"\x1f\x8b\x08\x00broken", **{"Content-Encoding": "gzip"}).status_code == 400
    assert chain.post("nobody", b"{}").status_code == 404
    assert chain.post("cameras", msgspec.json.encode(good)).status_code == 202
