# SPDX-License-Identifier: Apache-2.0
"""Deliver and a real Alertmanager; deliver as a process on a real broker, its records in a real database."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from schemas.alert import Cause, State, Transition
from schemas.delivery import Outcome
from schemas.ids import HEADER
from streams import storage
from streams.city_files import assign_ids
from streams.clock import wall_us
from streams.settings import AlertmanagerSettings, DatabaseSettings, DeliverSettings, KafkaSettings, Settings
from streams.topics import topic_plans
from streams.writer.database import write_buffer
from streams.writer.rows import RowBuffer
from streams.writer.run import Writer
from tests.cities import SMALL_TOML, small_city
from tests.conftest import ROOT
from tests.deliver.receiver import SECRET, Receiver
from tests.deliver.running import LIMIT_S, Alerts, quick, running, wait_recorded, webhook
from tests.deliver.test_records import delivery_message
from tests.gateway.mock_broker import MockBroker
from tests.real.kafka_service import MakeTopics
from tests.services.alertmanager import AlertmanagerServer, need
from tests.services.process import Process, wait_until
from tests.writer.samples import transition

pytestmark = pytest.mark.real
EXAMPLE = ROOT / "infra" / "alertmanager" / "alertmanager.yml"
PARTITIONS = 3
OLD, NEW = "0" * 16, "1" * 16
Shown = dict[str, Any]


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[AlertmanagerServer]:
    """A fresh Alertmanager with the example's configuration."""
    server = AlertmanagerServer(EXAMPLE, tmp_path)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def kafka(kafka_bootstrap: str, make_topics: MakeTopics) -> KafkaSettings:
    """A real broker with all topics as planned, and empty."""
    for plan in topic_plans(PARTITIONS):
        make_topics(plan.topic.value, partitions=plan.partitions, settings=plan.config)
    return KafkaSettings(bootstrap=kafka_bootstrap, partitions=PARTITIONS)


def to(server: AlertmanagerServer, **changes: Any) -> DeliverSettings:
    settings = AlertmanagerSettings(url=server.url)
    return quick(alertmanager=settings, alert_url="https://drukte.example/alerts/{alert_id}", **changes)


def ended(alert_id: str, seq: int) -> Transition:
    return transition(alert_id, seq, state_from=State.RECOVERING, state_to=State.RESOLVED, level_to=0)


def shown(server: AlertmanagerServer, enough: Callable[[list[Shown]], bool]) -> list[Shown]:
    """What Alertmanager shows, as soon as it is as wanted."""
    found: list[list[Shown]] = [[]]

    def wanted() -> bool:
        found[0] = server.alerts()
        return enough(found[0])

    try:
        wait_until(wanted, LIMIT_S, "Alertmanager shows what is wanted")
    except Exception as error:
        error.add_note(repr(found[0]))
        raise
    return found[0]


def test_an_alert_from_its_opening_to_its_end(broker: MockBroker, alertmanager: AlertmanagerServer) -> None:
    alerts = Alerts(broker.kafka)
    with running(broker.kafka, to(alertmanager)):
        alerts.send(transition(OLD, 1))
        [opened] = shown(alertmanager, lambda found: len(found) == 1)
        assert opened["labels"] == {
            "alertname": "CrowdLevel", "site": "centrum", "place": "plein", "rule": "oranje",
            "source": "drukte", "severity": "warning", "exercise": "false",
        }
        assert (opened["annotations"]["level"], opened["annotations"]["people"]) == ("oranje", "340-344")
        assert opened["annotations"]["alert_id"] == OLD
        assert opened["generatorURL"] == f"https://drukte.example/alerts/{OLD}"
        assert opened["startsAt"] > "2026-06-02"  # the wall's time, not the log's
        alerts.send(transition(OLD, 2, state_from=State.FIRING, level_from=2, level_to=3, people_low=400,
                               people_high=404, cause=Cause.THRESHOLD))
        [risen] = shown(alertmanager, lambda found: [one["annotations"]["level"] for one in found] == ["rood"])
        assert (risen["fingerprint"], risen["startsAt"]) == (opened["fingerprint"], opened["startsAt"])
        assert risen["annotations"]["people"] == "400-404"
        alerts.send(ended(OLD, 3))
        shown(alertmanager, lambda found: found == [])
        wait_recorded(broker.kafka, {("alertmanager", OLD, seq): Outcome.DELIVERED for seq in (1, 2, 3)})


def test_a_suppressed_alert_is_not_active_in_alertmanager_and_comes_back(
    broker: MockBroker, alertmanager: AlertmanagerServer
) -> None:
    alerts = Alerts(broker.kafka)
    with running(broker.kafka, to(alertmanager)):
        alerts.send(transition(OLD, 1), transition(NEW, 1, place="straat", suppressed=True))
        [opened] = shown(alertmanager, lambda found: len(found) == 1)
        assert opened["labels"]["place"] == "plein"
        alerts.send(transition(OLD, 2, suppressed=True))
        known = ((OLD, 1), (OLD, 2), (NEW, 1))
        wait_recorded(broker.kafka, {("alertmanager", *one): Outcome.DELIVERED for one in known})
        shown(alertmanager, lambda found: found == [])
        alerts.send(transition(OLD, 3, acknowledged=True, assigned="police"))
        [again] = shown(alertmanager, lambda found: len(found) == 1)
        assert (again["fingerprint"], again["startsAt"]) == (opened["fingerprint"], opened["startsAt"])
        assert (again["annotations"]["acknowledged"], again["annotations"]["assigned"]) == ("true", "police")


def test_an_alertmanager_that_was_restarted_knows_the_open_alert_again_and_its_end(
    broker: MockBroker, alertmanager: AlertmanagerServer
) -> None:
    alerts = Alerts(broker.kafka)
    with running(broker.kafka, to(alertmanager)):
        alerts.send(transition(OLD, 1))
        [before] = shown(alertmanager, lambda found: len(found) == 1)
        alertmanager.stop(signal.SIGKILL)
        alertmanager.start()
        [after] = shown(alertmanager, lambda found: len(found) == 1)
        assert (after["fingerprint"], after["startsAt"]) == (before["fingerprint"], before["startsAt"])
        alertmanager.stop()
        alerts.send(ended(OLD, 2))
        alertmanager.start()
        wait_recorded(broker.kafka, {("alertmanager", OLD, seq): Outcome.DELIVERED for seq in (1, 2)})
        assert alertmanager.alerts() == []


def test_a_new_alert_of_the_same_place_outlives_the_end_of_the_old_one(
    broker: MockBroker, alertmanager: AlertmanagerServer
) -> None:
    with running(broker.kafka, to(alertmanager)):
        later_us = transition(OLD).opened_at_us + 1
        Alerts(broker.kafka).send(transition(OLD, 1), ended(OLD, 2), transition(NEW, 1, opened_at_us=later_us))
        [first] = shown(alertmanager, lambda found: len(found) == 1)
        [again] = shown(alertmanager, lambda found: [one["updatedAt"] > first["updatedAt"] for one in found] == [True])
    assert again["annotations"]["alert_id"] == NEW


def test_the_example_configuration_is_sound() -> None:
    ended = subprocess.run([need("amtool"), "check-config", EXAMPLE], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def started(folder: Path, kafka: KafkaSettings, url: str) -> Process:
    """`drukte deliver` as a process of its own."""
    city = folder / "klein.toml"
    if not city.exists():
        city.write_text(SMALL_TOML)
        city.with_suffix(".ids").write_text(HEADER)
        assign_ids(city)
    (folder / "drukte.toml").write_text(f"""\
city = "klein.toml"
[kafka]
bootstrap = "{kafka.bootstrap}"
partitions = {PARTITIONS}
[deliver]
first_delay_s = 0.02
longest_delay_s = 0.1
[[deliver.webhooks]]
name = "desk"
url = "{url}"
secret = "{SECRET}"
""")
    return Process(
        [sys.executable, "-m", "streams.cli", "deliver", "--settings", folder / "drukte.toml"],
        folder / "deliver.log",
    )


def test_a_process_that_is_stopped_and_started_tells_nothing_twice(tmp_path: Path, kafka: KafkaSettings) -> None:
    alerts = Alerts(kafka)
    with Receiver(lambda _, body: 200 if OLD.encode() in body else 503) as desk:
        process = started(tmp_path, kafka, desk.url)
        try:
            alerts.send(transition(OLD, 1), transition(NEW, 1), transition(OLD, 2))
            wait_recorded(kafka, {("desk", OLD, seq): Outcome.DELIVERED for seq in (1, 2)})
            wait_until(lambda: len(desk.calls) > 3, LIMIT_S, "the other alert was refused")
        finally:
            process.stop()
        assert process._popen.returncode == 0, process.log_tail()
        assert "deliver stopped" in process.log_tail()
        first = [call.key for call in desk.taken]
    with Receiver() as desk:
        process = started(tmp_path, kafka, desk.url)
        try:
            alerts.send(transition(OLD, 1), transition(OLD, 3))
            wait_recorded(kafka, {
                ("desk", OLD, 1): Outcome.DELIVERED, ("desk", OLD, 2): Outcome.DELIVERED,
                ("desk", OLD, 3): Outcome.DELIVERED, ("desk", NEW, 1): Outcome.DELIVERED,
            })
        finally:
            process.stop(signal.SIGKILL)
        assert sorted(call.key for call in desk.calls) == [f"{OLD}/3", f"{NEW}/1"]
    assert first == [f"{OLD}/1", f"{OLD}/2"]


def test_records_reach_the_database_once(kafka: KafkaSettings, fresh_database: str) -> None:
    settings = Settings(
        city=Path("unused.toml"), kafka=kafka, database=DatabaseSettings(uri=fresh_database)
    )
    stop = threading.Event()
    writer = threading.Thread(target=Writer(settings, small_city(), stop).run)
    with (
        Receiver(lambda _, body: 200 if OLD.encode() in body else 403) as desk,
        running(kafka, quick(webhooks=[webhook("desk", desk.url)])),
    ):
        Alerts(kafka).send(transition(OLD, 1), transition(NEW, 1))
        wait_recorded(kafka, {("desk", OLD, 1): Outcome.DELIVERED, ("desk", NEW, 1): Outcome.FAILED})
    writer.start()
    try:
        with psycopg.connect(fresh_database, autocommit=True) as session:
            def rows() -> list[tuple[Any, ...]]:
                return session.execute("""
                    SELECT receiver, site, alert_id, seq, outcome, attempts, http_status,
                        first_try_at IS NOT NULL AND first_try_at <= done_at
                    FROM live.delivery ORDER BY alert_id""").fetchall()
            wait_until(lambda: len(rows()) == 2, LIMIT_S, "two rows")
            assert rows() == [
                ("desk", "centrum", OLD, 1, "delivered", 1, 200, True),
                ("desk", "centrum", NEW, 1, "failed", 1, 403, True),
            ]
    finally:
        stop.set()
        writer.join(LIMIT_S)


def test_records_are_kept_as_long_as_alerts_and_readers_may_see_them(fresh_database: str) -> None:
    now_us = wall_us()
    buffer = RowBuffer()
    for seq, days in ((1, 731), (2, 300)):
        buffer.add(delivery_message(seq=seq, done_at_us=now_us - days * 86_400_000_000))
    with storage.connect(fresh_database) as session:
        write_buffer(session, buffer)
        write_buffer(session, buffer)  # a repeat says the same
        assert storage.drop_alerts_older_than(session, 730) == 1
        session.execute("SET ROLE drukte_reader")
        assert session.execute("SELECT seq FROM live.delivery").fetchall() == [(2,)]
