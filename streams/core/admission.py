# SPDX-License-Identifier: Apache-2.0
"""The last look at readings before the log: known, in service, in time and physically plausible."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from schemas.city import Semantics
from schemas.reading import DEVICE_COUNTS, METRIC_LIMIT, QUALITY_FULL, Batch, Metric, NoValue
from schemas.refusal import Reason, Refusal
from schemas.registry import NOT_MEASURED, SEMANTICS, Registry

PEOPLE_LIMIT = 100_000.0
"""In the view of one sensor: at 10 persons/m2, beyond any measured crowd, it would have to see a hectare."""
PASSAGES_PER_S_LIMIT = 200.0
"""Over one gate in one direction: 100 m of effective width at 2 persons/m/s, where measured specific flows
end at about 1.3 to 1.9."""
VEHICLES_PER_H_LIMIT = 6_000.0
"""On one lane: a vehicle every 0.6 s for the whole period. Capacity is about 2,400 an hour (Highway Capacity
Manual); the greatest single minute of a national hour in 2016 was 3,600."""
SPEED_LIMIT_KM_H = 300.0
"""The greatest mean speed of a minute in the national publication of 2016 was 245."""
RUNNING_COUNT_LIMIT = 2.0**40
"""Of a counter since its last reset; in parts of 1/3600 it is still exact as a double."""
DEVICES_LIMIT = 65_535.0
"""Around one receiver: what its 16-bit counter holds."""
DEVICE_STATE_LIMIT = 2.0**31
UPTIME_LIMIT = 1.0
SHORTEST_SPAN_S = 1.0
"""Limits on counts are for at least so long: a sensor may report two passages a millisecond apart."""

Mask = npt.NDArray[np.bool_]

_AT_INSTANTS = (SEMANTICS.index(Semantics.INSTANT), SEMANTICS.index(Semantics.CUMULATIVE))
_RUNNING = SEMANTICS.index(Semantics.CUMULATIVE)
_RATE = SEMANTICS.index(Semantics.RATE)
_DETAILS = {
    Reason.UNKNOWN_SENSOR: "no sensor of this city version; add it to the city file",
    Reason.UNKNOWN_METRIC: "the city file gives the sensor no such measure; add it or stop sending it",
    Reason.WRONG_SOURCE: "the city file gives the sensor to another source",
    Reason.BAD_SPAN: "an instant has no length, an interval has one; mend the sender or the semantics",
    Reason.BAD_VALUE: "negative, infinite, implausible, or no value without a reason; look at the sensor",
    Reason.IN_FUTURE: "stamped later than now and the allowed skew; set the sensor's clock",
    Reason.TOO_OLD: "no window takes it in any more; send it as a back-fill",
    Reason.OUT_OF_SERVICE: "outside the sensor's start and end dates, or in a time out of service; renew the dates, "
                           "end that time, or switch it off",
    Reason.NOT_ACTIVATED: "no activation of the city file lets devices be counted in this zone then; switch the "
                          "sensor off, or have the privacy officer sign one",
}


def admit(
    batch: Batch, registry: Registry, now_us: int, skew_us: int, oldest_us: int
) -> tuple[Batch, list[Refusal]]:
    """Keep the readings that may enter the log.

    Parameters
    ----------
    batch : Batch
    registry : Registry
    now_us : int
        The deployment's clock; microseconds since 1970, UTC.
    skew_us : int
        How far after now a reading may end. A road's may still be running: NDW's suppliers of quarter hours
        publish every minute, stamped with that minute as the start; so it is their begin that counts.
    oldest_us : int
        How long before now it may have ended.

    Returns
    -------
    tuple of Batch and list of Refusal
        The readings kept, in order; the others counted by reason and sensor. A reading that fails in several
        ways counts under the first of: sensor, metric, source, span, value, future, age, dates, activation. A
        reading without a value passes with its reason for that.
    """
    if not len(batch):
        return batch, []
    known = (batch.sensor >= 0) & (batch.sensor < len(registry.key))
    number = np.where(known, batch.sensor, 0)
    known &= registry.source[number] >= 0
    metric_known = batch.metric < METRIC_LIMIT
    semantics = registry.semantics[number, np.where(metric_known, batch.metric, 0)]
    span_us = batch.span_ms.astype(np.int64) * 1000
    # Bounds move instead of times: a wild time plus a span may leave int64.
    failed: dict[Reason, Mask] = {
        Reason.UNKNOWN_SENSOR: ~known,
        Reason.UNKNOWN_METRIC: ~metric_known | (semantics == NOT_MEASURED),
        Reason.WRONG_SOURCE: registry.source[number] != batch.source,
        Reason.BAD_SPAN: np.where(np.isin(semantics, _AT_INSTANTS), span_us != 0, span_us <= 0),
        Reason.BAD_VALUE: ~_plausible(batch, semantics, registry.lanes[number]),
        Reason.IN_FUTURE: batch.begin > (now_us + skew_us) - np.where(_is_road(batch), 0, span_us),
        Reason.TOO_OLD: batch.begin < (now_us - oldest_us) - span_us,
        Reason.OUT_OF_SERVICE: (batch.begin < registry.start_us[number])
        | (batch.begin >= registry.end_us[number])
        | (batch.begin > registry.end_us[number] - span_us)
        | _in_gap(batch, registry, span_us),
        Reason.NOT_ACTIVATED: _not_activated(batch, registry, span_us),
    }
    code = np.select(list(failed.values()), range(1, len(failed) + 1), 0)
    if not code.any():
        return batch, []
    return batch.take(code == 0), _refusals(batch, registry, code, list(failed))


def _is_road(batch: Batch) -> Mask:
    return np.isin(batch.metric, (Metric.VEHICLES, Metric.SPEED))


def _in_gap(batch: Batch, registry: Registry, span_us: npt.NDArray[np.int64]) -> Mask:
    """Readings that touch a time in which their sensor is out of service."""
    touched = np.zeros(len(batch), np.bool_)
    for number, gaps in registry.gaps.items():
        mine = batch.sensor == number
        if mine.any():
            for from_us, until_us in gaps:
                inside = (batch.begin >= from_us) & (batch.begin < until_us)
                touched |= mine & (inside | ((batch.begin < from_us) & (batch.begin > from_us - span_us)))
    return touched


def _not_activated(batch: Batch, registry: Registry, span_us: npt.NDArray[np.int64]) -> Mask:
    """Counts of devices that do not lie whole within one activation of their zone."""
    refused: Mask = np.isin(batch.metric, DEVICE_COUNTS)
    if not refused.any():
        return refused
    for number in np.unique(batch.sensor[refused]).tolist():
        mine = batch.sensor == number
        for start_us, end_us in registry.activations.get(number, ()):
            within = (batch.begin >= start_us) & (batch.begin < end_us) & (batch.begin <= end_us - span_us)
            refused &= ~(mine & within)
    return refused


def _plausible(batch: Batch, semantics: npt.NDArray[np.int8], lanes: npt.NDArray[np.int32]) -> Mask:
    """Whether value, reason and quality can be true together."""
    span_s = np.maximum(batch.span_ms / 1000, SHORTEST_SPAN_S)
    # A rate is per hour whatever the span; a count is of the span.
    hours = np.where(semantics == _RATE, 1.0, span_s / 3600)
    limit_of: dict[Metric, Callable[[], npt.ArrayLike]] = {
        Metric.PEOPLE: lambda: PEOPLE_LIMIT,
        Metric.IN: lambda: PASSAGES_PER_S_LIMIT * 3600 * hours,
        Metric.OUT: lambda: PASSAGES_PER_S_LIMIT * 3600 * hours,
        Metric.VEHICLES: lambda: VEHICLES_PER_H_LIMIT * lanes * hours,
        Metric.SPEED: lambda: SPEED_LIMIT_KM_H,
        Metric.DEVICE_STATE: lambda: DEVICE_STATE_LIMIT,
        Metric.UPTIME: lambda: UPTIME_LIMIT,
        Metric.DEVICES_WIFI: lambda: DEVICES_LIMIT,
        Metric.DEVICES_BLE: lambda: DEVICES_LIMIT,
    }
    limit = np.zeros(len(batch))
    for metric, limit_for in limit_of.items():
        of_metric = batch.metric == metric
        if of_metric.any():
            limit = np.where(of_metric, limit_for(), limit)
    limit = np.where(semantics == _RUNNING, RUNNING_COUNT_LIMIT, limit)
    without_value = np.isnan(batch.value)
    said_why = batch.reason != NoValue.NONE
    known_reason = batch.reason <= max(NoValue)
    in_range = (batch.value >= 0) & (batch.value <= limit)
    consistent: Mask = np.where(without_value, said_why & known_reason, in_range & ~said_why)
    return consistent & (batch.quality <= QUALITY_FULL)


def _refusals(
    batch: Batch, registry: Registry, code: npt.NDArray[np.int_], reasons: list[Reason]
) -> list[Refusal]:
    """One refusal for each reason and sensor, in the order of the reasons."""
    refused = np.flatnonzero(code)
    pairs, counts = np.unique(
        np.stack([code[refused], batch.sensor[refused].astype(np.int64)]), axis=1, return_counts=True
    )
    refusals: list[Refusal] = []
    for failing, number, count in zip(*pairs.tolist(), counts.tolist(), strict=True):
        reason = reasons[failing - 1]
        where = f"sensor number {number}" if reason is Reason.UNKNOWN_SENSOR else registry.key[number]
        refusals.append(Refusal(reason=reason, where=where, detail=_DETAILS[reason], count=count))
    return refusals
