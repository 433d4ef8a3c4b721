# SPDX-License-Identifier: Apache-2.0
"""What a vendor's format says, in the vendor's own names, and how it becomes readings of the city file.

A format's module turns bytes into observations; everything that all formats share happens here: whose sensor it
is, which way a direction counts, whether the city file expects such a value, and how it is refused.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from schemas.city import Semantics
from schemas.city_timeline import Timeline
from schemas.errors import DrukteError, RefusedError
from schemas.feeds.decoded import Decoded, Tally
from schemas.reading import QUALITY_FULL, Batch, Metric, NoValue
from schemas.refusal import Reason, Refusal, person_level_fields, shown_path
from schemas.registry import SEMANTICS, Registry

LONGEST_SPAN_US = (2**31 - 1) * 1000
IN, OUT = "in", "out"
"""Directions of formats that say which way is in; others give their own word or azimuth."""
DIRECTION_SLACK_DEG = 90.0
_DETAILS = {
    Reason.UNKNOWN_SENSOR: "no sensor of the city file has this `vendor_id` at this source; add it",
    Reason.UNKNOWN_METRIC: "the city file gives the sensor no such measure; add it or switch it off at the sender",
    Reason.BAD_TIME: "its end lies before its begin",
    Reason.BAD_SPAN: "an instant where the city file expects an interval, or the other way round; mend `semantics`",
    Reason.BAD_VALUE: "not a finite number, or a quality that is not 0 to 100",
}


@dataclass(frozen=True, slots=True)
class Observation:
    """One value as the source says it.

    Parameters
    ----------
    device : str
        The source's own name for what counts: the sensor's `vendor_id` in the city file.
    metric : Metric or None
        None for passages whose `direction` decides between IN and OUT.
    begin_us, end_us : int
        Equal for a state or a running count at an instant; microseconds since 1970, UTC.
    value : float or None
        None where the source says that it has none.
    where : str
        Place in the document, for messages; never holds a value.
    direction : str
        `IN`, `OUT`, or the source's own word or azimuth in degrees, which the sensor's `in_direction` settles.
    quality : float
        0 to 100.
    weight : float
        What stands behind a mean; NaN where nothing is said.
    no_value : NoValue
        Why there is none.
    """

    device: str
    metric: Metric | None
    begin_us: int
    end_us: int
    value: float | None
    where: str
    direction: str = ""
    quality: float = QUALITY_FULL
    weight: float = math.nan
    no_value: NoValue = NoValue.NULL


@dataclass(slots=True)
class Observed:
    """One document, before it meets the city file.

    Parameters
    ----------
    observations : list of Observation
    refusals : list of Refusal
        What the format itself refuses, in runs of like ones.
    counts : dict of str to int
        What else was in it: things that are read past, by name.
    """

    observations: list[Observation] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def passed(self, name: str, count: int = 1) -> None:
        """Count something that is read past on purpose."""
        self.counts[name] = self.counts.get(name, 0) + count

    def refuse(self, reason: Reason, where: str, detail: str, count: int = 1) -> None:
        """Refuse values; runs of one reason and detail are one refusal at their first place."""
        for at, known in enumerate(self.refusals):
            if (known.reason, known.detail) == (reason, detail):
                self.refusals[at] = Refusal(
                    reason=reason, where=known.where, detail=detail, count=known.count + count)
                return
        self.refusals.append(Refusal(reason=reason, where=where, detail=detail, count=count))


def refuse_persons(document: object) -> None:
    """Refuse a decoded document in which a field describes one person or device.

    Raises
    ------
    RefusedError
        `person-level`, with the path of the first such field; names that came from the sender are not repeated.
    """
    for path in person_level_fields(document):
        raise RefusedError(
            Reason.PERSON_LEVEL, f"field {shown_path(path)} describes one person or device; ask the sender for counts")


def placed(observed: Observed, registries: Registry | Timeline[Registry], source: str) -> Decoded:
    """Readings of the city file's sensors.

    Parameters
    ----------
    observed : Observed
    registries : Registry, or a Timeline of them
        Each observation is judged by the one in force at its begin.
    source : str
        Key of the source that sent it.

    Raises
    ------
    DrukteError
        `source` is not in the city's ids.
    """
    newest = registries.newest if isinstance(registries, Timeline) else registries
    if source not in newest.sources:
        raise DrukteError(f"source {source!r} has no number in CITY.ids; known: {', '.join(newest.sources)}")
    rows: list[_Row] = []
    for one in observed.observations:
        row = _row(one, _registry_at(registries, one.begin_us), source)
        if isinstance(row, Reason):
            observed.refuse(row, one.where, _DETAILS[row])
        else:
            rows.append(row)
    refused = sum(refusal.count for refusal in observed.refusals)
    batch = _batch(rows, newest.sources[source])
    return Decoded(batch, observed.refusals, {
        **observed.counts, Tally.READINGS.value: len(batch),
        Tally.READINGS_WITHOUT_VALUE.value: int(np.isnan(batch.value).sum()), Tally.REFUSED_VALUES.value: refused,
    })


@dataclass(frozen=True, slots=True)
class _Row:
    sensor: int
    metric: int
    observation: Observation


def _registry_at(registries: Registry | Timeline[Registry], at_us: int) -> Registry:
    return registries.at(at_us) if isinstance(registries, Timeline) else registries


def _row(one: Observation, registry: Registry, source: str) -> _Row | Reason:
    sensor = registry.of_vendor.get((source, one.device))
    if sensor is None:
        return Reason.UNKNOWN_SENSOR
    metric = one.metric if one.metric is not None else direction_metric(one.direction, sensor.in_direction)
    if metric is None or metric not in sensor.measures:
        return Reason.UNKNOWN_METRIC
    span_us = one.end_us - one.begin_us
    if span_us < 0:
        return Reason.BAD_TIME
    at_instant = SEMANTICS[registry.semantics[sensor.number, metric]] in (Semantics.INSTANT, Semantics.CUMULATIVE)
    if at_instant != (span_us == 0) or span_us > LONGEST_SPAN_US:
        return Reason.BAD_SPAN
    if (one.value is not None and not math.isfinite(one.value)) or not 0 <= one.quality <= QUALITY_FULL:
        return Reason.BAD_VALUE
    return _Row(sensor.number, metric, one)


def direction_metric(direction: str, in_direction: str | None) -> Metric | None:
    """IN or OUT for a direction as the source says it; None where nothing tells.

    Azimuths within 90 degrees of `in_direction` are in, the others out; other words are in where they equal it.
    """
    if in_direction is None:
        return {IN: Metric.IN, OUT: Metric.OUT}.get(direction)
    try:
        apart = abs((float(direction) - float(in_direction) + 180.0) % 360.0 - 180.0)
    except ValueError:
        same = direction.casefold() == in_direction.casefold()
        return Metric.IN if same else Metric.OUT
    return Metric.IN if apart < DIRECTION_SLACK_DEG else Metric.OUT


def _batch(rows: Iterable[_Row], source_number: int) -> Batch:
    rows = list(rows)
    if not rows:
        return Batch.empty()
    said = [row.observation for row in rows]
    span_us = np.array([one.end_us - one.begin_us for one in said], np.int64)
    return Batch.of(
        sensor=[row.sensor for row in rows], metric=[row.metric for row in rows], source=source_number,
        begin=[one.begin_us for one in said],
        span_ms=np.maximum(np.rint(span_us / 1000), span_us > 0),  # no interval may become an instant
        value=[math.nan if one.value is None else one.value for one in said],
        reason=[one.no_value if one.value is None else NoValue.NONE for one in said],
        weight=[one.weight for one in said], quality=[round(one.quality) for one in said],
    )

