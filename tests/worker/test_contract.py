# SPDX-License-Identifier: Apache-2.0
"""What the worker leans on in Faust: fails when an upgrade changes it, or when a source steps into a trap."""

import asyncio
import inspect
import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import faust
import pytest
from faust.exceptions import FaustError, ProducerSendError
from faust.tables import TableManager
from faust.transport.drivers.aiokafka import Consumer, Producer
from faust.types.enums import ProcessingGuarantee

from schemas.errors import FatalError
from schemas.log import Topic
from streams.settings import KafkaSettings, Settings
from streams.topics import SNAPSHOT_BYTES
from streams.worker.app import IDLE_S, make_app
from streams.worker.folds import Folds
from streams.worker.lean import BundlingConsumer
from streams.worker.no_tables import FolderlessApp, NoTables
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


def _app(mock: bool = False) -> faust.App:
    kafka = KafkaSettings(bootstrap="127.0.0.1:1,127.0.0.1:2", partitions=4, mock=mock)
    city = small_city()
    folds = Folds(city, kafka.partitions)
    return make_app(Settings(city=Path("unused.toml"), kafka=kafka), city, folds, "one")


def test_settings_that_keep_the_worker_alive_and_quiet() -> None:
    conf = _app().conf
    assert conf.stream_wait_empty is False
    assert str(conf.processing_guarantee) == str(ProcessingGuarantee.AT_LEAST_ONCE)
    assert conf.topic_disable_leader
    assert not conf.topic_allow_declare
    assert not conf.web_enabled
    assert not conf.worker_redirect_stdouts
    assert (conf.broker_session_timeout, conf.broker_request_timeout) == (10, 40)
    assert conf.consumer_group_instance_id == "one"
    assert _app(mock=True).conf.broker_session_timeout == 6


def test_an_effect_is_acknowledged_when_every_replica_has_it_and_a_snapshot_fits() -> None:
    conf = _app().conf
    assert int(conf.producer_acks) == -1
    assert conf.producer_max_request_size == SNAPSHOT_BYTES


def test_the_table_manager_does_at_its_start_what_fausts_does_but_wait() -> None:
    manager: object = _app().conf.TableManager
    assert manager is NoTables
    ours, theirs = (inspect.getsource(kind.on_start).splitlines()[2:] for kind in (NoTables, TableManager))
    assert theirs == ["        await self.sleep(1.0)", *ours]


def test_at_its_first_start_faust_makes_folders_and_nothing_else() -> None:
    lines = inspect.getsource(faust.App.on_first_start).splitlines()
    assert lines[2:] == ["        self._create_directories()"]
    assert "on_first_start" in vars(FolderlessApp)


def test_what_a_stop_after_an_error_is_known_by() -> None:
    app = _app()
    assert app.crashed is False
    asyncio.get_event_loop().run_until_complete(app.crash(FatalError("a reason")))
    assert app.crashed is True


def test_the_hook_of_a_planned_stop_comes_before_the_producer_is_flushed() -> None:
    app: Any = _app()
    order: list[str] = []

    async def hook(app: Any, /, *_: Any, **__: Any) -> None:
        order.append("hook" if not app.crashed else "crashed")

    async def flush(_: Any) -> None:
        order.append("flush")

    app.on_before_shutdown.connect(hook, weak=False)
    app._producer_flush = flush
    asyncio.get_event_loop().run_until_complete(app.on_stop())
    assert order == ["hook", "flush"]


def test_a_send_takes_and_raises_what_the_publisher_expects() -> None:
    assert issubclass(ProducerSendError, FaustError)
    assert list(inspect.signature(Producer.send).parameters)[1:7] == [
        "topic", "key", "value", "partition", "timestamp", "headers"
    ]


def test_faust_uses_our_consumer() -> None:
    transport = _app().transport
    assert isinstance(transport, OwnOffsetsTransport)
    assert transport.Consumer is OwnOffsetsConsumer
    assert [f"{url.host}:{url.port}" for url in transport.url] == ["127.0.0.1:1", "127.0.0.1:2"]


def test_what_bundles_the_messages_of_a_fetch_fits_into_faust() -> None:
    for name, parameters in {
        "_getmany": ["active_partitions", "timeout"], "_to_message": ["tp", "record"], "on_buffer_full": ["tp"],
    }.items():
        ours, of_faust = (list(inspect.signature(getattr(owner, name)).parameters)[1:]
                          for owner in (OwnOffsetsConsumer, Consumer))
        assert ours == of_faust == parameters
        assert name in vars(BundlingConsumer)


def test_events_come_one_by_one_in_their_order_unacknowledged(tmp_path: Path) -> None:
    app = faust.App("contract", store="memory://", datadir=str(tmp_path), key_serializer="raw",
                    value_serializer="raw")
    taken: list[list[Any]] = []
    sent = 30

    async def collect(stream: Any) -> None:
        async for events in stream.noack_take(1, within=IDLE_S):
            await asyncio.sleep(0)  # what is folded may have to wait
            taken.append(events)

    agent_of = app.agent(app.topic(Topic.SITE_LOG.value, value_serializer="raw"))(collect)

    async def offer() -> None:
        async with agent_of.test_context() as agent:
            for _ in range(sent):
                await agent.put(b"value", key=b"key", partition=3, headers={"a": b"b"}, wait=False)
            async with asyncio.timeout(10):
                while sum(map(len, taken)) < sent:  # noqa: ASYNC110  # the agent has no event to wait for
                    await asyncio.sleep(0.01)

    asyncio.get_event_loop().run_until_complete(offer())
    consumer: Any = app.consumer
    consumer._thread.thread_loop.close()  # it was made, but never started
    assert set(map(len, taken)) == {1}
    seen = [event for events in taken for event in events]
    assert all(isinstance(event, faust.Event) for event in seen)
    assert [event.message.offset for event in seen] == list(range(sent))
    message = seen[0].message
    assert (message.topic, message.partition, message.key, message.value) == (
        Topic.SITE_LOG, 3, b"key", b"value"
    )
    assert dict(message.headers) == {"a": b"b"}
    assert hasattr(message, "generation_id")
    assert not any(event.acked for event in seen)
