# SPDX-License-Identifier: Apache-2.0
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from schemas.errors import TransientError
from schemas.log import Clock, Kind, LogMessage, Topic
from schemas.reading import Batch
from streams.gateway import outlet as outlet_module
from streams.gateway.outlet import Outlet, tick_interval_s
from streams.gateway.packing import MESSAGE_READINGS
from streams.gateway.producer import LogProducer
from streams.gateway.tally import Tally
from streams.gateway.versions import Numbered
from streams.settings import ClockSettings, KafkaSettings
from tests.gateway.mock_broker import MockBroker, log_message, nowhere

TABLE = np.array([-1, 0, 1, 2, 3], np.int32)
FAST = ClockSettings(kind=Clock.SIMULATED, speed=200.0, start_us=1_000_000_000_000_000, wall_start_us=0)


def _batch(size: int, sensors: int = 4, version: int = 3) -> list[Numbered]:
    batch = Batch.of(sensor=np.arange(size) % sensors + 1, metric=1, begin=np.arange(size), value=1.0)
    return [Numbered(version, TABLE, batch)]


@asynccontextmanager
async def _outlet(
    kafka: KafkaSettings, clock: ClockSettings = ClockSettings(), delivery_s: float = 5.0  # noqa: B008  # frozen
) -> AsyncIterator[tuple[Outlet, Tally]]:
    tally = Tally()
    producer = LogProducer(kafka, delivery_s)
    try:
        yield Outlet(producer, clock, lambda: 3, 4, tally), tally
    finally:
        await asyncio.to_thread(producer.close, 1.0)


def _messages(broker: MockBroker, readings: int) -> list[LogMessage]:
    return broker.decoded(lambda found: sum(len(one.batch or ()) for one in found) >= readings)


def test_readings_are_in_the_log_when_send_returns(broker: MockBroker) -> None:
    async def send() -> Tally:
        async with _outlet(broker.kafka) as (outlet, tally):
            await outlet.send("cameras", _batch(100))
            return tally

    tally = asyncio.run(send())
    messages = _messages(broker, 100)
    assert tally.readings == 100
    assert tally.messages == len(messages) == 4
    for message in messages:
        assert (message.kind, message.source, message.city_version) == (Kind.READINGS, "cameras", 3)
        assert message.clock is Clock.WALL
    begins = np.concatenate([one.batch.begin for one in messages if one.batch is not None])
    assert sorted(begins.tolist()) == list(range(100))


def test_readings_of_several_requests_share_messages(broker: MockBroker) -> None:
    async def send() -> None:
        async with _outlet(broker.kafka) as (outlet, _):
            await asyncio.gather(*(outlet.send("cameras", _batch(40)) for _ in range(50)))

    asyncio.run(send())
    messages = _messages(broker, 2_000)
    assert len(messages) == 4
    assert len({one.id for one in messages}) == 4


def test_sources_do_not_share_messages(broker: MockBroker) -> None:
    async def send() -> None:
        async with _outlet(broker.kafka) as (outlet, _):
            await asyncio.gather(outlet.send("a", _batch(4, 1)), outlet.send("b", _batch(4, 1)))

    asyncio.run(send())
    assert {one.source for one in _messages(broker, 8)} == {"a", "b"}


def test_city_versions_do_not_share_messages(broker: MockBroker) -> None:
    async def send() -> None:
        async with _outlet(broker.kafka) as (outlet, _):
            await outlet.send("a", [*_batch(4, 1), *_batch(6, 1, version=4)])

    asyncio.run(send())
    assert {(one.city_version, len(one.batch or ())) for one in _messages(broker, 10)} == {(3, 4), (4, 6)}


def test_a_large_batch_becomes_messages_of_bounded_size(broker: MockBroker) -> None:
    async def send() -> None:
        async with _outlet(broker.kafka) as (outlet, _):
            await outlet.send("cameras", _batch(12_000, 1))

    asyncio.run(send())
    sizes = [len(one.batch or ()) for one in _messages(broker, 12_000)]
    assert sizes == [MESSAGE_READINGS, MESSAGE_READINGS, 2_000]


def test_ingestion_time_never_goes_back_in_a_partition(
    broker: MockBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown_us = iter([50, 40, 30, 60, 10])
    monkeypatch.setattr(outlet_module, "now_us", lambda _: next(shown_us))

    async def send() -> None:
        async with _outlet(broker.kafka) as (outlet, _):
            for _ in range(5):
                await outlet.send("cameras", _batch(1, 1))

    asyncio.run(send())
    assert [one.ingested_at_us for one in _messages(broker, 5)] == [50, 50, 50, 60, 60]


def test_silent_partitions_get_ticks_and_log_time_moves_on(broker: MockBroker) -> None:
    async def tick() -> None:
        async with _outlet(broker.kafka, FAST) as (outlet, tally):
            ticking = asyncio.create_task(outlet.tick_while_silent())
            while tally.ticks < 20:
                await asyncio.wait({ticking}, timeout=0.01)
                assert not ticking.done()
            ticking.cancel()

    asyncio.run(tick())
    found = broker.read(Topic.SITE_LOG, lambda found: len(found) >= 20)
    assert {one.partition() for one in found} == {0, 1, 2, 3}
    for partition in range(4):
        ticks = [log_message(one) for one in found if one.partition() == partition]
        assert all(one.kind is Kind.TICK and one.batch is None for one in ticks)
        stamps = [one.ingested_at_us for one in ticks]
        assert stamps == sorted(stamps)
        assert len(stamps) > 2


def test_ticks_come_often_enough_in_log_time() -> None:
    assert tick_interval_s(ClockSettings()) == 1.0
    assert tick_interval_s(ClockSettings(kind=Clock.SIMULATED, speed=20.0)) == 0.5
    assert tick_interval_s(ClockSettings(kind=Clock.SIMULATED, speed=1.0)) == 1.0


def test_without_a_broker_sending_fails_as_transient_and_ticks_do_not_pile_up() -> None:
    async def send() -> Tally:
        async with _outlet(nowhere(), FAST, delivery_s=0.3) as (outlet, tally):
            ticking = asyncio.create_task(outlet.tick_while_silent())
            with pytest.raises(TransientError):
                await outlet.send("cameras", _batch(10))
            ticking.cancel()
            return tally

    tally = asyncio.run(send())
    assert tally.readings == 0
    assert tally.ticks <= 8


def test_waiting_readings_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlet_module, "WAITING_READINGS", 100)

    async def send() -> list[BaseException | None]:
        async with _outlet(nowhere(), delivery_s=0.5) as (outlet, _):
            return await asyncio.gather(
                *(outlet.send("cameras", _batch(60)) for _ in range(3)), return_exceptions=True
            )

    failures = [str(one) for one in asyncio.run(send())]
    assert ["too many" in text for text in failures] == [False, True, True]


def test_closing_without_a_broker_ends_and_says_what_was_given_up() -> None:
    async def close() -> int:
        producer = LogProducer(nowhere())
        waiting = producer.send(Topic.SITE_LOG, b"x", [], partition=0)
        left = await asyncio.wait_for(asyncio.to_thread(producer.close, 0.2), 10)
        with pytest.raises(TransientError):
            await waiting
        return left

    assert asyncio.run(close()) == 1
