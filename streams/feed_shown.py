# SPDX-License-Identifier: Apache-2.0
"""What a trial of a feed may show: readings and measures, people as bands, nothing that names a person or device."""

import re
import statistics
from collections.abc import Iterable
from itertools import pairwise

import msgspec

from schemas.feeds.observed import IN, OUT, Observation
from schemas.reading import Metric
from streams.core.privacy import FIRST_BAND, band

EXACT_METRICS = (Metric.VEHICLES, Metric.SPEED, Metric.DEVICE_STATE, Metric.UPTIME)
"""Shown as they are; all others are about people and shown as bands."""
TEXT_CHARACTERS = 200
ADDRESS = "(an address)"
DIRECTION = "direction"
"""Stands for a metric where the city file's `in_direction` has to tell in from out."""
_HARDWARE_ADDRESS = re.compile(r"(?<![0-9A-Fa-f])([0-9A-Fa-f]{2}[:-]){5,7}[0-9A-Fa-f]{2}(?![0-9A-Fa-f])")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One reading as it is shown; times in microseconds since 1970, UTC; `value` as text, people as a band."""

    sensor: str
    metric: str
    begin_us: int
    end_us: int
    value: str


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What one measure of one sensor looks like in the file.

    Parameters
    ----------
    sensor : str
        Its key in the city file, or the name that the file gives it.
    known : bool
        Whether the city file has it.
    metric : str
        A metric's key, or `direction` where the city file's `in_direction` has to tell in from out.
    directions : list of str
        As the file says them.
    readings, missing, repeats : int
        With and without a value; those of them whose begin was there before.
    first_us, last_us : int
        Begin of the first, end of the last.
    span_s : float or None
        Length of the intervals, 0 for instants; None where they differ.
    every_s : float or None
        Between two begins, the lower median; None where there is only one.
    """

    sensor: str
    known: bool
    metric: str
    directions: list[str]
    readings: int
    missing: int
    repeats: int
    first_us: int
    last_us: int
    span_s: float | None
    every_s: float | None


def metric_name(one: Observation) -> str:
    """The metric's key, `in`, `out`, or `direction` where something else has to tell."""
    if one.metric is not None:
        return one.metric.key
    return one.direction if one.direction in (IN, OUT) else DIRECTION


def seen(readings: Iterable[Observation], *, known: bool) -> list[Seen]:
    """What the measures of each sensor look like, in the order in which they first appear."""
    groups: dict[tuple[str, str], list[Observation]] = {}
    for one in readings:
        groups.setdefault((one.device, metric_name(one)), []).append(one)
    return [_seen_measure(device, metric, group, known) for (device, metric), group in groups.items()]


def _seen_measure(device: str, metric: str, group: list[Observation], known: bool) -> Seen:
    begins = sorted({(one.begin_us, one.direction) for one in group})
    moments = sorted({begin for begin, _ in begins})
    spans = {one.end_us - one.begin_us for one in group}
    steps = [after - before for before, after in pairwise(moments)]
    missing = sum(one.value is None for one in group)
    return Seen(
        sensor=clean(device), known=known, metric=metric,
        directions=sorted({clean(one.direction) for one in group} - {""}),
        readings=len(group) - missing, missing=missing, repeats=len(group) - len(begins),
        first_us=moments[0], last_us=max(one.end_us for one in group),
        span_s=spans.pop() / 1e6 if len(spans) == 1 else None,
        every_s=statistics.median_low(steps) / 1e6 if steps else None,
    )


def row(one: Observation) -> Row:
    """One reading as it is shown."""
    metric = metric_name(one)
    if metric == DIRECTION:
        metric = f"{DIRECTION} {clean(one.direction)}"
    return Row(sensor=clean(one.device), metric=metric, begin_us=one.begin_us, end_us=one.end_us,
               value=shown_value(one.metric, one.value))


def shown_value(metric: Metric | None, value: float | None) -> str:
    """A value as it may be shown: about people the band, else the number."""
    if value is None:
        return "no value"
    if metric in EXACT_METRICS:
        return f"{value:g}"
    low, high = (int(edge) for edge in band(value))
    return f"<{FIRST_BAND}" if low == 0 else f"{low}-{high}"


def clean(text: str) -> str:
    """A text of the sender's as it may be shown: one printable line, not long, no hardware address in it."""
    shown = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    shown = _HARDWARE_ADDRESS.sub(ADDRESS, shown)
    return shown if len(shown) <= TEXT_CHARACTERS else shown[: TEXT_CHARACTERS - 1] + "…"
