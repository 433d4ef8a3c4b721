# SPDX-License-Identifier: Apache-2.0
"""A worker that is killed is told of from outside, and its return with what changed, on a real broker."""

import json
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from schemas.log import Clock
from streams.settings import ClockSettings, KafkaSettings, WatchdogSettings
from streams.topics import topic_plans
from tests.deliver.receiver import Receiver
from tests.deliver.running import quick, running, webhook
from tests.deliver.test_watchdog import events
from tests.real.chain import PARTITIONS, SPEED, Chain
from tests.real.kafka_service import MakeTopics
from tests.services.process import wait_until

pytestmark = pytest.mark.real
LIMIT_S = 120.0


def people(chain: Chain, plein: int) -> None:
    """What the cameras see now."""
    now = datetime.fromtimestamp(chain.now_us() // 10_000_000 * 10, UTC).isoformat()
    seen = {"cam-plein": plein, "cam-straat": 10}
    found = [{"sensor": key, "metric": "people", "from": now, "to": now, "value": value} for key, value in seen.items()]
    chain.post("cameras", json.dumps(found).encode(), **{"content-type": "application/json"})


def test_a_killed_worker(
    tmp_path: Path, kafka_bootstrap: str, make_topics: MakeTopics, fresh_database: str
) -> None:
    for plan in topic_plans(PARTITIONS):
        make_topics(plan.topic.value, partitions=plan.partitions, settings=plan.config)
    kafka = KafkaSettings(bootstrap=kafka_bootstrap, partitions=PARTITIONS)
    with Chain(tmp_path, kafka_bootstrap, fresh_database) as chain, Receiver() as receiver:
        clock = ClockSettings(kind=Clock.SIMULATED, speed=SPEED, start_us=chain.start_us,
                              wall_start_us=int(chain.wall_start_s * 1_000_000))
        deliver = quick(webhooks=[webhook("desk", receiver.url)], watchdog=WatchdogSettings(silent_s=10))

        def engine_states(plein: int) -> list[str]:
            people(chain, plein)
            return [one["state_to"] for one in events(receiver) if one["rule"] == "engine-silent"]

        with running(kafka, deliver, clock):
            # The worker may need longer to start than the engine may be silent: both ways it speaks in the end.
            wait_until(lambda: engine_states(10) in ([], ["firing", "recovering", "resolved"])
                       and chain_speaks(fresh_database), LIMIT_S, "the engine speaks")
            before = len(engine_states(10))
            chain.kill("worker")
            wait_until(lambda: engine_states(390)[before:] == ["firing"], LIMIT_S, "the silence is told")
            chain.start("worker")
            wait_until(lambda: engine_states(390)[before:] == ["firing", "recovering", "resolved"], LIMIT_S,
                       "the return is told")
        over = [one for one in events(receiver) if one["rule"] == "engine-silent"][-1]
    assert any(line.startswith("Plein: groen → ") for line in over["changes"]), over["changes"]


def chain_speaks(database: str) -> bool:
    """Whether a minute with data of the square is in the database."""
    with psycopg.connect(database) as session:
        found = session.execute("SELECT count(*) FROM live.zone_minute WHERE people_low IS NOT NULL").fetchone()
    return found is not None and found[0] > 2
