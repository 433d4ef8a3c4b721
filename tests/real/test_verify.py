# SPDX-License-Identifier: Apache-2.0
"""`drukte verify` on a running chain, and after a hand has changed the database."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from schemas.log import Topic
from tests.chaos.feed import STEP_US
from tests.real.chain import START_LIMIT_S, Chain
from tests.real.kafka_service import _Topics
from tests.real.test_chain import sample
from tests.services.process import wait_until

pytestmark = pytest.mark.real
LIMIT_S = 60.0
TOPICS = tuple(topic.value for topic in Topic)


@pytest.fixture
def chain(tmp_path: Path, kafka_bootstrap: str, fresh_database: str) -> Iterator[Chain]:
    # A log of this test alone: other chains on the same broker had clocks of their own.
    _Topics(kafka_bootstrap).delete(TOPICS)
    with Chain(tmp_path, kafka_bootstrap, fresh_database) as running:
        yield running


def verified(folder: Path) -> tuple[int, dict[str, Any]]:
    """Exit status and document of the command."""
    ended = subprocess.run(
        [sys.executable, "-m", "streams.cli", "verify", "--json", "--settings", folder / "drukte.toml"],
        capture_output=True, text=True, check=False, timeout=LIMIT_S,
    )
    assert ended.returncode in (0, 1), ended.stderr
    return ended.returncode, msgspec.json.decode(ended.stdout)


def test_equal_while_it_runs_and_each_changed_row_is_named(
    chain: Chain, tmp_path: Path, fresh_database: str
) -> None:
    with psycopg.connect(fresh_database, autocommit=True) as database:
        def count(query: str) -> int:
            found = database.execute(query).fetchone()
            assert found is not None
            return int(found[0])

        last_us = 0

        def is_told() -> bool:
            nonlocal last_us
            now_us = chain.now_us() // STEP_US * STEP_US
            if now_us > last_us:
                last_us = now_us
                chain.post("cameras", msgspec.json.encode([sample("cam-plein", now_us, 388)]))
            rows = count("SELECT count(*) FROM live.zone_minute WHERE people_low IS NOT NULL")
            return rows >= 3 and count("SELECT count(*) FROM live.transition") > 0
        wait_until(is_told, START_LIMIT_S, "rows and a transition are stored")

        status, said = verified(tmp_path)
        assert (status, said["equal"], said["listed"]) == (0, True, [])
        assert said["rows"]["zone_minute"] >= 3
        assert said["rows"]["gate_minute"] > 0
        assert said["transitions"] >= 1
        assert said["left_out"] == 0

        altered, missing = database.execute(
            "SELECT zone, window_start FROM live.zone_minute JOIN engine.place ON kind = 'zone' AND number = zone "
            "WHERE key = 'plein' AND people_low IS NOT NULL ORDER BY window_start LIMIT 2").fetchall()
        database.execute("UPDATE live.zone_minute SET people_low = people_low - 5, people_high = people_high - 5 "
                         "WHERE zone = %s AND window_start = %s", altered)
        database.execute("DELETE FROM live.zone_minute WHERE zone = %s AND window_start = %s", missing)
        extra = database.execute(
            "INSERT INTO live.gate_minute (gate, window_start, span_s, withheld, coverage, status) "
            "SELECT gate, window_start + interval '7 seconds', 60, true, 1, 0 FROM live.gate_minute LIMIT 1 "
            "RETURNING window_start").fetchone()
        gone = database.execute("DELETE FROM live.transition WHERE seq = (SELECT min(seq) FROM live.transition) "
                                "RETURNING alert_id, seq, place").fetchall()
        assert extra is not None
        assert len(gone) == 1

        status, said = verified(tmp_path)
        assert (status, said["equal"], said["differences"]) == (1, False, 4)
        listed = {(one["kind"], one["table"]): one for one in said["listed"]}
        changed = listed["altered", "zone_minute"]
        assert (changed["place"], changed["window"]) == ("plein", altered[1].isoformat())
        assert "people stored 380-384, log 385-389" in changed["detail"]
        assert listed["missing", "zone_minute"]["window"] == missing[1].isoformat()
        assert listed["extra", "gate_minute"]["window"] == extra[0].isoformat()
        lost = listed["missing", "transition"]
        assert lost["place"] == gone[0][2]
        assert f"{gone[0][0]}/{gone[0][1]}" in lost["detail"]
