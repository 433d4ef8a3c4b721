# SPDX-License-Identifier: Apache-2.0
"""Values of a publication as columns, and what they say: a number, no value, or nothing readable."""

import math
from collections import Counter

import numpy as np
import numpy.typing as npt

from schemas.feeds.datex2_channels import RoadChannels
from schemas.feeds.decoded import Tally
from schemas.feeds.instants import NO_INSTANT
from schemas.reading import QUALITY_FULL, Batch, Metric, NoValue
from schemas.refusal import Reason

INPUTS_USED = "numberOfInputValuesUsed"
SUPPLIER_QUALITY = "supplierCalculatedDataQuality"


class NumberCache(dict[str | None, float]):
    """Numbers already parsed, since a publication repeats few of them; NaN for what is none."""

    def __missing__(self, text: str | None) -> float:
        """Parse `text` and keep it."""
        number = self[text] = _parsed(text)
        return number


def _parsed(text: str | None) -> float:
    # Python also takes `1_000` and digits of other scripts, which XML Schema does not.
    if text is None or "_" in text or not text.isascii():
        return math.nan
    try:
        return float(text)
    except ValueError:
        return math.nan


class ValueColumns:
    """Values as they stand in the document, gathered one by one."""

    def __init__(self) -> None:
        self._numbers = NumberCache()
        self._row: list[int] = []
        self._begin: list[int] = []
        self._number: list[float] = []
        self._data_error: list[bool] = []
        self._period: dict[int, float] = {}
        self._inputs_used: dict[int, float] = {}
        self._quality: dict[int, float] = {}

    def __len__(self) -> int:
        return len(self._row)

    def append(
        self,
        row: int,
        begin: int,
        number: str | None,
        data_error: bool,
        period: str | None,
        attributes: list[tuple[str, str]],
    ) -> None:
        """Take in one value of the channel `row`.

        Parameters
        ----------
        row : int
            In the arrays of `RoadChannels`.
        begin : int
            Its time, microseconds since 1970, UTC, or `NO_INSTANT`.
        number, period : str, optional
            As text; `period` only where the value has one of its own.
        data_error : bool
        attributes : list of (name, text)
            Of the element that holds the number.
        """
        at = len(self._row)
        self._row.append(row)
        self._begin.append(begin)
        self._number.append(self._numbers[number])
        self._data_error.append(data_error)
        if period is not None:
            self._period[at] = self._numbers[period]
        for name, text in attributes:
            if name == INPUTS_USED:
                self._inputs_used[at] = self._numbers[text]
            elif name == SUPPLIER_QUALITY:
                self._quality[at] = self._numbers[text]

    def readings(
        self, channels: RoadChannels, stamped_at_end: bool, tally: Counter[str]
    ) -> tuple[Batch, Counter[tuple[Reason, str]]]:
        """Readings of what can be read, counts of refused values by reason and site; fills `tally`."""
        row = np.array(self._row, np.intp)
        number = np.array(self._number, np.float64)
        data_error = np.array(self._data_error, np.bool_)
        begin = np.array(self._begin, np.int64)
        span_ms = channels.span_ms[row]
        refused = {
            Reason.BAD_TIME: begin == NO_INSTANT,
            Reason.BAD_SPAN: self._has_other_period(span_ms),
            Reason.BAD_VALUE: ~data_error & ~np.isfinite(number),
        }
        code = np.select(list(refused.values()), range(1, len(refused) + 1), 0)
        counts: Counter[tuple[Reason, str]] = Counter(
            (list(refused)[code[at] - 1], channels.zone[row[at]]) for at in np.flatnonzero(code)
        )
        metric = channels.metric[row]
        reason = _reasons(metric, number, data_error)
        begin[code == 0] -= (span_ms[code == 0].astype(np.int64) * 1000) if stamped_at_end else 0
        weight, quality = self._weights(metric, tally), self._qualities(tally)
        batch = Batch.of(
            sensor=channels.sensor[row],
            metric=metric,
            source=channels.source,
            begin=begin,
            span_ms=span_ms,
            value=np.where(reason == NoValue.NONE, number, np.nan),
            reason=reason,
            weight=weight,
            quality=quality,
        )
        taken = code == 0
        _count(tally, metric[taken], number[taken], data_error[taken], reason[taken])
        return (batch.take(taken) if len(row) else Batch.empty()), counts

    def _has_other_period(self, span_ms: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
        other = np.zeros(len(span_ms), np.bool_)
        for at, period_s in self._period.items():
            other[at] = period_s * 1000 != span_ms[at]
        return other

    def _weights(self, metric: npt.NDArray[np.uint8], tally: Counter[str]) -> npt.NDArray[np.float32]:
        weight = _spread(self._inputs_used, len(metric), np.nan)
        readable = np.isnan(weight) | ((weight >= 0) & np.isfinite(weight))
        unreadable = sum(map(math.isnan, self._inputs_used.values()))
        tally[Tally.UNREADABLE_ATTRIBUTES] += int(np.count_nonzero(~readable)) + unreadable
        return np.where(readable & (metric == Metric.SPEED), weight, np.nan).astype(np.float32)

    def _qualities(self, tally: Counter[str]) -> npt.NDArray[np.uint8]:
        quality = _spread(self._quality, len(self._row), QUALITY_FULL)
        readable = (quality >= 0) & (quality <= QUALITY_FULL)
        tally[Tally.UNREADABLE_ATTRIBUTES] += int(np.count_nonzero(~readable))
        return np.rint(np.where(readable, quality, QUALITY_FULL)).astype(np.uint8)


def _spread(given: dict[int, float], length: int, otherwise: float) -> npt.NDArray[np.float64]:
    column = np.full(length, otherwise, np.float64)
    column[np.fromiter(given, np.intp, len(given))] = np.fromiter(given.values(), np.float64, len(given))
    return column


def _reasons(
    metric: npt.NDArray[np.uint8], number: npt.NDArray[np.float64], data_error: npt.NDArray[np.bool_]
) -> npt.NDArray[np.uint8]:
    """Why a value is none: N4 and N3, then N1 (a negative flow is no flow either), then N2."""
    return np.select(
        [data_error, number < 0, (metric == Metric.SPEED) & (number == 0)],
        [NoValue.DATA_ERROR, NoValue.NEGATIVE, NoValue.NO_VEHICLES],
        NoValue.NONE,
    ).astype(np.uint8)


def _count(
    tally: Counter[str],
    metric: npt.NDArray[np.uint8],
    number: npt.NDArray[np.float64],
    data_error: npt.NDArray[np.bool_],
    reason: npt.NDArray[np.uint8],
) -> None:
    flow, speed = metric == Metric.VEHICLES, metric == Metric.SPEED
    masks = {
        Tally.FLOWS: flow,
        Tally.SPEEDS: speed,
        Tally.USABLE_SPEEDS: speed & (reason == NoValue.NONE),
        Tally.NEGATIVE_SPEEDS: speed & (number < 0),
        Tally.ZERO_SPEEDS: speed & (number == 0),
        Tally.NEGATIVE_FLOWS: flow & (number < 0),
        Tally.ZERO_FLOWS: flow & (number == 0),
        Tally.ZERO_FLOWS_WITH_DATA_ERROR: flow & (number == 0) & data_error,
        Tally.DATA_ERRORS: data_error,
    }
    for name, mask in masks.items():
        tally[name] += int(np.count_nonzero(mask))
