# SPDX-License-Identifier: Apache-2.0
"""Surges and incidents against a simulated truth, and surges against labelled days of New York's taxis.

Every detector gets a threshold of its own, chosen on control days without a surge so that all of them cry wolf
equally often; then they are scored on other days. An alarm is an onset, at the END of the interval that shows it.
"""

import csv
import datetime as dt
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.truth.section import Goal, Section
from schemas.baseline import BaselineRows
from streams.core.baseline_figures import QUARTER_US, Samples, count_tables, samples_of
from streams.core.baselines import SIDES, Baselines
from streams.core.incident import LIMIT, Incidents
from streams.core.layout import Layout, PlaceKind
from streams.core.privacy import band
from streams.core.surge import EVENT, LOW, NORMAL, RAISE_FROM, Surges
from tests.core.places import bare_layout

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

ZONE = "UTC"
MONDAY_US = 1_772_409_600_000_000  # 2 March 2026, 00:00 UTC; no holiday in the eight weeks after it
DAY_US = 86_400_000_000
QUARTERS = 96
HISTORY_WEEKS, CONTROL_WEEKS, TEST_WEEKS = 6, 1, 2
RATES = (0.1, 0.5)
NOISE_SD = 5.0
TAXI_ONSETS = (5, 10, 20)
TAXI_HISTORY_WEEKS = 8
DATA = Path(os.environ.get("DRUKTE_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))


@dataclass(frozen=True, slots=True)
class Weeks:
    """Counts of places by quarter, and when a surge was put in: arrays places x quarters, NaN-free."""

    count: Ints
    surge: Mask
    onset: list[list[int]]


def sections(short: bool, seed: int) -> list[Section]:
    """The tables of this part; `short` takes fewer places and days, and no taxis."""
    rng = np.random.default_rng(seed)
    if short:
        return [*_surges(rng, 10, 1), *_incidents(rng, 8, 1)]
    return [*_surges(rng, 40, TEST_WEEKS), *_incidents(rng, 30, 4), *_taxis()]


def _simulated(rng: np.random.Generator, places: int, weeks: int, surges_a_week: float, size: Floats) -> Weeks:
    """People present: a day with two humps, weather that lasts a day, noise that lasts an hour, and surges."""
    quarters = weeks * 7 * QUARTERS
    hour = np.arange(quarters) / 4 % 24
    weekday = np.arange(quarters) // QUARTERS % 7
    shape = 0.08 + np.exp(-((hour - 13) / 3) ** 2) + 0.8 * np.exp(-((hour - 20) / 2) ** 2)
    shape = shape * np.where(weekday >= 5, 1.4, 1.0)
    weather = np.repeat(rng.lognormal(0, 0.15, (places, weeks * 7)), QUARTERS, axis=1)
    slow = np.zeros((places, quarters))
    steps = rng.normal(0, 0.08, (places, quarters))
    for at in range(1, quarters):
        slow[:, at] = 0.75 * slow[:, at - 1] + steps[:, at]
    mean = size[:, None] * shape * weather * np.exp(slow)
    surge, onsets = np.zeros((places, quarters), np.bool_), []
    for place in range(places):
        mine: list[int] = []
        for start in np.sort(rng.integers(QUARTERS, quarters - 16, rng.poisson(surges_a_week * weeks))).tolist():
            length = int(rng.integers(3, 13))
            if surge[place, max(start - 24, 0) : start + length + 24].any() or not 9 <= hour[start] <= 22:
                continue
            extra = rng.uniform(0.6, 2.0) * size[place]
            ramp = np.minimum(np.arange(1, length + 1) / 3, 1.0)
            mean[place, start : start + length] += extra * ramp
            surge[place, start : start + length] = True
            mine.append(start)
        onsets.append(mine)
    return Weeks(rng.poisson(mean).astype(np.int64), surge, onsets)


def _baselines(history: Weeks, layout: Layout, rng: np.random.Generator) -> tuple[Baselines, BaselineRows]:
    """From noisy published quarters, as the daily job makes them. Surges that nobody labelled stay in."""
    places, quarters = history.count.shape
    row = np.repeat(np.arange(places), quarters)
    start_us = np.tile(MONDAY_US + np.arange(quarters) * QUARTER_US, places)
    grain = np.full(len(row), 900)
    noisy = history.count.reshape(-1).astype(np.float64) + np.rint(rng.normal(0, NOISE_SD, len(row)))
    samples = samples_of(row, start_us, grain, noisy, np.full(len(row), NOISE_SD), np.zeros(len(row), np.bool_), ZONE)
    return _of_samples(samples, layout)


def _of_samples(samples: Samples, layout: Layout) -> tuple[Baselines, BaselineRows]:
    places = len(layout.place_kind)
    tables = count_tables(samples, places)
    rows = BaselineRows(
        np.zeros(places, np.uint8), layout.place_number, [""] * places, np.ones(places, np.uint8),
        np.full(places, MONDAY_US), tables.mean, tables.sd, tables.low, tables.middle, tables.high, tables.weeks,
        tables.grain_s)
    found = Baselines(layout, ZONE)
    found.take(rows)
    return found, rows


def _scores(weeks: Weeks, first_us: int, layout: Layout, baselines: Baselines,
            bands: Callable[[Ints], tuple[Ints, Ints]]) -> dict[str, Floats]:
    """Each detector's score by place and quarter; the higher, the more of a surge."""
    places, quarters = weeks.count.shape
    low, high = bands(weeks.count)
    surges = Surges(layout, QUARTER_US)
    place, seen = np.arange(places), np.zeros((SIDES, places), np.bool_)
    seen[0] = True
    found = {name: np.zeros((places, quarters)) for name in ("filter", "poisson", "fixed")}
    for at in range(quarters):
        start_us = first_us + at * QUARTER_US
        both = np.zeros((2, SIDES, places))
        both[0, 0], both[1, 0] = low[:, at], high[:, at]
        surges.closed(place, np.full(places, start_us), both[0], both[1], seen, baselines)
        chance = surges.chance[:, 0]
        found["filter"][:, at] = np.log(chance[EVENT] + 1e-200) - np.log(chance[NORMAL] + chance[LOW] + 1e-200)
        usual = np.maximum(baselines.at(start_us).mean[0], 0.5)
        found["poisson"][:, at] = (low[:, at] - usual) / np.sqrt(usual)
        found["fixed"][:, at] = low[:, at]
    return found


def _onsets(score: Floats, threshold: float) -> list[int]:
    """Where a score comes to a threshold from below; within an hour of the last one it is the same alarm."""
    over = score >= threshold
    rises = np.flatnonzero(over & ~np.concatenate([[False], over[:-1]])).tolist()
    ends = {at: at + int(np.argmin(np.append(over[at:], False))) for at in rises}
    found: list[int] = []
    until = -1
    for at in rises:
        if at > until + 4:
            found.append(at)
        until = ends[at]
    return found


def _threshold(control: Floats, alarms: float) -> float:
    """The lowest threshold with which all places together give at most so many alarms on control days."""
    tried = np.unique(np.quantile(control, 1 - np.geomspace(1e-5, 0.5, 300)))
    for value in tried.tolist():
        if sum(len(_onsets(row, value + 1e-9)) for row in control) <= alarms:
            return float(value) + 1e-9
    return float(control.max()) + 1e-9


def _judged(weeks: Weeks, score: Floats, threshold: float | Floats, minutes: float) -> tuple[float, float, float]:
    """Share of surges found, false alarms a place and day, median delay in minutes."""
    limits = np.broadcast_to(threshold, len(score))
    hits, false, delays, total = 0, 0, [], 0
    for place, row in enumerate(score):
        alarms = _onsets(row, float(limits[place]))
        total += len(weeks.onset[place])
        used: set[int] = set()
        for start in weeks.onset[place]:
            length = int(np.argmin(np.append(weeks.surge[place, start:], False)))
            inside = [at for at in alarms if start <= at < start + length]
            used.update(at for at in alarms if start <= at < start + length + 4)
            if inside:
                hits += 1
                delays.append((inside[0] - start + 1) * minutes)
        false += len([at for at in alarms if at not in used])
    days = score.size * minutes / 1440
    return hits / max(total, 1), false / days, float(np.median(delays)) if delays else float("nan")


def _surges(rng: np.random.Generator, places: int, weeks: int) -> list[Section]:
    layout = bare_layout([PlaceKind.ZONE] * places, span_us=QUARTER_US)
    size = np.exp(rng.uniform(np.log(15), np.log(1500), places))
    history = _simulated(rng, places, HISTORY_WEEKS, 0.3, size)
    control = _simulated(rng, places, CONTROL_WEEKS, 0.0, size)
    test = _simulated(rng, places, weeks, 3.0, size)
    baselines, _ = _baselines(history, layout, rng)
    rows, goals = [], []
    later_us = MONDAY_US + HISTORY_WEEKS * 7 * DAY_US
    banded = [_scores(one, later_us, layout, baselines, band) for one in (control, test)]
    exact = [_scores(one, later_us, layout, baselines, lambda count: (count, count)) for one in (control, test)]
    methods = {
        "filter on bands (ours)": (banded, "filter"), "filter on exact counts": (exact, "filter"),
        "Poisson z of bands, one threshold": (banded, "poisson"), "band, a threshold for each place": (banded, "fixed"),
    }
    for rate in RATES:
        found: dict[str, float] = {}
        for name, (scores, kind) in methods.items():
            quiet, busy = scores[0][kind], scores[1][kind]
            days = CONTROL_WEEKS * 7
            threshold: float | Floats = (
                np.array([_threshold(row[None, :], rate * days) for row in quiet]) if kind == "fixed"
                else _threshold(quiet, rate * days * places))
            share, false, delay = _judged(test, busy, threshold, 15.0)
            found[name] = share
            rows.append([f"{rate:g}", name, f"{100 * share:.1f}", f"{false:.2f}", f"{delay:.0f}"])
        goals += [
            Goal(f"surges found at {rate:g} false alarms a place and day, ours less: {other}",
                 found["filter on bands (ours)"] - found[other], low=0.0) for other in list(methods)[2:]
        ]
    share, false, delay = _judged(test, banded[1]["filter"], float(np.log(RAISE_FROM / (1 - RAISE_FROM))), 15.0)
    rows.append(["as set", f"filter on bands, chance {RAISE_FROM:g}", f"{100 * share:.1f}", f"{false:.2f}",
                 f"{delay:.0f}"])
    total = sum(len(one) for one in test.onset)
    return [Section(
        "Surges in simulated weeks",
        f"{places} zones of 15 to 1,500 people; weather and the hour's own noise make days differ by some 15 %. "
        f"Baselines from {HISTORY_WEEKS} weeks of cells with release noise (sd 5) and some unlabelled surges; "
        f"thresholds from {CONTROL_WEEKS} week without surges; {total} surges in {weeks} other weeks, of 0.6 to 2 "
        "times the zone's size, rising over 45 min. Steps of 15 min; an alarm counts while the surge lasts, at the "
        "end of its interval. The simulation's days are kinder than real ones.",
        ["false alarms aimed at (a place and day)", "detector", "found (%)", "false alarms (a place and day)",
         "delay (min, median)"], rows, goals)]


def _road_days(rng: np.random.Generator, free: Floats, days: int, *, incidents: bool) -> tuple[Floats, Floats, Weeks]:
    """Minutes of speed and flow: noise with memory, a rush hour with slow traffic on some days, incidents."""
    roads, minutes = len(free), days * 1440
    hour = np.arange(minutes) / 60 % 24
    demand = 5 + 30 * np.exp(-((hour - 8.2) / 1.5) ** 2) + 32 * np.exp(-((hour - 17.2) / 1.8) ** 2)
    demand = demand + 12 * ((hour > 6) & (hour < 22))
    rush = np.exp(-((hour - 8.2) / 0.9) ** 4) + np.exp(-((hour - 17.2) / 1.1) ** 4)
    depth = np.repeat(np.clip(rng.normal(0.18, 0.15, (roads, days)), 0, 0.6), 1440, axis=1)
    noise = np.zeros((roads, minutes))
    shocks = rng.normal(0, 0.022, (roads, minutes))
    for at in range(1, minutes):
        noise[:, at] = 0.6 * noise[:, at - 1] + shocks[:, at]
    speed = free[:, None] * (1 - depth * rush) * (1 + noise)
    happened, onsets = np.zeros((roads, minutes), np.bool_), []
    share = np.ones((roads, minutes))
    for road in range(roads):
        mine: list[int] = []
        for day in range(days if incidents else 0):
            start = day * 1440 + int(rng.integers(6 * 60, 21 * 60))
            length = int(rng.integers(15, 60))
            severity = rng.uniform(0.25, 0.7)
            ramp = np.minimum(np.arange(1, length + 1) / 4, 1.0)
            speed[road, start : start + length] *= 1 - severity * ramp
            share[road, start : start + length] -= 0.6 * severity * ramp
            happened[road, start : start + length] = True
            mine.append(start)
        onsets.append(mine)
    flow = rng.poisson(demand * share).astype(np.float64)
    speed = np.where(rng.random(speed.shape) < 0.01, np.nan, np.maximum(speed, 3.0))
    return speed, flow, Weeks(np.zeros((roads, 0), np.int64), happened, onsets)


def _road_scores(speed: Floats, flow: Floats, free: Floats, layout: Layout) -> dict[str, Floats]:
    detector = Incidents(layout)
    roads, minutes = speed.shape
    place = np.arange(roads)
    found = {name: np.full((roads, minutes), -1e9) for name in ("both", "snd", "ewma", "fixed")}
    for at in range(minutes):
        step = detector.closed(place, np.full(roads, (at + 1) * 60_000_000), speed[:, at], flow[:, at])
        for name, value in (("both", step.score), ("snd", step.snd), ("ewma", step.ewma),
                            ("fixed", -step.smoothed_km_h / free)):
            found[name][:, at] = np.where(np.isnan(value), -1e9, value)
    return found


def _incidents(rng: np.random.Generator, roads: int, days: int) -> list[Section]:
    layout = bare_layout([PlaceKind.ROAD] * roads, span_us=60_000_000)
    free = rng.uniform(60, 110, roads)
    quiet = _road_scores(*_road_days(rng, free, days, incidents=False)[:2], free, layout)
    speed, flow, truth = _road_days(rng, free, days, incidents=True)
    busy = _road_scores(speed, flow, free, layout)
    names = {"both": "SND and EWMA (ours)", "snd": "SND", "ewma": "EWMA",
             "fixed": "smoothed speed, a fixed share of free flow"}
    rows, goals = [], []
    for rate in (0.5, 2.0):
        found: dict[str, float] = {}
        for kind, name in names.items():
            threshold = _threshold(quiet[kind], rate * days * roads)
            share, false, delay = _judged(truth, busy[kind], threshold, 1.0)
            found[kind] = share
            rows.append([f"{rate:g}", name, f"{100 * share:.1f}", f"{false:.2f}", f"{delay:.0f}"])
        goals.append(Goal(f"incidents found at {rate:g} false alarms a road and day, ours less fixed threshold",
                          found["both"] - found["fixed"], low=0.0))
    share, false, delay = _judged(truth, busy["both"], LIMIT, 1.0)
    rows.append(["as set", f"SND and EWMA from {LIMIT:g} sd", f"{100 * share:.1f}", f"{false:.2f}", f"{delay:.0f}"])
    return [Section(
        "Incidents on simulated roads",
        f"{roads} roads of 60 to 110 km/h, {days} days with one incident a day (speed falls by 25 to 70 % within 4 "
        "min, 15 to 60 min long) and as many control days for the thresholds; rush hours are slower by 0 to 60 %, "
        "differently each day; 1 % of minutes is missing. One detector a road, at the incident. Without a baseline by "
        "time of the week: what is usual is learned from the last half hour.",
        ["false alarms aimed at (a road and day)", "detector", "found (%)", "false alarms (a road and day)",
         "delay (min, median)"], rows, goals)]


def _taxis() -> list[Section]:
    folder = DATA / "nab"
    with (folder / "nyc_taxi.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    starts = [dt.datetime.fromisoformat(line["timestamp"]).replace(tzinfo=dt.UTC) for line in lines]
    start_us = np.array([round(one.timestamp()) * 1_000_000 for one in starts], np.int64)
    count = np.array([int(line["value"]) for line in lines], np.int64)
    labels = json.loads((folder / "windows.json").read_text())["realKnownCause/nyc_taxi.csv"]
    windows = [tuple(round(dt.datetime.fromisoformat(one).replace(tzinfo=dt.UTC).timestamp()) * 1_000_000
                     for one in pair) for pair in labels]
    scores = _taxi_scores(start_us, count)
    rows, found = [], {}
    first = TAXI_HISTORY_WEEKS * 7 * 48
    for onsets in TAXI_ONSETS:
        for name, score in scores.items():
            alarms = _top_onsets(score[first:], onsets)
            hit = sum(any(begin <= start_us[first + at] <= end for at in alarms) for begin, end in windows)
            found[name, onsets] = hit
            rows.append([str(onsets), name, f"{hit} of {len(windows)}", str(len(alarms))])
    goals = [Goal(f"taxi events found with {onsets} onsets, ours less Poisson z",
                  found["filter (ours)", onsets] - found["Poisson z", onsets], low=0.0) for onsets in TAXI_ONSETS]
    return [Section(
        "Surges and lows in New York's taxi trips",
        f"Numenta's nyc_taxi.csv, half hours; weeks 1 to {TAXI_HISTORY_WEEKS} are history, then the baseline is made "
        "anew each week from the eight before. Five labelled windows (marathon, Thanksgiving, Christmas, New Year, "
        "snow storm), so 2.5 to 5 days wide that a hit is easy; the labels are not complete, so recall at a stated "
        "number of onsets and no precision. Exact counts: they are public. Local holidays are not known to it.",
        ["onsets allowed", "detector", "windows found", "onsets given"], rows, goals)]


def _top_onsets(score: Floats, onsets: int) -> list[int]:
    """Alarms at the lowest threshold that gives at most so many, a day apart."""
    for value in np.unique(np.quantile(score, 1 - np.geomspace(1e-4, 0.3, 400))).tolist():
        alarms: list[int] = []
        for at in _onsets(score, value + 1e-9):
            if not alarms or at - alarms[-1] >= 48:
                alarms.append(at)
        if len(alarms) <= onsets:
            return alarms
    return []


def _taxi_scores(start_us: Ints, count: Ints) -> dict[str, Floats]:
    """How far each half hour is from usual, in either direction."""
    layout = bare_layout([PlaceKind.ZONE], span_us=2 * QUARTER_US)
    surges = Surges(layout, 2 * QUARTER_US)
    seen, place = np.array([[True], [False]]), np.zeros(1, np.intp)
    found = {name: np.zeros(len(count)) for name in ("filter (ours)", "Poisson z")}
    baselines = Baselines(layout, ZONE)
    week = 7 * 48
    for at in range(TAXI_HISTORY_WEEKS * week, len(count)):
        if at % week == 0:
            mine = np.arange(at - TAXI_HISTORY_WEEKS * week, at)
            twice = np.repeat(mine, 2)
            samples = samples_of(
                np.zeros(len(twice), np.int64), start_us[twice] + np.tile([0, QUARTER_US], len(mine)),
                np.full(len(twice), 900), count[twice].astype(np.float64), np.zeros(len(twice)),
                np.zeros(len(twice), np.bool_), ZONE)
            baselines, _ = _of_samples(samples, layout)
        value = np.array([[count[at]], [0]], np.float64)
        surges.closed(place, start_us[at : at + 1], value, value, seen, baselines)
        chance = surges.chance[:, 0, 0]
        found["filter (ours)"][at] = np.log(1 - chance[NORMAL] + 1e-200) - np.log(chance[NORMAL] + 1e-200)
        usual = float(baselines.at(int(start_us[at])).mean[0, 0])
        found["Poisson z"][at] = abs(count[at] - usual) / np.sqrt(max(usual, 1.0))
    return found
