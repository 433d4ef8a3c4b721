# SPDX-License-Identifier: Apache-2.0
import signal
import socket
import subprocess
import sys
import threading
from functools import partial
from typing import Any

import msgspec
import pytest

from schemas.city import Source
from schemas.errors import FatalError, TransientError
from schemas.log import Clock, Topic
from schemas.refusal import Reason, Refusal
from streams.clock import now_us, wall_us
from streams.gateway.letters import SHOWN, letters_of
from streams.gateway.run import run_gateway
from streams.settings import ClockSettings, KafkaSettings, NdwSettings, Settings
from streams.topics import HOUR_MS, ensure_topics, topic_plans
from tests.cities import small_city, small_file
from tests.conftest import ROOT
from tests.gateway.mock_broker import MockBroker, nowhere
from tests.gateway.running import settings_for, wait_until_it_answers
from tests.services.process import leashed


def test_a_signal_ends_the_process_cleanly_also_without_a_broker() -> None:
    started = [(number, *_process()) for number in (signal.SIGTERM, signal.SIGINT)]
    try:
        for number, process, settings in started:
            wait_until_it_answers(settings, 503, partial(_lives, process))
            process.send_signal(number)
        for _, process, settings in started:
            said, _ = process.communicate(timeout=15)
            assert process.returncode == 0, said
            assert f"http://127.0.0.1:{settings.gateway.port}" in said
            assert "gateway stopped" in said
            assert "Traceback" not in said
    finally:
        for _, process, _ in started:
            process.kill()
            process.communicate()


def _lives(process: subprocess.Popen[str]) -> bool:
    return process.poll() is None


def _process() -> tuple[subprocess.Popen[str], Settings]:
    settings = settings_for(nowhere())
    return subprocess.Popen(
        leashed([sys.executable, "-m", "tests.gateway.process", settings.kafka.bootstrap,
                 str(settings.gateway.port)]),
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ), settings


def _refuses_to_run(settings: Settings, match: str, **changes: Any) -> None:
    with pytest.raises(FatalError, match=match):
        run_gateway(settings, small_city(**changes), threading.Event())


def test_a_taken_address_is_fatal() -> None:
    settings = settings_for(nowhere())
    with socket.create_server((settings.gateway.host, settings.gateway.port)):
        _refuses_to_run(settings, "another gateway")


def test_the_clock_of_the_data_is_no_clock_to_serve_by() -> None:
    clock = ClockSettings(kind=Clock.DATA)
    _refuses_to_run(msgspec.structs.replace(settings_for(nowhere()), clock=clock), "replay")


def test_an_unknown_format_is_fatal() -> None:
    sources = {**small_file().sources, "cameras": Source(format="no-such-format")}
    _refuses_to_run(settings_for(nowhere()), r"sources\.cameras\.format", sources=sources)


def test_polling_ndw_without_its_source_is_fatal() -> None:
    settings = settings_for(nowhere())
    gateway = msgspec.structs.replace(settings.gateway, ndw=NdwSettings(url="file:///nowhere"))
    _refuses_to_run(msgspec.structs.replace(settings, gateway=gateway), "import-ndw")


def test_the_simulated_clock_runs_at_its_speed() -> None:
    start_us = wall_us() - 10_000_000
    clock = ClockSettings(kind=Clock.SIMULATED, speed=20.0, start_us=1_000, wall_start_us=start_us)
    before_us, shown_us, after_us = wall_us(), now_us(clock), wall_us()
    assert 1_000 + (before_us - start_us) * 20 <= shown_us <= 1_000 + (after_us - start_us) * 20
    assert before_us <= now_us(ClockSettings()) <= wall_us()


def test_exact_values_are_kept_for_a_day_and_stamped_by_the_broker() -> None:
    plans = {plan.topic: plan for plan in topic_plans(12)}
    assert set(plans) == set(Topic)
    assert plans[Topic.SITE_LOG].partitions == plans[Topic.LIVE].partitions == 12
    assert plans[Topic.SITE_LOG].config["message.timestamp.type"] == "LogAppendTime"
    for_ever = {topic for topic, plan in plans.items() if plan.config["retention.ms"] == "-1"}
    assert for_ever == {Topic.CITY, Topic.LEDGER}
    kept_ms = {topic: int(plan.config["retention.ms"]) for topic, plan in plans.items() if topic not in for_ever}
    hours = {topic: duration_ms / HOUR_MS for topic, duration_ms in kept_ms.items()}
    assert hours == {
        Topic.SITE_LOG: 24, Topic.SNAPSHOTS: 24, Topic.SEALS: 24, Topic.LIVE: 72, Topic.ALERTS: 168, Topic.NOTES: 168,
        Topic.DELIVERIES: 168, Topic.DEAD_LETTERS: 168, Topic.DEAD_LETTER_BODIES: 24, Topic.ACCESS: 720,
    }
    assert int(plans[Topic.SITE_LOG].config["segment.ms"]) == HOUR_MS


def test_topics_of_the_mock_broker(broker: MockBroker) -> None:
    ensure_topics(broker.kafka)
    ensure_topics(broker.kafka)
    with pytest.raises(FatalError, match=r"set kafka\.partitions = 4"):
        ensure_topics(msgspec.structs.replace(broker.kafka, partitions=12))


@pytest.mark.parametrize("mock", [True, False])
def test_a_broker_that_is_away_is_transient(mock: bool) -> None:
    kafka = KafkaSettings(bootstrap=nowhere().bootstrap, partitions=4, mock=mock)
    with pytest.raises(TransientError, match="is it running"):
        ensure_topics(kafka, timeout_s=0.3)


def test_letters_are_bounded_and_clean() -> None:
    refusals = [
        Refusal(reason=Reason.UNKNOWN_SENSOR, where=f"line {number}\n\x1b[31m" + "x" * 500, detail="d", count=2)
        for number in range(SHOWN + 50)
    ]
    letters = letters_of("cameras", 10, refusals, 5)
    assert len(letters) == SHOWN + 1
    assert sum(one.count for one in letters) == 2 * len(refusals)
    assert all(len(one.where) <= 200 and one.where.isprintable() for one in letters)


def test_person_level_refusals_get_no_letter() -> None:
    refused = Refusal(reason=Reason.PERSON_LEVEL, where="$.mac", count=1)
    assert letters_of("cameras", 10, [refused], 5) == []
