# SPDX-License-Identifier: Apache-2.0
"""A CSV of any shape: the city file says which column is what (`schemas.city.CsvColumns`).

The file is read by Arrow into columns of text; each distinct stamp and each distinct number is parsed once. Rows
are handed on in the order of time; a file that runs backwards is turned round. Exact repeats of a row are left
out and counted; of two readings on one stamp the later row stands last.
"""

import codecs
import csv
import datetime as dt
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.city import CsvColumns, Source
from schemas.errors import RefusedError
from schemas.feeds.format import Context, Format
from schemas.feeds.local_time import (
    AMBIGUOUS_QUALITY,
    NO_STAMP,
    Occurrences,
    Stamp,
    parse_stamp,
    stamp_of,
    zone_of,
)
from schemas.feeds.observed import Observation, Observed
from schemas.reading import METRIC_BY_KEY, QUALITY_FULL, Metric, NoValue
from schemas.refusal import PERSON_LEVEL_FIELDS, Reason, normalised

ISO: Final = "iso"
PART_ROWS = 50_000
"""Rows in each part of `decode_parts`."""
LONGEST_INTERVAL_S = 86_400.0
_PIECE_BYTES = 1 << 20
_NOT_BLANK = re.compile(rb"[^\r\n]")
_BOM = b"\xef\xbb\xbf"
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_ROW, _TIME, _SENSOR = "row", "time", "sensor"
_Texts = npt.NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of values: its name, whose values they are where no column says it, and what they are."""

    name: str
    device: str
    metric: Metric | None
    direction: str
    scale: float


def decode(body: bytes, source: Source, context: Context) -> Observed:
    """Read a whole file.

    Raises
    ------
    RefusedError
        `person-level`: a column that describes one person. `malformed`: no such columns, no text in UTF-8, or a
        source without `columns`.
    """
    whole = Observed()
    for part in decode_parts(body, source, context):
        whole.observations += part.observations
        for refusal in part.refusals:
            whole.refuse(Reason(refusal.reason), refusal.where, refusal.detail, refusal.count)
        for name, count in part.counts.items():
            whole.passed(name, count)
    return whole


def decode_parts(body: bytes, source: Source, context: Context) -> Iterator[Observed]:  # noqa: ARG001
    """Read a file in parts of `PART_ROWS` rows, so that a large one needs little memory at a time.

    Raises
    ------
    RefusedError
        As `decode`, at the first part: a body that is refused whole gives none.
    """
    columns = source.columns
    if columns is None:
        raise RefusedError(Reason.MALFORMED, "the source has no `columns`; say in the city file which column is what")
    first, zone = Observed(), zone_of(source.timezone)
    table = _ordered(_table(body, columns, first), columns, zone, first)
    values = [_value_column(name, columns) for name in columns.values]
    reader = _Rows(columns, source.time_means, values, Occurrences())
    yield first
    for begin in range(0, table.rows.num_rows, PART_ROWS):
        yield reader.read(table.rows.slice(begin, PART_ROWS), table.stamps[begin : begin + PART_ROWS])


def _value_column(name: str, columns: CsvColumns) -> _Column:
    word = columns.values[name].strip()
    # `GDH-1_180`, direction 180: the column of one direction of sensor GDH-1.
    device = name.removesuffix(f"_{word}") or name
    return _Column(name, device, METRIC_BY_KEY.get(word), word, columns.scale.get(name, 1.0))


# From bytes to columns of text.

def _table(body: bytes, columns: CsvColumns, observed: Observed) -> pa.Table:
    """Row number, joined stamp, sensor and values as text; rows of another width are refused."""
    # Every program knows all formats, few read a CSV: what only this one needs is loaded by its first body.
    import pyarrow.compute as pc
    wanted = list(dict.fromkeys([*columns.time, *([columns.sensor] if columns.sensor else []), *columns.values]))
    _refuse_settings(columns)
    names, begins = (columns.header, 0) if columns.header is not None else _header(body, columns.delimiter)
    for name in (*names, *wanted):
        if normalised(name) in PERSON_LEVEL_FIELDS:
            raise RefusedError(Reason.PERSON_LEVEL, (
                f"column {normalised(name)} describes one person or device; ask the sender for counts"))
    for name in wanted:
        if names.count(name) != 1:
            raise RefusedError(Reason.MALFORMED, f"column {name!r} of the city file is there {names.count(name)} times")
    rows = _parsed(body, begins, len(names), columns, observed)
    if len(names) > len(wanted) and rows.num_rows:
        observed.passed("other_columns", (len(names) - len(wanted)) * rows.num_rows)
    texts = {name: pc.utf8_trim_whitespace(rows.column(names.index(name))) for name in wanted}
    blank = pa.scalar("")
    return pa.table({
        _ROW: pa.array(np.arange(1, rows.num_rows + 1)),
        _TIME: pc.utf8_trim_whitespace(pc.binary_join_element_wise(*(texts[name] for name in columns.time), " ")),
        _SENSOR: texts[columns.sensor] if columns.sensor else pa.repeat(blank, rows.num_rows),
        **{f"value {name}": texts[name] for name in columns.values},
    })


def _refuse_settings(columns: CsvColumns) -> None:
    if not columns.time or not columns.values:
        raise RefusedError(Reason.MALFORMED, "`columns` of the source names no `time` or no `values`")
    if len(columns.delimiter) != 1 or not columns.delimiter.isascii() or columns.delimiter in '"\r\n':
        raise RefusedError(Reason.MALFORMED, "`delimiter` of the source is one ASCII character")
    if not 0 <= columns.interval_s <= LONGEST_INTERVAL_S:
        raise RefusedError(Reason.MALFORMED, "`interval_s` of the source is not between 0 and a day")


def _header(body: bytes, delimiter: str) -> tuple[list[str], int]:
    """Names of the columns in the first line that is not blank, and where the next line begins."""
    begins = len(_BOM) if body.startswith(_BOM) else 0
    while begins < len(body):
        ends = body.find(b"\n", begins)
        ends = len(body) if ends < 0 else ends + 1
        line = body[begins:ends].strip()
        begins = ends
        if line:
            try:
                [names] = csv.reader([line.decode()], delimiter=delimiter)
            except (UnicodeDecodeError, csv.Error, ValueError):
                raise RefusedError(Reason.MALFORMED, "the first line is no CSV header in UTF-8") from None
            return [name.strip() for name in names], begins
    raise RefusedError(Reason.MALFORMED, "body is empty; a CSV begins with its header")


def _parsed(body: bytes, begins: int, width: int, columns: CsvColumns, observed: Observed) -> pa.Table:
    names = [str(at) for at in range(width)]
    rest = pa.py_buffer(body)[begins:]
    _refuse_other_encodings(body)
    if _NOT_BLANK.search(body, begins) is None:
        return pa.table({name: pa.array([], pa.string()) for name in names})

    def refuse(row: Any) -> str:
        detail = "a row has another number of columns than the header; mind its quotes"
        where = f"line {row.number} after the header" if row.number else "$"
        observed.refuse(Reason.MALFORMED, where, detail, len(columns.values))
        return "skip"

    from pyarrow import csv as arrow_csv
    try:
        return arrow_csv.read_csv(
            pa.BufferReader(rest),
            # In one thread: only so does a refused row know its number.
            read_options=arrow_csv.ReadOptions(use_threads=False, column_names=names, block_size=8 << 20),
            parse_options=arrow_csv.ParseOptions(
                delimiter=columns.delimiter, newlines_in_values=True, invalid_row_handler=refuse),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False),
        )
    except (pa.ArrowException, ValueError, OSError):
        raise RefusedError(Reason.MALFORMED, "body is no CSV; mind its quotes") from None


def _refuse_other_encodings(body: bytes) -> None:
    """Look at all of it at once: Arrow would let a bad row of another width fall without a word."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for begins in range(0, len(body), _PIECE_BYTES):
            decoder.decode(body[begins : begins + _PIECE_BYTES])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise RefusedError(Reason.MALFORMED, "body is no text in UTF-8; save it as UTF-8") from None


# From text to times, in their order.

@dataclass(frozen=True, slots=True)
class _Ordered:
    """Rows in the order of time, without exact repeats, and the stamp of each."""

    rows: pa.Table
    stamps: _Texts


def _ordered(table: pa.Table, columns: CsvColumns, zone: ZoneInfo | None, observed: Observed) -> _Ordered:
    stamps, decoded = _looked_up(table.column(_TIME), _stamp_parser(columns.time_format, zone))
    first_us = np.array([stamp.first_us for stamp in stamps], np.int64)[decoded]
    keep = np.sort(_first_of_each(table))
    if (repeats := table.num_rows - len(keep)) > 0:
        observed.passed("exact_repeats", repeats * len(columns.values))
    steps = np.sign(np.diff(first_us[keep]))
    if np.count_nonzero(steps < 0) > np.count_nonzero(steps > 0):
        keep = keep[::-1]
        observed.passed("newest_first_files")
    order = keep[np.argsort(first_us[keep], kind="stable")]
    each = np.empty(len(stamps), object)
    each[:] = stamps
    return _Ordered(table.take(pa.array(order)), each[decoded[order]])


def _first_of_each(table: pa.Table) -> npt.NDArray[np.int64]:
    """Positions of the rows that stand for all that are equal to them in every column that is read."""
    names = [name for name in table.column_names if name != _ROW]
    firsts = table.group_by(names).aggregate([(_ROW, "min")])[f"{_ROW}_min"]
    return np.asarray(firsts.to_numpy(), np.int64) - 1


def _stamp_parser(time_format: str, zone: ZoneInfo | None) -> Callable[[str], Stamp]:
    def parse(text: str) -> Stamp:
        if time_format == ISO:
            return parse_stamp(text, zone)
        try:
            return stamp_of(dt.datetime.strptime(text, time_format), zone)  # noqa: DTZ007  the zone is the source's
        except (ValueError, OverflowError, re.error):
            return NO_STAMP

    return parse


def _looked_up(texts: pa.ChunkedArray, parse: Callable[[str], Any]) -> tuple[list[Any], npt.NDArray[np.int64]]:
    """Each distinct text parsed once, and for each row the position of its own."""
    encoded = texts.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.unify_dictionaries().combine_chunks()
    return [parse(text) for text in encoded.dictionary.to_pylist()], np.asarray(encoded.indices, np.int64)


def _number(text: str) -> float:
    """The number, NaN where the text is none."""
    return float(text) if _NUMBER.fullmatch(text) else math.nan


# From columns to observations.

@dataclass(frozen=True, slots=True)
class _Rows:
    """What is said of every row, and which ambiguous hours were seen."""

    columns: CsvColumns
    time_means: str
    values: list[_Column]
    occurrences: Occurrences

    def read(self, table: pa.Table, stamps: _Texts) -> Observed:
        observed = Observed()
        numbers = table.column(_ROW).to_pylist()
        sensors = table.column(_SENSOR).to_pylist()
        missing = {"", *self.columns.missing}
        texts, parsed = [], []
        for column in self.values:
            distinct, at = _looked_up(table.column(f"value {column.name}"), str)
            words = np.array(distinct, object)
            texts.append(np.isin(words, list(missing))[at].tolist() if len(words) else [])
            parsed.append(np.array([_number(word) for word in distinct], np.float64)[at].tolist())
        for row, (number, sensor, stamp) in enumerate(zip(numbers, sensors, stamps, strict=True)):
            empty = [column[row] for column in texts]
            if not stamp.is_time:
                self._refuse_time(stamp, f"row {number}", empty, observed)
                continue
            span_us, quality = self._span(sensor, stamp, observed)
            for column, is_missing, values in zip(self.values, empty, parsed, strict=True):
                value = None if is_missing else values[row] * column.scale
                if value is not None and not math.isfinite(value):
                    observed.refuse(
                        Reason.BAD_VALUE, f"row {number}, column {column.name}",
                        "not a number; where it stands for no value, add its spelling to `missing`")
                    continue
                observed.observations.append(_observation(
                    column, sensor if self.columns.sensor else column.device, span_us, value, quality, f"row {number}"))
        return observed

    def _refuse_time(self, stamp: Stamp, where: str, empty: list[bool], observed: Observed) -> None:
        if all(empty):  # the hour that the clock jumped over is there and empty: nothing
            observed.passed("empty_rows_without_time", len(empty))
            return
        detail = "the clock jumped over this hour" if stamp.in_gap else (
            "is no time as `time_format` says; a stamp without offset needs the source's `timezone`")
        observed.refuse(Reason.BAD_TIME, where, detail, len(empty))

    def _span(self, sensor: str, stamp: Stamp, observed: Observed) -> tuple[tuple[int, int], float]:
        at_us = self.occurrences.take(sensor, stamp)
        length_us = round(self.columns.interval_s * 1e6)
        begin_us = at_us - length_us if self.time_means == "end" else at_us
        if stamp.is_ambiguous:
            observed.passed("ambiguous_stamps")
        return (begin_us, begin_us + length_us), AMBIGUOUS_QUALITY if stamp.is_ambiguous else QUALITY_FULL


def _observation(
    column: _Column, device: str, span_us: tuple[int, int], value: float | None, quality: float, where: str
) -> Observation:
    negative = value is not None and value < 0
    return Observation(
        device, column.metric, *span_us, None if negative else value, where, direction=column.direction,
        quality=quality, no_value=NoValue.NEGATIVE if negative else NoValue.NULL)


def looks_like(body: bytes) -> bool:
    """Whether the first line looks like one of a CSV; which one, only the city file can say."""
    line = body[:4096].removeprefix(_BOM).lstrip().partition(b"\n")[0]
    return not line.startswith((b"{", b"[", b"<")) and b"\0" not in line and any(map(line.count, (b",", b";", b"\t")))


FORMAT = Format(
    key="csv",
    title="CSV, columns by the city file",
    semantics="as the city file says: interval, or instant where `interval_s` is 0",
    decode=decode,
    looks_like=looks_like,
    notes="Local times need `timezone`; an hour that never was is refused, one of two with the same name is marked "
          "with quality 50 and taken as the first, its second row as the second.",
)
