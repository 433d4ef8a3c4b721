# SPDX-License-Identifier: Apache-2.0
"""Why nothing comes of a sensor, as far as the topics tell. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from schemas.city import SensorStatus
from schemas.city_publication import instant
from schemas.health import SensorState
from streams.serve.places import stale_after_s
from streams.trace.subject import Subject, service_now

REFUSED_WITHIN_US = 600_000_000
"""A letter that is older does not explain the present."""
_STATES = {
    SensorState.UNHEARD: "it has reported nothing since the worker's state began",
    SensorState.SILENT: "it reported, and does so no more",
    SensorState.OUT_OF_SERVICE: "the worker takes it as out of service",
    SensorState.STUCK: "it repeats one value: what it says is left out",
    SensorState.FAULTY: "its own device says that it does not work: what it says is left out",
}

_NOT_HEARD = (SensorState.UNHEARD, SensorState.SILENT)


@dataclass(slots=True)
class Heard:
    """What was seen of a sensor so far; times are log time, microseconds since 1970, UTC.

    Parameters
    ----------
    row_end_us : int, optional
        End of the newest window of its place.
    row_is_missing : bool
        Whether that window has no value.
    partition_us : int, optional
        Stamp of the newest message of any place of its partition.
    state : int, optional
        Its `SensorState` as told last.
    purged_us : int, optional
        When it was forgotten.
    refused : dict of str to int
        By reason, and whose letter it was: when that was told last.
    """

    row_end_us: int | None = None
    row_is_missing: bool = False
    partition_us: int | None = None
    state: int | None = None
    purged_us: int | None = None
    refused: dict[tuple[str, str], int] = field(default_factory=dict)


def reasons(subject: Subject, heard: Heard, now_us: int, speed: float) -> tuple[str, ...]:
    """What keeps the sensor out of rows, or rows from coming; empty where all is well.

    Parameters
    ----------
    subject : Subject
    heard : Heard
    now_us : int
        Log time.
    speed : float
        Seconds of log time in a second.
    """
    by_city = list(_city_reasons(subject, now_us))
    by_sensor = list(_sensor_reasons(heard))
    by_rows = list(_row_reasons(subject, heard, now_us, speed))
    refused = list(_refusals(heard, now_us))
    if not by_city and not refused and (heard.row_is_missing or heard.state in _NOT_HEARD):
        refused = ["nothing was refused lately that names it: look at the sender, its network, its address and token"]
    found = (*by_city, *by_sensor, *by_rows)
    # A refusal beside rows that come explains nothing: it stands in its own line.
    return (*found, *refused) if found else ()


def _city_reasons(subject: Subject, now_us: int) -> Iterator[str]:
    sensor, head = subject.registered, subject.head
    if not subject.is_in_force:
        yield (f"version {head.version_in_force} of the city file, which is in force, has no such sensor (version "
               f"{head.city_version} has): its readings are refused")
    if now_us < sensor.start_us:
        yield f"its dates begin on {head.start}: its readings are refused until then"
    if now_us >= sensor.end_us:
        yield f"its dates ended on {head.end}: its readings are refused; renew `end`"
    if until := service_now(subject.gaps_us, now_us):
        yield f"the city file says out of service until {until}: its readings are refused"
    if sensor.status is SensorStatus.TRIAL:
        yield "on trial: it is read, and not counted; the rows here are made of the place's other sensors"
    elif not any(measure.counts for measure in head.measures):
        yield "none of its measures is counted in live rows (slower than them, or no measure of people or vehicles)"


def _sensor_reasons(heard: Heard) -> Iterator[str]:
    if heard.purged_us is not None:
        yield "it was purged: its readings are refused for good; take it out of the city file"
    elif heard.state is not None and heard.state in _STATES:
        yield _STATES[SensorState(heard.state)]


def _refusals(heard: Heard, now_us: int) -> Iterator[str]:
    recent: Iterable[tuple[str, str]] = (
        what for what, at_us in heard.refused.items() if now_us - at_us <= REFUSED_WITHIN_US)
    for reason, whose in sorted(recent):
        of = {"sensor": "of it", "source": "of its source", "log": "of its partition of the log"}[whose]
        yield f"something {of} was refused lately: {reason}"


def _row_reasons(subject: Subject, heard: Heard, now_us: int, speed: float) -> Iterator[str]:
    limit_us = round(1e6 * stale_after_s(subject.span_s, subject.delay_s, speed))
    if heard.row_end_us is not None and now_us - heard.row_end_us <= limit_us:
        if heard.row_is_missing:
            yield "the newest window of its place has no value: no usable reading of any of its sensors came in time"
        return
    newest = "no row of its place came" if heard.row_end_us is None else \
        f"no row of its place came since the window that ended at {instant(heard.row_end_us)}"
    if heard.partition_us is None or now_us - heard.partition_us > limit_us:
        yield (f"{newest}, nor of any other in partition {subject.partition}: no worker, or one that is behind; "
               "ask `drukte doctor`")
    else:
        yield (f"{newest}, though others of partition {subject.partition} come: does the worker have another version "
               "of the city file?")
