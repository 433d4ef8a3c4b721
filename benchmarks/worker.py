# SPDX-License-Identifier: Apache-2.0
"""Worker: a filled `site-log` on a real broker, all stages on, until the broker has every effect."""

from dataclasses import dataclass

from benchmarks.city import camera_city
from benchmarks.feed import log_messages
from benchmarks.figure import Figure
from benchmarks.process import Note
from benchmarks.profile import STAGES
from benchmarks.stage import Deployment, Stage

GOAL = 3_000_000.0
GOAL_READINGS_A_MESSAGE = 1_000


@dataclass(frozen=True, slots=True)
class Case:
    """One measurement.

    Parameters
    ----------
    readings_a_message, zones, sites, steps : int
    partitions : int
    interval_s : int
        How often each camera reports. The 10 s grid and the minutes cost the same whatever comes in between.
    """

    readings_a_message: int
    zones: int
    sites: int
    steps: int
    partitions: int = 4
    interval_s: int = 10

    @property
    def readings(self) -> int:
        """All readings."""
        return self.zones * self.steps

    @property
    def named(self) -> str:
        """What sets it apart in names of figures."""
        return (", 4 partitions" if self.sites > 1 else "") + (", every second" if self.interval_s == 1 else "")

    @property
    def conditions(self) -> str:
        """In words."""
        where = "one site" if self.sites == 1 else f"{self.sites} sites on as many partitions"
        return f"{self.zones} zones every {self.interval_s} s, 2 rules, {where}, {self.readings:,} readings"


def cases(short: bool) -> list[Case]:
    """What is measured; with cameras that report every second an hour of it, with all that is done but once an hour."""
    if short:
        return [Case(1_000, 1_000, 1, 120), Case(250, 1_000, 4, 120)]
    return [Case(100, 5_000, 1, 120), Case(1_000, 5_000, 1, 480), Case(5_000, 5_000, 1, 960),
            Case(1_000, 5_000, 4, 480), Case(1_000, 5_000, 1, 3_600, interval_s=1),
            Case(5_000, 5_000, 1, 3_600, interval_s=1)]


def run(stage: Stage, *, short: bool) -> list[Figure]:
    """Readings per second of CPU and of the wall, and where the CPU time goes."""
    figures = []
    for case in cases(short):
        city = camera_city(case.zones, case.sites, case.interval_s)
        deployment = stage.deployment(f"worker {case.readings_a_message}", city, case.partitions)
        messages = deployment.fill(log_messages(
            deployment.city, case.zones, case.sites, case.partitions, case.steps, case.readings_a_message,
            case.interval_s))
        stage.say(f"worker: {case.readings:,} readings in {messages:,} messages")
        notes = fold_all(deployment, messages)
        figures += speeds(case, messages, notes["first"], notes["last"])
        # Measuring stages costs some microseconds a message: another run, whose speed does not count. A worker
        # that starts again under the same name would go on at its snapshot.
        deployment.forget_snapshots()
        stage.say("worker: the same with its stages measured")
        figures += stages(case, messages, fold_all(deployment, messages, profile=True))
    return figures


def fold_all(deployment: Deployment, messages: int, *, profile: bool = False) -> dict[str, Note]:
    """Let one worker fold so many messages; its notes."""
    with deployment.program("worker", "--instance", "bench", expected=messages, profile=profile) as worker:
        return worker.wait_noted()


def speeds(case: Case, messages: int, first: Note, last: Note) -> list[Figure]:
    """Readings per second."""
    cpu_s, wall_s = last.cpu_s - first.cpu_s, (last.wall_ns - first.wall_ns) / 1e9
    name = f"worker, {case.readings_a_message:,} readings a message{case.named}"
    is_goal = (case.readings_a_message, case.sites, case.interval_s) == (GOAL_READINGS_A_MESSAGE, 1, 1)
    goal = GOAL if is_goal else None
    return [
        Figure(f"{name}", case.readings / cpu_s, "readings/s of CPU", case.conditions, goal),
        Figure(f"{name}, by the wall", case.readings / wall_s, "readings/s",
               f"{messages:,} messages in {wall_s:.2f} s, broker on the same cores"),
    ]


def stages(case: Case, messages: int, notes: dict[str, Note]) -> list[Figure]:
    """CPU time a message by stage."""
    first, last = notes["first"], notes["last"]
    spent = {stage: last.stages_s.get(stage, 0.0) - first.stages_s.get(stage, 0.0) for stage in STAGES}
    whole_s = last.cpu_s - first.cpu_s
    spent["Faust, aiokafka and the rest"] = whole_s - sum(spent.values())
    name = f"worker, {case.readings_a_message:,} a message{case.named}"
    return [
        Figure(f"{name}: {stage}", 1e6 * spent_s / messages, "us a message",
               f"{spent_s / whole_s:.0%} of the CPU time, itself measured")
        for stage, spent_s in spent.items()
    ]
