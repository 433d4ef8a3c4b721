# SPDX-License-Identifier: Apache-2.0
"""Native JSON: one reading, an array of them, or one a line (NDJSON); the content tells which.

A reading is `{"sensor", "metric", "from", "to", "value", "quality"?}`: text keys of the city file, RFC 3339
times with an offset, `value: null` for a sensor that has none, quality 0 to 100.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import repeat

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.city import Semantics
from schemas.city_timeline import Timeline
from schemas.errors import DrukteError, RefusedError
from schemas.feeds.decoded import Decoded, Tally
from schemas.feeds.instants import NO_INSTANT, InstantCache
from schemas.feeds.native_reading import (
    RawReading,
    read_carefully,
)
from schemas.reading import METRIC_LIMIT, QUALITY_FULL, Batch, NoValue
from schemas.refusal import Reason, Refusal
from schemas.registry import SEMANTICS, Registry

Registries = Registry | Timeline[Registry]
LONGEST_SPAN_US = (2**31 - 1) * 1000
"""24.8 days: what the log's column for the span can hold."""

_AT_INSTANTS = (SEMANTICS.index(Semantics.INSTANT), SEMANTICS.index(Semantics.CUMULATIVE))
_ARRAY = msgspec.json.Decoder(list[RawReading])
_LINES = msgspec.json.Decoder(RawReading)
_NOT_QUICK = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
NO_SLOT = -1
_DETAILS = {
    Reason.UNKNOWN_SENSOR: "`sensor` is no key of the city file; add the sensor or mend the sender",
    Reason.UNKNOWN_METRIC: "`metric` is no measure of this sensor in the city file; add it or stop sending it",
    Reason.WRONG_SOURCE: "the city file gives the sensor to another source; send it there",
    Reason.BAD_TIME: "`from` and `to` are RFC 3339 with an offset, `to` not before `from`",
    Reason.BAD_SPAN: "`from` equals `to` for an instant, and lies before it for an interval or a rate",
    Reason.BAD_VALUE: "`value` is a finite number or null, `quality` a number from 0 to 100",
}


def decode(body: bytes, registry: Registries, source: str) -> Decoded:
    """Read a body that `source` sent.

    A bad reading is refused by itself; readings that fail in the same way at the same sensor make one
    refusal. `where` is the sensor, or the first place: `$[0]` in an array, `reading 0` or `line 1` in
    NDJSON, `$` for a single reading.

    Parameters
    ----------
    body : bytes
    registry : Registry, or a Timeline of them
        Each reading is judged by the one that is in force at its `from`.
    source : str
        Key of the source whose door the body came through.

    Raises
    ------
    RefusedError
        The whole body: `person-level` when a field anywhere describes one person, `malformed` when it is no
        JSON, no UTF-8, or holds nothing that is a reading.
    DrukteError
        `source` is not in the city's ids.
    """
    return _decode(body, registry, source, "")


def _decode(body: bytes, registry: Registries, source: str, prefix: str) -> Decoded:
    in_array = body.lstrip()[:1] == b"["
    readings = _quickly(body, in_array)
    if readings is not None:
        shape = "{}$[{}]" if in_array else "{}reading {}"
        return _decoded(readings, lambda at: shape.format(prefix, at), [], registry, source)
    placed, structural = read_carefully(body)
    refusals = [item.refusal(prefix) for item in structural]
    return _decoded(
        [item.reading for item in placed], lambda at: prefix + placed[at].where, refusals, registry, source
    )


def decode_messages(bodies: Sequence[bytes], registry: Registries, source: str) -> Decoded:
    """Read many bodies at once, as from a topic with one reading a message.

    A body that `decode` would refuse whole becomes one refusal; the others are read, in their order. Places
    begin with `message i`, counted from 0.

    Raises
    ------
    DrukteError
        `source` is not in the city's ids.
    """
    readings = _quickly_each(bodies)
    if readings is not None:
        return _decoded(readings, lambda at: f"message {at}", [], registry, source)
    return _one_by_one(bodies, registry, source)


def _quickly_each(bodies: Sequence[bytes]) -> list[RawReading] | None:
    """The readings of bodies that all hold one, with the right fields and types; else None."""
    # The decoder reads on over line breaks. But a reading holds no object and a text no line break, so a brace behind
    # one begins a reading: where every body begins so, none completes its neighbour, and none hides that it is empty.
    if not all(map(bytes.startswith, bodies, repeat(b"{"))):
        return None
    try:
        readings = _LINES.decode_lines(b"\n".join(bodies))
    except _NOT_QUICK:
        return None
    return readings if len(readings) == len(bodies) else None


def _one_by_one(bodies: Sequence[bytes], registry: Registries, source: str) -> Decoded:
    parts: list[Decoded] = []
    run = _Run()
    for number, body in enumerate(bodies):
        if run.take(number, body):
            continue
        part = _decoded_or_refused(number, body, registry, source)
        if len(part.batch) and run.readings:  # the order of readings is kept
            parts.append(_decoded(run.readings, run.place, [], registry, source))
            run = _Run()
        parts.append(part)
    if run.readings or not parts:
        parts.append(_decoded(run.readings, run.place, [], registry, source))
    return Decoded.concatenated(parts)


class _Run:
    """Readings of consecutive bodies, judged together: what numpy costs a call is spread over all of them."""

    def __init__(self) -> None:
        self.readings: list[RawReading] = []
        self._firsts: list[int] = []
        self._shapes: list[str] = []

    def take(self, number: int, body: bytes) -> bool:
        """Read a body in which every reading has the right fields and types; False where one has not."""
        in_array = body.lstrip()[:1] == b"["
        found = _quickly(body, in_array)
        if found is None:
            return False
        self._firsts.append(len(self.readings))
        alone = "" if len(found) == 1 else " reading {}"
        self._shapes.append(f"message {number}{' $[{}]' if in_array else alone}")
        self.readings += found
        return True

    def place(self, at: int) -> str:
        """Where the reading of this number stands."""
        body = bisect_right(self._firsts, at) - 1
        return self._shapes[body].format(at - self._firsts[body])


def _decoded_or_refused(number: int, body: bytes, registry: Registries, source: str) -> Decoded:
    try:
        return _decode(body, registry, source, f"message {number} ")
    except RefusedError as error:
        refusal = Refusal(reason=Reason(error.reason), where=f"message {number}", detail=str(error))
        return Decoded(Batch.empty(), [refusal], {Tally.READINGS.value: 0, Tally.REFUSED_VALUES.value: 1})


def _quickly(body: bytes, in_array: bool) -> list[RawReading] | None:
    """All readings of a body in which every one has the right fields and types; else None."""
    try:
        return _ARRAY.decode(body) if in_array else _LINES.decode_lines(body) or None
    except _NOT_QUICK:
        return None


@dataclass(frozen=True, slots=True)
class _Columns:
    """What the readings say, as arrays; `number` and `metric` are -1 and 0 where the registry knows none."""

    number: npt.NDArray[np.int32]
    metric: npt.NDArray[np.uint8]
    begin: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    is_null: npt.NDArray[np.bool_]
    quality: npt.NDArray[np.float64]


class _SlotCache(dict[str, int]):
    """Slots of one metric by sensor, as far as they were asked for; `NO_SLOT` where the city file has none."""

    def __init__(self, metric: str, registry: Registry) -> None:
        super().__init__()
        self._metric = metric
        self._slot_of = registry.slot_of

    def __missing__(self, sensor: str) -> int:
        slot = self[sensor] = self._slot_of.get((sensor, self._metric), NO_SLOT)
        return slot


def _slots(sensors: list[str], metrics: list[str], registry: Registry) -> npt.NDArray[np.int64]:
    if metrics and metrics.count(metrics[0]) == len(metrics):
        return np.fromiter(map(_SlotCache(metrics[0], registry).__getitem__, sensors), np.int64, len(sensors))
    keys = zip(sensors, metrics, strict=True)
    return np.fromiter(map(registry.slot_of.get, keys, repeat(NO_SLOT)), np.int64, len(sensors))


def _columns(readings: list[RawReading], registry: Registry) -> _Columns:
    # Each loop over readings here is a tenth of what the gateway spends on a topic with one reading a message.
    count, instants = len(readings), InstantCache()
    slot = _slots([one.sensor for one in readings], [one.metric for one in readings], registry)
    begins, ends = [one.from_ for one in readings], [one.to for one in readings]
    begin = np.fromiter(map(instants.__getitem__, begins), np.int64, count)
    value = np.array([one.value for one in readings], np.float64)  # None becomes NaN
    return _Columns(
        number=(slot // METRIC_LIMIT).astype(np.int32),
        metric=np.where(slot == NO_SLOT, 0, slot % METRIC_LIMIT).astype(np.uint8),
        begin=begin,
        end=begin if begins == ends else np.fromiter(map(instants.__getitem__, ends), np.int64, count),
        value=value,
        is_null=np.isnan(value),
        quality=np.array([one.quality for one in readings], np.float64),
    )


def _decoded(
    readings: list[RawReading],
    place: Callable[[int], str],
    refusals: list[Refusal],
    registry: Registries,
    source: str,
) -> Decoded:
    # Numbers are never taken back, so the newest version knows the sources of all.
    sources = (registry.newest if isinstance(registry, Timeline) else registry).sources
    if source not in sources:
        raise DrukteError(f"source {source!r} has no number in CITY.ids; known: {', '.join(sources)}")
    if isinstance(registry, Timeline):
        return _decoded_by_version(readings, place, refusals, registry, sources[source])
    return _decoded_by_one(readings, place, refusals, registry, sources[source])


def _decoded_by_version(
    readings: list[RawReading], place: Callable[[int], str], refusals: list[Refusal],
    registries: Timeline[Registry], source_number: int,
) -> Decoded:
    if len(registries) == 1 or not readings:
        return _decoded_by_one(readings, place, refusals, registries.newest, source_number)
    instants = InstantCache()
    begin = np.array([instants[item.from_] for item in readings], np.int64)
    parts: list[Decoded] = []
    for registry, at in registries.split(begin):
        parts.append(_decoded_by_one(
            [readings[index] for index in at], partial(_place_of, place, at), [] if parts else refusals, registry,
            source_number,
        ))
    return parts[0] if len(parts) == 1 else Decoded.concatenated(parts)


def _place_of(place: Callable[[int], str], at: npt.NDArray[np.intp], index: int) -> str:
    return place(int(at[index]))


def _decoded_by_one(
    readings: list[RawReading], place: Callable[[int], str], refusals: list[Refusal], registry: Registry,
    source_number: int,
) -> Decoded:
    columns = _columns(readings, registry)
    failed = _failures(columns, registry, source_number)
    code = np.select(list(failed.values()), range(1, len(failed) + 1), 0)
    if code.any():
        refusals = refusals + _refusals(readings, place, code, list(failed), registry)
    batch = _batch(columns, source_number)
    if code.any():
        batch = batch.take(code == 0)
    refused = sum(refusal.count for refusal in refusals)
    return Decoded(batch, refusals, {
        Tally.READINGS.value: len(batch),
        Tally.READINGS_WITHOUT_VALUE.value: int(np.count_nonzero(np.isnan(batch.value))),
        Tally.REFUSED_VALUES.value: refused,
    })


def _failures(
    columns: _Columns, registry: Registry, source_number: int
) -> dict[Reason, npt.NDArray[np.bool_]]:
    """Which readings fail, and why; the first reason counts.

    An unknown sensor and an unknown metric are told apart later: both have no number here.
    """
    known = columns.number >= 0
    at = np.where(known, columns.number, 0)
    instant = np.isin(registry.semantics[at, columns.metric], _AT_INSTANTS)
    no_time = (columns.begin == NO_INSTANT) | (columns.end == NO_INSTANT)
    span_us = np.where(no_time, 0, columns.end - columns.begin)
    return {
        Reason.UNKNOWN_SENSOR: ~known,
        Reason.WRONG_SOURCE: registry.source[at] != source_number,
        Reason.BAD_TIME: no_time | (span_us < 0),
        Reason.BAD_SPAN: (instant != (span_us == 0)) | (span_us > LONGEST_SPAN_US),
        Reason.BAD_VALUE: np.isinf(columns.value)
        | ~((columns.quality >= 0) & (columns.quality <= QUALITY_FULL)),
    }


def _batch(columns: _Columns, source_number: int) -> Batch:
    span_us = columns.end - columns.begin
    # The column holds whole ms; no interval may become an instant.
    span_ms = np.maximum(np.rint(span_us / 1000), span_us > 0)
    return Batch.of(
        sensor=columns.number,
        metric=columns.metric,
        source=source_number,
        begin=columns.begin,
        span_ms=np.clip(span_ms, 0, LONGEST_SPAN_US // 1000),
        value=columns.value,
        reason=np.where(columns.is_null, NoValue.NULL, NoValue.NONE),
        quality=np.rint(np.clip(np.nan_to_num(columns.quality), 0, QUALITY_FULL)),
    ) if len(columns.number) else Batch.empty()


def _refusals(
    readings: list[RawReading],
    place: Callable[[int], str],
    code: npt.NDArray[np.int_],
    reasons: list[Reason],
    registry: Registry,
) -> list[Refusal]:
    """One refusal for each reason and sensor. A key that is not the city's is never repeated."""
    first: dict[tuple[Reason, str], str] = {}
    counts: dict[tuple[Reason, str], int] = {}
    for at in np.flatnonzero(code):
        sensor = readings[at].sensor
        reason, known = reasons[code[at] - 1], sensor in registry.sensors
        if reason is Reason.UNKNOWN_SENSOR and known:
            reason = Reason.UNKNOWN_METRIC
        run = (reason, sensor if known else "")
        first.setdefault(run, place(int(at)))
        counts[run] = counts.get(run, 0) + 1
    return [
        Refusal(
            reason=reason, where=sensor or first[reason, sensor],
            detail=f"{_DETAILS[reason]} (first: {first[reason, sensor]})", count=count,
        )
        for (reason, sensor), count in counts.items()
    ]
