# SPDX-License-Identifier: Apache-2.0
"""What the worker leans on in Faust: fails when an upgrade changes it, or when a source steps into a trap."""

import asyncio
import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import faust
import pytest
from faust.types.enums import ProcessingGuarantee

from schemas.log import Topic
from streams.settings import KafkaSettings
from streams.worker.app import make_app
from streams.worker.offsets import OwnOffsetsConsumer, OwnOffsetsTransport
from tests.cities import small_city
from tests.conftest import ROOT

PINNED = ("faust-streaming", "mode-streaming", "aiokafka", "click")
FORBIDDEN = {
    r"\bpsycopg\b": "the worker speaks Kafka only",
    r"streams\.(writer|gateway|storage)\b": "the worker speaks Kafka only",
    r"\.take\(": "acknowledges batches whose body raised",
    r"\.take_events\(": "acknowledges batches whose body raised",
    r"event\.ack\(": "acknowledgements are not the truth",
    r"\.(Global)?Table\(": "no tables",
    r"concurrency=": "offsets would no longer be in order",
    r"confluent://": "does not work",
    r"exactly_once": "does not work",
}
SOURCES = sorted((ROOT / "streams" / "worker").glob("*.py"))


@pytest.mark.parametrize("name", PINNED)
def test_installed_versions_are_the_pinned_ones(name: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"{name}=={version(name)}" in project["dependencies"]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_source_of_the_worker_steps_into_a_known_trap(path: Path) -> None:
    text = path.read_text()
    found = [f"{pattern}: {why}" for pattern, why in FORBIDDEN.items() if re.search(pattern, text)]
    assert not found


def test_the_sources_were_found() -> None:
    assert {"app.py", "run.py", "offsets.py"} <= {path.name for path in SOURCES}


@pytest.fixture(autouse=True)
def _loop() -> Iterator[None]:
    """An event loop for Faust to find, and nobody else's."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    loop.close()
    asyncio.set_event_loop(None)


def _app(tmp_path: Path, mock: bool = False) -> faust.App:
    kafka = KafkaSettings(bootstrap="127.0.0.1:1,127.0.0.1:2", partitions=4, mock=mock)
    return make_app(kafka, small_city(), "one", str(tmp_path))


def test_settings_that_keep_the_worker_alive_and_quiet(tmp_path: Path) -> None:
    conf = _app(tmp_path).conf
    assert conf.stream_wait_empty is False
    assert str(conf.processing_guarantee) == str(ProcessingGuarantee.AT_LEAST_ONCE)
    assert conf.topic_disable_leader
    assert not conf.topic_allow_declare
    assert not conf.web_enabled
    assert not conf.worker_redirect_stdouts
    assert (conf.broker_session_timeout, conf.broker_request_timeout) == (10, 40)
    assert conf.consumer_group_instance_id == "one"
    assert _app(tmp_path, mock=True).conf.broker_session_timeout == 6


def test_faust_uses_our_consumer(tmp_path: Path) -> None:
    transport = _app(tmp_path).transport
    assert isinstance(transport, OwnOffsetsTransport)
    assert transport.Consumer is OwnOffsetsConsumer
    assert [f"{url.host}:{url.port}" for url in transport.url] == ["127.0.0.1:1", "127.0.0.1:2"]


def test_noack_take_yields_events_with_messages(tmp_path: Path) -> None:
    app = faust.App("contract", store="memory://", datadir=str(tmp_path), key_serializer="raw",
                    value_serializer="raw")
    seen: list[Any] = []

    async def collect(stream: Any) -> None:
        async for events in stream.noack_take(2, within=0.01):
            seen.extend(events)

    agent_of = app.agent(app.topic(Topic.SITE_LOG.value, value_serializer="raw"))(collect)

    async def offer() -> None:
        async with agent_of.test_context() as agent:
            for _ in range(3):
                await agent.put(b"value", key=b"key", partition=3, headers={"a": b"b"}, wait=False)
            async with asyncio.timeout(10):
                while len(seen) < 3:  # noqa: ASYNC110  # the agent has no event to wait for
                    await asyncio.sleep(0.01)

    asyncio.get_event_loop().run_until_complete(offer())
    consumer: Any = app.consumer
    consumer._thread.thread_loop.close()  # it was made, but never started
    assert all(isinstance(event, faust.Event) for event in seen)
    assert [event.message.offset for event in seen] == [0, 1, 2]
    message = seen[0].message
    assert (message.topic, message.partition, message.key, message.value) == (
        Topic.SITE_LOG, 3, b"key", b"value"
    )
    assert dict(message.headers) == {"a": b"b"}
    assert hasattr(message, "generation_id")
    assert not any(event.acked for event in seen)
