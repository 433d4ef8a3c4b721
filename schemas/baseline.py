# SPDX-License-Identifier: Apache-2.0
"""Baselines: what a place usually shows at each quarter hour of the week, made from published figures only.

One row holds a measure of a place: its figures for eight classes of day (Monday to Sunday, then holidays) times 96
local quarters. A slot is a class of day times 96 plus the quarter.
"""

import datetime as dt
from dataclasses import Field, dataclass, fields
from functools import lru_cache
from typing import Any, Self
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.arrow_stream import decode_stream, encode_stream, required
from schemas.errors import RefusedError
from schemas.lesson import Lesson, decode_lessons, encode_lessons
from schemas.refusal import Reason

DAY_QUARTERS = 96
HOLIDAY = 7
"""The class of a holiday, whatever weekday it is."""
SLOTS = (HOLIDAY + 1) * DAY_QUARTERS
ROWS_A_MESSAGE = 100
"""Most rows of one message: with them it stays below a quarter of the largest message."""
FIGURES = ("mean", "sd", "low", "middle", "high")
"""The figures of a slot, in the order of `BaselineRows`."""

_FIRST_US, _LAST_US = 0, 7_258_118_400_000_000  # 1970 to 2200
_QUARTER_US = 900_000_000
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MANTISSA = 1 << 11


def _slots(kind: pa.DataType) -> pa.DataType:
    return pa.list_(required("item", kind), SLOTS)


BASELINES = pa.schema([
    required("kind", pa.uint8()),
    required("place", pa.int32()),
    required("vehicle_class", pa.string()),
    required("measure", pa.uint8()),
    required("computed_at", pa.int64()),
    *(required(name, _slots(pa.float32())) for name in FIGURES),
    required("weeks", _slots(pa.uint8())),
    required("grain_s", _slots(pa.uint16())),
])
"""Columns of a message of kind `baseline`; see `BaselineRows`."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class BaselineRows:
    """Rows of one length; figures have the shape rows x `SLOTS` and are NaN where nothing is known.

    Parameters
    ----------
    kind : uint8 array
        0 zone, 1 gate, 2 road.
    place : int32 array
        Number in `CITY.ids`.
    vehicle_class : list of str
        Of roads, else empty.
    measure : uint8 array
        A `schemas.reading.Metric`: people (mean number present), in, out or vehicles (in a quarter), speed (km/h).
    computed_at_us : int64 array
        When it was computed, microseconds since 1970, UTC; the newest of a place and measure holds.
    mean : float32 array
    sd : float32 array
        How the expected figure differs from week to week, with what is not known of the mean; the scatter of
        counting itself and the noise of the release are not in it. Of a speed: of the quarter's speed.
    low, middle, high : float32 array
        Quantiles 0.05, 0.5 and 0.95 of the quarter's figure, counting scatter included.
    weeks : uint8 array
        How many days are behind the figures.
    grain_s : uint16 array
        The coarsest published cell behind them: 900, 3600 or 21600; 0 without any.
    lessons : tuple of Lesson
        What the forecast learns from published windows; of whole sites, so of no row. A message without any is sound.
    """

    kind: npt.NDArray[np.uint8]
    place: npt.NDArray[np.int32]
    vehicle_class: list[str]
    measure: npt.NDArray[np.uint8]
    computed_at_us: npt.NDArray[np.int64]
    mean: Floats
    sd: Floats
    low: Floats
    middle: Floats
    high: Floats
    weeks: npt.NDArray[np.uint8]
    grain_s: npt.NDArray[np.uint16]
    lessons: tuple[Lesson, ...] = ()

    def __len__(self) -> int:
        return len(self.vehicle_class)

    def keys(self) -> list[tuple[int, int, str, int]]:
        """Kind, place, class and measure of each row: what it is a baseline of."""
        return list(zip(self.kind.tolist(), self.place.tolist(), self.vehicle_class, self.measure.tolist(),
                        strict=True))

    def take(self, rows: npt.NDArray[np.intp]) -> Self:
        """Some rows, in the order given, without lessons."""
        values: dict[str, Any] = {}
        for one in _columns(self):
            value = getattr(self, one.name)
            values[one.name] = [value[at] for at in rows.tolist()] if isinstance(value, list) else value[rows]
        return type(self)(**values)

    def joined(self, other: Self) -> Self:
        """These rows, then the others, without lessons."""
        values: dict[str, Any] = {}
        for one in _columns(self):
            mine, theirs = getattr(self, one.name), getattr(other, one.name)
            values[one.name] = mine + theirs if isinstance(mine, list) else np.concatenate([mine, theirs])
        return type(self)(**values)


def _columns(rows: BaselineRows) -> list[Field[Any]]:
    return [one for one in fields(rows) if one.name != "lessons"]


def no_rows() -> BaselineRows:
    """No baseline at all."""
    empty = np.zeros((0, SLOTS), np.float32)
    return BaselineRows(
        np.zeros(0, np.uint8), np.zeros(0, np.int32), [], np.zeros(0, np.uint8), np.zeros(0, np.int64),
        empty, empty, empty, empty, empty, np.zeros((0, SLOTS), np.uint8), np.zeros((0, SLOTS), np.uint16))


def rounded(figures: npt.ArrayLike) -> Floats:
    """To eleven binary digits (three decimal ones): more is not known, and what is not said packs better."""
    mantissa, exponent = np.frexp(np.asarray(figures, np.float64))
    cut: npt.NDArray[np.float64] = np.ldexp(np.rint(mantissa * _MANTISSA) / _MANTISSA, exponent)
    return cut.astype(np.float32)


def encode_baseline(rows: BaselineRows) -> bytes:
    """As an Arrow IPC stream, and behind it a second one of its lessons where it has any."""
    columns: list[pa.Array] = [
        pa.array(rows.kind, pa.uint8()), pa.array(rows.place, pa.int32()), pa.array(rows.vehicle_class, pa.string()),
        pa.array(rows.measure, pa.uint8()), pa.array(rows.computed_at_us, pa.int64()),
    ]
    for name in (*FIGURES, "weeks", "grain_s"):
        values = np.ascontiguousarray(getattr(rows, name)).reshape(-1)
        columns.append(pa.FixedSizeListArray.from_arrays(pa.array(values), type=BASELINES.field(name).type))
    encoded = encode_stream(pa.RecordBatch.from_arrays(columns, schema=BASELINES), "zstd")
    return encoded + encode_lessons(rows.lessons) if rows.lessons else encoded


def decode_baseline(encoded: bytes) -> BaselineRows:
    """Read what `encode_baseline` wrote.

    Raises
    ------
    RefusedError
        `malformed` for anything else, `bad-value` for figures that no baseline can have.
    """
    source = pa.BufferReader(encoded)
    batch = decode_stream(source, BASELINES, "a baseline")
    rest = source.read()
    plain = {name: batch[name].to_numpy(zero_copy_only=False).copy() for name in ("kind", "place", "measure")}
    tables = {name: _table(batch[name]) for name in (*FIGURES, "weeks", "grain_s")}
    rows = BaselineRows(
        vehicle_class=batch["vehicle_class"].to_pylist(),
        computed_at_us=batch["computed_at"].to_numpy(zero_copy_only=False).copy(), **plain, **tables,
        lessons=decode_lessons(rest) if rest else ())
    _check(rows)
    return rows


def _table(column: pa.FixedSizeListArray) -> npt.NDArray[Any]:
    flat: npt.NDArray[Any] = column.flatten().to_numpy(zero_copy_only=False).copy()
    return flat.reshape(len(column), SLOTS)


def _check(rows: BaselineRows) -> None:
    if len(set(rows.keys())) != len(rows):
        raise RefusedError(Reason.BAD_VALUE, "a baseline names a place and measure twice")
    if not ((rows.computed_at_us >= _FIRST_US) & (rows.computed_at_us < _LAST_US)).all():
        raise RefusedError(Reason.BAD_TIME, "a baseline is stamped outside 1970 to 2200")
    for name in FIGURES:
        values = getattr(rows, name)
        if np.isinf(values).any() or (values < 0).any():
            raise RefusedError(Reason.BAD_VALUE, f"a baseline's {name} is negative or infinite")


@lru_cache(maxsize=64)
def holidays(year: int) -> frozenset[dt.date]:
    """The days that are lived as a Sunday or a feast in the Netherlands, by law or by habit.

    King's Day is on the 26th where the 27th of April is a Sunday. Liberation Day counts every year: its crowds do.
    """
    easter = _easter(year)
    kings_day = dt.date(year, 4, 27)
    moved = [easter + dt.timedelta(days) for days in (-2, 0, 1, 39, 49, 50)]
    fixed = [dt.date(year, month, day) for month, day in ((1, 1), (5, 5), (12, 25), (12, 26), (12, 31))]
    return frozenset([*moved, *fixed, kings_day - dt.timedelta(kings_day.weekday() == 6)])


def _easter(year: int) -> dt.date:
    """Easter Sunday by the anonymous Gregorian rule."""
    century, within = divmod(year, 100)
    golden = year % 19
    epact = (19 * golden + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (within // 4) - epact - within % 4) % 7
    shift = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * shift + 114, 31)
    return dt.date(year, month, day + 1)


def slot_of(at_us: int, timezone: str) -> int:
    """The slot of an instant (microseconds since 1970, UTC) on the clocks of `timezone`."""
    local = (_EPOCH + dt.timedelta(microseconds=at_us)).astimezone(ZoneInfo(timezone))
    day = HOLIDAY if local.date() in holidays(local.year) else local.weekday()
    return day * DAY_QUARTERS + local.hour * 4 + local.minute // 15


def slots_of(start_us: npt.NDArray[np.int64], timezone: str) -> npt.NDArray[np.int64]:
    """`slot_of` of many instants; each quarter hour is looked up once."""
    quarters, at = np.unique(start_us // _QUARTER_US, return_inverse=True)
    found = [slot_of(quarter * _QUARTER_US, timezone) for quarter in quarters.tolist()]
    return np.asarray(found, np.int64)[at]
