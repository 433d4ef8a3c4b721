# SPDX-License-Identifier: Apache-2.0
"""Publishing, and what processes then know, on a broker in memory."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import msgspec
import pytest
from typer.testing import CliRunner

from schemas.city_change import CityChange
from schemas.city_publication import instant
from schemas.errors import FatalError, TransientError
from schemas.log import Clock, Kind, LogMessage, Topic
from schemas.reading import Batch
from streams import cities as cities_module
from streams.cities import Cities, first_state
from streams.city_files import load_city
from streams.city_publish import NotPublishedError, publish
from streams.cli import app
from streams.clock import wall_us
from streams.gateway.run import run_gateway
from streams.settings import ClockSettings, GatewaySettings, KafkaSettings, Settings
from tests.gateway.mock_broker import MockBroker, log_message
from tests.serve.running import health
from tests.services.process import free_port, wait_until
from tests.versions import MINUTE_US, SECOND_TOML, both, written

LIMIT_S = 30.0
SPEED = 120.0


def settings_of(kafka: KafkaSettings, city: Path, clock: ClockSettings | None = None) -> Settings:
    return Settings(city=city, kafka=kafka, clock=clock or ClockSettings(), gateway=GatewaySettings(port=free_port()))


def soon_us(clock_us: int | None = None) -> int:
    return ((clock_us or wall_us()) // MINUTE_US + 4) * MINUTE_US


def changes(broker: MockBroker, count: int) -> list[tuple[int | None, LogMessage]]:
    found = broker.read(Topic.SITE_LOG, lambda some: len(some) >= count)
    return [(one.partition(), log_message(one)) for one in found]


def test_the_first_publication_puts_the_running_version_before_it(broker: MockBroker, tmp_path: Path) -> None:
    first, second = both(tmp_path)
    settings, at_us = settings_of(broker.kafka, first), soon_us()
    done = publish(settings, second, at_us)
    assert (done.repeated, done.base is not None and done.base.version, done.partitions) == (False, 1, 4)
    cities = Cities(load_city(first), broker.kafka)
    assert cities.refresh()
    assert [one.change.effective_at_us for one in cities.known] == [0, at_us]
    assert (cities.at(at_us - 1).version, cities.at(at_us).version) == (1, 2)
    assert not cities.refresh()
    told = changes(broker, 4)
    assert {partition for partition, _ in told} == {0, 1, 2, 3}
    for _, message in told:
        assert message.change == CityChange(version=2, sha256=load_city(second).sha256, effective_at_us=at_us)
        assert cities.resolved(message).city == load_city(second)
    # Who is given the new file from now on knows the old one all the same.
    again = Cities(load_city(second), broker.kafka)
    again.refresh()
    assert again.known == cities.known


def test_a_publication_that_was_cut_off_is_mended_by_the_same_one(
    broker: MockBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = both(tmp_path)
    settings, at_us = settings_of(broker.kafka, first), soon_us()
    with monkeypatch.context() as patch:
        patch.setattr("streams.city_publish._tell_the_log", _cut_off)
        with pytest.raises(TransientError):
            publish(settings, second, at_us)
    with pytest.raises(NotPublishedError, match="which stays"):
        publish(settings, second, at_us + MINUTE_US)
    assert publish(settings, second, at_us).repeated
    assert len(changes(broker, 4)) == 4
    cities = Cities(load_city(first), broker.kafka)
    cities.refresh()
    assert [one.city.version for one in cities.known] == [1, 2]


def _cut_off(*_: object) -> None:
    raise TransientError("cut off")


def test_what_may_not_follow_is_not_written(broker: MockBroker, tmp_path: Path) -> None:
    first, second = both(tmp_path)
    settings = settings_of(broker.kafka, first)
    with pytest.raises(NotPublishedError, match="what runs until now"):
        publish(settings, first, soon_us())
    with pytest.raises(NotPublishedError, match="not two minutes ahead"):
        publish(settings, second, soon_us() - 10 * MINUTE_US)
    publish(settings, second, soon_us())
    third = written(tmp_path / "klein-3.toml", SECOND_TOML.replace("version = 2", "version = 3"), second)
    with pytest.raises(NotPublishedError, match="has to take over after"):
        publish(settings, third, soon_us() - MINUTE_US)


def test_a_file_that_was_changed_in_place_is_told_and_not_used(broker: MockBroker, tmp_path: Path) -> None:
    first, second = both(tmp_path)
    publish(settings_of(broker.kafka, first), second, soon_us())
    other = written(tmp_path / "anders.toml", SECOND_TOML.replace("Voorbeeld", "Ander"), first)
    with pytest.raises(FatalError, match="was never published"):
        Cities(load_city(other), broker.kafka).refresh()


def test_a_version_that_the_topic_lacks_ends_the_process(
    broker: MockBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cities_module, "RESOLVE_S", 0.3)
    change = CityChange(version=9, sha256="0" * 64, effective_at_us=0)
    message = LogMessage(Kind.CITY, 1, Clock.WALL, 9, "city", "9/0", change=change)
    broker.producer.list_topics(Topic.CITY.value, timeout=5)
    with pytest.raises(FatalError, match="does not hold it"):
        Cities(load_city(both(tmp_path)[0]), broker.kafka).resolved(message)


@pytest.mark.parametrize("minutes", [-1, 1])
def test_a_cold_start_takes_the_version_of_its_first_message(
    broker: MockBroker, tmp_path: Path, minutes: int
) -> None:
    first, second = both(tmp_path)
    at_us = soon_us()
    publish(settings_of(broker.kafka, first), second, at_us)
    cities = Cities(load_city(first), broker.kafka)
    cities.refresh()
    log_time_us = at_us + minutes * MINUTE_US
    version = 1 if minutes < 0 else 2
    sensor = cities.newest.ids.numbers["sensor"]["cam-plein"]  # type: ignore[index]  # a text is the kind's value
    batch = Batch.of(sensor=sensor, metric=1, begin=log_time_us, value=1.0)
    message = LogMessage(Kind.READINGS, log_time_us, Clock.SIMULATED, version, "cameras", "1", batch)
    state = first_state(cities, message, log_time_us, 1, 0)
    state.step(message, log_time_us)
    state.settle()
    assert state.counters["readings"] == 1


def test_a_gateway_numbers_each_reading_by_the_version_of_its_time(
    broker: MockBroker, tmp_path: Path
) -> None:
    first, second = both(tmp_path)
    begin_us = 1_767_225_600_000_000
    clock = ClockSettings(kind=Clock.SIMULATED, speed=SPEED, start_us=begin_us, wall_start_us=wall_us())
    settings = settings_of(broker.kafka, first, clock)
    stop, thread, failures = _gateway(settings)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{settings.gateway.port}", timeout=20) as client:
            wait_until(lambda: health(client) == 200, LIMIT_S, "the gateway is well")
            shown_us = begin_us + round((wall_us() - clock.wall_start_us) * SPEED)
            at_us = (shown_us // MINUTE_US + 8) * MINUTE_US
            publish(settings, second, at_us)

            def taken(second_after: int) -> bool:
                answer = client.post("/in/cameras", content=_sample(at_us + second_after * 1_000_000))
                return answer.status_code == 202 and answer.json()["readings"] == 1

            wait_until(lambda: taken(1), LIMIT_S, "the new camera is taken in")
            assert not taken(-1)
            mixed = b"[%s,%s]" % (_sample(at_us - 1, "cam-plein"), _sample(at_us, "cam-plein"))
            assert client.post("/in/cameras", content=mixed).json()["readings"] == 2
    finally:
        stop()
        thread()
    assert not failures
    found = broker.decoded(lambda some: sum(len(one.batch or ()) for one in some) >= 3)
    for one in found:
        if one.batch is not None:
            expected = {2 if begin >= at_us else 1 for begin in one.batch.begin.tolist()}
            assert expected == {one.city_version}


def _sample(at_us: int, sensor: str = "cam-straat-oost") -> bytes:
    at = instant(at_us)
    return msgspec.json.encode({"sensor": sensor, "metric": "people", "from": at, "to": at, "value": 3})


def _gateway(settings: Settings) -> tuple[Callable[[], None], Callable[[], None], list[BaseException]]:
    stop, failures = threading.Event(), list[BaseException]()

    def run() -> None:
        try:
            run_gateway(settings, load_city(settings.city), stop)
        except BaseException as error:  # noqa: BLE001  # told by the test
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return stop.set, lambda: thread.join(LIMIT_S), failures


def test_the_commands_tell_what_was_done_and_what_changed(broker: MockBroker, tmp_path: Path) -> None:
    first, second = both(tmp_path)
    toml = tmp_path / "drukte.toml"
    toml.write_text(f'city = "{first.name}"\n[kafka]\nbootstrap = "{broker.kafka.bootstrap}"\npartitions = 4\n'
                    "mock = true\n")
    runner, at = CliRunner(), instant(soon_us())
    common = ["--settings", str(toml), "--json"]
    assert json.loads(runner.invoke(app, ["city", "history", *common]).stdout) == []
    done = runner.invoke(app, ["city", "publish", str(second), "--effective-at", at, *common])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {
        "version": 2, "sha256": load_city(second).sha256, "effective_at": at, "repeated": False,
        "first_version": 1, "partitions": 4,
    }
    rows = json.loads(runner.invoke(app, ["city", "history", *common]).stdout)
    assert [(row["version"], row["effective_at"], row["in_force"]) for row in rows] == [(1, None, True), (2, at, False)]
    assert rows[1]["kinds"] == ["sensors", "thresholds", "rules"]
    told = json.loads(runner.invoke(app, ["city", "diff", str(first), "published", *common]).stdout)
    assert told["kinds"] == rows[1]["kinds"]
    assert "rules.oranje: removed" in runner.invoke(app, ["city", "diff", str(first), str(second)]).stdout
    wrong = runner.invoke(app, ["city", "publish", str(first), "--effective-at", at, "--settings", str(toml)])
    assert (wrong.exit_code, "which stays" in wrong.stderr) == (2, True)
    unclear = runner.invoke(app, ["city", "publish", str(first), "--effective-at", "2026-05-01T06:00"])
    assert (unclear.exit_code, "--effective-at" in unclear.stderr) == (2, True)


def test_a_fourth_change_of_thresholds_within_a_day_is_not_published(broker: MockBroker, tmp_path: Path) -> None:
    before, at_us = both(tmp_path)[0], soon_us()
    settings = settings_of(broker.kafka, before)
    for version in range(2, 6):
        toml = SECOND_TOML.replace("version = 2", f"version = {version}").replace(
            "capacity = 400", f"capacity = {390 + 20 * version}")
        before = written(tmp_path / f"versie-{version}.toml", toml, before)
        if version < 5:
            publish(settings, before, at_us + version * MINUTE_US)
    with pytest.raises(NotPublishedError, match=r"zones\.plein: .* 4th time"):
        publish(settings, before, at_us + 5 * MINUTE_US)
    assert publish(settings, before, at_us + 2 * MINUTE_US + 1440 * MINUTE_US).change.version == 5
