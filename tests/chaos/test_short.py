# SPDX-License-Identifier: Apache-2.0
"""The short form of the chaos run, and what its parts are built on."""

import os
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.live import LiveTable
from streams.writer.rows import Row
from tests.chaos import oracle
from tests.chaos.faults import Action, schedule
from tests.chaos.run import Plan, run
from tests.services.cache import kafka_dir, timescale_dir
from tests.services.kafka import KafkaServer
from tests.services.missing import give_up
from tests.services.timescale import TimescaleServer

SHORT = Plan(seed=58, play_s=26.0, pace_s=4.5, workers=2, sites=4, partitions=2)
TARGETS = ["worker-1", "worker-2", "gateway", "writer", "broker", "database"]


@pytest.mark.real
def test_kills_and_freezes_change_nothing(tmp_path: Path) -> None:
    if not kafka_dir().is_dir():
        give_up("Kafka")
    if not timescale_dir().is_dir() or os.geteuid() != 0:
        give_up("TimescaleDB")
    for part in ("kafka", "timescale"):
        (tmp_path / part).mkdir()
    kafka = KafkaServer(kafka_dir(), tmp_path / "kafka")
    outcome = run(SHORT, tmp_path, kafka, TimescaleServer(timescale_dir(), tmp_path / "timescale"))
    told = "\n".join(outcome.lines())
    assert not outcome.faults_found, told
    assert outcome.differences == 0, told
    assert outcome.kills >= 4, told
    assert outcome.freezes >= 1, told
    # It is over before there is enough to look ahead from.
    assert all(outcome.compared[table] for table in oracle.TABLES if table != LiveTable.OUTLOOK), told
    assert outcome.compared["seal"], told
    assert outcome.acknowledged > 500, told


@given(seed=st.integers(), pace_s=st.floats(1, 20))
def test_a_schedule_is_its_seed_and_strikes_each_in_turn(seed: int, pace_s: float) -> None:
    faults = schedule(seed, TARGETS, 600.0, pace_s)
    assert faults == schedule(seed, TARGETS, 600.0, pace_s)
    kinds = len(TARGETS) * len(Action)
    first = [(fault.target, fault.action) for fault in faults[:kinds]]
    assert len(set(first)) == len(first)
    assert all(one.at_s < other.at_s for one, other in pairwise(faults))
    assert all(fault.down_s > 10 for fault in faults if fault.action is Action.FREEZE)


def test_differences_names_missing_extra_and_altered_rows() -> None:
    empty: dict[str, dict[Row, Row]] = {table: {} for table in oracle.TABLES}
    wanted = empty | {"gate_minute": {(1,): (1, 5), (2,): (2, 5)}}
    found = empty | {"gate_minute": {(2,): (2, 6), (3,): (3, 5)}}
    told = oracle.differences(wanted, found)
    assert len(told) == 3
    assert [text.split()[-1] for text in told[:2]] == ["missing", "extra"]
    assert "(2, 6)" in told[2]
    assert oracle.differences(wanted, wanted) == []


def test_an_acknowledged_reading_that_is_not_in_the_log_is_lost() -> None:
    kept, gone = (1, 1, 0, 5.0), (1, 1, 10, 5.0)
    assert oracle.lost([kept, gone], Counter([kept, kept])) == [gone]
