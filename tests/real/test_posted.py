# SPDX-License-Identifier: Apache-2.0
"""A gateway is killed while a client that retries posts 100,000 readings: all arrive, none counts twice."""

import datetime as dt
import time
from pathlib import Path

import httpx
import msgspec
import numpy as np
import pytest

from schemas.log import Topic, decode_log
from schemas.reading import Batch
from streams.kafka_client import headers_of
from streams.settings import KafkaSettings
from streams.verify.topics import TopicReader
from tests.real.chain import PARTITIONS, Chain

pytestmark = pytest.mark.real
POSTS, READINGS_A_POST = 100, 1_000
KILLS = (20, 50, 80)
LIMIT_S = 120.0


def body(first_us: int, post: int) -> bytes:
    """A thousand readings of one camera, ten milliseconds apart, each with a value of its own."""
    readings = []
    for number in range(post * READINGS_A_POST, (post + 1) * READINGS_A_POST):
        at = dt.datetime.fromtimestamp((first_us + number * 10_000) / 1e6, dt.UTC).isoformat()
        readings.append({"sensor": "cam-plein", "metric": "people", "from": at, "to": at, "value": number})
    return msgspec.json.encode(readings)


def post_until_taken(chain: Chain, content: bytes) -> None:
    """As a careful sender does it: again until it is acknowledged."""
    end = time.monotonic() + LIMIT_S
    while True:
        assert time.monotonic() < end, "never acknowledged"
        try:
            answer = chain.post("cameras", content)
        except httpx.HTTPError:
            chain.start("gateway")
            continue
        if answer.status_code == 202:
            assert answer.json()["readings"] == READINGS_A_POST
            return
        assert answer.status_code == 503, answer.text


def everything_logged(bootstrap: str) -> Batch:
    """All readings of `site-log`."""
    reader, batches = TopicReader(KafkaSettings(bootstrap=bootstrap, partitions=PARTITIONS)), []
    try:
        for number in range(PARTITIONS):
            for message in reader.messages(Topic.SITE_LOG, number, *reader.limits(Topic.SITE_LOG, number)):
                batch = decode_log(headers_of(message), message.value()).batch
                batches += [] if batch is None else [batch]
    finally:
        reader.close()
    return Batch.concatenated(batches)


def test_nothing_is_lost_and_repeats_are_the_same_reading(
    tmp_path: Path, kafka_bootstrap: str, fresh_database: str
) -> None:
    with Chain(tmp_path, kafka_bootstrap, fresh_database) as chain:
        first_us = chain.now_us() - 2_000_000_000
        for post in range(POSTS):
            content = body(first_us, post)
            if post in KILLS:  # acknowledged or not, the sender does not hear it
                assert chain.post("cameras", content).status_code == 202
                chain.kill("gateway")
            post_until_taken(chain, content)
    logged = everything_logged(kafka_bootstrap)
    pairs = np.unique(np.stack([logged.begin, logged.value.astype(np.int64)]), axis=1)
    # The same key has the same value: the fold's slot takes a repeat for what it is.
    assert pairs.shape[1] == POSTS * READINGS_A_POST
    assert np.array_equal(pairs[1], np.arange(POSTS * READINGS_A_POST))
    assert len(logged) == (POSTS + len(KILLS)) * READINGS_A_POST
