# SPDX-License-Identifier: Apache-2.0
"""A thousand addresses and track ids go in by every door and every format; none is found anywhere afterwards."""

import gzip
import hashlib
import random
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import psycopg
import pytest
from confluent_kafka import Consumer, TopicPartition

from schemas.feeds.formats import FORMATS
from tests.cities import SMALL_TOML
from tests.real.chain import Chain
from tests.services.process import wait_until

pytestmark = pytest.mark.real
CANARIES = 1_000
SEED = 23
LIMIT_S = 60.0
_SEPARATORS = re.compile(rb"[:\-.\s_]")
SOURCES = {f"bron-{key}": key for key in FORMATS if key != "csv"}
TOML = SMALL_TOML.replace("[sites.centrum]", "".join(
    f'[sources.{source}]\nformat = "{key}"\n\n' for source, key in SOURCES.items()) + "[sites.centrum]", 1)


def spellings(canary: str) -> list[str]:
    """A canary of 12 hex digits as addresses, hashes and ids are written."""
    pairs = [canary[at : at + 2] for at in range(0, 12, 2)]
    return [":".join(pairs), "-".join(pairs).upper(), canary, ".".join((canary[:4], canary[4:8], canary[8:])),
            f"track-{canary}", canary.upper()]


def documents(canary: str) -> Iterator[object]:
    """Shapes in which one might come: known names, as a name, deep down, as a single crossing, beside good counts."""
    colons, dashes, bare, dots, track, upper = spellings(canary)
    good = {"sensor": "cam-plein", "metric": "people", "from": "2026-01-01T00:00:30Z", "to": "2026-01-01T00:00:30Z",
            "value": 3}
    yield {"mac": colons, "rssi": -61}
    yield [{**good, "device_id": dashes}]
    yield {"data": [{"a": {"b": [{"trackId": track, "position": [1, 2, 3]}]}}]}
    yield {colons: {"count": 1}, bare: 2}
    yield {**good, "sensor": dots}
    yield {**good, "sensor": colons, "metric": track}
    yield {"live_data": {"frames": [{"tracked_objects": [{"track_id": upper}]}]}}
    yield {"id": f"urn:ngsi-ld:CrowdFlowObserved:{bare}", "type": "CrowdFlowObserved", "name": colons,
           "peopleCount": 1, "dateObserved": "2026-01-01T00:00:00Z"}
    hashed = hashlib.sha256(bare.encode()).hexdigest()
    yield {"sensor": colons, "message_type": "person", "personId": track, "hash": hashed}


def bodies(canary: str) -> Iterator[bytes]:
    """The documents as JSON, cut off, zipped, as NDJSON, as XML, oversize."""
    for number, document in enumerate(documents(canary)):
        whole = msgspec.json.encode(document)
        yield whole
        yield (whole[:-3], gzip.compress(whole), whole + b"\n" + whole, b"\xff" + whole)[number % 4]
    colons, *_, track, _ = spellings(canary)
    yield f"<EventNotificationAlert><mac>{colons}</mac><trackId>{track}</trackId></EventNotificationAlert>".encode()
    yield f'<!DOCTYPE a [<!ENTITY x "{colons}">]><a id="{track}">&x;</a>'.encode()


def everything_in_kafka(bootstrap: str) -> bytes:
    """Keys, headers and values of all messages of all topics."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "canaries", "enable.partition.eof": True,
                         "enable.auto.commit": False})
    found = bytearray()
    try:
        topics = consumer.list_topics(timeout=10).topics
        ends = [TopicPartition(name, number, 0) for name, about in topics.items() if not name.startswith("__")
                for number in about.partitions]
        consumer.assign(ends)
        left = len(ends)
        while left:
            for message in consumer.consume(1_000, 5.0):
                if message.error():
                    left -= 1
                    continue
                found += (message.key() or b"") + b" " + (message.value() or b"") + b" "
                headers = message.headers() or []
                pairs = headers.items() if isinstance(headers, dict) else headers
                found += b" ".join(value.encode() if isinstance(value, str) else value or b"" for _, value in pairs)
    finally:
        consumer.close()
    return bytes(found)


def everything_in_the_database(uri: str) -> bytes:
    """All rows of all tables of ours, as text."""
    with psycopg.connect(uri) as connection:
        tables = connection.execute("""
            SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
            WHERE schemaname IN ('live', 'engine', 'research', 'privacy')""").fetchall()
        assert len(tables) > 10
        return "\n".join(str(row) for table, in tables for row in connection.execute(
            f"SELECT t::text FROM {table} AS t").fetchall()).encode()  # noqa: S608  names from the catalogue


def test_no_canary_is_found_anywhere(tmp_path: Path, kafka_bootstrap: str, fresh_database: str) -> None:
    numbers = random.Random(SEED)  # noqa: S311  # data of a test
    canaries = [numbers.randbytes(6).hex() for _ in range(CANARIES)]
    sources = ["cameras", *SOURCES]
    answers: set[int] = set()
    with Chain(tmp_path, kafka_bootstrap, fresh_database, TOML) as chain, httpx.Client(timeout=30) as client:
        said = bytearray()
        for number, canary in enumerate(canaries):
            every = list(bodies(canary))
            for at in range(3):  # three of its bodies each, so that every source gets every body many times
                source = sources[(number + at) % len(sources)]
                answer = client.post(f"http://127.0.0.1:{chain.port}/in/{source}",
                                     content=every[(number // len(sources) + at * 7) % len(every)])
                answers.add(answer.status_code)
                said += answer.content
        oversize = msgspec.json.encode([{"mac": ":".join(spellings(canaries[0]))}] * 400_000)
        answers.add(client.post(f"http://127.0.0.1:{chain.port}/in/cameras", content=oversize).status_code)
        said += client.get(f"http://127.0.0.1:{chain.metrics_port}/metrics").content
        with psycopg.connect(fresh_database, autocommit=True) as database:
            wait_until(lambda: bool(database.execute("SELECT count(*) FROM engine.refusal_day").fetchall()[0][0]),
                       LIMIT_S, "the refusals are counted")
    assert answers <= {202, 400, 413, 415, 422}, answers
    logs = b"".join(path.read_bytes() for path in tmp_path.rglob("*.log"))
    assert b"gateway" in logs
    places = {"answers and metrics": bytes(said), "logs": logs, "topics": everything_in_kafka(kafka_bootstrap),
              "tables": everything_in_the_database(fresh_database)}
    for place, content in places.items():
        assert content, place
        plain = _SEPARATORS.sub(b"", content).lower()
        found = [canary for canary in canaries if canary.encode() in plain]
        hashed = [canary for canary in canaries if hashlib.sha256(canary.encode()).hexdigest().encode() in plain]
        assert not found + hashed, f"{place} holds {len(found)} canaries"
