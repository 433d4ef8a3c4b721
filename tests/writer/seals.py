# SPDX-License-Identifier: Apache-2.0
"""Sealed batches for the tests of the release."""

import math
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from schemas.live import Status
from schemas.reading import Metric
from schemas.seal import CELLS, GRAINS_S, Group, Seal

MIDNIGHT_US = 1_780_272_000_000_000
"""2026-06-01T00:00Z."""
SECOND_US = 1_000_000
QUARTER_S, HOUR_S, SIX_HOURS_S = GRAINS_S
Cell = dict[str, Any]


def cell(place: int, metric: Metric, value: float | None, **changes: Any) -> Cell:
    """One cell; without a value it is missing."""
    known = value is not None and not math.isnan(value)
    row: Cell = {
        "place": place, "vehicle_class": "anyVehicle" if metric in (Metric.VEHICLES, Metric.SPEED) else "",
        "metric": int(metric), "value": value if known else None, "weight": 900.0 if known else 0.0,
        "coverage": 1.0 if known else 0.0, "status": int(Status.OK if known else Status.MISSING),
    }
    return row | changes


def seal_of(group: Group, cells: Sequence[Cell], start_s: int = 0, grain_s: int = QUARTER_S, **changes: Any) -> Seal:
    """A batch that begins `start_s` after midnight UTC."""
    start_us = MIDNIGHT_US + start_s * SECOND_US
    given: dict[str, Any] = {
        "site": "centrum", "group": group, "grain_s": grain_s, "start_us": start_us, "zone_map": "0123abcd", "part": 0,
        "sealed_at_us": start_us + (grain_s + 6 * HOUR_S) * SECOND_US,
        "cells": pa.RecordBatch.from_pylist(list(cells), schema=CELLS),
    }
    return Seal(**given | changes)


def people_seal(values: Sequence[float | None], quarter: int = 0, first_place: int = 1, **changes: Any) -> Seal:
    """Person-seconds of zones with consecutive numbers."""
    cells = [cell(first_place + number, Metric.PEOPLE, value) for number, value in enumerate(values)]
    return seal_of(Group.PEOPLE, cells, quarter * QUARTER_S, **changes)


def passages_seal(values: Sequence[tuple[float | None, float | None]], quarter: int = 0, **changes: Any) -> Seal:
    """Passages in and out of gates 1, 2, ..."""
    cells = [cell(gate, metric, value) for gate, pair in enumerate(values, start=1)
             for metric, value in zip((Metric.IN, Metric.OUT), pair, strict=True)]
    return seal_of(Group.PASSAGES, cells, quarter * QUARTER_S, **changes)


def vehicles_seal(vehicles: float | None, speed: float | None, quarter: int = 0, **changes: Any) -> Seal:
    """Road 7: vehicles, and their mean speed."""
    cells = [cell(7, Metric.VEHICLES, vehicles), cell(7, Metric.SPEED, speed, weight=vehicles or 0.0)]
    return seal_of(Group.VEHICLES, cells, quarter * QUARTER_S, **changes)
