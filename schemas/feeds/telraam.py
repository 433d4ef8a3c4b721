# SPDX-License-Identifier: Apache-2.0
"""Telraam: counts of windows' cameras, an hour or a quarter of an hour a row.

A row gives pedestrians to the left and to the right, and its uptime. Counts are already scaled up by the uptime
and may be fractional: they are handed on as they are. Vehicles, totals and histograms are read past.
"""

from collections.abc import Mapping
from typing import Final

from schemas.city import Source
from schemas.errors import RefusedError
from schemas.feeds.format import Context, Format
from schemas.feeds.json_body import NoNumberError, name_or_none, number_or_none, parse_json
from schemas.feeds.local_time import parse_stamp
from schemas.feeds.observed import Observation, Observed, refuse_persons
from schemas.reading import QUALITY_FULL, Metric, NoValue
from schemas.refusal import Reason

SPAN_S: Final = {"hourly": 3600, "per-hour": 3600, "quarterly": 900, "per-quarter": 900}
"""Length of a row by its `interval`."""
DIRECTIONS: Final = {"pedestrian_lft": "lft", "pedestrian_rgt": "rgt"}
ENVELOPE: Final = "report"
"""The field of an answer that holds the rows."""
NOT_ASKED = "-1"
"""Stands for an id that the request did not ask for."""
VALUES_A_ROW = len(DIRECTIONS) + 1
_NAMING = frozenset({"segment_id", "instance_id", "date", "interval", "uptime", "timezone", "direction", *DIRECTIONS})
_MODES = ("heavy", "car", "bike", "pedestrian", "night", "mode_bus", "mode_car", "mode_truck", "mode_lighttruck",
          "mode_motorcycle", "mode_stroller", "mode_tractor", "mode_trailer", "mode_bicycle", "mode_pedestrian",
          "mode_night", "bus", "truck", "lighttruck", "motorcycle", "stroller", "tractor", "trailer")
PASSED: Final = frozenset({
    *_MODES, *(f"{mode}_{side}" for mode in _MODES for side in ("lft", "rgt")),
    "car_speed_hist_0to70plus", "car_speed_hist_0to120plus", "v85", "brightness", "sharpness",
} - _NAMING)
"""Fields that nothing is read from, counted by name; others count as `other_fields`."""


def decode(body: bytes, source: Source, context: Context) -> Observed:  # noqa: ARG001  the row says all
    """Read a row, an array of rows, or the answer of the API with its rows in `report`.

    Each row gives three values: passages `lft` and `rgt` with the uptime as quality, and the uptime itself; what it
    lacks is missing. A row that cannot be read counts as three refused values.

    Raises
    ------
    RefusedError
        `person-level`; `malformed`: no JSON, or no rows.
    """
    document = parse_json(body)
    refuse_persons(document)
    observed = Observed()
    for where, row in _rows(document, observed):
        _read(row, where, observed)
    return observed


def _rows(document: object, observed: Observed) -> list[tuple[str, object]]:
    prefix = "$"
    if isinstance(document, dict) and ENVELOPE in document:
        observed.passed("envelope_fields", len(document) - 1)
        document, prefix = document[ENVELOPE], f"$.{ENVELOPE}"
    if isinstance(document, list):
        return [(f"{prefix}[{at}]", row) for at, row in enumerate(document)]
    if isinstance(document, dict) and "date" in document:
        return [(prefix, document)]
    raise RefusedError(Reason.MALFORMED, "body holds no Telraam rows: an object with `date`, or an array of them")


def _read(row: object, where: str, observed: Observed) -> None:
    if not isinstance(row, dict):
        observed.refuse(Reason.MALFORMED, where, "a row is a JSON object", VALUES_A_ROW)
        return
    for name in row.keys() - _NAMING:
        observed.passed(name if name in PASSED else "other_fields")
    device, interval, date = device_of(row), row.get("interval"), row.get("date")
    begin_us = parse_stamp(date, None) if isinstance(date, str) else None
    if device is None:
        observed.refuse(Reason.UNKNOWN_SENSOR, where, "neither `segment_id` nor `instance_id`", VALUES_A_ROW)
    elif begin_us is None or not begin_us.is_time:
        observed.refuse(Reason.BAD_TIME, where, "`date` is no time with an offset", VALUES_A_ROW)
    elif not isinstance(interval, str) or interval not in SPAN_S:
        observed.refuse(Reason.BAD_SPAN, where, f"`interval` is none of {', '.join(SPAN_S)}", VALUES_A_ROW)
    else:
        end_us = begin_us.first_us + SPAN_S[interval] * 1_000_000
        _read_values(row, device, (begin_us.first_us, end_us), where, observed)


def device_of(row: Mapping[str, object]) -> str | None:
    """The `vendor_id` of a row: `SEGMENT/INSTANCE`, `SEGMENT`, or `instance-INSTANCE` where it has no segment."""
    segment, instance = (
        None if (name := name_or_none(row.get(field))) == NOT_ASKED else name
        for field in ("segment_id", "instance_id")
    )
    if segment is None:
        return None if instance is None else f"instance-{instance}"
    return segment if instance is None else f"{segment}/{instance}"


def _read_values(
    row: Mapping[str, object], device: str, span_us: tuple[int, int], where: str, observed: Observed
) -> None:
    try:
        uptime = number_or_none(row.get("uptime"))
    except NoNumberError:
        uptime = -1.0
    if uptime is not None and not 0 <= uptime <= 1:
        observed.refuse(Reason.BAD_VALUE, where, "`uptime` is no number from 0 to 1", VALUES_A_ROW)
        return
    quality = QUALITY_FULL if uptime is None else uptime * QUALITY_FULL
    observed.observations.append(Observation(device, Metric.UPTIME, *span_us, uptime, where, quality=QUALITY_FULL))
    for name, direction in DIRECTIONS.items():
        try:
            count = number_or_none(row.get(name))
        except NoNumberError:
            observed.refuse(Reason.BAD_VALUE, f"{where}.{name}", "a count is a finite number or null")
            continue
        why = NoValue.NULL
        if count is not None and count < 0:
            count, why = None, NoValue.NEGATIVE
        elif uptime == 0:  # nobody looked: a zero here is no empty street
            count, why = None, NoValue.DATA_ERROR
        observed.observations.append(Observation(
            device, None, *span_us, count, where, direction=direction, quality=quality, no_value=why))


def looks_like(body: bytes) -> bool:
    """Whether `body` looks like Telraam's rows."""
    head = body[:4096]
    return b'"uptime"' in head and (b'"segment_id"' in head or b'"instance_id"' in head)


FORMAT = Format(
    key="telraam",
    title="Telraam (traffic API)",
    semantics="in, out: interval (an hour or a quarter); uptime: interval",
    decode=decode,
    looks_like=looks_like,
    proven=False,
    notes="`in_direction` is `lft` or `rgt`. Fractional counts are scaled by the vendor already. A month's rows are "
          "issued anew later: corrections.",
)
