# SPDX-License-Identifier: Apache-2.0
"""`drukte sensor purge` puts the command where the sensor's site is, and `drukte scorecard` asks for a month."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from schemas.command import PurgeSensor
from schemas.errors import RefusedError
from schemas.ids import IdKind
from schemas.log import Kind, Topic
from streams import cli
from streams.core.layout import partition_of_site
from streams.sensor_purge import purge_sensor
from streams.settings import KafkaSettings, Settings
from tests.cities import small_city
from tests.gateway.mock_broker import MockBroker, log_message, nowhere

CITY = small_city()


def settings(kafka: KafkaSettings) -> Settings:
    return Settings(city=Path("unused.toml"), kafka=kafka)


def test_a_purge_goes_to_the_partition_of_the_sensors_site() -> None:
    broker = MockBroker()
    try:
        purge = purge_sensor(settings(broker.kafka), CITY, "cam-plein", outcome_s=0)
        [message] = broker.read(Topic.SITE_LOG, bool)
    finally:
        broker.close()
    assert purge.partition == partition_of_site(CITY.ids[IdKind.SITE]["centrum"], broker.kafka.partitions)
    assert message.partition() == purge.partition
    assert not purge.done
    decoded = log_message(message)
    assert (decoded.kind, decoded.command) == (Kind.COMMAND, PurgeSensor(sensor="cam-plein"))


def test_a_sensor_that_is_not_there_is_not_purged() -> None:
    with pytest.raises(RefusedError, match="no-such"):
        purge_sensor(settings(nowhere()), CITY, "no-such")


def test_what_is_no_month_is_refused() -> None:
    done = CliRunner().invoke(cli.app, ["scorecard", "--month", "spring"])
    assert done.exit_code == 2
    assert "2026-01" in done.output
