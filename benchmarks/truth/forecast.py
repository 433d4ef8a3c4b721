# SPDX-License-Identifier: Apache-2.0
"""Forecasts against both baselines: simulated events after eight quiet weeks, and New York's taxis."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.truth.forecast_crowd import DAY_QUARTERS, QUARTER_US, Crowd, simulated
from benchmarks.truth.forecast_roll import AMSTERDAM, MODELS, NAIVE, OWN, Recorded, Said, rolled
from benchmarks.truth.forecast_scores import brier, inside, pinball
from benchmarks.truth.section import Goal, Section
from streams.core.event_plan import planned
from streams.core.privacy import FIRST_BAND

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

QUIET_DAYS = 56
_COLUMNS = ("windows", "minutes ahead", "model", "pinball loss", "inside the 90 % interval, %", "mean width")
_SAME = ("Rolling origin: a slot is seen after it has ended, usual figures are made each midnight from the eight weeks "
         "before. The baselines have no interval of their own: they get ours, made of their own residuals. Pinball "
         "loss is the mean over quantiles 0.05, 0.5 and 0.95.")


def sections(short: bool, seed: int) -> list[Section]:
    """The tables of simulated events and of the taxi series."""
    return [*simulated_events(short, seed), *taxis(short)]


def simulated_events(short: bool, seed: int) -> list[Section]:
    """Eight quiet weeks, then weeks with events."""
    sites, zones, event_days = (2, 3, 6) if short else (3, 6, 35)
    crowd = simulated(sites, zones, QUIET_DAYS, event_days, seed)
    recorded = recorded_crowd(crowd)
    first = QUIET_DAYS * DAY_QUARTERS
    warm_from = (QUIET_DAYS - (4 if short else 28)) * DAY_QUARTERS
    said = rolled(recorded, 8, warm_from, first, MODELS if not short else (OWN, AMSTERDAM, NAIVE))
    at = {15: 0, 30: 1, 60: 3, 120: 7}
    rows, goals = [], []
    for label, where in (("all", np.ones_like(crowd.event)), ("events", crowd.event)):
        found_rows, found_goals = _scored(said, crowd.truth, where, first, at, label, "people")
        rows += found_rows
        goals += found_goals
    table = Section(
        "Forecasts of simulated events",
        f"{len(crowd.site)} zones of {sites} sites, {len(crowd.plans)} zone-events in {event_days} days after "
        f"{QUIET_DAYS} days without any. Visitors, start, end and curve differ from the plan. Models see bands; scored "
        "against the true maximum of the quarter where it is 10 or more: below, the band "
        "itself is as wide. 'events': from an hour before a plan to an hour after it. " + _SAME,
        _COLUMNS, rows, goals)
    return [table, _reached(said, crowd, first)]


def recorded_crowd(crowd: Crowd) -> Recorded:
    """The simulated city as the models see it."""
    at_us = np.arange(crowd.truth.shape[1]) * QUARTER_US
    middle = 0.5 * (crowd.low + crowd.high)
    return Recorded(crowd.site, crowd.low, crowd.high, crowd.net_low, crowd.net_high,
                    planned(crowd.plans, len(crowd.site), at_us), np.where(crowd.event, np.nan, middle), DAY_QUARTERS,
                    crowd.level_people)


def _scored(said: dict[str, Said], truth: Floats, where: Mask, first: int, at: dict[int, int], label: str, unit: str
            ) -> tuple[list[tuple[str, ...]], list[Goal]]:
    rows: list[tuple[str, ...]] = []
    goals: list[Goal] = []
    for minutes, horizon in at.items():
        losses = {}
        for name, model in said.items():
            quantiles = model.quantiles[:, :, horizon]
            slots = np.arange(first, first + len(quantiles)) + horizon + 1
            mask = where[:, slots].T & (truth[:, slots].T >= FIRST_BAND) & ~np.isnan(quantiles[..., 1])
            actual, chosen = truth[:, slots].T[mask], quantiles[mask]
            losses[name] = float(pinball(chosen, actual).mean())
            share = 100 * float(inside(chosen, actual).mean())
            width = float((chosen[:, 2] - chosen[:, 0]).mean())
            rows.append((label, str(minutes), name, f"{losses[name]:.2f}", f"{share:.1f}", f"{width:.0f} {unit}"))
            if name == OWN:
                goals.append(Goal(f"inside the 90 % interval, {label}, {minutes} min ahead, %", share, 85, 95))
        best = min(losses[AMSTERDAM], losses[NAIVE])
        goals.append(Goal(f"pinball loss over the better baseline's, {label}, {minutes} min ahead",
                          losses[OWN] / best, None, 1.0))
    return rows, goals


def _reached(said: dict[str, Said], crowd: Crowd, first: int) -> Section:
    origins = len(said[OWN].probability)
    slots = np.arange(first, first + origins)
    now, following = crowd.high[:, slots].T, crowd.truth[:, slots + 1].T
    happened = following >= crowd.level_people
    # Chosen by what was known then: not there yet, and not far from it.
    open_question = (now < crowd.level_people) & (now >= 0.5 * crowd.level_people)
    rows, scores = [], {}
    for name, model in said.items():
        scores[name] = brier(model.probability[open_question], happened[open_question])
        warned = model.quantiles[:, :, 0, 2] >= crowd.level_people
        hit = warned & happened & open_question
        caught = 100 * hit.sum() / max((happened & open_question).sum(), 1)
        true = 100 * hit.sum() / max((warned & open_question).sum(), 1)
        rows.append((name, f"{scores[name]:.4f}", f"{caught:.0f}", f"{true:.0f}"))
    base = happened[open_question].mean()
    return Section(
        "Reaches the level within 15 minutes",
        f"{int(open_question.sum())} quarters in which a zone was below its level and above half of it; it was reached "
        f"in {100 * base:.1f} %, so that always saying this share scores {base * (1 - base):.4f}. Warned: the upper "
        "edge reaches the level.",
        ("model", "Brier score", "reached with warning, %", "warnings that came true, %"), rows,
        [Goal("Brier score over the better baseline's",
              scores[OWN] / min(scores[AMSTERDAM], scores[NAIVE]), None, 1.0)])


def taxis(short: bool) -> list[Section]:
    """The labelled taxi series in half hours; nothing is told of its five events."""
    folder = Path(os.environ.get("DRUKTE_DATA", "../shared/data")) / "nab"
    if not (folder / "nyc_taxi.csv").exists():
        return [Section("Forecasts of New York's taxis", f"Left out: no nab/nyc_taxi.csv in {folder}.", ("-",), [])]
    value, event = _taxi_series(folder)
    if short:
        value, event = value[:, : 48 * 70], event[:, : 48 * 70]
    nothing = np.full_like(value, np.nan)
    recorded = Recorded(np.zeros(1, np.intp), value, value, nothing, nothing, np.zeros_like(value), value, 48,
                        np.full(1, np.inf))
    first = QUIET_DAYS * 48
    said = rolled(recorded, 4, (49 if short else 28) * 48, first, (OWN, AMSTERDAM, NAIVE))
    rows, goals = [], []
    for label, where in (("all", np.ones_like(event)), ("events", event)):
        if not where[:, first:].any():  # the short form ends before the first of them
            continue
        found_rows, found_goals = _scored(said, value, where, first, {30: 0, 60: 1, 120: 3}, label, "trips")
        rows += found_rows
        # The labels are days, of which most hours are as usual: their coverage is shown, not a goal.
        goals += [goal for goal in found_goals if label == "all" or "pinball" in goal.name]
    return [Section(
        "Forecasts of New York's taxis",
        "Numenta's nyc_taxi: passengers per half hour, July 2014 to January 2015; eight weeks of history, then on to "
        "the end. 'events': its labelled windows; no model is told of them. " + _SAME, _COLUMNS, rows, goals)]


def _taxi_series(folder: Path) -> tuple[Floats, Mask]:
    with (folder / "nyc_taxi.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    windows = [(np.datetime64(begin), np.datetime64(end)) for begin, end in _windows(folder)]
    at = np.array([row["timestamp"] for row in rows], "datetime64[s]")
    event = np.zeros(len(at), np.bool_)
    for begin, end in windows:
        event |= (at >= begin) & (at <= end)
    return np.array([[float(row["value"]) for row in rows]]), event[None]


def _windows(folder: Path) -> list[list[str]]:
    found: list[list[str]] = json.loads((folder / "windows.json").read_text())["realKnownCause/nyc_taxi.csv"]
    return found
