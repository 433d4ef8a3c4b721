# SPDX-License-Identifier: Apache-2.0
"""`drukte verify` where the log lost its beginning: the worker went on at a snapshot, or began cold and adopted."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from schemas.log import Clock, Topic
from streams.settings import ClockSettings, DatabaseSettings, KafkaSettings, Settings
from streams.topics import topic_plans
from streams.verify.comparison import Difference, Report, Watch
from streams.verify.run import verify
from streams.writer.run import Writer
from tests.real.kafka_service import MakeTopics
from tests.real.test_gap import CITY, Stage, messages, stage
from tests.real.test_restart import PARTITIONS
from tests.services.process import wait_until
from tests.worker.sites import BEGIN_US, SITES, STEP_US

__all__ = ["stage"]  # a fixture

pytestmark = pytest.mark.real
LIMIT_S = 60.0
STEPS_AN_HOUR = 360
CUT, RISE, END = 120, 120 + STEPS_AN_HOUR + 150, 120 + STEPS_AN_HOUR + 200
"""Steps: where the log begins, where crowds rise again after the warm-up of a fold that knows no past, the end."""
CLOSED_STEPS = 18
"""A window is told before the log is so many steps behind its start."""


@pytest.fixture
def settings(kafka_bootstrap: str, fresh_database: str) -> Settings:
    return Settings(
        city=Path("unused.toml"), kafka=KafkaSettings(bootstrap=kafka_bootstrap, partitions=PARTITIONS),
        database=DatabaseSettings(uri=fresh_database), clock=ClockSettings(kind=Clock.DATA),
    )


@contextmanager
def writing(settings: Settings) -> Iterator[None]:
    """A writer, as long as the block lasts."""
    stop = threading.Event()
    thread = threading.Thread(target=Writer(settings, CITY, stop).run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def wait_stored(settings: Settings, steps: int) -> None:
    """Wait until each zone's windows of so many steps are stored."""
    last_s = (BEGIN_US + (steps - CLOSED_STEPS) * STEP_US) / 1e6
    with psycopg.connect(settings.database.uri, autocommit=True) as database:
        def so() -> bool:
            found = database.execute("SELECT zone FROM live.zone_minute GROUP BY zone "
                                     "HAVING max(window_start) >= to_timestamp(%s)", (last_s,)).fetchall()
            return len(found) == 2 * SITES
        wait_until(so, LIMIT_S, f"rows of step {steps}")


def verified(settings: Settings) -> tuple[Report, list[Difference]]:
    listed: list[Difference] = []
    report = verify(settings, CITY, Watch(difference=listed.append))
    return report, listed


def altered(settings: Settings) -> str:
    """Change one of the newest rows; the start of its window."""
    with psycopg.connect(settings.database.uri, autocommit=True) as database:
        [(start,)] = database.execute(
            "UPDATE live.zone_minute SET people_low = people_low + 5 WHERE (zone, window_start) = ("
            "SELECT zone, window_start FROM live.zone_minute WHERE people_low IS NOT NULL "
            "ORDER BY window_start DESC LIMIT 1) RETURNING window_start").fetchall()
    return str(start.isoformat())


def play_to_the_cut(stage: Stage) -> None:
    """Alerts open and close again, then messages that nobody folds."""
    stage.write(messages(range(60)))
    stage.start()
    wait_until(lambda: len({one.alert_id for one in said(stage)}) == SITES, LIMIT_S, "alerts are open")


def said(stage: Stage) -> list:  # type: ignore[type-arg]
    stage.effects.listen()
    return stage.transitions()


def play_on(stage: Stage) -> None:
    """Calm until the warm-up is over, then crowds once more."""
    stage.write(messages(range(CUT, RISE), people=90.0))
    stage.write(messages(range(RISE, END)))


def judged(settings: Settings) -> Report:
    """All is equal but the row that a hand has changed: that one is named and no other."""
    start = altered(settings)
    report, listed = verified(settings)
    assert [(one.kind, one.table, one.window) for one in listed] == [("altered", "zone_minute", start)]
    assert report.rows["zone_minute"] >= 2 * SITES * 10
    assert report.rows["gate_minute"] > 0
    assert report.left_out > 0
    return report


def test_a_snapshot_from_before_the_log(stage: Stage, settings: Settings) -> None:
    with writing(settings):
        play_to_the_cut(stage)
        stage._running[-1].stop(signal.SIGTERM)  # it leaves a snapshot of the end
        stage.write(messages(range(60, CUT)))
        stage.begin_log_behind(stage.written)
        play_on(stage)
        stage.start()
        wait_stored(settings, END)
        report = judged(settings)
    assert report.transitions >= SITES


def test_a_cold_start_that_adopts(stage: Stage, settings: Settings, make_topics: MakeTopics) -> None:
    with writing(settings):
        play_to_the_cut(stage)
        stage._running[-1].stop(signal.SIGKILL)
        [snapshots] = [plan for plan in topic_plans(PARTITIONS) if plan.topic is Topic.SNAPSHOTS]
        make_topics(Topic.SNAPSHOTS.value, partitions=PARTITIONS, settings=snapshots.config)
        stage.begin_log_behind(stage.written)
        stage.write(messages(range(CUT, CUT + 30)))
        stage.start()
        wait_until(lambda: len(stage.log.listen()) == stage.written + PARTITIONS, LIMIT_S, "adoptions")
        stage.written += PARTITIONS
        stage.write(messages(range(CUT + 30, RISE), people=90.0))
        stage.write(messages(range(RISE, END)))
        wait_stored(settings, END)
        report = judged(settings)
    assert report.cases_left_out >= SITES
