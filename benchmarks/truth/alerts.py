# SPDX-License-Identifier: Apache-2.0
"""Alerts against the truth of simulated event days, the load of one operator, and a figure that sits on a limit."""

from collections import Counter
from pathlib import Path

import numpy as np

from benchmarks.truth.alert_day import Day, played
from benchmarks.truth.alert_noise import NOISES, noisy_hour
from benchmarks.truth.alert_score import Score, scores
from benchmarks.truth.alert_truth import truths
from benchmarks.truth.section import Goal, Section
from schemas.city import City
from schemas.rules import RuleKind
from streams.city_files import load_city
from streams.reports.alarm_load import AlarmLoad, alarm_load, alarms_of, chattering, stale

CITY = Path(__file__).resolve().parents[2] / "infra" / "cities" / "den-haag" / "den-haag.toml"
DAYS_EVERYWHERE, DAYS_OF_ONE_EVENT, SHORT_HOURS = 4, 2, 1.25
NOISY_HOURS, NOISY_HOURS_SHORT = 20, 1


def sections(short: bool, seed: int) -> list[Section]:
    """The tables of this part; `short` plays one event squeezed into 75 minutes."""
    city = load_city(CITY)
    if short:
        days, rest = [played(city, seed, hours=SHORT_HOURS)], []
    else:
        days = [played(city, seed + at) for at in range(DAYS_EVERYWHERE)]
        rest = [played(city, seed + at, everywhere=False) for at in range(DAYS_OF_ONE_EVENT)]
    noisy_hours = NOISY_HOURS_SHORT if short else NOISY_HOURS
    return [_against_truth(city, [*days, *rest]), _load(days, rest), _noise(city, seed, noisy_hours)]


def _against_truth(city: City, days: list[Day]) -> Section:
    total: dict[RuleKind, Score] = {}
    for day in days:
        for kind, score in scores(day, truths(city, day)).items():
            total.setdefault(kind, Score()).add(score)
    hours = sum(day.hours for day in days)
    level = total[RuleKind.LEVEL]
    goals = [
        Goal("alerts: levels truly passed by more than 10 % that an alert told, %",
             _percent(level.clear_detected, level.clear), 95.0),
        Goal("alerts: false ones of level rules in 24 h, levels that not even 90 % of were reached",
             (level.false - level.near) / hours * 24, None, 0.0),
    ]
    forecast = total.get(RuleKind.FORECAST)
    if forecast is not None and forecast.crossings:
        goals.append(Goal("alerts: levels truly reached that were forecast before, %",
                          _percent(forecast.detected, forecast.crossings), 50.0))
    return Section(
        title="Alerts against the truth",
        text=f"{len(days)} event days of the example city, {hours:.1f} h in all: the event's main zone reaches its "
        "highest level at its peaks and surges once, other zones 40 to 100 % of it; sensors err as in `drukte "
        "simulate` (bias, misses in the crowd, drop-outs, wrong clocks, stuck cameras). Baselines from eight "
        "simulated weeks of quarter hours with release noise; the forecast's own model begins the day untaught: "
        "weeks of play would be too long. Gates' and cameras' readings go through the gateway's decoder into the "
        "fold. No roads, no measures taken: their rules are not judged. Crossing: a limit of the city file "
        "(as the event tightens it) is truly reached, longer than the rule's dwell and a minute. Detected: an "
        "alert is open from 15 min before to 5 min after; a forecast only before the crossing. Missed clearly: the "
        "truth went more than 10 % beyond the limit; of the others, sensors that count too few see nothing. False: "
        "around the alert the limit was never truly reached; near: but 90 % of it was. Minutes from the true "
        "crossing to the alert, negative = before: median, and 10 to 90 %. Surge: the true crowd is 1.5 times the "
        "weekday's.",
        columns=("rule", "true crossings", "detected", "missed", "clearly", "at or before the crossing", "minutes",
                 "alerts", "false in 24 h", "of them near"),
        rows=[_row(kind, score, hours) for kind, score in sorted(total.items())], goals=goals)


def _row(kind: RuleKind, score: Score, hours: float) -> tuple[str, ...]:
    minutes = "-"
    if score.minutes:
        low, middle, high = np.quantile(score.minutes, (0.1, 0.5, 0.9))
        minutes = f"{middle:+.1f} ({low:+.1f} to {high:+.1f})"
    return (kind.value, str(score.crossings), str(score.detected), str(score.missed),
            str(score.clear - score.clear_detected), str(score.in_time), minutes,
            str(score.alerts), f"{score.false / hours * 24:.1f}", f"{score.near / hours * 24:.1f}")


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else float("nan")


def _load(days: list[Day], rest: list[Day]) -> Section:
    loads = [_day_load(day) for day in days]
    busiest = int(np.argmax([load.per_hour for load in loads]))
    day, load = days[busiest], loads[busiest]
    alarms = alarms_of(day.told)
    again, standing = chattering(alarms), stale(alarms, day.end_us)
    slots = Counter(load.slots)
    rules = ", ".join(f"{rule} {number}" for rule, number in Counter(one.rule for one in alarms).most_common())
    rows = [
        ("days with every site full: alarms an hour", ", ".join(f"{one.per_hour:.1f}" for one in loads)),
        ("days of one event, a usual day elsewhere: alarms an hour",
         ", ".join(f"{_day_load(one).per_hour:.1f}" for one in rest) or "-"),
        ("busiest of them: hours, alarms", f"{day.hours:.1f} h, {load.alarms}"),
        ("by rule", rules or "none"),
        ("mean an hour", f"{load.per_hour:.1f}"),
        ("largest ten minutes", str(load.largest)),
        ("ten-minute slots with 0, 1, 2, ... alarms",
         ", ".join(f"{number}: {slots[number]}" for number in range(max(slots) + 1))),
        ("chattering (again within 10 min)", str(len(again))),
        ("chattering on all days of this table",
         str(sum(len(chattering(alarms_of(one.told))) for one in [*days, *rest]))),
        ("stale (open longer than 8 h)", str(len(standing))),
    ]
    return Section(
        title="Alarm load of one operator",
        text="One operator has the whole city. An alarm is a warning or critical alert (info is shown and calls "
        "nobody) that opens and is neither suppressed nor inhibited in that step; nobody suppresses or acknowledges "
        "anything. On a day with every site full all 14 zones have an event at once and some sensors get stuck, drop "
        "out or have wrong clocks. Goals of EEMUA 191 and ISA-18.2, held on the busiest such day: what exceeds them "
        "there is the number of places that truly reach a level at the same time.",
        # An event squeezed into so short a time says nothing of a shift.
        columns=("figure", "value"), rows=rows, goals=[] if not rest else [
            Goal("alarm load: mean an hour on the busiest day", load.per_hour, None, 6.0),
            Goal("alarm load: largest ten minutes of the busiest day", load.largest, None, 10.0),
            Goal("alarm load: chattering alarms on the busiest day", len(again), None, 0.0),
        ])


def _day_load(day: Day) -> AlarmLoad:
    return alarm_load([one.opened_us for one in alarms_of(day.told)], day.start_us, day.end_us + 1)


def _noise(city: City, seed: int, hours: int) -> Section:
    rows, goals = [], []
    for noise in NOISES:
        opened = [noisy_hour(city, noise, seed + at) for at in range(hours)]
        rows.append((noise.name, f"{100 * noise.sd:g} %", str(hours), f"{np.mean(opened):.2f}", str(max(opened))))
        if noise.is_goal:
            goals.append(Goal(f"noise around a limit, {noise.name}, sd {100 * noise.sd:g} %: most alerts in an hour",
                              max(opened), 1.0, 1.0))
    return Section(
        title="A noisy density around a limit", text="A zone's true number of people stands on the limit of its level "
        "for an hour; its cameras report it with noise every 10 s. How often an alert of that level opened.",
        columns=("noise", "sd", "hours", "alerts an hour, mean", "most"), rows=rows, goals=goals)
