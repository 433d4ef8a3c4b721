# SPDX-License-Identifier: Apache-2.0
"""Eco-Counter: the counts of one channel, a quarter of an hour a row.

An answer of the API does not say whose it is: the channel stands beside it (`channel` of the context, or at the
end of its `name`), or a collector wraps the rows: `{"id": 101, "data": [...]}`.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from schemas.city import Source
from schemas.errors import RefusedError
from schemas.feeds.format import Context, Format
from schemas.feeds.json_body import NoNumberError, name_or_none, number_or_none, parse_json
from schemas.feeds.local_time import AMBIGUOUS_QUALITY, Occurrences, parse_stamp, zone_of
from schemas.feeds.observed import IN, Observation, Observed, refuse_persons
from schemas.reading import QUALITY_FULL, NoValue
from schemas.refusal import Reason

SPAN_US: Final = 900 * 1_000_000
"""A quarter of an hour: the step that a source has to ask for."""
CHANNEL: Final = "channel"
"""What the context calls the channel of a body."""
_WRAPPED = ("id", "channel")
_ROWS = "data"
_ROW_FIELDS = frozenset({"date", "counts"})
_LAST_PART = re.compile(r"(\d+)(?:\.json)?/?(?:\?.*)?", re.ASCII)


def decode(body: bytes, source: Source, context: Context) -> Observed:
    """Read the rows of one channel, or a list of wrapped ones.

    A row gives one value, counted as `in`; the channel of the other direction is a sensor with `swapped = true`.
    Dates have an offset or are local times of the source's `timezone`. `counts: null` is missing.

    Raises
    ------
    RefusedError
        `person-level`; `malformed`: no JSON, no rows, or nothing says whose they are.
    """
    document = parse_json(body)
    refuse_persons(document)
    observed, zone = Observed(), zone_of(source.timezone)
    for channel, rows, where in _channels(document, context, observed):
        _read_channel(channel, rows, where, zone, observed)
    _refuse_overlaps(observed)
    return observed


def _channels(document: object, context: Context, observed: Observed) -> Iterator[tuple[str, list[object], str]]:
    if isinstance(document, list) and not any(map(_is_wrapper, document)):
        channel = channel_beside(context)
        if channel is None:
            raise RefusedError(Reason.MALFORMED, (
                "nothing says of which channel these rows are; wrap them as "
                '{"id": ..., "data": [...]} or name the channel beside them'))
        yield channel, document, "$"
        return
    for at, one in enumerate(document if isinstance(document, list) else [document]):
        where = f"$[{at}]" if isinstance(document, list) else "$"
        if not _is_wrapper(one):
            if not isinstance(document, list):
                raise RefusedError(Reason.MALFORMED, "body holds no Eco-Counter rows (`date`, `counts`)")
            observed.refuse(Reason.MALFORMED, where, "no channel with rows, as its neighbours are")
            continue
        channel = next((name for field in _WRAPPED if (name := name_or_none(one.get(field)))), None)
        for _ in one.keys() - {_ROWS, *_WRAPPED}:
            observed.passed("envelope_fields")
        if channel is None:
            observed.refuse(Reason.UNKNOWN_SENSOR, where, "`id` names no channel", len(one[_ROWS]))
        else:
            yield channel, one[_ROWS], f"{where}.{_ROWS}"


def _is_wrapper(one: object) -> bool:
    return isinstance(one, dict) and isinstance(one.get(_ROWS), list)


def channel_beside(context: Context) -> str | None:
    """The channel that came beside a body: `channel`, or the number at the end of `name` or `topic`."""
    if context.get(CHANNEL, "").strip():
        return context[CHANNEL].strip()
    for name in ("name", "topic"):
        path = context.get(name, "").rstrip("/").partition("?")[0]
        found = _LAST_PART.fullmatch(path.rpartition("/")[2])
        if found is not None:
            return found[1]
    return None


def _read_channel(channel: str, rows: list[object], where: str, zone: ZoneInfo | None, observed: Observed) -> None:
    occurrences = Occurrences()
    for at, row in enumerate(rows):
        place = f"{where}[{at}]"
        if not isinstance(row, dict) or not row.keys() >= _ROW_FIELDS or not isinstance(row["date"], str):
            observed.refuse(Reason.MALFORMED, place, "a row has `date`, a text, and `counts`")
            continue
        for _ in row.keys() - _ROW_FIELDS:
            observed.passed("other_fields")
        stamp = parse_stamp(row["date"], zone)
        if not stamp.is_time:
            detail = "the clock jumped over this hour" if stamp.in_gap else (
                "`date` is no time with an offset; where it is a local time, give the source a `timezone`")
            observed.refuse(Reason.BAD_TIME, place, detail)
            continue
        try:
            count = number_or_none(row["counts"])
        except NoNumberError:
            observed.refuse(Reason.BAD_VALUE, place, "`counts` is a finite number or null")
            continue
        negative = count is not None and count < 0
        if stamp.is_ambiguous:
            observed.passed("ambiguous_stamps")
        begin_us = occurrences.take(channel, stamp)
        observed.observations.append(Observation(
            channel, None, begin_us, begin_us + SPAN_US, None if negative else count, place, direction=IN,
            quality=AMBIGUOUS_QUALITY if stamp.is_ambiguous else QUALITY_FULL,
            no_value=NoValue.NEGATIVE if negative else NoValue.NULL))


def _refuse_overlaps(observed: Observed) -> None:
    """Refuse rows of which the next one begins within the quarter: another step than 15 minutes was asked for."""
    kept: list[Observation] = []
    begins: dict[str, list[int]] = {}
    for one in observed.observations:
        begins.setdefault(one.device, []).append(one.begin_us)
    too_close = {
        (device, begin_us) for device, all_us in begins.items()
        for begin_us, next_us in _neighbours(all_us) if next_us - begin_us < SPAN_US
    }
    for one in observed.observations:
        if (one.device, one.begin_us) in too_close:
            observed.refuse(Reason.BAD_SPAN, one.where, "the next row begins within 15 minutes; ask for step=15m")
        else:
            kept.append(one)
    observed.observations[:] = kept


def _neighbours(all_us: list[int]) -> Iterator[tuple[int, int]]:
    yield from pairwise(sorted(set(all_us)))


def looks_like(body: bytes) -> bool:
    """Whether `body` looks like rows of a channel."""
    head = body[:4096]
    return b'"counts"' in head and b'"date"' in head and b'"azimuth"' not in head


FORMAT = Format(
    key="eco-counter",
    title="Eco-Counter (data of a channel)",
    semantics="in: interval of 15 minutes",
    decode=decode,
    looks_like=looks_like,
    proven=False,
    notes="One channel counts one direction: the other way is a sensor with `swapped`. `counts: null` is missing. "
          "The vendor revises data: corrections.",
)
