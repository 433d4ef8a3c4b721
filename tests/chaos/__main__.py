# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.chaos --minutes N --seed S`: exit status 1 when anything differs."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.chaos.away import database_away, report
from tests.chaos.deployment import Deployment
from tests.chaos.run import Plan, run
from tests.services.cache import kafka_dir, timescale_dir
from tests.services.kafka import KafkaServer
from tests.services.timescale import TimescaleServer


def main() -> int:
    """Play one run and print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="how long the feed plays")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pace", type=float, default=6.0, help="seconds between two blows, on average")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--sites", type=int, default=6)
    parser.add_argument("--database-away", type=float, default=0.0, metavar="MINUTES",
                        help="play no blows: only stop the database for so long while an event runs")
    given = parser.parse_args()
    plan = Plan(given.seed, given.minutes * 60, given.pace, given.workers, given.sites)
    with tempfile.TemporaryDirectory(prefix="drukte-chaos-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        for part in ("kafka", "timescale"):
            (folder / part).mkdir()
        kafka = KafkaServer(kafka_dir(), folder / "kafka")
        database = TimescaleServer(timescale_dir(), folder / "timescale")
        if given.database_away:
            return _without_database(folder, kafka, database, given.database_away * 60)
        outcome = run(plan, folder, kafka, database)
    sys.stdout.write("\n".join(outcome.lines()) + "\n")
    return 1 if outcome.differences or outcome.faults_found else 0


def _without_database(folder: Path, kafka: KafkaServer, database: TimescaleServer, away_s: float) -> int:
    kafka.start()
    try:
        database.start()
        with Deployment(folder, kafka, database.uri) as deployment:
            deployment.wait_for_news("the event runs")
            absence = database_away(deployment, database, away_s)
            return 1 if report(deployment, absence, sys.stdout.write) else 0
    finally:
        database.stop()
        kafka.stop()


if __name__ == "__main__":
    sys.exit(main())
