# SPDX-License-Identifier: Apache-2.0
"""One chaos run: play and strike, heal and drain, then compare."""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import msgspec

from schemas.city import City
from schemas.errors import DrukteError
from schemas.log import Topic
from streams.settings import Settings, load_settings
from streams.storage import migrate
from streams.verify.topics import TopicReader
from tests.chaos import oracle, sealing
from tests.chaos.city import write_city
from tests.chaos.crew import Crew, Program, service_member
from tests.chaos.faults import Action, Fault, schedule
from tests.chaos.feed import Feed, Script
from tests.services.kafka import KafkaServer
from tests.services.process import ServiceError, free_port, wait_until
from tests.services.timescale import TimescaleServer

SPEED = 20.0
START_US = 1_767_258_000_000_000
"""2026-01-01 09:00 UTC: by day people are sealed by the quarter hour."""
START_LIMIT_S = 90.0
HEAL_LIMIT_S = 120.0
DRAIN_LIMIT_S = 180.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to play.

    Parameters
    ----------
    seed : int
    play_s : float
        How long the feed plays.
    pace_s : float
        Time between two blows, on average.
    workers, sites, partitions : int
    """

    seed: int
    play_s: float
    pace_s: float
    workers: int
    sites: int
    partitions: int = 3

    @property
    def targets(self) -> list[str]:
        """Everything that may be struck."""
        return [*(f"worker-{number}" for number in range(1, self.workers + 1)),
                "gateway", "writer", "broker", "database"]


@dataclass(slots=True)
class Outcome:
    """What happened; a run is good when `faults_found` is empty."""

    seed: int
    struck: dict[str, Counter[str]] = field(default_factory=dict)
    kills: int = 0
    freezes: int = 0
    compared: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    posted_again: int = 0
    messages: int = 0
    duplicates_in_log: int = 0
    differences: int = 0
    faults_found: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """As text."""
        told = [f"seed {self.seed}: {self.kills} kills, {self.freezes} freezes"]
        for name, counts in self.struck.items():
            told.append(f"  {name}: " + ", ".join(f"{what} {count}" for what, count in sorted(counts.items())))
        compared = ", ".join(f"{count} {table}" for table, count in self.compared.items())
        told += [
            f"log: {self.messages} messages; {self.acknowledged} readings acknowledged, "
            f"{self.posted_again} requests tried again, {self.duplicates_in_log} readings more than once in the log",
            f"compared: {compared}", f"differences: {self.differences}",
        ]
        return told + [f"  {found}" for found in self.faults_found]


def run(plan: Plan, folder: Path, kafka: KafkaServer, database: TimescaleServer) -> Outcome:
    """Play it on a broker and a database that were made for it and are not started."""
    stage = _Stage(plan, folder, kafka, database)
    try:
        stage.raise_curtain()
        stage.play()
        stage.heal()
        return stage.compare()
    except (ServiceError, DrukteError, AssertionError) as error:
        error.add_note(stage.logs())
        raise
    finally:
        stage.clear()


class _Stage:
    def __init__(self, plan: Plan, folder: Path, kafka: KafkaServer, database: TimescaleServer) -> None:
        self._plan = plan
        self._folder = folder
        self._kafka = kafka
        self._database = database
        self._port = free_port()
        self._wall_start_us = time.time_ns() // 1000
        self._city: City = write_city(folder / "stad.toml", plan.sites)
        self._settings: Settings = self._write_settings()
        self._programs = {name: self._program(name) for name in plan.targets if name not in ("broker", "database")}
        self._crew = Crew([
            service_member("broker", kafka, lambda: kafka._process),
            service_member("database", database, lambda: database._process),
        ])
        address = f"http://127.0.0.1:{self._port}"
        self._feed = Feed(Script(self._city, plan.sites, plan.seed), address, self._now_us, SPEED)
        self._left: list[Fault] = []

    def _write_settings(self) -> Settings:
        path = self._folder / "drukte.toml"
        path.write_text(f"""\
city = "stad.toml"
[kafka]
bootstrap = "{self._kafka.bootstrap}"
partitions = {self._plan.partitions}
[database]
uri = "{self._database.uri}"
[clock]
kind = "simulated"
speed = {SPEED}
start_us = {START_US}
wall_start_us = {self._wall_start_us}
[gateway]
port = {self._port}
""")
        return load_settings(path)

    def _program(self, name: str) -> Program:
        arguments = [name.split("-")[0], "--settings", str(self._folder / "drukte.toml")]
        if name.startswith("worker"):
            arguments += ["--instance", name]
        return Program(name, arguments, self._folder)

    def _now_us(self) -> int:
        return START_US + round((time.time_ns() // 1000 - self._wall_start_us) * SPEED)

    def raise_curtain(self) -> None:
        """Start everything and wait until the gateway answers."""
        self._crew.attend()
        if not self._crew.well:
            raise ServiceError("broker or database did not start")
        migrate(self._database.uri)
        for name, program in self._programs.items():
            self._crew.members[name] = program.member
        self._wait(self._answers, START_LIMIT_S, "the gateway answers")
        self._feed.start()

    def play(self) -> None:
        """Strike by the schedule while the feed plays."""
        self._left = schedule(self._plan.seed, self._plan.targets, self._plan.play_s, self._plan.pace_s)
        began_s = time.monotonic()

        def over() -> bool:
            since_s = time.monotonic() - began_s
            self._left = self._crew.strike(self._left, since_s)
            return since_s > self._plan.play_s
        self._wait(over, self._plan.play_s + HEAL_LIMIT_S, "the play is over")

    def heal(self) -> None:
        """Wait until all runs, all that was said is acknowledged, and nothing new comes into the log."""
        self._feed.end()
        self._wait(lambda: self._crew.well and self._feed.posted, HEAL_LIMIT_S, "all is well and posted")
        self._programs["gateway"].stop()
        sealing.let_hours_pass(self._settings.kafka, self._now_us(), self._city.version)
        self._crew.strike_now([name for name in self._plan.targets if name.startswith(("worker", "writer"))])

    def compare(self) -> Outcome:
        """Drain, then compare the database with the fold, and ask `drukte verify` too."""
        truth = oracle.folded(self._settings.kafka, self._city)
        outcome = self._outcome(truth)
        try:
            self._wait(lambda: oracle.is_stored(truth, self._settings.database.uri), DRAIN_LIMIT_S,
                       "the database holds what the log says")
        except ServiceError as error:
            outcome.faults_found.append(str(error))
        # Who repeats itself or comes too late must not change it any more: first nobody speaks, then all is written.
        for name, program in self._programs.items():
            if name.startswith("worker"):
                program.stop()
        try:
            self._wait(self._all_written, DRAIN_LIMIT_S, "the writer has written everything")
        except ServiceError as error:
            outcome.faults_found.append(str(error))
        found = oracle.differences(truth.rows, oracle.stored(self._settings.database.uri))
        found += sealing.faults(truth.seals, self._settings.kafka, self._settings.database.uri)
        outcome.compared["seal"] = len(truth.seals)
        outcome.differences = len(found)
        outcome.faults_found += found[:oracle.SHOWN] + self._verify(outcome)
        return outcome

    def _outcome(self, truth: oracle.Truth) -> Outcome:
        lost = oracle.lost(self._feed.acknowledged, truth.logged)
        members = self._crew.members.items()
        outcome = Outcome(
            seed=self._plan.seed, struck={name: member.counts for name, member in members},
            kills=self._crew.struck[Action.KILL], freezes=self._crew.struck[Action.FREEZE],
            compared=Counter({table: len(rows) for table, rows in truth.rows.items()}),
            acknowledged=len(self._feed.acknowledged), posted_again=self._feed.tries_again,
            messages=truth.messages, duplicates_in_log=sum(count > 1 for count in truth.logged.values()),
        )
        outcome.faults_found += [f"acknowledged, not in the log: {key}" for key in lost[:oracle.SHOWN]]
        outcome.faults_found += self._feed.troubles[:oracle.SHOWN]
        outcome.faults_found += [
            f"{name} {what}" for name, member in members for what in member.counts if what.endswith("status 0")
        ]
        if truth.refused:
            outcome.faults_found.append(f"{truth.refused} messages were refused")
        return outcome

    def _all_written(self) -> bool:
        reader = TopicReader(self._settings.kafka)
        try:
            ends = {
                (topic.value, partition): reader.limits(topic, partition)[1]
                for topic in (Topic.LIVE, Topic.ALERTS, Topic.SEALS) for partition in range(self._plan.partitions)
            }
        finally:
            reader.close()
        written = oracle.stored_offsets(self._settings.database.uri)
        return all(written.get(place, 0) == end for place, end in ends.items())

    def _verify(self, outcome: Outcome) -> list[str]:
        ended = subprocess.run(
            [sys.executable, "-m", "streams.cli", "verify", "--json", "--settings", self._folder / "drukte.toml"],
            capture_output=True, text=True, check=False, timeout=DRAIN_LIMIT_S,
        )
        if ended.returncode == 2:
            return [f"drukte verify: {ended.stderr[-500:]}"]
        said = msgspec.json.decode(ended.stdout)
        rows = {table: count for table, count in outcome.compared.items() if table in said["rows"]}
        wanted = {"differences": 0, "waiting": 0, "left_out": 0, "rows": rows,
                  "transitions": outcome.compared["transition"]}
        return [
            f"drukte verify says {name} = {said[name]}, wanted is {value}"
            for name, value in wanted.items() if said[name] != value
        ]

    def _wait(self, ready: Callable[[], bool], limit_s: float, what: str) -> None:
        """Wait, and look after the crew meanwhile."""
        def attended() -> bool:
            self._crew.attend()
            return ready()
        wait_until(attended, limit_s, what)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self._port}/health", timeout=5, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def logs(self) -> str:
        """The ends of all logs."""
        return "\n".join(f"--- {name}\n{program.log_tail()}" for name, program in self._programs.items())

    def clear(self) -> None:
        """Stop everything."""
        for member in self._crew.members.values():
            member.thaw()
        self._feed.give_up()
        for program in self._programs.values():
            program.stop()
        self._database.stop()
        self._kafka.stop()
