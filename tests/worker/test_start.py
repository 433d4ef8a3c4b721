# SPDX-License-Identifier: Apache-2.0
"""What a starting worker waits for, and what it does not wait for."""

import os
import signal
import threading

import msgspec
import pytest

from schemas.errors import FatalError
from streams.settings import KafkaSettings
from streams.worker.start import Start, StoppedError
from tests.cities import small_city
from tests.gateway.mock_broker import MockBroker
from tests.services.process import free_port


def test_with_a_broker_it_goes_on_at_once(broker: MockBroker) -> None:
    start = Start(broker.kafka, small_city())
    start.wait()
    assert not start.broker_is_away
    assert [one.city.version for one in start.cities.known] == [small_city().version]


def test_another_layout_of_topics_is_not_waited_for(broker: MockBroker) -> None:
    other = msgspec.structs.replace(broker.kafka, partitions=broker.kafka.partitions + 1)
    with pytest.raises(FatalError, match="partitions"):
        Start(other, small_city()).wait()


def test_it_stops_when_told_and_leaves_the_signals_as_they_were() -> None:
    away = KafkaSettings(bootstrap=f"127.0.0.1:{free_port()}", partitions=4, mock=True)
    before = signal.getsignal(signal.SIGTERM)
    start = Start(away, small_city())

    def tell() -> None:
        # Only once it waits: before, the signal would end this process.
        while not start.broker_is_away:
            told.wait(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    told = threading.Event()
    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    with pytest.raises(StoppedError):
        start.wait()
    teller.join()
    assert signal.getsignal(signal.SIGTERM) is before
