# SPDX-License-Identifier: Apache-2.0
"""`drukte verify` across a change of the city file that is published while it runs."""

import subprocess
import sys
from pathlib import Path

import msgspec
import psycopg
import pytest

from streams.city_publish import publish
from streams.settings import load_settings
from tests.real.chain import START_LIMIT_S, Chain
from tests.real.test_chain import sample
from tests.real.test_verify import LIMIT_S, verified
from tests.services.process import wait_until
from tests.versions import MINUTE_US, SECOND_TOML, written

pytestmark = pytest.mark.real


def test_equal_before_while_and_after_a_version_takes_over(
    chain: Chain, tmp_path: Path, fresh_database: str
) -> None:
    second = written(tmp_path / "klein-2.toml", SECOND_TOML, tmp_path / "klein.toml")
    with psycopg.connect(fresh_database, autocommit=True) as database:
        def rows(where: str) -> int:
            chain.post("cameras", msgspec.json.encode([
                sample(sensor, chain.now_us(), 388) for sensor in ("cam-plein", "cam-straat")]))
            [(count,)] = database.execute(f"SELECT count(*) FROM {where}").fetchall()  # noqa: S608  # our own text
            return int(count)

        wait_until(lambda: rows("live.transition") > 0, START_LIMIT_S, "an alert is open")
        with subprocess.Popen(
            [sys.executable, "-m", "streams.cli", "verify", "--settings", tmp_path / "drukte.toml"],
            stdout=subprocess.PIPE, text=True,
        ) as running:
            # Two minutes ahead at least are asked for, and the clock is quick: it may be another minute by then.
            at_us = (chain.now_us() // MINUTE_US + 4) * MINUTE_US
            publish(load_settings(tmp_path / "drukte.toml"), second, at_us)
            said, _ = running.communicate(timeout=LIMIT_S)
        assert (running.returncode, said.split(":")[0]) == (0, "equal")
        behind = f"live.zone_minute WHERE window_start >= to_timestamp({at_us / 1e6}) AND people_low IS NOT NULL"
        wait_until(lambda: rows("live.transition WHERE cause = 'city'") > 0 and rows(behind) > 1, LIMIT_S,
                   "the version has taken over")

        stored = rows(behind)
        [(start,)] = database.execute(
            "UPDATE live.zone_minute SET coverage = coverage / 2 WHERE (zone, window_start) = ("
            "SELECT zone, window_start FROM live.zone_minute WHERE window_start >= to_timestamp(%s) "
            "AND people_low IS NOT NULL ORDER BY window_start LIMIT 1) RETURNING window_start",
            (at_us / 1e6,)).fetchall()
        status, report = verified(tmp_path)
        assert status == 1
        assert report["rows"]["zone_minute"] >= stored
        # All else is equal, on both sides of the change.
        assert [(one["kind"], one["window"]) for one in report["listed"]] == [("altered", start.isoformat())]
